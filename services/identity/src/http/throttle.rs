//! Limits on trying: by network address and by the network around it for everybody, by account with growing delays, and
//! on what is sent to one recipient.
use crate::config::Settings;
use chrono::{DateTime, TimeDelta, Utc};
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use hitaji_db::secrets::sha256;
use moka::sync::Cache;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;
use uuid::Uuid;

/// So many failures cost nothing: people mistype.
const FREE_FAILURES: u32 = 5;
const DELAY_MAX_S: i64 = 900;

type Keyed<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// One allowance for an address, and a wider one for the network that it is in: a school behind one router is not slowed
/// down, a rented network of 256 machines is.
struct ByAddress {
    address: Keyed<IpAddr>,
    network: Keyed<IpAddr>,
}

impl ByAddress {
    fn per_minute(address: u32, network: u32) -> ByAddress {
        let keyed = |limit| RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(limit).unwrap_or(NonZeroU32::MIN)));
        ByAddress { address: keyed(address), network: keyed(network) }
    }

    fn check(&self, ip: IpAddr, clock: &DefaultClock) -> Result<(), Wait> {
        check(&self.address, &address(ip), clock)?;
        check(&self.network, &network(ip), clock)
    }

    fn forget_idle(&self) {
        self.address.retain_recent();
        self.network.retain_recent();
    }
}

fn check<K: Clone + std::hash::Hash + Eq>(limiter: &Keyed<K>, key: &K, clock: &DefaultClock) -> Result<(), Wait> {
    limiter.check_key(key).map_err(|refused| Wait(refused.wait_time_from(clock.now()).as_secs() + 1))
}

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub enum Try {
    /// A password or a link.
    Secret,
    SignUp,
    Token,
    /// A mail or a message with a code or a link.
    Send,
}

/// Come back after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub u64);

pub struct Throttle {
    secrets: ByAddress,
    sign_ups: ByAddress,
    sends: ByAddress,
    tokens: Keyed<IpAddr>,
    recipients: Keyed<[u8; 32]>,
    accounts: Cache<[u8; 32], Failures>,
    clock: DefaultClock,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    /// Tries that were sent away since the last one that was let through.
    refused: u32,
    last: DateTime<Utc>,
}

impl Throttle {
    pub fn new(settings: &Settings) -> Throttle {
        let tokens = NonZeroU32::new(settings.token_requests_per_address_per_second).unwrap_or(NonZeroU32::MIN);
        let recipients = NonZeroU32::new(settings.codes_per_recipient_per_hour).unwrap_or(NonZeroU32::MIN);
        Throttle {
            secrets: ByAddress::per_minute(
                settings.attempts_per_address_per_minute,
                settings.attempts_per_network_per_minute,
            ),
            sign_ups: ByAddress::per_minute(
                settings.sign_ups_per_address_per_minute,
                settings.sign_ups_per_network_per_minute,
            ),
            sends: ByAddress::per_minute(settings.codes_per_address_per_minute, settings.codes_per_network_per_minute),
            tokens: RateLimiter::keyed(Quota::per_second(tokens)),
            recipients: RateLimiter::keyed(Quota::per_hour(recipients)),
            accounts: Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(3600)).build(),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one attempt from an address. A question from inside the process has none and is not limited.
    pub fn address(&self, what: Try, address: Option<IpAddr>) -> Result<(), Wait> {
        let Some(address) = address else { return Ok(()) };
        match what {
            Try::Secret => self.secrets.check(address, &self.clock),
            Try::SignUp => self.sign_ups.check(address, &self.clock),
            Try::Send => self.sends.check(address, &self.clock),
            Try::Token => check(&self.tokens, &self::address(address), &self.clock),
        }
    }

    /// Counts one mail or message with a code or a link: for who asked, and for who gets it.
    pub fn send(&self, recipient: &str, address: Option<IpAddr>) -> Result<(), Wait> {
        self.address(Try::Send, address)?;
        check(&self.recipients, &sha256(recipient.as_bytes()), &self.clock)
    }

    /// Counts one attempt at a second factor, like one at a password but for all browsers together.
    pub fn factor(&self, account_id: Uuid, now: DateTime<Utc>) -> Result<(), Wait> {
        self.account(&factor_key(account_id), now)
    }

    pub fn factor_succeeded(&self, account_id: Uuid) {
        self.succeeded(&factor_key(account_id));
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
                (Some(failures), Some(_)) => Failures { refused: failures.refused + 1, ..failures },
                (before, _) => {
                    Failures { count: before.map_or(0, |failures| failures.count) + 1, refused: 0, last: now }
                }
            }
        });
        wait.map_or(Ok(()), Err)
    }

    /// Whether just now was the first try at `account` that was sent away: a flood of them is one piece of news.
    pub fn is_first_refusal(&self, account: &str) -> bool {
        self.accounts.get(&sha256(account.as_bytes())).is_some_and(|failures| failures.refused == 1)
    }

    pub fn succeeded(&self, account: &str) {
        self.accounts.invalidate(&sha256(account.as_bytes()));
    }

    /// Forgets addresses that are back at their full allowance.
    pub fn forget_idle(&self) {
        [&self.secrets, &self.sign_ups, &self.sends].into_iter().for_each(ByAddress::forget_idle);
        self.tokens.retain_recent();
        self.recipients.retain_recent();
    }
}

fn delay(failures: u32) -> TimeDelta {
    let Some(over) = failures.checked_sub(FREE_FAILURES) else {
        return TimeDelta::zero();
    };
    TimeDelta::seconds((2_i64 << over.min(16)).min(DELAY_MAX_S))
}

/// IPv6 users have a whole /64 each.
fn address(ip: IpAddr) -> IpAddr {
    prefix(ip, 32, 64)
}

/// What one customer of a provider commonly has.
fn network(ip: IpAddr) -> IpAddr {
    prefix(ip, 24, 48)
}

fn prefix(ip: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.checked_shl(32 - v4).unwrap_or(0))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.checked_shl(128 - v6).unwrap_or(0))),
    }
}

fn factor_key(account_id: Uuid) -> String {
    format!("{account_id}/factor")
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

    #[test]
    fn a_network_has_a_wider_allowance() {
        let settings =
            Settings { attempts_per_address_per_minute: 2, attempts_per_network_per_minute: 3, ..Settings::default() };
        for network in ["192.0.2.", "2001:db8:0:"] {
            let throttle = Throttle::new(&settings);
            let end = if network.contains(':') { "::1" } else { "" };
            let tried = (1..=5).map(|host| format!("{network}{host}{end}").parse().unwrap());
            let let_through = tried.filter(|ip| throttle.address(Try::Secret, Some(*ip)).is_ok()).count();
            assert_eq!(let_through, 3, "{network}");
            assert!(throttle.address(Try::Secret, Some("198.51.100.1".parse().unwrap())).is_ok());
        }
        assert_eq!(network("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.0".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn a_recipient_gets_so_many_codes_and_a_factor_so_many_tries() {
        let throttle = Throttle::new(&Settings { codes_per_recipient_per_hour: 2, ..Settings::default() });
        let sent: Vec<bool> = (0..3).map(|_| throttle.send("+254700000001", None).is_ok()).collect();
        assert_eq!(sent, [true, true, false]);
        assert!(throttle.send("+254700000002", None).is_ok());
        let person = Uuid::from_u128(1);
        for _ in 0..FREE_FAILURES {
            assert_eq!(throttle.factor(person, at(0)), Ok(()));
        }
        assert_eq!(throttle.factor(person, at(0)), Err(Wait(3)));
        assert!(throttle.is_first_refusal(&factor_key(person)));
        assert_eq!(throttle.factor(person, at(0)), Err(Wait(3)));
        assert!(!throttle.is_first_refusal(&factor_key(person)), "one piece of news");
        throttle.factor_succeeded(person);
        assert_eq!(throttle.factor(person, at(0)), Ok(()));
    }
}
