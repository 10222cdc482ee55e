//! `/identity/v1/invitations`: asking people into the organisation, again, or not any more.
use crate::domain::account::{locale_of, normalise_email, normalise_name};
use crate::domain::policy::Policy;
use crate::http::api::members::PageParams;
use crate::http::membership::plan_full;
use crate::http::provider::Provider;
use crate::http::rights::Rights;
use crate::store::invitation::{self, Invitation};
use crate::store::{account, organisation, policy};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use hitaji_contracts::identity::InvitationSent;
use hitaji_core::{ErrorCode, FieldError, new_id, normal_phone};
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
    /// Where the link goes; or `phone`.
    #[serde(default)]
    email: Option<String>,
    /// Where the link goes as a text, for people without e-mail; in full, or as it is dialled in the organisation's country.
    #[serde(default)]
    phone: Option<String>,
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
    /// None for somebody who is invited by phone.
    email: Option<String>,
    /// E.164.
    phone: Option<String>,
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
    let (to, name) = check(&ctx, &mut tx, &asked).await?;
    if organisation::has_member(&mut tx, organisation_id, to.address()).await? {
        return Err(Problem::new(ErrorCode::Conflict, "This person is a member already."));
    }
    room(&ctx, &mut tx, 1).await?;
    let inviter = account::find(&mut tx, ctx.subject().0).await?.ok_or_else(Problem::not_found)?;
    invitation::expire(&mut tx, organisation_id, to.address(), now).await?;
    let new = Invitation {
        id: new_id(),
        organisation_id,
        email: to.email,
        phone: to.phone,
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
        Some("invitation_pending_key" | "invitation_pending_phone_key") => Problem::new(
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
        let before = Some(json!({"address": found.address(), "status": found.state}).to_string());
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
    let (address, name) = (invitation.address(), &invitation.name);
    // The organisation's id is what an erasure finds the line by.
    let after =
        json!({"address": address, "name": name, "roles": invitation.roles, "organisation_id": ctx.tenant().id});
    tx.audit(Audit {
        action,
        resource: "identity.invitation",
        record_id: Some(invitation.id),
        before: None,
        after: Some(after.to_string()),
    });
}

/// Where an invitation goes: one of the two.
struct To {
    email: String,
    phone: Option<String>,
}

impl To {
    fn address(&self) -> &str {
        self.phone.as_deref().unwrap_or(&self.email)
    }

    fn of(ctx: &Ctx, asked: &NewInvitation) -> Result<To, FieldError> {
        match (&asked.email, &asked.phone) {
            (Some(_), Some(_)) => {
                Err(FieldError::new("/phone", "not_both", "Give an e-mail address or a phone number."))
            }
            (None, Some(_)) if ctx.parts().get::<Provider>().texts.is_none() => {
                Err(FieldError::new("/phone", "not_offered", "This platform sends no texts; give an e-mail address."))
            }
            (None, Some(phone)) => {
                let malformed = "Write the number with the country's code, like +254 712 345 678.";
                let phone = normal_phone(phone, &ctx.tenant().country);
                phone
                    .map(|phone| To { email: String::new(), phone: Some(phone) })
                    .ok_or_else(|| FieldError::new("/phone", "malformed", malformed))
            }
            (email, None) => {
                let email = email.as_deref().and_then(normalise_email);
                let malformed = "Write an e-mail address like amina@example.org.";
                email
                    .map(|email| To { email, phone: None })
                    .ok_or_else(|| FieldError::new("/email", "malformed", malformed))
            }
        }
    }
}

async fn check(ctx: &Ctx, tx: &mut Tx, asked: &NewInvitation) -> Result<(To, String), Problem> {
    let mut errors = Vec::new();
    let (to, name) = (To::of(ctx, asked).map_err(|error| errors.push(error)).ok(), normalise_name(&asked.name));
    if name.is_none() {
        errors.push(FieldError::new("/name", "required", "Write the person's name."));
    }
    if asked.roles.is_empty() {
        errors.push(FieldError::new("/roles", "required", "Choose at least one role."));
    }
    let rules = policy::find(tx, ctx.tenant().id.0).await?;
    if to.as_ref().is_some_and(|to| to.phone.is_none() && !rules.may_invite(&to.email)) {
        errors.push(FieldError::new("/email", "domain_not_allowed", domains_text(&rules)));
    }
    errors.extend(Rights::of(ctx, tx).await?.check_roles(&asked.roles, "/roles"));
    match (to, name) {
        (Some(to), Some(name)) if errors.is_empty() => Ok((to, name)),
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
        email: invitation.phone.is_none().then_some(invitation.email),
        phone: invitation.phone,
        name: invitation.name,
        roles: invitation.roles,
        status: if expired { "expired".into() } else { invitation.state },
        expires_at: invitation.expires_at,
        version: invitation.version,
    }
}
