//! `PATCH` and `DELETE /identity/v1/members/{id}`: what somebody is, and that they are not any more.
use crate::http::api::members::{MemberOut, Place, places_of};
use crate::http::membership::PLACES_MAX;
use crate::http::rights::Rights;
use crate::store::organisation::Member;
use crate::store::rights::{self, Assignment, begin_change};
use crate::store::{member, node, organisation};
use hitaji_contracts::identity::{MembershipChanged, MembershipEnded};
use hitaji_core::{AccountId, ErrorCode, FieldError};
use hitaji_db::{Audit, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    /// Role keys, in the whole organisation. None at all is right for somebody who has roles in places.
    #[serde(default)]
    roles: Option<Vec<String>>,
    /// Roles in single places; replaces all there were.
    #[serde(default)]
    places: Option<Vec<Place>>,
}

/// A member who is about to be changed, with the rights of whoever does it.
struct Change {
    member: Member,
    assignments: Vec<Assignment>,
    rights: Rights,
}

pub async fn update(ctx: Ctx, Id(id): Id, Body(asked): Body<MemberPatch>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let Change { member: before, assignments, rights } = begin(&ctx, &mut tx, id).await?;
    let roles = asked.roles.unwrap_or_else(|| before.roles.clone());
    let places = asked.places.unwrap_or_else(|| places_of(id, &assignments));
    check(&ctx, &mut tx, &rights, &roles, &places).await?;
    let after = Member { roles, version: before.version + 1, ..before.clone() };
    if !member::set_roles(&mut tx, id, &after.roles, after.version).await? {
        return Err(last_owner());
    }
    let pairs = places.iter().flat_map(|place| place.roles.iter().map(|role| (place.node_id, role.clone())));
    let (nodes, placed): (Vec<Uuid>, Vec<String>) = pairs.unzip();
    rights::assign(&mut tx, ctx.tenant().id.0, id, &nodes, &placed, ctx.now()).await?;
    if rights::most_places(&mut tx, ctx.tenant().id.0).await? > PLACES_MAX as i64 {
        let message = "A person has roles in at most 16 places, those below counted. Give the role in the whole organisation instead.";
        return Err(Problem::field("/places", "too_many_places", message));
    }
    tell(&ctx, &mut tx, &after);
    let text = |member: &Member, places: &[Place]| {
        json!({"roles": member.roles, "places": places, "organisation_id": ctx.tenant().id}).to_string()
    };
    let (then, now) = (text(&before, &places_of(id, &assignments)), text(&after, &places));
    note(&mut tx, "update", id, then, Some(now));
    let assignments = rights::assignments(&mut tx, &[id]).await?;
    let version = after.version;
    ctx.commit(tx, Answer::ok(&MemberOut::new(after, &assignments)).version(version)).await
}

pub async fn end(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let Change { member, .. } = begin(&ctx, &mut tx, id).await?;
    if !member::end(&mut tx, id, ctx.now()).await? {
        return Err(last_owner());
    }
    let (members, invited) = organisation::count_people(&mut tx, ctx.tenant().id.0, ctx.now()).await?;
    ctx.platform().databases().set_users(&mut tx, ctx.tenant().id, members + invited).await?;
    let account_id = AccountId(member.account_id);
    tx.emit(member.account_id, &MembershipEnded { tenant_id: ctx.tenant().id, account_id });
    let before = json!({"account_id": member.account_id, "roles": member.roles, "organisation_id": ctx.tenant().id});
    note(&mut tx, "end", id, before.to_string(), None);
    tx.deny(id);
    ctx.commit(tx, Answer::no_content()).await
}

/// The member, while nothing else changes what people may do. Nobody changes somebody who may do more than they.
async fn begin(ctx: &Ctx, tx: &mut Tx, id: Uuid) -> Result<Change, Problem> {
    let if_match = ctx.request().if_match()?;
    begin_change(tx, ctx.tenant().id.0).await?;
    let found = member::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this person's roles meanwhile; read them again."));
    }
    let assignments = rights::assignments(tx, &[id]).await?;
    let rights = Rights::of(ctx, tx).await?;
    let placed: Vec<String> = assignments.iter().map(|assignment| assignment.role.clone()).collect();
    if !rights.cover(&rights.of_member(&found.roles, &placed)) {
        let message = "This person may do more than you. Ask somebody who may do all of that.";
        return Err(Problem::field("", "beyond_own", message));
    }
    Ok(Change { member: found, assignments, rights })
}

async fn check(ctx: &Ctx, tx: &mut Tx, rights: &Rights, roles: &[String], places: &[Place]) -> Result<(), Problem> {
    let mut errors = rights.check_roles(roles, "/roles");
    if roles.is_empty() && places.is_empty() {
        errors.push(FieldError::new("/roles", "required", "Choose at least one role."));
    }
    let ids: Vec<Uuid> = places.iter().map(|place| place.node_id).collect();
    let known = node::known(tx, ctx.tenant().id.0, &ids).await?;
    for (index, place) in places.iter().enumerate() {
        let node = format!("/places/{index}/node_id");
        if !known.contains(&place.node_id) {
            errors.push(FieldError::new(node, "unknown_value", "There is no such place."));
        } else if ids[..index].contains(&place.node_id) {
            errors.push(FieldError::new(node, "repeated", "This place is named twice."));
        }
        let pointer = format!("/places/{index}/roles");
        if place.roles.is_empty() {
            errors.push(FieldError::new(pointer.clone(), "required", "Choose at least one role."));
        }
        if place.roles.iter().any(|role| role == crate::domain::role::OWNER) {
            errors.push(FieldError::new(pointer.clone(), "whole_only", "An owner owns the whole organisation."));
        }
        errors.extend(rights.check_roles(&place.roles, &pointer));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::validation(errors)) }
}

fn last_owner() -> Problem {
    Problem::new(ErrorCode::Conflict, "This is the last owner. Make somebody else an owner first.")
}

fn tell(ctx: &Ctx, tx: &mut Tx, member: &Member) {
    let event = MembershipChanged {
        tenant_id: ctx.tenant().id,
        account_id: AccountId(member.account_id),
        email: member.email.clone().unwrap_or_default(),
        phone: member.phone.clone(),
        name: member.name.clone(),
        roles: member.roles.clone(),
    };
    tx.emit(member.account_id, &event);
}

fn note(tx: &mut Tx, action: &str, id: Uuid, before: String, after: Option<String>) {
    tx.audit(Audit { action, resource: "identity.membership", record_id: Some(id), before: Some(before), after });
}
