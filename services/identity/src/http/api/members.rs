//! `/identity/v1/members`: the people of the organisation, in the order they joined.
use crate::store::rights::{self, Assignment};
use crate::store::{member, organisation};
use chrono::{DateTime, Utc};
use hitaji_web::{Answer, Ctx, Id, Params, Problem, page_limit};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageParams {
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct MemberOut {
    id: Uuid,
    account_id: Uuid,
    name: String,
    /// None for a person who signs in by phone.
    email: Option<String>,
    /// E.164.
    phone: Option<String>,
    /// Role keys, in the whole organisation.
    roles: Vec<String>,
    /// Further roles, in single places and below them.
    places: Vec<Place>,
    joined_at: DateTime<Utc>,
    pub version: i64,
}

/// What somebody is in one place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub node_id: Uuid,
    /// Role keys.
    pub roles: Vec<String>,
}

impl PageParams {
    /// How many, and the position where the page before ended.
    pub fn read<P: DeserializeOwned>(&self, ctx: &Ctx) -> Result<(i64, Option<P>), Problem> {
        let limit = page_limit(self.limit.as_deref())?;
        let after = self.cursor.as_deref().map(|cursor| ctx.open_cursor(cursor)).transpose()?;
        Ok((limit, after))
    }
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut members = organisation::members(&mut conn, ctx.tenant().id.0, after.unwrap_or_default(), limit + 1).await?;
    let ids: Vec<Uuid> = members.iter().map(|member| member.id).collect();
    let assignments = rights::assignments(&mut conn, &ids).await?;
    conn.release();
    let more = members.len() > limit as usize;
    members.truncate(limit as usize);
    let next = members.last().filter(|_| more).map(|member| member.id);
    let rows: Vec<_> = members.into_iter().map(|member| MemberOut::new(member, &assignments)).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = member::find(&mut conn, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    let assignments = rights::assignments(&mut conn, &[id]).await?;
    conn.release();
    let version = found.version;
    Ok(Answer::ok(&MemberOut::new(found, &assignments)).version(version))
}

/// What a member is in places, place by place.
pub fn places_of(id: Uuid, assignments: &[Assignment]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for assignment in assignments.iter().filter(|assignment| assignment.membership_id == id) {
        match places.iter_mut().find(|place| place.node_id == assignment.node_id) {
            Some(place) => place.roles.push(assignment.role.clone()),
            None => places.push(Place { node_id: assignment.node_id, roles: vec![assignment.role.clone()] }),
        }
    }
    places
}

impl MemberOut {
    pub fn new(member: organisation::Member, assignments: &[Assignment]) -> MemberOut {
        MemberOut {
            places: places_of(member.id, assignments),
            version: member.version,
            id: member.id,
            account_id: member.account_id,
            name: member.name,
            email: member.email,
            phone: member.phone,
            roles: member.roles,
            joined_at: member.joined_at,
        }
    }
}
