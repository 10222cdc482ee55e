//! Limits on trying: by network address for everybody, and by account with growing delays.
use crate::config::Settings;
use chrono::{DateTime, TimeDelta, Utc};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use hitaji_db::secrets::sha256;
use moka::sync::Cache;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

/// So many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
const DELAY_MAX_S: i64 = 900;

type ByAddress = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>;

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub enum Try {
    /// A password or a link.
    Secret,
    SignUp,
    Token,
}

/// Come back after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

pub struct Throttle {
    secrets: ByAddress,
    sign_ups: ByAddress,
    tokens: ByAddress,
    accounts: Cache<[u8; 32], Failures>,
    clock: DefaultClock,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Throttle {
    pub fn new(settings: &Settings) -> Throttle {
        let per_minute = |limit: u32| {
            let limit = NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN);
            RateLimiter::keyed(Quota::per_minute(limit))
        };
        let tokens = NonZeroU32::new(settings.token_requests_per_address_per_second).unwrap_or(NonZeroU32::MIN);
        Throttle {
            secrets: per_minute(settings.attempts_per_address_per_minute),
            sign_ups: per_minute(settings.sign_ups_per_address_per_minute),
            tokens: RateLimiter::keyed(Quota::per_second(tokens)),
            accounts: Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(3600)).build(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one attempt from an address. A question from inside the process has none and is not limited.
    pub fn address(&self, what: Try, address: Option<IpAddr>) -> Result<(), Wait> {
        let Some(address) = address else { return Ok(()) };
        let limiter = match what {
            Try::Secret => &self.secrets,
            Try::SignUp => &self.sign_ups,
            Try::Token => &self.tokens,
        };
        limiter
            .check_key(&network(address))
            .map_err(|refused| Wait(refused.wait_time_from(self.clock.now()).as_secs() + 1))
    }

    /// Counts one attempt at `account`. It counts as failed until [`Throttle::succeeded`], so that many at once are
    /// no way around. From the sixth on each costs twice the wait of the one before, up to a quarter of an hour.
    pub fn account(&self, account: &str, now: DateTime<Utc>) -> Result<(), Wait> {
        let mut wait = None;
        self.accounts.entry(sha256(account.as_bytes())).and_upsert_with(|entry| {
            let before = entry.map(moka::Entry::into_value);
            let next = before.map_or(now, |failures| failures.last + delay(failures.count));
            if next > now {
                wait = Some(Wait((next - now).num_seconds().max(0) as u64 + 1));
            }
            match (before, wait) {
                (Some(failures), Some(_)) => failures,
                (before, _) => Failures { count: before.map_or(0, |failures| failures.count) + 1, last: now },
            }
        });
        wait.map_or(Ok(()), Err)
    }

    pub fn succeeded(&self, account: &str) {
        self.accounts.invalidate(&sha256(account.as_bytes()));
    }

    /// Forgets addresses that are back at their full allowance.
    pub fn forget_idle(&self) {
        for limiter in [&self.secrets, &self.sign_ups, &self.tokens] {
            limiter.retain_recent();
        }
    }
}

fn delay(failures: u32) -> TimeDelta {
    let Some(over) = failures.checked_sub(FREE_FAILURES) else {
        return TimeDelta::zero();
    };
    TimeDelta::seconds((2_i64 << over.min(16)).min(DELAY_MAX_S))
}

/// IPv6 users have a whole /64 each.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => address
            .to_ipv4_mapped()
            .map_or_else(|| IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))), IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn delays_grow_and_a_success_clears_them() {
        let throttle = Throttle::new(&Settings::default());
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.account("a", at(0)), Ok(()));
        }
        assert_eq!(throttle.account("a", at(0)), Err(Wait(3)));
        assert_eq!(throttle.account("b", at(0)), Ok(()), "others are not slowed down");
        assert_eq!(throttle.account("a", at(2)), Ok(()));
        assert_eq!(throttle.account("a", at(3)), Err(Wait(4)));
        throttle.succeeded("a");
        assert_eq!(throttle.account("a", at(3)), Ok(()));
        assert_eq!(delay(40), TimeDelta::seconds(DELAY_MAX_S));
    }

    #[test]
    fn addresses_are_limited_and_insiders_are_not() {
        let throttle = Throttle::new(&Settings { attempts_per_address_per_minute: 2, ..Settings::default() });
        let (one, same) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff".parse().unwrap());
        assert!(throttle.address(Try::Secret, Some(one)).is_ok());
        assert!(throttle.address(Try::Secret, Some(same)).is_ok());
        assert!(throttle.address(Try::Secret, Some(one)).is_err());
        assert!(throttle.address(Try::Secret, Some("192.0.2.1".parse().unwrap())).is_ok());
        assert!(throttle.address(Try::Secret, None).is_ok());
    }
}
