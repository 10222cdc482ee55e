//! Marks of pupils that the caller reaches, newest day first: a guardian's view of the child.
use crate::http::{Named, viewer};
use crate::store::attendance::{self as store, MarkQuery, MarkRow};
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_web::{Answer, Ctx, Params, Problem, page_limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MarkParams {
    student: Option<Uuid>,
    #[serde(rename = "date[gte]")]
    from: Option<NaiveDate>,
    #[serde(rename = "date[lt]")]
    before: Option<NaiveDate>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct MarkOut {
    student: Named,
    date: NaiveDate,
    roll_call: String,
    register_id: Uuid,
    code: String,
    reason: Option<String>,
    version: i16,
    recorded_at: DateTime<Utc>,
}

impl From<MarkRow> for MarkOut {
    fn from(row: MarkRow) -> MarkOut {
        MarkOut {
            student: Named { id: row.student_id, title: row.student_name },
            date: row.date,
            roll_call: row.roll_call,
            register_id: row.register_id,
            code: row.code,
            reason: row.reason,
            version: row.version,
            recorded_at: row.recorded_at,
        }
    }
}

pub async fn list(ctx: Ctx, Params(params): Params<MarkParams>) -> Result<Answer, Problem> {
    let limit = page_limit(params.limit.as_deref())?;
    let after = params.cursor.as_deref().map(|cursor| ctx.open_cursor(cursor)).transpose()?;
    let query =
        MarkQuery { student_id: params.student, from: params.from, before: params.before, after, limit: limit + 1 };
    let mut conn = ctx.read().await?;
    let mut rows = store::marks(&mut conn, viewer(&ctx, "school.attendance:read"), ctx.business_date(), &query).await?;
    conn.release();
    let more = rows.len() as i64 > limit;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| (row.date, row.student_id, row.roll_call.clone()));
    let marks: Vec<MarkOut> = rows.into_iter().map(MarkOut::from).collect();
    Ok(ctx.page(&marks, limit, next.as_ref()))
}
