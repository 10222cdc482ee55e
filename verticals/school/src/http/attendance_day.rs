//! The head teacher's day: registers taken, who is away, attendance by class, and the last ten days.
use crate::domain::attendance::Counts;
use crate::http::{Closed, DayParams, Named, RollCallName, closed_on, viewer};
use crate::resources::EVERYONE;
use crate::store::attendance_day::{self as store, Away, ClassRow};
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_web::{Answer, Ctx, Params, Problem, Segments};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Day {
    date: NaiveDate,
    business_date: NaiveDate,
    roll_call: RollCallName,
    closed: Option<Closed>,
    registers: Registers,
    /// Over the registers taken; `enrolled` too.
    counts: Counts,
    rate: Option<String>,
    streams: Vec<StreamDay>,
    absentees: Vec<Absentee>,
    trend: Vec<TrendPoint>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Registers {
    taken: usize,
    total: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StreamDay {
    stream: Named,
    year_group: Named,
    register_id: Option<Uuid>,
    version: Option<i64>,
    taken_at: Option<DateTime<Utc>>,
    taken_by: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    rate: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Absentee {
    student: Named,
    stream: Named,
    code: String,
    reason: Option<String>,
    guardians: serde_json::Value,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TrendPoint {
    date: NaiveDate,
    rate: Option<String>,
}

pub async fn read(
    ctx: Ctx,
    Segments(date): Segments<NaiveDate>,
    Params(params): Params<DayParams>,
) -> Result<Answer, Problem> {
    ctx.require(EVERYONE)?;
    let roll_call = params.roll_call.as_str();
    let mut conn = ctx.read().await?;
    let classes = store::classes(&mut conn, date, roll_call, viewer(&ctx, "school.attendance:read")).await?;
    let away = store::away(&mut conn, date, roll_call).await?;
    let trend = store::trend(&mut conn, date, roll_call).await?;
    let (closure, in_year) = store::closed(&mut conn, date).await?;
    conn.release();
    let taken = || classes.iter().filter(|class| class.register_id.is_some());
    let counts = taken().fold(Counts::default(), |sum, class| sum.plus(class.counts()));
    let business_date = ctx.business_date();
    Ok(Answer::ok(&Day {
        date,
        business_date,
        roll_call: params.roll_call,
        closed: closed_on(date, business_date, closure.as_deref(), in_year),
        registers: Registers { taken: taken().count(), total: classes.len() },
        counts,
        rate: counts.rate(),
        absentees: away.into_iter().map(absentee).collect(),
        trend: trend.into_iter().map(|(date, counts)| TrendPoint { date, rate: counts.rate() }).collect(),
        streams: classes.into_iter().map(stream_day).collect(),
    }))
}

fn stream_day(class: ClassRow) -> StreamDay {
    let counts = class.counts();
    StreamDay {
        rate: class.register_id.and_then(|_| counts.rate()),
        counts,
        stream: Named { id: class.stream_id, title: class.stream_name },
        year_group: Named { id: class.year_group_id, title: class.year_group_name },
        register_id: class.register_id,
        version: class.version,
        taken_at: class.taken_at,
        taken_by: class.taken_by,
    }
}

fn absentee(away: Away) -> Absentee {
    Absentee {
        student: Named { id: away.student_id, title: away.student_name },
        stream: Named { id: away.stream_id, title: away.stream_name },
        code: away.code,
        reason: away.reason,
        guardians: away.guardians,
    }
}
