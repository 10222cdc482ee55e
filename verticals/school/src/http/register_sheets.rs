//! Register sheets: the classes of a day that the caller reaches, and one class with its pupils.
use crate::domain::attendance::{Code, Counts};
use crate::http::{Closed, DayParams, Named, RollCallName, closed_on, viewer};
use crate::store::attendance::{self as store, ClassDay, RollCall, SheetPupil};
use crate::store::attendance_day;
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_web::{Answer, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Debug, Serialize, JsonSchema)]
pub struct SheetSummary {
    stream: Named,
    date: NaiveDate,
    roll_call: RollCallName,
    register_id: Option<Uuid>,
    version: Option<i64>,
    #[serde(flatten)]
    counts: Counts,
    taken_at: Option<DateTime<Utc>>,
    taken_by: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Sheet {
    stream: Named,
    date: NaiveDate,
    /// Today in the organisation's time zone.
    business_date: NaiveDate,
    roll_call: String,
    register_id: Option<Uuid>,
    /// 0 while the register is not taken.
    version: i64,
    closed: Option<Closed>,
    pupils: Vec<SheetPupil>,
    counts: Counts,
    rate: Option<String>,
    taken_at: Option<DateTime<Utc>>,
    taken_by: Option<String>,
}

pub async fn list(ctx: Ctx, Params(params): Params<DayParams>) -> Result<Answer, Problem> {
    let date = params.date.unwrap_or_else(|| ctx.business_date());
    let mut conn = ctx.read().await?;
    let rows =
        attendance_day::classes(&mut conn, date, params.roll_call.as_str(), viewer(&ctx, "school.attendance:read"))
            .await?;
    conn.release();
    let sheets: Vec<SheetSummary> = rows
        .into_iter()
        .map(|row| SheetSummary {
            counts: row.counts(),
            stream: Named { id: row.stream_id, title: row.stream_name },
            date,
            roll_call: params.roll_call,
            register_id: row.register_id,
            version: row.version,
            taken_at: row.taken_at,
            taken_by: row.taken_by,
        })
        .collect();
    Ok(Answer::ok(&json!({"data": sheets, "page": {"limit": sheets.len().max(200), "next": null}})))
}

pub async fn read(ctx: Ctx, Id(stream_id): Id, Params(params): Params<DayParams>) -> Result<Answer, Problem> {
    let date = params.date.unwrap_or_else(|| ctx.business_date());
    let roll = RollCall { stream_id, date, name: params.roll_call.as_str() };
    let mut conn = ctx.read().await?;
    let day = store::class_day(&mut conn, roll, viewer(&ctx, "school.attendance:read"))
        .await?
        .ok_or_else(Problem::not_found)?;
    let sheet = sheet(&ctx, &mut conn, roll, &day).await?;
    conn.release();
    Ok(Answer::ok(&sheet).version(sheet.version))
}

/// The sheet of a class that the caller reaches (`day` is the proof).
pub async fn sheet(ctx: &Ctx, conn: &mut PgConnection, roll: RollCall<'_>, day: &ClassDay) -> Result<Sheet, Problem> {
    let pupils = store::sheet_pupils(conn, roll).await?;
    let register = store::register(conn, roll).await?;
    let counts = match &register {
        Some(register) => register.counts(),
        None => expected(&pupils),
    };
    let business_date = ctx.business_date();
    Ok(Sheet {
        stream: Named { id: roll.stream_id, title: day.stream_name.clone() },
        date: roll.date,
        business_date,
        roll_call: roll.name.to_owned(),
        register_id: register.as_ref().map(|register| register.id),
        version: register.as_ref().map_or(0, |register| register.version),
        closed: closed_on(roll.date, business_date, day.closure.as_deref(), day.in_year),
        rate: register.as_ref().and_then(|_| counts.rate()),
        taken_at: register.as_ref().map(|register| register.taken_at),
        taken_by: register.and_then(|register| register.taken_by),
        pupils,
        counts,
    })
}

/// What the register comes to if nobody but those on leave is away.
fn expected(pupils: &[SheetPupil]) -> Counts {
    let mut counts = Counts::default();
    for pupil in pupils {
        counts.add(if pupil.planned.is_some() { Code::Excused } else { Code::Present });
    }
    counts
}
