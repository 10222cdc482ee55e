//! `GET /tenancy/v1/operator-audit`: what operators did, and what organisations said to their requests.
use crate::http::operator::{Part, cut};
use crate::store::audit::{self, Line};
use chrono::{DateTime, Utc};
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
    let rows: Vec<_> = lines.into_iter().map(AuditLine::from).collect();
    ctx.page(&rows, part.limit, next.as_ref())
}

impl From<Line> for AuditLine {
    fn from(line: Line) -> AuditLine {
        AuditLine {
            at: line.at,
            actor: line.actor,
            operator_name: line.operator_name,
            action: line.action,
            resource: line.resource,
            record_id: line.record_id,
            details: line.after.and_then(|text| serde_json::from_str(&text).ok()),
            request_id: line.request_id,
        }
    }
}
