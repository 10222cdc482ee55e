//! Refresh token rotation with reuse detection: what follows when a token is presented (RFC 9700 section 4.14.2).
use chrono::{DateTime, TimeDelta, Utc};

/// A refresh token as it stands when somebody presents it.
#[derive(Clone, Copy, Debug)]
pub struct Presented {
    /// The whole family was revoked, or what it hangs on (session, membership, account) is gone.
    pub family_dead: bool,
    pub expires_at: DateTime<Utc>,
    pub consumed_at: Option<DateTime<Utc>>,
    /// Withdrawn without having been used: its answer was lost and another took its place.
    pub revoked: bool,
    /// The token that was given for this one was used itself, or withdrawn.
    pub successor_used: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Consume it and give a successor.
    Rotate,
    /// The answer to the first use was lost: withdraw the unused successor and give another.
    Repeat,
    /// Two hold the same token: end the family.
    EndFamily,
    /// It is worth nothing any more, and that says nothing bad of anybody.
    Refuse,
}

/// `window` is how long after its use a token may be repeated because the answer was lost.
pub fn decide(token: &Presented, now: DateTime<Utc>, window: TimeDelta) -> Decision {
    if token.family_dead {
        return Decision::Refuse;
    }
    if token.revoked {
        return Decision::EndFamily;
    }
    let Some(consumed_at) = token.consumed_at else {
        return if token.expires_at > now { Decision::Rotate } else { Decision::Refuse };
    };
    if !token.successor_used && now - consumed_at < window { Decision::Repeat } else { Decision::EndFamily }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: TimeDelta = TimeDelta::seconds(10);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    fn fresh() -> Presented {
        Presented { family_dead: false, expires_at: at(3600), consumed_at: None, revoked: false, successor_used: false }
    }

    #[test]
    fn a_fresh_token_is_rotated_until_it_expires() {
        assert_eq!(decide(&fresh(), at(3599), WINDOW), Decision::Rotate);
        assert_eq!(decide(&fresh(), at(3600), WINDOW), Decision::Refuse);
    }

    #[test]
    fn a_lost_answer_is_repeated_only_within_the_window_and_only_while_unused() {
        let used = Presented { consumed_at: Some(at(100)), ..fresh() };
        assert_eq!(decide(&used, at(109), WINDOW), Decision::Repeat);
        assert_eq!(decide(&used, at(110), WINDOW), Decision::EndFamily);
        assert_eq!(decide(&used, at(101), TimeDelta::zero()), Decision::EndFamily, "strict");
        let followed = Presented { successor_used: true, ..used };
        assert_eq!(decide(&followed, at(101), WINDOW), Decision::EndFamily);
    }

    #[test]
    fn a_withdrawn_token_ends_the_family_and_a_dead_family_ends_nothing() {
        let withdrawn = Presented { revoked: true, ..fresh() };
        assert_eq!(decide(&withdrawn, at(1), WINDOW), Decision::EndFamily);
        let dead = Presented { family_dead: true, ..withdrawn };
        assert_eq!(decide(&dead, at(1), WINDOW), Decision::Refuse);
    }
}
