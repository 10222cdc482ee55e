//! What the organisation uses of its plan, and what it used in the last 30 days.
use chrono::{DateTime, Datelike as _, Days, NaiveDate, Utc};
use hitaji_db::Plan;
use hitaji_db::directory::usage::Day;
use hitaji_db::meter::Stands;
use hitaji_web::{Answer, Ctx, Problem, Quota};
use schemars::JsonSchema;
use serde::Serialize;

const DAYS: u64 = 30;

#[derive(Serialize, JsonSchema)]
pub struct UsageOut {
    plan: PlanOut,
    limits: Vec<LimitOut>,
    /// The last 30 days in the organisation's time zone, oldest first; the newest is today so far.
    days: Vec<DayOut>,
}

#[derive(Serialize, JsonSchema)]
pub struct PlanOut {
    key: String,
    name: String,
    /// Whether every second can be restored.
    point_in_time: bool,
    backup_every_hours: i32,
    backup_keep_days: i32,
}

#[derive(Serialize, JsonSchema)]
pub struct LimitOut {
    /// `users`, `storage`, `requests` or `messages`.
    kind: &'static str,
    /// In bytes for `storage`.
    used: i64,
    limit: i64,
    /// Whole percent of the limit, rounded down; more than 100 where a plan became smaller.
    share: i64,
    /// `now`, `day` or `month`: what is counted.
    period: &'static str,
    /// When counting begins anew.
    resets_at: Option<DateTime<Utc>>,
}

#[derive(Default, Serialize, JsonSchema)]
pub struct DayOut {
    day: NaiveDate,
    requests: i64,
    /// Requests that failed on our side.
    errors: i64,
    messages: i64,
    cpu_ms: i64,
    /// For how long connections to the organisation's database were held.
    database_ms: i64,
    /// Rows that the database read and wrote.
    rows: i64,
    bytes_in: i64,
    bytes_out: i64,
    /// As last measured on that day.
    storage_bytes: Option<i64>,
}

pub async fn read(ctx: Ctx) -> Result<Answer, Problem> {
    let tenant = ctx.tenant();
    let databases = ctx.platform().databases();
    let stands = databases.standing(tenant).await?;
    let first = stands.day - Days::new(DAYS - 1);
    let kept = databases.usage_days(tenant.id, first).await?;
    let days = first.iter_days().take(DAYS as usize);
    let mut days: Vec<DayOut> = days
        .map(|day| kept.iter().find(|kept| kept.day == day).map_or(DayOut { day, ..DayOut::default() }, DayOut::from))
        .collect();
    if let Some(today) = days.last_mut() {
        // What is not booked yet is shown too.
        today.requests = stands.standing.requests;
    }
    let plan = &tenant.plan;
    let limits = Quota::ALL.iter().map(|quota| limit(*quota, plan, &stands, tenant.time_zone)).collect();
    let plan = PlanOut {
        key: plan.key.clone(),
        name: plan.name.clone(),
        point_in_time: plan.point_in_time,
        backup_every_hours: plan.backup_every_hours,
        backup_keep_days: plan.backup_keep_days,
    };
    Ok(Answer::ok(&UsageOut { plan, limits, days }))
}

fn limit(quota: Quota, plan: &Plan, stands: &Stands, zone: chrono_tz::Tz) -> LimitOut {
    let limit = quota.limit(plan);
    let (used, period, resets_at) = match quota {
        Quota::Users => (stands.standing.users, "now", None),
        Quota::Storage => (stands.standing.storage_bytes, "now", None),
        Quota::Requests => (stands.standing.requests, "day", Some(stands.ends_at)),
        Quota::Messages => (stands.standing.messages, "month", month_ends(stands.day, zone)),
    };
    let share = i64::try_from(i128::from(used) * 100 / i128::from(limit.max(1))).unwrap_or(i64::MAX);
    LimitOut { kind: quota.as_str(), used, limit, share, period, resets_at }
}

/// The first instant of the next month there.
fn month_ends(day: NaiveDate, zone: chrono_tz::Tz) -> Option<DateTime<Utc>> {
    let (year, month) = if day.month() == 12 { (day.year() + 1, 1) } else { (day.year(), day.month() + 1) };
    let last = NaiveDate::from_ymd_opt(year, month, 1)?.pred_opt()?;
    let noon = last.and_hms_opt(12, 0, 0)?.and_local_timezone(zone).earliest()?;
    Some(hitaji_db::meter::day_of(noon.with_timezone(&Utc), zone).1)
}

impl From<&Day> for DayOut {
    fn from(day: &Day) -> DayOut {
        DayOut {
            day: day.day,
            requests: day.requests,
            errors: day.errors,
            messages: day.messages,
            cpu_ms: day.cpu_us / 1_000,
            database_ms: day.database_us / 1_000,
            rows: day.rows,
            bytes_in: day.bytes_in,
            bytes_out: day.bytes_out,
            storage_bytes: day.storage_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_at_its_last_midnight_there() {
        let nairobi = chrono_tz::Africa::Nairobi;
        for (day, ends) in [("2026-05-12", "2026-05-31T21:00:00Z"), ("2026-12-31", "2026-12-31T21:00:00Z")] {
            assert_eq!(month_ends(day.parse().unwrap(), nairobi), Some(ends.parse().unwrap()));
        }
    }
}
