//! Limits of plans where they bite: requests of the day, and writes past the storage. Those of users and messages are
//! asked by identity, by the same words.
use crate::Problem;
use crate::guard::Rule;
use hitaji_core::{Clock, ErrorCode};
use hitaji_db::meter::{Account, Stands};
use hitaji_db::{Home, Plan, Tenant};
use http::Method;
use serde_json::json;

/// What a plan limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    Users,
    Storage,
    Requests,
    Messages,
}

impl Quota {
    pub const ALL: [Quota; 4] = [Quota::Users, Quota::Storage, Quota::Requests, Quota::Messages];

    pub fn as_str(self) -> &'static str {
        match self {
            Quota::Users => "users",
            Quota::Storage => "storage",
            Quota::Requests => "requests",
            Quota::Messages => "messages",
        }
    }

    pub fn limit(self, plan: &Plan) -> i64 {
        match self {
            Quota::Users => plan.users,
            Quota::Storage => plan.storage_bytes,
            Quota::Requests => plan.requests_per_day,
            Quota::Messages => plan.messages_per_month,
        }
    }

    /// Says what is used up and what can be done.
    pub fn refusal(self, plan: &Plan) -> String {
        let (name, limit) = (&plan.name, self.limit(plan));
        match self {
            Quota::Users => format!(
                "The plan {name} has room for {limit} people, invited ones among them. Withdraw an invitation, or ask for a larger plan."
            ),
            Quota::Storage => format!(
                "The plan {name} stores up to {}, and that is used up. Reading and deleting go on; delete what is not needed, or ask for a larger plan.",
                size(limit)
            ),
            Quota::Requests => format!(
                "The plan {name} has {limit} requests a day, and today's are used up. It goes on after midnight, or with a larger plan."
            ),
            Quota::Messages => format!(
                "The plan {name} sends {limit} messages a month, and this month's are used up. Sign-in mail goes on. Wait for the next month, or ask for a larger plan."
            ),
        }
    }
}

/// The refusal of what would pass a limit: which, of which plan, and its number.
pub fn plan_limit(quota: Quota, plan: &Plan) -> Problem {
    let code = if quota == Quota::Requests { ErrorCode::RateLimited } else { ErrorCode::PlanLimit };
    let limit = json!({"kind": quota.as_str(), "plan": plan.key, "limit": quota.limit(plan)});
    Problem::new(code, quota.refusal(plan)).with("quota", limit)
}

/// Counts the request and holds it against its organisation's plan. What belongs to no product (sign-in, people, settings,
/// usage) and what is marked as a way out goes on whatever is used up.
pub(crate) fn admit(
    clock: &Clock,
    rule: &Rule,
    method: &Method,
    tenant: &Tenant,
    account: &Account,
    stands: &Stands,
) -> Result<(), Problem> {
    let plan = &tenant.plan;
    if !rule.product || rule.way_out {
        account.admit(i64::MAX);
        return Ok(());
    }
    if !account.admit(plan.requests_per_day) {
        let wait = (stands.ends_at - clock.now()).num_seconds().max(0).unsigned_abs() + 1;
        return Err(plan_limit(Quota::Requests, plan).retry_after(wait));
    }
    let writes = rule.home == Home::Tenant && (method == Method::POST || method == Method::PATCH);
    if writes && stands.standing.storage_bytes >= plan.storage_bytes {
        return Err(plan_limit(Quota::Storage, plan));
    }
    Ok(())
}

/// Bytes as people read them: whole numbers of the largest unit that has at least two digits, else one decimal.
fn size(bytes: i64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if value.fract() == 0.0 { format!("{value:.0} {}", UNITS[unit]) } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_people_read_them() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1 << 30, "1 GiB"), (21_474_836_480, "20 GiB"), (1_610_612_736, "1.5 GiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
