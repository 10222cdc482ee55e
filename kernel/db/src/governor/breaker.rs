//! When a database is left alone: a circuit breaker on failed connects, and a limit on the rate of connects. Pure.
use crate::Place;
use std::collections::HashSet;
use std::time::Duration;

/// So many failures in a row open the breaker.
const FAILURES: u32 = 5;
/// What an attempt that nobody answered counts as: two of them open it.
const SILENCE: u32 = 3;
/// One database alone says nothing about its server.
const SILENT_PLACES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// For one tenant's database.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// For the platform's own databases and for whole servers, whose return matters to all.
pub const LONGEST_SHARED_PAUSE: Duration = Duration::from_secs(5);

/// How an attempt to connect ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Connected,
    /// The server is away, starting or stopping.
    Unreachable,
    /// Nobody answered in time: each such attempt costs somebody the whole time-out, so it weighs more.
    Silent,
    /// The server is there, and the database is not.
    Failed,
    /// The server is there, and refused the role or its password. Counts from the second time: the first may be a
    /// password that was changed just now.
    LoginRefused,
    /// Cancelled before its end, or an error that says nothing about the database.
    Undecided,
}

impl Outcome {
    pub fn of(result: &Result<sqlx::PgConnection, sqlx::Error>) -> Outcome {
        match result {
            Ok(_) => Outcome::Connected,
            Err(sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_)) => Outcome::Unreachable,
            Err(sqlx::Error::Database(error)) => match error.code().as_deref() {
                Some("28P01" | "28000") => Outcome::LoginRefused,
                // 08: connection, 57: shut down or starting.
                Some(code) if ["08", "57"].iter().any(|class| code.starts_with(class)) => Outcome::Unreachable,
                // 58: files missing, XX: internal, 55000: fenced or being dropped, 3D000: no such database, 42501: the
                // role may not connect.
                Some(code) if ["58", "XX"].iter().any(|class| code.starts_with(class)) => Outcome::Failed,
                Some("55000" | "3D000" | "42501") => Outcome::Failed,
                _ => Outcome::Undecided,
            },
            Err(_) => Outcome::Undecided,
        }
    }
}

/// Closed it lets everything through, open nothing until its pause is over, and then one attempt to try.
#[derive(Clone, Debug, Default)]
pub struct Breaker {
    failures: u32,
    login_refused: bool,
    /// The pause, while not closed.
    pause: Option<Duration>,
    until: Duration,
    is_probing: bool,
}

impl Breaker {
    pub fn is_closed(&self) -> bool {
        self.pause.is_none()
    }

    /// Whether there is nothing to remember.
    pub fn is_untroubled(&self) -> bool {
        self.failures == 0 && !self.login_refused && self.is_closed()
    }

    /// Whether no connect may begin now.
    pub fn refuses(&self, now: Duration) -> bool {
        !self.is_closed() && (self.is_probing || now < self.until)
    }

    /// Whether an open breaker's pause has been over for so long that nobody seems to care.
    pub fn is_forgotten(&self, now: Duration) -> bool {
        !self.is_probing && now >= self.until + LONGEST_PAUSE
    }

    /// A connect begins. True when it is the one that tries whether the database is back.
    pub fn begin(&mut self) -> bool {
        self.is_probing = !self.is_closed();
        self.is_probing
    }

    /// A connect ended; `probe` is what [`Breaker::begin`] said. True when this opened the breaker, or left it open.
    pub fn end(&mut self, now: Duration, outcome: Outcome, probe: bool, longest: Duration) -> bool {
        let failed = match outcome {
            Outcome::Connected => {
                *self = Breaker::default();
                return false;
            }
            Outcome::Failed | Outcome::Unreachable | Outcome::Silent => true,
            Outcome::LoginRefused => std::mem::replace(&mut self.login_refused, true),
            Outcome::Undecided => false,
        };
        self.is_probing &= !probe;
        match self.pause {
            Some(pause) if probe && (failed || outcome == Outcome::LoginRefused) => {
                self.open(now, (pause * 2).min(longest));
                true
            }
            // The next one tries.
            Some(_) if probe => {
                self.until = now;
                false
            }
            Some(_) => false,
            None if failed => {
                self.failures += if outcome == Outcome::Silent { SILENCE } else { 1 };
                let opens = self.failures >= FAILURES;
                if opens {
                    self.open(now, FIRST_PAUSE);
                }
                opens
            }
            None => false,
        }
    }

    /// Whether the last connects failed, so that the next had better come one by one.
    pub fn is_doubtful(&self) -> bool {
        self.failures > 0
    }

    /// Ends the pause: there is reason to believe that the database is back.
    pub fn hurry(&mut self, now: Duration) {
        self.until = self.until.min(now);
    }

    fn open(&mut self, now: Duration, pause: Duration) {
        self.pause = Some(pause);
        self.until = now + pause;
    }
}

/// A server on which several databases fail is left alone as a whole, before each of them has found out for itself.
#[derive(Debug, Default)]
pub struct ServerBreaker {
    breaker: Breaker,
    /// Where nobody answered since somebody did; no more than are needed.
    silent: HashSet<Place>,
}

impl ServerBreaker {
    pub fn refuses(&self, now: Duration) -> bool {
        self.breaker.refuses(now)
    }

    pub fn begin(&mut self) -> bool {
        self.breaker.begin()
    }

    /// As [`Breaker::end`]. Whatever the server says, it is there.
    pub fn end(&mut self, now: Duration, place: &Place, outcome: Outcome, probe: bool) -> bool {
        match outcome {
            Outcome::Unreachable | Outcome::Silent => {
                if self.silent.len() < SILENT_PLACES {
                    self.silent.insert(place.clone());
                }
                self.silent.len() >= SILENT_PLACES && self.breaker.end(now, outcome, probe, LONGEST_SHARED_PAUSE)
            }
            Outcome::Undecided => self.breaker.end(now, outcome, probe, LONGEST_SHARED_PAUSE),
            Outcome::Connected | Outcome::Failed | Outcome::LoginRefused => {
                *self = ServerBreaker::default();
                false
            }
        }
    }

    pub fn is_closed(&self) -> bool {
        self.breaker.is_closed()
    }

    pub fn is_untroubled(&self) -> bool {
        self.silent.is_empty() && self.breaker.is_untroubled()
    }
}

/// A token bucket, as the time at which it is full again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// When the next token is there, for `burst` tokens that come back one each `interval`.
    pub fn ready_at(&self, interval: Duration, burst: u32) -> Duration {
        self.full_at.saturating_sub(interval * burst.saturating_sub(1))
    }

    pub fn take(&mut self, now: Duration, interval: Duration) {
        self.full_at = self.full_at.max(now) + interval;
    }

    pub fn is_full(&self, now: Duration) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for n in 1..=FAILURES {
            assert!(!breaker.refuses(s(0)) && !breaker.begin());
            assert_eq!(breaker.end(s(0), Outcome::Failed, false, LONGEST_PAUSE), n == FAILURES);
        }
        breaker
    }

    #[test]
    fn two_silences_open_it() {
        let mut breaker = Breaker::default();
        assert!(!breaker.end(s(0), Outcome::Silent, false, LONGEST_PAUSE));
        assert!(breaker.end(s(2), Outcome::Silent, false, LONGEST_PAUSE));
        assert!(breaker.refuses(s(2)) && !breaker.refuses(s(3)));
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..FAILURES {
                breaker.end(s(0), Outcome::Failed, false, LONGEST_PAUSE);
            }
            breaker.end(s(0), Outcome::Connected, false, LONGEST_PAUSE);
        }
        assert!(breaker.is_untroubled());
        assert!(open().refuses(s(0)));
    }

    #[test]
    fn it_lets_one_try_and_closes_upon_success() {
        let mut breaker = open();
        assert!(!breaker.refuses(s(1)) && breaker.begin());
        assert!(breaker.refuses(s(1)), "one probe at a time");
        breaker.end(s(1), Outcome::Connected, true, LONGEST_PAUSE);
        assert!(breaker.is_untroubled() && !breaker.refuses(s(1)));
    }

    #[test]
    fn its_pause_doubles_up_to_half_a_minute() {
        let (mut breaker, mut now) = (open(), s(0));
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            assert!(breaker.refuses(now + s(pause) - Duration::from_millis(1)));
            now += s(pause);
            assert!(!breaker.refuses(now) && breaker.begin());
            assert!(breaker.end(now, Outcome::Failed, true, LONGEST_PAUSE));
        }
    }

    #[test]
    fn its_pause_ends_early_where_there_is_reason() {
        let mut breaker = open();
        breaker.hurry(s(0));
        assert!(!breaker.refuses(s(0)) && breaker.begin());
        breaker.hurry(s(0));
        assert!(breaker.refuses(s(0)), "still one probe at a time");
    }

    #[test]
    fn a_cancelled_probe_leaves_its_turn_to_the_next() {
        let mut breaker = open();
        breaker.begin();
        assert!(!breaker.end(s(5), Outcome::Undecided, true, LONGEST_PAUSE));
        assert!(!breaker.refuses(s(5)) && breaker.begin());
    }

    #[test]
    fn stragglers_change_nothing_while_it_is_open() {
        let mut breaker = open();
        assert!(!breaker.end(s(0), Outcome::Failed, false, LONGEST_PAUSE));
        assert!(!breaker.refuses(s(1)) && breaker.begin());
        assert!(!breaker.end(s(1), Outcome::Failed, false, LONGEST_PAUSE));
        assert!(breaker.refuses(s(1)), "the probe is still under way");
    }

    #[test]
    fn the_first_refused_login_does_not_count() {
        let mut breaker = Breaker::default();
        for n in 0..=FAILURES {
            assert_eq!(breaker.end(s(0), Outcome::LoginRefused, false, LONGEST_PAUSE), n == FAILURES);
        }
    }

    #[test]
    fn a_server_is_left_alone_when_several_databases_are_silent() {
        let place = |n| Place::Tenant(hitaji_core::TenantId(uuid::Uuid::from_u128(n)));
        let mut server = ServerBreaker::default();
        for _ in 0..100 {
            assert!(!server.end(s(0), &place(1), Outcome::Unreachable, false), "one database is not the server");
        }
        server.end(s(0), &place(2), Outcome::Unreachable, false);
        for n in 1..=FAILURES {
            assert!(!server.refuses(s(0)));
            assert_eq!(server.end(s(0), &place(3), Outcome::Unreachable, false), n == FAILURES);
        }
        assert!(server.refuses(s(0)) && !server.refuses(s(1)) && server.begin() && server.refuses(s(1)));
        server.end(s(1), &place(4), Outcome::LoginRefused, true);
        assert!(server.is_untroubled(), "it speaks");
    }

    #[test]
    fn the_bucket_gives_a_burst_and_then_a_steady_rate() {
        let (mut bucket, interval) = (Bucket::default(), Duration::from_millis(50));
        let mut taken = Vec::new();
        for ms in 0..200 {
            let now = s(1) + Duration::from_millis(ms);
            while bucket.ready_at(interval, 3) <= now {
                bucket.take(now, interval);
                taken.push(ms);
            }
        }
        assert_eq!(taken, [0, 0, 0, 50, 100, 150]);
    }
}
