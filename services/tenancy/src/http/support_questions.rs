//! `POST /tenancy/v1/support-questions`: identity asks whether an operator may work in an organisation now.
use crate::domain::support::state_now;
use crate::store::support;
use hitaji_contracts::tenancy::{SupportAnswer, SupportQuestion};
use hitaji_core::{ErrorCode, TenantId};
use hitaji_web::{Answer, Body, PlatformCtx, Problem};

pub async fn answer(ctx: PlatformCtx, Body(asked): Body<SupportQuestion>) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = support::find(&mut conn, asked.grant_id).await?;
    conn.release();
    let grant = found.filter(|grant| grant.operator_id == asked.operator_id.0).ok_or_else(Problem::not_found)?;
    let state = state_now(&grant.state, grant.requested_at, grant.expires_at, ctx.now());
    let Some(expires_at) = grant.expires_at.filter(|_| state == "granted") else {
        let detail = format!("The organisation's consent is not there: the access is {state}.");
        return Err(Problem::new(ErrorCode::Conflict, detail));
    };
    let write = grant.access == "write";
    Ok(Answer::ok(&SupportAnswer { organisation_id: TenantId(grant.organisation_id), write, expires_at }))
}
