//! An organisation's rules of signing in, and what they say of somebody who wants a token for it.
use crate::domain::assurance::{TWO, level_of, reaches};
use chrono::{DateTime, TimeDelta, Utc};
use std::net::IpAddr;
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `none`, `roles` or `all`: who must prove themselves by two factors.
    pub mfa: String,
    pub mfa_roles: Vec<String>,
    /// How old the proof may be.
    pub session_max_minutes: Option<i32>,
    /// How long ago the last token for the organisation may be.
    pub session_idle_minutes: Option<i32>,
    /// CIDR notation; none means everywhere.
    pub networks: Vec<String>,
    /// The only provider that people may sign in with.
    pub required_provider: Option<Uuid>,
    /// Domains of addresses that may be invited; none means all.
    pub invitation_domains: Vec<String>,
    pub version: i64,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            mfa: "none".into(),
            mfa_roles: Vec::new(),
            session_max_minutes: None,
            session_idle_minutes: None,
            networks: Vec::new(),
            required_provider: None,
            invitation_domains: Vec::new(),
            version: 1,
        }
    }
}

/// Somebody at the door.
#[derive(Clone, Debug)]
pub struct Visitor<'a> {
    /// In the whole organisation and in places.
    pub roles: &'a [String],
    pub amr: &'a [String],
    pub auth_time: DateTime<Utc>,
    /// When they last got a token for this organisation by this proof.
    pub last_use: Option<DateTime<Utc>>,
    /// Where the person is. None where the request comes from the application's own server.
    pub address: Option<Address>,
}

/// Where a person's request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    Known(IpAddr),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Admit,
    /// Up to this level.
    Prove(&'static str),
    /// The proof is too old.
    SignIn,
    /// With a text for developers.
    Refuse(&'static str),
}

impl Policy {
    pub fn judge(&self, visitor: &Visitor<'_>, now: DateTime<Utc>) -> Verdict {
        if visitor.address.is_some_and(|address| !self.lets_in(address)) {
            return Verdict::Refuse("the organisation can only be used from its own networks");
        }
        let age = now - visitor.auth_time;
        let idle = now - visitor.last_use.unwrap_or(visitor.auth_time).max(visitor.auth_time);
        let over =
            |limit: Option<i32>, time: TimeDelta| limit.is_some_and(|limit| time > TimeDelta::minutes(limit.into()));
        if over(self.session_max_minutes, age) || over(self.session_idle_minutes, idle) {
            return Verdict::SignIn;
        }
        if self.asks_two_factors(visitor.roles) && !reaches(level_of(visitor.amr), TWO) {
            return Verdict::Prove(TWO);
        }
        Verdict::Admit
    }

    pub fn asks_two_factors(&self, roles: &[String]) -> bool {
        match self.mfa.as_str() {
            "all" => true,
            "roles" => roles.iter().any(|role| self.mfa_roles.contains(role)),
            _ => false,
        }
    }

    /// Whether an address is in one of the networks; everyone is where there are none.
    pub fn lets_in(&self, address: Address) -> bool {
        let networks: Vec<Network> = self.networks.iter().filter_map(|text| Network::parse(text)).collect();
        match address {
            _ if self.networks.is_empty() => true,
            Address::Known(address) => networks.iter().any(|network| network.contains(address)),
            Address::Unknown => false,
        }
    }

    /// Whether somebody with this address, in lower case, may be invited.
    pub fn may_invite(&self, email: &str) -> bool {
        let domain = email.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.invitation_domains.is_empty() || self.invitation_domains.iter().any(|known| known == domain)
    }
}

/// A block of addresses (RFC 4632, RFC 4291).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: u128,
    bits: u32,
    v4: bool,
}

impl Network {
    /// `192.0.2.0/24`, `2001:db8::/32`, or a single address. None for what is neither, or sets bits behind its prefix.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let (base, v4) = number(address.parse().ok()?);
        let width = if v4 { 32 } else { 128 };
        let length: u32 = match length {
            Some(length) if length.len() <= 3 && length.bytes().all(|byte| byte.is_ascii_digit()) => {
                length.parse().ok()?
            }
            Some(_) => return None,
            None => width,
        };
        if length > width {
            return None;
        }
        let bits = length + 128 - width;
        (base & !mask(bits) == 0 || length == width).then_some(Network { base, bits, v4 })
    }

    /// An IPv4 address in an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (number, v4) = number(address);
        v4 == self.v4 && number & mask(self.bits) == self.base & mask(self.bits)
    }
}

fn number(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u32::from(address).into(), true),
        IpAddr::V6(address) => (u128::from(address), false),
    }
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + minute * 60, 0).unwrap()
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    fn visitor<'a>(roles: &'a [String], amr: &'a [String]) -> Visitor<'a> {
        Visitor { roles, amr, auth_time: time(0), last_use: None, address: Some(Address::Unknown) }
    }

    #[test]
    fn two_factors_are_asked_of_whom_the_policy_names() {
        let (teacher, bursar) = (words(&["teacher"]), words(&["teacher", "bursar"]));
        let (one, two) = (words(&["pwd"]), words(&["pwd", "otp"]));
        let policy = Policy { mfa: "roles".into(), mfa_roles: words(&["bursar"]), ..Policy::default() };
        assert_eq!(policy.judge(&visitor(&teacher, &one), time(1)), Verdict::Admit);
        assert_eq!(policy.judge(&visitor(&bursar, &one), time(1)), Verdict::Prove(TWO));
        assert_eq!(policy.judge(&visitor(&bursar, &two), time(1)), Verdict::Admit);
        let all = Policy { mfa: "all".into(), ..Policy::default() };
        assert_eq!(all.judge(&visitor(&teacher, &one), time(1)), Verdict::Prove(TWO));
    }

    #[test]
    fn a_proof_gets_old_and_idle() {
        let (roles, amr) = (words(&["teacher"]), words(&["pwd"]));
        let policy = Policy { session_max_minutes: Some(60), session_idle_minutes: Some(10), ..Policy::default() };
        let at = |last_use: Option<i64>, now: i64| {
            policy.judge(&Visitor { last_use: last_use.map(time), ..visitor(&roles, &amr) }, time(now))
        };
        assert_eq!(at(None, 10), Verdict::Admit);
        assert_eq!(at(None, 11), Verdict::SignIn, "never used since");
        assert_eq!(at(Some(55), 60), Verdict::Admit);
        assert_eq!(at(Some(60), 61), Verdict::SignIn, "too old, however busy");
        assert_eq!(at(Some(-30), 5), Verdict::Admit, "a use before the proof does not count");
    }

    #[test]
    fn networks_let_in_their_own() {
        let policy = Policy { networks: words(&["10.1.0.0/16", "2001:db8::/32", "192.0.2.7"]), ..Policy::default() };
        let lets = |address: &str| policy.lets_in(Address::Known(address.parse().unwrap()));
        for good in ["10.1.255.1", "2001:db8:1::1", "192.0.2.7", "::ffff:10.1.2.3"] {
            assert!(lets(good), "{good}");
        }
        for bad in ["10.2.0.1", "2001:db9::1", "192.0.2.8", "::1", "::10.1.2.3"] {
            assert!(!lets(bad), "{bad}");
        }
        assert!(!policy.lets_in(Address::Unknown) && Policy::default().lets_in(Address::Unknown));
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/+8", "x", "10.0.0.0/", "::/129", ""] {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!(!Network::parse("0.0.0.0/0").unwrap().contains("2001:db8::1".parse().unwrap()));
        assert!(Network::parse("::/0").unwrap().contains("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn only_some_domains_are_invited() {
        let policy = Policy { invitation_domains: words(&["uhuru.example"]), ..Policy::default() };
        assert!(policy.may_invite("a@uhuru.example") && !policy.may_invite("a@mail.uhuru.example"));
        assert!(!policy.may_invite("uhuru.example@evil.example") && Policy::default().may_invite("a@b.c"));
    }
}
