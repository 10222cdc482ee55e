//! The device grant: codes that people type, and how often a device may ask (RFC 8628).
use chrono::{DateTime, TimeDelta, Utc};

/// Section 6.1: consonants alone spell no words. 20^8 codes are about 34 bits.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const LENGTH: usize = 8;

/// Seconds between two questions of a device, at first.
pub const INTERVAL_S: i32 = 5;
/// Section 3.5: so much more after each question that came too early.
pub const SLOWER_S: i32 = 5;

/// A code from random bytes; None where too few of them are usable. 240 is the largest multiple of 20 in a byte, so that
/// every letter is as likely.
pub fn user_code(random: &[u8]) -> Option<String> {
    let letters = random.iter().filter(|byte| **byte < 240).map(|byte| LETTERS[usize::from(*byte) % 20] as char);
    let code: String = letters.take(LENGTH).collect();
    (code.len() == LENGTH).then_some(code)
}

/// As people read it: `WDJB-MJHT`.
pub fn shown(code: &str) -> String {
    let (left, right) = code.split_at(code.len() / 2);
    format!("{left}-{right}")
}

/// What somebody typed, whatever the case, the spaces and the dashes. None where it cannot be a code.
pub fn normalise(typed: &str) -> Option<String> {
    let code: String = typed
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let strange = typed.chars().any(|letter| letter.is_alphanumeric() && !letter.is_ascii());
    (!strange && code.len() == LENGTH && code.bytes().all(|letter| LETTERS.contains(&letter))).then_some(code)
}

/// Where a device's request stands.
pub struct Asked<'a> {
    pub state: &'a str,
    pub interval_s: i32,
    pub polled_at: Option<DateTime<Utc>>,
    pub expires_at: DateTime<Utc>,
}

/// What a device that asks is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Pending,
    /// It asked too early; from now on it waits longer.
    SlowDown,
    Expired,
    Denied,
    /// It had its tokens.
    Used,
    Tokens,
}

pub fn tell(asked: &Asked<'_>, now: DateTime<Utc>) -> Told {
    let early = asked.polled_at.is_some_and(|at| now < at + TimeDelta::seconds(i64::from(asked.interval_s)));
    match asked.state {
        "used" => Told::Used,
        _ if asked.expires_at <= now => Told::Expired,
        "denied" => Told::Denied,
        "approved" => Told::Tokens,
        _ if early => Told::SlowDown,
        _ => Told::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_write_it() {
        let code = user_code(&[0, 1, 255, 20, 21, 239, 7, 8, 9, 10]).unwrap();
        assert_eq!((code.as_str(), shown(&code).as_str()), ("BCBCZKLM", "BCBC-ZKLM"));
        for typed in ["BCBC-ZKLM", "bcbczklm", " bcbc zklm ", "b.c.b.c.z.k.l.m", "BCBC–ZKLM"] {
            assert_eq!(normalise(typed).as_deref(), Some("BCBCZKLM"), "{typed}");
        }
        for typed in ["", "BCBC-ZKL", "BCBC-ZKLMM", "ABBC-ZKLM", "BCBC-ZKL0", "éBCBCZKLM", "ＢCBCZKLM"] {
            assert_eq!(normalise(typed), None, "{typed}");
        }
        assert_eq!(user_code(&[255; 32]), None);
    }

    #[test]
    fn a_device_is_told_how_it_stands() {
        let at = |second: i64| DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap();
        let tell_at = |state, polled: Option<i64>, now| {
            let asked = Asked { state, interval_s: 5, polled_at: polled.map(at), expires_at: at(600) };
            tell(&asked, at(now))
        };
        assert_eq!(tell_at("pending", None, 0), Told::Pending);
        assert_eq!(tell_at("pending", Some(0), 4), Told::SlowDown);
        assert_eq!(tell_at("pending", Some(0), 5), Told::Pending);
        assert_eq!(tell_at("pending", Some(0), 600), Told::Expired);
        assert_eq!(tell_at("approved", Some(0), 1), Told::Tokens);
        assert_eq!(tell_at("approved", Some(0), 600), Told::Expired);
        assert_eq!(tell_at("denied", None, 1), Told::Denied);
        assert_eq!(tell_at("used", None, 601), Told::Used);
    }
}
