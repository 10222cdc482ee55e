//! `/identity/v1/invitations`: asking people into the organisation, again, or not any more.
use crate::domain::account::{locale_of, normalise_email, normalise_name};
use crate::domain::policy::Policy;
use crate::http::api::members::PageParams;
use crate::http::membership::plan_full;
use crate::http::rights::Rights;
use crate::store::invitation::{self, Invitation};
use crate::store::{account, organisation, policy};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use hitaji_contracts::identity::InvitationSent;
use hitaji_core::{ErrorCode, FieldError, new_id};
use hitaji_db::{Audit, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem, Quota, plan_limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

pub const LIFETIME: TimeDelta = TimeDelta::days(7);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    email: String,
    name: String,
    /// Role keys.
    roles: Vec<String>,
    /// Language of the mail; the inviter's where absent.
    #[serde(default)]
    locale: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct InvitationOut {
    id: Uuid,
    email: String,
    name: String,
    roles: Vec<String>,
    /// `pending`, `accepted`, `expired` or `revoked`.
    status: String,
    expires_at: DateTime<Utc>,
    version: i64,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, before) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = invitation::list(&mut conn, ctx.tenant().id.0, before.unwrap_or(Uuid::max()), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|invitation| invitation.id);
    let rows: Vec<_> = found.into_iter().map(|invitation| out(invitation, ctx.now())).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = invitation::find(&mut conn, id).await?;
    conn.release();
    let found = found.filter(|invitation| invitation.organisation_id == ctx.tenant().id.0);
    let answer = out(found.ok_or_else(Problem::not_found)?, ctx.now());
    Ok(Answer::ok(&answer).version(answer.version))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewInvitation>) -> Result<Answer, Problem> {
    may_send(&ctx, 1).await?;
    let (now, organisation_id) = (ctx.now(), ctx.tenant().id.0);
    let mut tx = ctx.tx().await?;
    let (email, name) = check(&ctx, &mut tx, &asked).await?;
    if organisation::has_member(&mut tx, organisation_id, &email).await? {
        return Err(Problem::new(ErrorCode::Conflict, "This person is a member already."));
    }
    room(&ctx, &mut tx, 1).await?;
    let inviter = account::find(&mut tx, ctx.subject().0).await?.ok_or_else(Problem::not_found)?;
    invitation::expire(&mut tx, organisation_id, &email, now).await?;
    let new = Invitation {
        id: new_id(),
        organisation_id,
        email,
        name,
        roles: asked.roles,
        locale: asked.locale.as_deref().and_then(locale_of).map_or(inviter.locale, str::to_owned),
        state: "pending".into(),
        counter: 1,
        invited_by: inviter.id,
        expires_at: (now + LIFETIME).trunc_subsecs(6),
        version: 1,
    };
    invitation::insert(&mut tx, &new, now).await.map_err(|error| match error.constraint() {
        Some("invitation_pending_key") => Problem::new(
            ErrorCode::Conflict,
            "This person has an open invitation. Send it again instead, or withdraw it first.",
        ),
        _ => error.into(),
    })?;
    send(&ctx, &mut tx, &new, "create");
    let answer = out(new, now);
    let location = format!("/identity/v1/invitations/{}", answer.id);
    ctx.commit(tx, Answer::created(location, &answer).version(answer.version)).await
}

pub async fn resend(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let (now, if_match) = (ctx.now(), ctx.request().if_match()?);
    let mut tx = ctx.tx().await?;
    let found = find(&ctx, &mut tx, id, if_match).await?;
    let errors = Rights::of(&ctx, &mut tx).await?.check_roles(&found.roles, "/roles");
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    if found.state == "expired" || found.expires_at <= now {
        room(&ctx, &mut tx, 1).await?;
    }
    may_send(&ctx, 1).await?;
    let Some(renewed) = invitation::resend(&mut tx, found.id, now, (now + LIFETIME).trunc_subsecs(6)).await? else {
        return Err(Problem::new(
            ErrorCode::Conflict,
            format!("This invitation is {} and cannot be sent again.", found.state),
        ));
    };
    send(&ctx, &mut tx, &renewed, "resend");
    let answer = out(renewed, now);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

pub async fn revoke(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let found = find(&ctx, &mut tx, id, if_match).await?;
    if found.state == "accepted" {
        return Err(Problem::new(ErrorCode::Conflict, "This invitation was accepted; the person is a member now."));
    }
    if invitation::revoke(&mut tx, found.id, ctx.now()).await? {
        let before = Some(json!({"email": found.email, "status": found.state}).to_string());
        let (members, invited) = organisation::count_people(&mut tx, ctx.tenant().id.0, ctx.now()).await?;
        ctx.platform().databases().set_users(&mut tx, ctx.tenant().id, members + invited).await?;
        let after = Some(json!({"organisation_id": ctx.tenant().id}).to_string());
        tx.audit(Audit { action: "revoke", resource: "identity.invitation", record_id: Some(id), before, after });
    }
    ctx.commit(tx, Answer::no_content()).await
}

/// The plan has room for so many more people, those invited counted; takes that room.
pub async fn room(ctx: &Ctx, tx: &mut Tx, more: i64) -> Result<(), Problem> {
    let plan = &ctx.tenant().plan;
    let (members, invited) = organisation::count_people(tx, ctx.tenant().id.0, ctx.now()).await?;
    if members + invited + more > plan.users {
        return Err(plan_full(plan));
    }
    Ok(ctx.platform().databases().set_users(tx, ctx.tenant().id, members + invited + more).await?)
}

/// The plan has so many messages left this month. Mail on its way is not counted yet, so a burst may pass by a few.
pub async fn may_send(ctx: &Ctx, more: i64) -> Result<(), Problem> {
    let plan = &ctx.tenant().plan;
    let (_, stands) = ctx.platform().databases().account(ctx.tenant()).await?;
    let left = stands.standing.messages + more <= plan.messages_per_month;
    if left { Ok(()) } else { Err(plan_limit(Quota::Messages, plan)) }
}

async fn find(ctx: &Ctx, tx: &mut Tx, id: Uuid, if_match: Option<i64>) -> Result<Invitation, Problem> {
    let found = invitation::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this invitation meanwhile; read it again."));
    }
    Ok(found)
}

pub fn send(ctx: &Ctx, tx: &mut Tx, invitation: &Invitation, action: &str) {
    tx.emit(invitation.id, &InvitationSent { tenant_id: ctx.tenant().id, invitation_id: invitation.id });
    let (email, name) = (&invitation.email, &invitation.name);
    // The organisation's id is what an erasure finds the line by.
    let after = json!({"email": email, "name": name, "roles": invitation.roles, "organisation_id": ctx.tenant().id});
    tx.audit(Audit {
        action,
        resource: "identity.invitation",
        record_id: Some(invitation.id),
        before: None,
        after: Some(after.to_string()),
    });
}

async fn check(ctx: &Ctx, tx: &mut Tx, asked: &NewInvitation) -> Result<(String, String), Problem> {
    let mut errors = Vec::new();
    let (email, name) = (normalise_email(&asked.email), normalise_name(&asked.name));
    if email.is_none() {
        errors.push(FieldError::new("/email", "malformed", "Write an e-mail address like amina@example.org."));
    }
    if name.is_none() {
        errors.push(FieldError::new("/name", "required", "Write the person's name."));
    }
    if asked.roles.is_empty() {
        errors.push(FieldError::new("/roles", "required", "Choose at least one role."));
    }
    let rules = policy::find(tx, ctx.tenant().id.0).await?;
    if email.as_ref().is_some_and(|email| !rules.may_invite(email)) {
        errors.push(FieldError::new("/email", "domain_not_allowed", domains_text(&rules)));
    }
    errors.extend(Rights::of(ctx, tx).await?.check_roles(&asked.roles, "/roles"));
    match (email, name) {
        (Some(email), Some(name)) if errors.is_empty() => Ok((email, name)),
        _ => Err(Problem::validation(errors)),
    }
}

pub fn domains_text(rules: &Policy) -> String {
    format!("Your organisation invites addresses of these domains only: {}.", rules.invitation_domains.join(", "))
}

fn out(invitation: Invitation, now: DateTime<Utc>) -> InvitationOut {
    let expired = invitation.state == "pending" && invitation.expires_at <= now;
    InvitationOut {
        id: invitation.id,
        email: invitation.email,
        name: invitation.name,
        roles: invitation.roles,
        status: if expired { "expired".into() } else { invitation.state },
        expires_at: invitation.expires_at,
        version: invitation.version,
    }
}
