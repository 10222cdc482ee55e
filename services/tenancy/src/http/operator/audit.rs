//! `GET /tenancy/v1/operator-audit`: what operators did, and what organisations said to their requests.
use crate::http::operator::{Part, cut};
use crate::store::audit::{self, Line};
use chrono::{DateTime, Utc};
use hitaji_core::TenantId;
use hitaji_db::DbError;
use hitaji_web::{Answer, Params, PlatformCtx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    organisation: Option<Uuid>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct AuditLine {
    at: DateTime<Utc>,
    /// `operator:` and an account, or `operator:command-line`; an account alone is somebody of the organisation.
    actor: String,
    operator_name: Option<String>,
    action: String,
    resource: String,
    record_id: Option<Uuid>,
    /// The organisation it was about, where it was about one.
    organisation_id: Option<TenantId>,
    organisation_name: Option<String>,
    /// What was written down with it: state, reason.
    details: Option<serde_json::Value>,
    request_id: Option<String>,
}

pub async fn list(ctx: PlatformCtx, Params(wanted): Params<Wanted>) -> Result<Answer, Problem> {
    let part = Part::<i64>::read(&ctx, wanted.limit.as_deref(), wanted.cursor.as_deref())?;
    let mut conn = ctx.read().await?;
    let mut lines = match wanted.organisation {
        Some(id) => audit::of(&mut conn, id, part.after, part.limit + 1).await?,
        None => audit::all(&mut conn, part.after, part.limit + 1).await?,
    };
    conn.release();
    let next = cut(&mut lines, part.limit, |line| line.position);
    let mut rows: Vec<_> = lines.into_iter().map(AuditLine::from).collect();
    name_organisations(&ctx, &mut rows).await?;
    ctx.page(&rows, part.limit, next.as_ref())
}

/// Names come from the directory's cache; one that is gone has none.
async fn name_organisations(ctx: &PlatformCtx, rows: &mut [AuditLine]) -> Result<(), Problem> {
    for row in rows {
        let Some(id) = row.organisation_id else { continue };
        row.organisation_name = match ctx.databases().describe(id).await {
            Err(DbError::UnknownTenant) => None,
            tenant => Some(tenant?.name.clone()),
        };
    }
    Ok(())
}

impl From<Line> for AuditLine {
    fn from(line: Line) -> AuditLine {
        let details: Option<serde_json::Value> = line.after.and_then(|text| serde_json::from_str(&text).ok());
        let told = details.as_ref().and_then(|details| details["organisation_id"].as_str()?.parse().ok());
        let organisation_id = if line.resource == "tenancy.organisation" { line.record_id } else { told };
        AuditLine {
            at: line.at,
            actor: line.actor,
            operator_name: line.operator_name,
            action: line.action,
            resource: line.resource,
            record_id: line.record_id,
            organisation_id: organisation_id.map(TenantId),
            organisation_name: None,
            details,
            request_id: line.request_id,
        }
    }
}
