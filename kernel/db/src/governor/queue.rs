//! Who gets the next connection: start-time fair queueing over the time that connections are held. Pure.
//!
//! Each share has a virtual time: the time it held connections, divided by its weight. The waiting share with the
//! lowest one is next. A share that begins to wait starts at the virtual time of the last one served, so that nobody
//! saves up a claim by being away. Goyal, Vin and Cheng: "Start-time Fair Queueing" (SIGCOMM 1996).
use crate::Place;
use hitaji_core::TenantId;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What a held connection counts for ahead of time; keeps a burst of one share from taking all before it is charged.
const EXPECTED_HOLD: Duration = Duration::from_millis(5);
/// How far a share may be served ahead of its turn where a connection of its own came free: opening one costs as much.
const AFFINITY: Duration = Duration::from_millis(5);
/// How far behind a share may fall by its own limits and still have a claim to it.
const SLACK: Duration = Duration::from_millis(100);
const CONTROL_WEIGHT: u32 = 64;
const ADMIN_WEIGHT: u32 = 8;

/// Who is charged for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    Tenant(TenantId),
    Admin,
    Control,
}

impl Share {
    pub fn of(place: &Place) -> Share {
        match place {
            Place::Control => Share::Control,
            Place::Admin { .. } => Share::Admin,
            Place::Tenant(id) | Place::Service(id, _) => Share::Tenant(*id),
        }
    }

    /// Higher ranks have a reserve that the lower ones cannot touch.
    pub fn rank(self) -> usize {
        match self {
            Share::Tenant(_) => 0,
            Share::Admin => 1,
            Share::Control => 2,
        }
    }
}

/// Lines of waiters by place, and the accounts by which they are served.
pub struct FairQueue<T> {
    lines: HashMap<Place, VecDeque<(u64, T)>>,
    accounts: HashMap<Share, Account>,
    weights: HashMap<TenantId, u32>,
    virtual_time: Duration,
    waiting: usize,
    tickets: u64,
}

struct Account {
    weight: u32,
    virtual_time: Duration,
    /// Up to when the held connections are charged.
    charged_until: Duration,
    held: u32,
    waiting: usize,
    /// Not yet taken by [`FairQueue::take_usage`].
    used: Duration,
}

impl Account {
    fn charge(&mut self, now: Duration) {
        let held = now.saturating_sub(self.charged_until) * self.held;
        self.charged_until = self.charged_until.max(now);
        self.used += held;
        self.virtual_time += held / self.weight;
    }

    fn turn(&self, now: Duration, floor: Duration) -> Duration {
        let held = (now.saturating_sub(self.charged_until) + EXPECTED_HOLD) * self.held;
        self.virtual_time.max(floor) + held / self.weight
    }
}

impl<T> Default for FairQueue<T> {
    fn default() -> FairQueue<T> {
        FairQueue {
            lines: HashMap::new(),
            accounts: HashMap::new(),
            weights: HashMap::new(),
            virtual_time: Duration::ZERO,
            waiting: 0,
            tickets: 0,
        }
    }
}

impl<T> FairQueue<T> {
    /// A tenant of weight 2 gets twice the time of one of weight 1, where both want more than there is.
    pub fn set_weight(&mut self, now: Duration, tenant: TenantId, weight: u32) {
        let weight = weight.max(1);
        if weight == 1 {
            self.weights.remove(&tenant);
        } else {
            self.weights.insert(tenant, weight);
        }
        if let Some(account) = self.accounts.get_mut(&Share::Tenant(tenant)) {
            account.charge(now);
            account.weight = weight;
        }
    }

    pub fn waiting(&self) -> usize {
        self.waiting
    }

    pub fn waiting_of(&self, share: Share) -> usize {
        self.accounts.get(&share).map_or(0, |account| account.waiting)
    }

    pub fn has_line(&self, place: &Place) -> bool {
        self.lines.contains_key(place)
    }

    /// Puts a waiter last in its line. The ticket is for [`FairQueue::cancel`].
    pub fn push(&mut self, now: Duration, place: &Place, waiter: T) -> u64 {
        self.account(now, Share::of(place)).waiting += 1;
        self.waiting += 1;
        self.tickets += 1;
        self.lines.entry(place.clone()).or_default().push_back((self.tickets, waiter));
        self.tickets
    }

    /// Takes out who does not want to wait any longer; false when they were served already.
    pub fn cancel(&mut self, place: &Place, ticket: u64) -> bool {
        let Some(line) = self.lines.get_mut(place) else { return false };
        let Ok(index) = line.binary_search_by_key(&ticket, |(candidate, _)| *candidate) else { return false };
        line.remove(index);
        self.left(place, 1);
        true
    }

    /// Takes out all who wait for a place.
    pub fn drain(&mut self, place: &Place) -> Vec<T> {
        let line: Vec<T> = self.lines.remove(place).into_iter().flatten().map(|(_, waiter)| waiter).collect();
        self.left(place, line.len());
        line
    }

    /// Takes out the waiter whose turn it is among those that `servable` allows, and begins to charge its share.
    pub fn next(
        &mut self,
        now: Duration,
        favoured: Option<Share>,
        servable: impl Fn(&Place) -> bool,
    ) -> Option<(Place, T)> {
        let floor = self.virtual_time.saturating_sub(SLACK);
        let mut best: Option<((Duration, u64), &Place)> = None;
        for (place, line) in &self.lines {
            let share = Share::of(place);
            let (Some((ticket, _)), Some(account)) = (line.front(), self.accounts.get(&share)) else { continue };
            let head_start = if favoured == Some(share) { AFFINITY } else { Duration::ZERO };
            let turn = (account.turn(now, floor).saturating_sub(head_start), *ticket);
            if best.is_none_or(|(first, _)| turn < first) && servable(place) {
                best = Some((turn, place));
            }
        }
        let place = best?.1.clone();
        let (_, waiter) = self.lines.get_mut(&place)?.pop_front()?;
        let account = self.accounts.get_mut(&Share::of(&place))?;
        account.charge(now);
        account.virtual_time = account.virtual_time.max(floor);
        account.held += 1;
        self.virtual_time = self.virtual_time.max(account.virtual_time);
        self.left(&place, 1);
        Some((place, waiter))
    }

    /// Begins to charge a share that did not have to wait.
    pub fn start(&mut self, now: Duration, share: Share) {
        let account = self.account(now, share);
        account.held += 1;
        let reached = account.virtual_time;
        self.virtual_time = self.virtual_time.max(reached);
    }

    /// One connection of the share is not held any longer.
    pub fn end(&mut self, now: Duration, share: Share) {
        let account = self.account(now, share);
        account.held = account.held.saturating_sub(1);
    }

    /// The time that shares held connections since this was last asked: of each tenant, and of the platform.
    pub fn take_usage(&mut self, now: Duration) -> Vec<(Option<TenantId>, Duration)> {
        let mut usage = Vec::new();
        for (share, account) in &mut self.accounts {
            account.charge(now);
            let used = std::mem::take(&mut account.used);
            let tenant = if let Share::Tenant(id) = share { Some(*id) } else { None };
            if !used.is_zero() {
                usage.push((tenant, used));
            }
        }
        usage
    }

    /// Forgets accounts that tell nothing any more.
    pub fn forget_idle(&mut self) {
        if self.accounts.values().all(|account| account.held == 0 && account.waiting == 0) {
            let latest = self.accounts.values().map(|account| account.virtual_time).max();
            self.virtual_time = self.virtual_time.max(latest.unwrap_or_default());
        }
        let reached = self.virtual_time;
        self.accounts.retain(|_, account| {
            let owes = account.virtual_time > reached;
            account.held > 0 || account.waiting > 0 || owes || !account.used.is_zero()
        });
    }

    /// The share's account, charged up to now; one with nobody waiting starts at the virtual time that was reached.
    fn account(&mut self, now: Duration, share: Share) -> &mut Account {
        let reached = self.virtual_time;
        let weight = match share {
            Share::Control => CONTROL_WEIGHT,
            Share::Admin => ADMIN_WEIGHT,
            Share::Tenant(id) => self.weights.get(&id).copied().unwrap_or(1),
        };
        let account = self.accounts.entry(share).or_insert(Account {
            weight,
            virtual_time: reached,
            charged_until: now,
            held: 0,
            waiting: 0,
            used: Duration::ZERO,
        });
        account.charge(now);
        if account.waiting == 0 {
            account.virtual_time = account.virtual_time.max(reached);
        }
        account
    }

    /// So many left a place's line.
    fn left(&mut self, place: &Place, count: usize) {
        self.waiting -= count;
        if let Some(account) = self.accounts.get_mut(&Share::of(place)) {
            account.waiting -= count;
        }
        if self.lines.get(place).is_some_and(VecDeque::is_empty) {
            self.lines.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    const SERVICE: Duration = Duration::from_millis(5);
    const SERVERS: usize = 56;

    fn tenant(n: u128) -> Place {
        Place::Tenant(TenantId(uuid::Uuid::from_u128(n)))
    }

    fn share(n: u128) -> Share {
        Share::of(&tenant(n))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Numbers that look random, always the same.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1u64 << 53) as f64
        }

        fn gap(&mut self, mean: Duration) -> Duration {
            mean.mul_f64(-(1.0 - self.roll()).ln())
        }
    }

    /// Arrivals, each with the share that asks, served for `SERVICE` by `SERVERS` connections. For each request that was
    /// served by `end`: who asked, and how long it took from the question to the end.
    fn simulate(arrivals: &[(Duration, u128)], end: Duration) -> Vec<(u128, Duration)> {
        let mut queue = FairQueue::default();
        let mut running: BinaryHeap<Reverse<(Duration, u128, Duration)>> = BinaryHeap::new();
        let mut done = Vec::new();
        let mut arrivals = arrivals.iter().peekable();
        loop {
            let next_end = running.peek().map(|Reverse((at, ..))| *at);
            let now = match (arrivals.peek(), next_end) {
                (Some((at, _)), Some(finish)) => (*at).min(finish),
                (Some((at, _)), None) => *at,
                (None, Some(finish)) => finish,
                (None, None) => break,
            };
            if now > end {
                break;
            }
            if next_end == Some(now) {
                if let Some(Reverse((_, who, asked))) = running.pop() {
                    queue.end(now, share(who));
                    done.push((who, now - asked));
                }
            } else if let Some((_, who)) = arrivals.next() {
                queue.push(now, &tenant(*who), (*who, now));
            }
            while running.len() < SERVERS
                && let Some((_, (who, asked))) = queue.next(now, None, |_| true)
            {
                running.push(Reverse((now + SERVICE, who, asked)));
            }
        }
        done
    }

    /// `rates` in connections that would be busy all the time.
    fn arrivals(rates: impl Iterator<Item = (u128, f64)>, end: Duration) -> Vec<(Duration, u128)> {
        let mut dice = Dice(88_172_645_463_325_252);
        let mut arrivals = Vec::new();
        for (who, rate) in rates {
            let mut at = Duration::ZERO;
            while at < end {
                at += dice.gap(SERVICE.div_f64(rate));
                arrivals.push((at, who));
            }
        }
        arrivals.sort_unstable();
        arrivals
    }

    fn percentile(mut times: Vec<Duration>, percent: usize) -> Duration {
        times.sort_unstable();
        times[(times.len() - 1) * percent / 100]
    }

    #[test]
    fn a_hog_at_fifty_times_its_share_costs_the_others_little() {
        let end = ms(4_000);
        let fair_share = SERVERS as f64 / 200.0;
        let others = || (1..200).map(|n| (n, fair_share * 0.85));
        let others_time = |done: &[(u128, Duration)]| {
            let times = done.iter().filter(|(who, _)| *who != 0).map(|(_, time)| *time).collect();
            percentile(times, 99)
        };
        let calm = simulate(&arrivals(others(), end), end);
        let hogged = simulate(&arrivals(others().chain([(0, fair_share * 50.0)]), end), end);
        let (calm_p99, hogged_p99) = (others_time(&calm), others_time(&hogged));
        assert!(hogged_p99 <= calm_p99 * 2, "p99 {calm_p99:?} without and {hogged_p99:?} with the hog");
        let hog = hogged.iter().filter(|(who, _)| *who == 0).count();
        let hog_got = hog as f64 * SERVICE.as_secs_f64() / end.as_secs_f64();
        assert!(hog_got > SERVERS as f64 * 0.13, "the hog gets what the others leave, not {hog_got} connections");
    }

    #[test]
    fn nobody_starves_where_all_want_too_much() {
        let end = ms(2_000);
        let done = simulate(&arrivals((0..100).map(|n| (n, if n == 0 { 40.0 } else { 1.2 })), end), end);
        let fair = end.as_secs_f64() / SERVICE.as_secs_f64() * SERVERS as f64 / 100.0;
        for who in 0..100 {
            let served = done.iter().filter(|(candidate, _)| *candidate == who).count() as f64;
            assert!((fair * 0.85..fair * 1.15).contains(&served), "{who} was served {served} times, fair is {fair}");
        }
    }

    #[test]
    fn time_is_shared_by_weight() {
        let mut queue = FairQueue::default();
        let Share::Tenant(heavy) = share(2) else { unreachable!() };
        queue.set_weight(ms(0), heavy, 3);
        for n in 0..400 {
            queue.push(ms(0), &tenant(1 + n % 2), ());
        }
        let mut served = [0, 0];
        for turn in 0..200 {
            let (place, ()) = queue.next(ms(turn * 10), None, |_| true).expect("somebody waits");
            served[usize::from(place == tenant(2))] += 1;
            queue.end(ms(turn * 10 + 10), Share::of(&place));
        }
        assert!((45..=55).contains(&served[0]) && (145..=155).contains(&served[1]), "{served:?}");
    }

    #[test]
    fn absence_saves_up_no_claim() {
        let mut queue = FairQueue::default();
        queue.start(ms(0), share(1));
        queue.end(ms(10_000), share(1));
        queue.start(ms(10_000), share(1));
        queue.end(ms(10_000), share(1));
        // The newcomer starts where the other one is, not ten seconds behind.
        for n in 0..100 {
            queue.push(ms(10_000), &tenant(2 - n % 2), ());
        }
        let mut newcomer = 0;
        for turn in 0..50 {
            let now = ms(10_000 + turn * 10);
            let (place, ()) = queue.next(now, None, |_| true).expect("somebody waits");
            newcomer += usize::from(place == tenant(2));
            queue.end(now + ms(10), Share::of(&place));
        }
        assert!((24..=26).contains(&newcomer), "{newcomer} of 50");
    }

    #[test]
    fn one_line_is_served_in_order_and_left_at_will() {
        let mut queue = FairQueue::default();
        let tickets: Vec<u64> = (0..4).map(|n| queue.push(ms(0), &tenant(1), n)).collect();
        assert!(queue.cancel(&tenant(1), tickets[1]));
        assert!(!queue.cancel(&tenant(1), tickets[1]));
        assert_eq!(queue.next(ms(0), None, |_| true), Some((tenant(1), 0)));
        assert_eq!(queue.next(ms(0), None, |_| true), Some((tenant(1), 2)));
        assert_eq!((queue.waiting(), queue.waiting_of(share(1))), (1, 1));
        assert_eq!(queue.drain(&tenant(1)), [3]);
        assert!(queue.waiting() == 0 && !queue.has_line(&tenant(1)));
        assert_eq!(queue.next(ms(0), None, |_| true), None);
    }

    #[test]
    fn who_cannot_be_served_is_passed_over() {
        let mut queue = FairQueue::default();
        queue.push(ms(0), &tenant(1), 1);
        queue.push(ms(0), &tenant(2), 2);
        assert_eq!(queue.next(ms(0), None, |place| *place != tenant(1)), Some((tenant(2), 2)));
        assert_eq!(queue.next(ms(0), None, |place| *place != tenant(1)), None);
    }

    #[test]
    fn usage_is_counted_once_also_of_what_still_runs() {
        let mut queue: FairQueue<()> = FairQueue::default();
        let Share::Tenant(id) = share(1) else { unreachable!() };
        let take = |queue: &mut FairQueue<()>, now| {
            let mut usage = queue.take_usage(ms(now));
            usage.sort_unstable_by_key(|(tenant, _)| tenant.is_some());
            usage
        };
        queue.start(ms(0), share(1));
        queue.start(ms(10), share(1));
        queue.start(ms(10), Share::Control);
        assert_eq!(take(&mut queue, 20), [(None, ms(10)), (Some(id), ms(30))]);
        queue.end(ms(25), share(1));
        queue.end(ms(25), share(1));
        queue.forget_idle();
        assert_eq!(take(&mut queue, 99), [(None, ms(79)), (Some(id), ms(10))]);
        queue.end(ms(99), Share::Control);
        assert_eq!(take(&mut queue, 100), []);
        queue.forget_idle();
        assert!(queue.accounts.is_empty());
    }
}
