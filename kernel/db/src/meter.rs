//! Counts in this process what each organisation uses; [`crate::Databases::book_usage`] adds it to the ledger each minute.
//!
//! CPU time is that of the thread while it polled an organisation's work. The thread's CPU clock is a system call and costs
//! ten times what the wall clock does, so every poll is timed by the wall clock, and one in 32, by chance, by both: what the
//! sample says of the part that was CPU time holds for all. What is in nobody's work (connections, parsing, jobs, upkeep) is
//! the platform's: the process's own CPU time, which the kernel counts, less that of all organisations.
use crate::directory::usage::{Standing, Usage};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use hitaji_core::TenantId;
use rustix::time::{ClockId, clock_gettime};
use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// Shared by all of a process; clones count together.
#[derive(Clone, Default)]
pub struct Meter(pub(crate) Arc<Inner>);

#[derive(Default)]
pub(crate) struct Inner {
    accounts: RwLock<HashMap<TenantId, Arc<Account>>>,
    platform: Arc<Account>,
    process: Account,
    pub window: tokio::sync::Mutex<Option<Window>>,
    sample: Sample,
}

/// Polls timed by both clocks; older ones count ever less.
#[derive(Default)]
struct Sample {
    wall_ns: AtomicU64,
    cpu_ns: AtomicU64,
}

impl Sample {
    /// How much of a poll's time was CPU time, as far as is known.
    fn part(&self) -> f64 {
        let (wall_ns, cpu_ns) = (self.wall_ns.load(Ordering::Relaxed), self.cpu_ns.load(Ordering::Relaxed));
        if wall_ns == 0 { 1.0 } else { (cpu_ns as f64 / wall_ns as f64).min(1.0) }
    }

    fn age(&self) {
        for sum in [&self.wall_ns, &self.cpu_ns] {
            sum.fetch_sub(sum.load(Ordering::Relaxed) / 2, Ordering::Relaxed);
        }
    }
}

/// From when on is counted what is not booked yet.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    pub since: DateTime<Utc>,
    pub process_cpu: Duration,
}

/// What one organisation (or the platform, or the whole process) used since it was last booked.
#[derive(Default)]
pub struct Account {
    requests: AtomicU64,
    errors: AtomicU64,
    /// Time in which its work was polled.
    polled_ns: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    messages: AtomicU64,
    stands: Mutex<Option<Stands>>,
    /// Requests of the day so far, over all processes as far as known.
    requests_today: AtomicI64,
}

/// How an organisation stands, good until its midnight.
#[derive(Clone, Copy, Debug)]
pub struct Stands {
    pub day: NaiveDate,
    pub ends_at: DateTime<Utc>,
    pub standing: Standing,
}

/// One request with its answer, as the connection saw it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    pub failed: bool,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl Account {
    fn serve(&self, served: Served) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.errors.fetch_add(u64::from(served.failed), Ordering::Relaxed);
        self.bytes_in.fetch_add(served.bytes_in, Ordering::Relaxed);
        self.bytes_out.fetch_add(served.bytes_out, Ordering::Relaxed);
    }

    /// Adds time in which work was polled.
    pub fn spend(&self, polled: Duration) {
        self.polled_ns.fetch_add(nanos(polled), Ordering::Relaxed);
    }

    /// Counts a message that was sent.
    pub fn message(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        if let Some(stands) = &mut *self.stands.lock().expect("cannot be poisoned: nothing panics while it is held") {
            stands.standing.messages += 1;
        }
    }

    /// How the organisation stands at `now`; none where that is not known, or of a day that is over.
    pub fn stands(&self, now: DateTime<Utc>) -> Option<Stands> {
        let stands = (*self.stands.lock().expect("cannot be poisoned: nothing panics while it is held"))?;
        let requests = self.requests_today.load(Ordering::Relaxed);
        (now < stands.ends_at).then_some(Stands { standing: Standing { requests, ..stands.standing }, ..stands })
    }

    /// Counts one request of today, if there is room for it.
    pub fn admit(&self, limit: i64) -> bool {
        if self.requests_today.fetch_add(1, Ordering::Relaxed) < limit {
            return true;
        }
        self.requests_today.fetch_sub(1, Ordering::Relaxed);
        false
    }

    /// Takes over what the ledger has, and adds what is not booked yet.
    pub(crate) fn stand(&self, mut stands: Stands) {
        let pending = |count: &AtomicU64| i64::try_from(count.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        stands.standing.messages += pending(&self.messages);
        self.requests_today.store(stands.standing.requests + pending(&self.requests), Ordering::Relaxed);
        *self.stands.lock().expect("cannot be poisoned: nothing panics while it is held") = Some(stands);
    }

    /// What is counted is asked for again before it is used.
    fn forget_standing(&self) {
        *self.stands.lock().expect("cannot be poisoned: nothing panics while it is held") = None;
    }

    /// `cpu_part`: how much of the polled time was CPU time.
    pub(crate) fn take(&self, cpu_part: f64) -> Usage {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Usage {
            requests: take(&self.requests),
            errors: take(&self.errors),
            cpu_us: (take(&self.polled_ns) as f64 * cpu_part / 1_000.0) as u64,
            bytes_in: take(&self.bytes_in),
            bytes_out: take(&self.bytes_out),
            messages: take(&self.messages),
            ..Usage::default()
        }
    }

    /// Gives back what could not be booked.
    pub(crate) fn put_back(&self, usage: &Usage, cpu_part: f64) {
        let add = |count: &AtomicU64, more| count.fetch_add(more, Ordering::Relaxed);
        add(&self.requests, usage.requests);
        add(&self.errors, usage.errors);
        add(&self.polled_ns, (usage.cpu_us as f64 * 1_000.0 / cpu_part.max(0.001)) as u64);
        add(&self.bytes_in, usage.bytes_in);
        add(&self.bytes_out, usage.bytes_out);
        add(&self.messages, usage.messages);
    }
}

impl Meter {
    /// The account of an organisation; of the platform where there is none.
    pub fn account(&self, tenant: Option<TenantId>) -> Arc<Account> {
        let Some(id) = tenant else { return self.0.platform.clone() };
        if let Some(account) = self.0.accounts.read().expect("cannot be poisoned").get(&id) {
            return account.clone();
        }
        self.0.accounts.write().expect("cannot be poisoned").entry(id).or_default().clone()
    }

    /// Counts an answered request: for whom it was, and in the process's total.
    pub fn serve(&self, account: &Account, served: Served) {
        account.serve(served);
        self.0.process.serve(served);
    }

    /// Counts a message sent in an organisation's name.
    pub fn message(&self, tenant: Option<TenantId>) {
        self.account(tenant).message();
        self.0.process.message();
    }

    /// Does an organisation's work, and charges it the CPU time.
    pub async fn work<F: Future>(&self, tenant: Option<TenantId>, work: F) -> F::Output {
        let account = self.account(tenant);
        self.measure(work, |polled| account.spend(polled)).await
    }

    /// How much of the polled time is CPU time just now; for one booking.
    pub(crate) fn cpu_part(&self) -> f64 {
        let part = self.0.sample.part();
        self.0.sample.age();
        part
    }

    /// Runs `work`, and tells for how long it was polled when it ends or is given up.
    pub async fn measure<F: Future>(&self, work: F, tell: impl FnOnce(Duration)) -> F::Output {
        struct Told<T: FnOnce(Duration)>(Duration, Option<T>);
        impl<T: FnOnce(Duration)> Drop for Told<T> {
            fn drop(&mut self) {
                if let Some(tell) = self.1.take().filter(|_| !self.0.is_zero()) {
                    tell(self.0);
                }
            }
        }
        let sample = &self.0.sample;
        let mut told = Told(Duration::ZERO, Some(tell));
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|context| {
            if MEASURING.replace(true) {
                return work.as_mut().poll(context);
            }
            let _measuring = Measuring;
            let cpu = is_sampled().then(thread_cpu);
            let begun = Instant::now();
            let polled = work.as_mut().poll(context);
            let took = begun.elapsed();
            if let Some(before) = cpu {
                sample.cpu_ns.fetch_add(nanos(thread_cpu().saturating_sub(before)), Ordering::Relaxed);
                sample.wall_ns.fetch_add(nanos(took), Ordering::Relaxed);
            }
            told.0 += took;
            polled
        })
        .await
    }

    pub(crate) fn forget_standing(&self, tenant: TenantId) {
        if let Some(account) = self.0.accounts.read().expect("cannot be poisoned").get(&tenant) {
            account.forget_standing();
        }
    }

    /// All accounts of organisations; those that nobody holds and that did nothing are forgotten.
    pub(crate) fn accounts(&self) -> Vec<(TenantId, Arc<Account>)> {
        let mut accounts = self.0.accounts.write().expect("cannot be poisoned");
        accounts.retain(|_, account| {
            let counts = [&account.requests, &account.polled_ns, &account.messages];
            Arc::strong_count(account) > 1 || counts.iter().any(|count| count.load(Ordering::Relaxed) > 0)
        });
        accounts.iter().map(|(id, account)| (*id, account.clone())).collect()
    }

    pub(crate) fn platform(&self) -> &Account {
        &self.0.platform
    }

    pub(crate) fn process(&self) -> &Account {
        &self.0.process
    }
}

thread_local! {
    /// Whether this thread is within a measured poll: work within work is the outer one's.
    static MEASURING: Cell<bool> = const { Cell::new(false) };
    /// The state of [`is_sampled`].
    static DRAW: Cell<u32> = const { Cell::new(0x9E37_79B9) };
}

/// Ends a measured poll, also one that panics.
struct Measuring;

impl Drop for Measuring {
    fn drop(&mut self) {
        MEASURING.set(false);
    }
}

/// One in 32, by Marsaglia's xorshift: a fixed step could meet the same poll of every request.
fn is_sampled() -> bool {
    let mut draw = DRAW.get();
    draw ^= draw << 13;
    draw ^= draw >> 17;
    draw ^= draw << 5;
    DRAW.set(draw);
    draw.is_multiple_of(32)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn thread_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// The CPU time of the whole process so far.
pub(crate) fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The day in `zone` and the instant at which it ends. Where the clocks jump over midnight, the day begins after the jump.
pub fn day_of(now: DateTime<Utc>, zone: Tz) -> (NaiveDate, DateTime<Utc>) {
    let day = now.with_timezone(&zone).date_naive();
    let midnight = day.succ_opt().unwrap_or(day).and_time(NaiveTime::MIN);
    let starts =
        (0..=4).find_map(|halves| zone.from_local_datetime(&(midnight + TimeDelta::minutes(30 * halves))).earliest());
    (day, starts.map_or(now + TimeDelta::days(1), |starts| starts.with_timezone(&Utc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_that_of_the_organisations_time_zone() {
        let nairobi = chrono_tz::Africa::Nairobi;
        for (now, day, ends) in [
            ("2026-05-12T20:59:59Z", "2026-05-12", "2026-05-12T21:00:00Z"),
            ("2026-05-12T21:00:00Z", "2026-05-13", "2026-05-13T21:00:00Z"),
            ("2026-12-31T22:00:00Z", "2027-01-01", "2027-01-01T21:00:00Z"),
        ] {
            assert_eq!(day_of(at(now), nairobi), (day.parse().unwrap(), at(ends)), "{now}");
        }
        let honolulu = day_of(at("2026-05-12T05:00:00Z"), chrono_tz::Pacific::Honolulu);
        assert_eq!(honolulu, ("2026-05-11".parse().unwrap(), at("2026-05-12T10:00:00Z")));
    }

    #[test]
    fn a_midnight_that_the_clocks_jump_over_is_no_midnight() {
        // Egypt goes from 23:59:59 on 23 April 2026 to 01:00 on the 24th.
        let (day, ends) = day_of(at("2026-04-23T12:00:00Z"), chrono_tz::Africa::Cairo);
        assert_eq!((day, ends), ("2026-04-23".parse().unwrap(), at("2026-04-23T22:00:00Z")));
        // In autumn midnight comes twice; the day ends at the first.
        let (day, ends) = day_of(at("2026-10-28T12:00:00Z"), chrono_tz::Africa::Cairo);
        assert_eq!(day, "2026-10-28".parse().unwrap());
        assert!(ends > at("2026-10-28T12:00:00Z") && ends < at("2026-10-29T00:00:00Z"));
    }

    #[test]
    fn a_limit_lets_in_as_many_as_it_says() {
        let account = Account::default();
        let admitted = (0..20).filter(|_| account.admit(7)).count();
        assert_eq!(admitted, 7);
    }

    #[tokio::test]
    async fn work_within_work_is_measured_once() {
        let (meter, inner, outer) = (Meter::default(), Account::default(), Account::default());
        let burn = || (0..200_000u64).fold(0, |sum, step| std::hint::black_box(sum ^ step));
        let work = async {
            burn();
            meter.measure(async { burn() }, |polled| inner.spend(polled)).await;
        };
        meter.measure(work, |polled| outer.spend(polled)).await;
        assert_eq!(inner.take(1.0).cpu_us, 0);
        assert!(outer.take(1.0).cpu_us > 0);
    }
}
