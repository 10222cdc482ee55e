//! Access of operators to an organisation: asked for, granted for hours, ended.
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::FieldError;

pub const HOURS_MAX: i32 = 8;
/// A request that nobody decided is worth nothing after this.
const UNDECIDED: TimeDelta = TimeDelta::days(7);

/// What happens to a request or an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Grant,
    Refuse,
    End,
}

/// The state as it is now: what time has ended is `expired`, whether anybody wrote it down or not.
pub fn state_now(
    state: &str,
    requested_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> &str {
    match state {
        "granted" if expires_at.is_none_or(|until| until <= now) => "expired",
        "requested" if requested_at + UNDECIDED <= now => "expired",
        state => state,
    }
}

/// The state that follows, or why there is none.
pub fn follow(state: &str, step: Step) -> Result<&'static str, String> {
    match (step, state) {
        (Step::Grant, "requested") => Ok("granted"),
        (Step::Refuse, "requested") => Ok("refused"),
        (Step::End, "requested" | "granted") => Ok("ended"),
        (_, state) => Err(format!("This access is {state}. Nothing can be changed about it any more.")),
    }
}

pub fn check_hours(hours: i32) -> Result<(), FieldError> {
    if (1..=HOURS_MAX).contains(&hours) {
        return Ok(());
    }
    Err(FieldError::new("/hours", "out_of_range", "Ask for 1 to 8 hours."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn time_ends_what_nobody_ended() {
        let (asked, until) = (at("2026-05-12T05:00:00Z"), at("2026-05-12T07:00:00Z"));
        assert_eq!(state_now("granted", asked, Some(until), at("2026-05-12T06:59:59Z")), "granted");
        assert_eq!(state_now("granted", asked, Some(until), until), "expired");
        assert_eq!(state_now("requested", asked, None, at("2026-05-19T04:59:59Z")), "requested");
        assert_eq!(state_now("requested", asked, None, at("2026-05-19T05:00:00Z")), "expired");
        assert_eq!(state_now("refused", asked, None, at("2027-05-19T05:00:00Z")), "refused");
    }

    #[test]
    fn an_access_is_decided_once_and_ended_once() {
        for state in ["requested", "granted", "refused", "ended", "expired"] {
            assert_eq!(follow(state, Step::Grant).is_ok(), state == "requested", "{state}");
            assert_eq!(follow(state, Step::Refuse).is_ok(), state == "requested", "{state}");
            assert_eq!(follow(state, Step::End).is_ok(), ["requested", "granted"].contains(&state), "{state}");
        }
        assert!(check_hours(8).is_ok() && check_hours(0).is_err() && check_hours(9).is_err());
    }
}
