//! `/identity/v1/me/identities`: who a person is at other providers, and their way back out of that.
use crate::http::api::members::PageParams;
use crate::store::federation::{self, External};
use chrono::{DateTime, Utc};
use hitaji_core::ErrorCode;
use hitaji_db::Audit;
use hitaji_web::{Answer, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct IdentityOut {
    id: Uuid,
    issuer: String,
    /// What the provider was called when it was connected.
    label: String,
    /// What the provider said last.
    email: Option<String>,
    linked_at: DateTime<Utc>,
    last_used_at: DateTime<Utc>,
}

/// All of them on one page: a person has few.
pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<usize>(&ctx)?;
    let mut conn = ctx.read().await?;
    let found = federation::identities(&mut conn, ctx.subject().0).await?;
    conn.release();
    let rows: Vec<_> = found.into_iter().map(IdentityOut::from).collect();
    let start = after.unwrap_or_default().min(rows.len());
    let end = (start + limit as usize).min(rows.len());
    let next = (end < rows.len()).then_some(end);
    Ok(ctx.page(&rows[start..end], limit, next.as_ref()))
}

pub async fn remove(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let account_id = ctx.subject().0;
    let mut tx = ctx.tx().await?;
    let has_password = federation::lock_ways(&mut tx, account_id).await?;
    let all = federation::identities(&mut tx, account_id).await?;
    let found = all.iter().find(|identity| identity.id == id).ok_or_else(Problem::not_found)?;
    if !has_password && all.len() == 1 {
        let why = "This is your last way to sign in. Set a password first.";
        return Err(Problem::new(ErrorCode::Conflict, why));
    }
    federation::unlink(&mut tx, account_id, id).await?;
    let before = json!({"account_id": account_id, "issuer": found.issuer, "label": found.label});
    tx.audit(Audit {
        action: "unlink",
        resource: "identity.external_identity",
        record_id: Some(id),
        before: Some(before.to_string()),
        after: None,
    });
    ctx.commit(tx, Answer::no_content()).await
}

impl From<External> for IdentityOut {
    fn from(external: External) -> IdentityOut {
        IdentityOut {
            id: external.id,
            issuer: external.issuer,
            label: external.label,
            email: external.email,
            linked_at: external.linked_at,
            last_used_at: external.last_used_at,
        }
    }
}
