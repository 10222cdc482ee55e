//! When signing keys change: published before they are used, known after they were, then gone.
use chrono::{DateTime, TimeDelta, Utc};

pub const ALGORITHMS: [&str; 2] = ["ES256", "RS256"];
/// Clients and processes have so long to read a key before anything is signed by it.
pub const PUBLISHED_FOR: TimeDelta = TimeDelta::hours(24);
/// ID tokens are good as hints long after they expired, so their keys stay known for so long.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// A key with its times.
#[derive(Clone, Debug)]
pub struct KeyTimes {
    pub id: String,
    pub algorithm: String,
    pub state: String,
    pub created_at: DateTime<Utc>,
    pub activated_at: Option<DateTime<Utc>>,
    pub retired_at: Option<DateTime<Utc>>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the next key of this algorithm known.
    Publish(&'static str),
    /// Sign by this next key from now on; the one that did is retired.
    Use(String),
    Remove(String),
}

/// What is due; a key signs for `used_for`.
pub fn due(keys: &[KeyTimes], now: DateTime<Utc>, used_for: TimeDelta) -> Vec<Step> {
    let mut steps = Vec::new();
    for algorithm in ALGORITHMS {
        let in_state = |state: &str| keys.iter().find(|key| key.algorithm == algorithm && key.state == state);
        if let Some(next) = in_state("next") {
            if next.created_at + PUBLISHED_FOR <= now {
                steps.push(Step::Use(next.id.clone()));
            }
            continue;
        }
        let since = in_state("active").map(|key| key.activated_at.unwrap_or(key.created_at));
        if since.is_some_and(|since| since + used_for - PUBLISHED_FOR <= now) {
            steps.push(Step::Publish(algorithm));
        }
    }
    let gone =
        keys.iter().filter(|key| key.retired_at.is_some_and(|at| key.state == "retired" && at + KEPT_FOR <= now));
    steps.extend(gone.map(|key| Step::Remove(key.id.clone())));
    steps
}

/// What an operator's wish not to wait leads to: every algorithm has a next key, and then that one is used.
pub fn publish_all(keys: &[KeyTimes]) -> Vec<Step> {
    let lacks = |algorithm: &&str| !keys.iter().any(|key| key.algorithm == *algorithm && key.state == "next");
    ALGORITHMS.into_iter().filter(lacks).map(Step::Publish).collect()
}

pub fn use_all(keys: &[KeyTimes]) -> Vec<Step> {
    keys.iter().filter(|key| key.state == "next").map(|key| Step::Use(key.id.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USED_FOR: TimeDelta = TimeDelta::days(90);

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    fn key(id: &str, algorithm: &str, state: &str, since: i64) -> KeyTimes {
        KeyTimes {
            id: id.into(),
            algorithm: algorithm.into(),
            state: state.into(),
            created_at: at(since),
            activated_at: (state != "next").then(|| at(since)),
            retired_at: (state == "retired").then(|| at(since)),
        }
    }

    #[test]
    fn the_next_key_is_published_a_day_before_it_is_used() {
        let mut keys = vec![key("a", "ES256", "active", 0), key("r", "RS256", "active", 24)];
        assert_eq!(due(&keys, at(89 * 24 - 1), USED_FOR), []);
        assert_eq!(due(&keys, at(89 * 24), USED_FOR), [Step::Publish("ES256")]);
        keys.push(key("b", "ES256", "next", 89 * 24));
        assert_eq!(due(&keys, at(90 * 24 - 1), USED_FOR), []);
        assert_eq!(due(&keys, at(90 * 24), USED_FOR), [Step::Use("b".into()), Step::Publish("RS256")]);
    }

    #[test]
    fn a_retired_key_is_known_for_a_month() {
        let keys = [key("a", "ES256", "active", 0), key("o", "ES256", "retired", 0), key("r", "RS256", "active", 0)];
        assert_eq!(due(&keys, at(30 * 24 - 1), USED_FOR), []);
        assert_eq!(due(&keys, at(30 * 24), USED_FOR), [Step::Remove("o".into())]);
    }

    #[test]
    fn an_operator_need_not_wait() {
        let keys = [key("a", "ES256", "active", 0), key("b", "ES256", "next", 0), key("r", "RS256", "active", 0)];
        assert_eq!(publish_all(&keys), [Step::Publish("RS256")]);
        assert_eq!(use_all(&keys), [Step::Use("b".into())]);
    }
}
