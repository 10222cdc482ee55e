//! `GET /identity/v1/members`: the people of the organisation, in the order they joined.
use crate::store::organisation;
use chrono::{DateTime, Utc};
use hitaji_web::{Answer, Ctx, Params, Problem, page_limit};
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
    /// Role keys.
    roles: Vec<String>,
    joined_at: DateTime<Utc>,
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
    conn.release();
    let more = members.len() > limit as usize;
    members.truncate(limit as usize);
    let next = members.last().filter(|_| more).map(|member| member.id);
    let rows: Vec<_> = members.into_iter().map(MemberOut::from).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

impl From<organisation::Member> for MemberOut {
    fn from(member: organisation::Member) -> MemberOut {
        MemberOut {
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
