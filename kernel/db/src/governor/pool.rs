//! The connections there are, and whether another may be opened: the caps, what is idle, and each place's troubles.
use super::GovernorLimits;
use super::breaker::{Breaker, Bucket, LONGEST_PAUSE, LONGEST_SHARED_PAUSE, Outcome};
use super::queue::Share;
use crate::Place;
use sqlx::PgConnection;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

const RANKS: usize = 3;

pub struct Pool {
    limits: GovernorLimits,
    slots: HashMap<Place, Slot>,
    shares: HashMap<Share, Count>,
    /// By rank of the share.
    ranks: [Count; RANKS],
    /// Connects of tenants under way.
    connecting: usize,
}

#[derive(Clone, Copy, Default)]
struct Count {
    open: usize,
    idle: usize,
}

#[derive(Default)]
struct Slot {
    open: usize,
    connecting: usize,
    /// The longest idle first.
    idle: VecDeque<(PgConnection, Duration)>,
    /// Connections of earlier generations are not used again.
    generation: u64,
    breaker: Breaker,
    connects: Bucket,
}

/// The right to open a connection.
pub struct Opened {
    pub generation: u64,
    pub is_probe: bool,
    /// Gave its permit away, and is to be closed first.
    pub evicted: Option<PgConnection>,
}

/// Whether there is room for one more connection.
enum Room {
    Free,
    /// After the connection was closed that is idle for longest among those of a share, or up to a rank.
    EvictOf(Share),
    EvictUpTo(usize),
    None,
}

impl Pool {
    pub fn new(limits: GovernorLimits) -> Pool {
        Pool { limits, slots: HashMap::new(), shares: HashMap::new(), ranks: [Count::default(); RANKS], connecting: 0 }
    }

    pub fn open_connections(&self) -> usize {
        self.ranks.iter().map(|count| count.open).sum()
    }

    pub fn idle_connections(&self) -> usize {
        self.ranks.iter().map(|count| count.idle).sum()
    }

    /// Places whose breaker is not closed.
    pub fn broken(&self) -> impl Iterator<Item = &Place> {
        self.slots.iter().filter(|(_, slot)| !slot.breaker.is_closed()).map(|(place, _)| place)
    }

    /// Whether the place's breaker lets nothing through, and nothing is idle there.
    pub fn refuses(&self, now: Duration, place: &Place) -> bool {
        self.slots.get(place).is_some_and(|slot| slot.idle.is_empty() && slot.breaker.refuses(now))
    }

    /// Whether a request for this place can be served now, from what is idle or by a new connection.
    pub fn is_servable(&self, now: Duration, place: &Place) -> bool {
        let slot = self.slots.get(place);
        if slot.is_some_and(|slot| !slot.idle.is_empty()) {
            return true;
        }
        self.rate_limited_until(now, place).is_none()
            && !slot.is_some_and(|slot| slot.breaker.refuses(now))
            && self.may_connect(place, slot)
            && !matches!(self.room(Share::of(place)), Room::None)
    }

    /// When the place's next connect may begin, if it is only too early.
    pub fn rate_limited_until(&self, now: Duration, place: &Place) -> Option<Duration> {
        place.tenant()?;
        let ready_at =
            self.slots.get(place)?.connects.ready_at(self.limits.connect_interval, self.limits.connect_burst);
        (ready_at > now).then_some(ready_at)
    }

    fn may_connect(&self, place: &Place, slot: Option<&Slot>) -> bool {
        if place.tenant().is_none() {
            return true;
        }
        let (connecting, is_doubtful) = slot.map_or((0, false), |slot| (slot.connecting, slot.breaker.is_doubtful()));
        let at_once = if is_doubtful { 1 } else { self.limits.connecting_per_place };
        connecting < at_once && self.connecting < self.limits.connecting
    }

    fn room(&self, share: Share) -> Room {
        let own = self.shares.get(&share).copied().unwrap_or_default();
        // Administrators' databases are many, and their connections wait for one another: no cap but the common one.
        if own.open >= self.limits.cap_per_place && share != Share::Admin {
            return if own.idle > 0 { Room::EvictOf(share) } else { Room::None };
        }
        for rank in share.rank()..RANKS {
            let up_to = &self.ranks[..=rank];
            if up_to.iter().map(|count| count.open).sum::<usize>() >= self.limits.cap_of_rank(rank) {
                let is_any_idle = up_to.iter().any(|count| count.idle > 0);
                return if is_any_idle { Room::EvictUpTo(rank) } else { Room::None };
            }
        }
        Room::Free
    }

    /// The connection that was used last.
    pub fn take_idle(&mut self, place: &Place) -> Option<(PgConnection, u64, Duration)> {
        let slot = self.slots.get_mut(place)?;
        let (conn, since) = slot.idle.pop_back()?;
        let generation = slot.generation;
        self.count(place, |count| count.idle -= 1);
        Some((conn, generation, since))
    }

    /// Takes a permit for a new connection; [`Pool::is_servable`] said that there is one.
    pub fn open(&mut self, now: Duration, place: &Place) -> Opened {
        let evicted = match self.room(Share::of(place)) {
            Room::Free | Room::None => None,
            Room::EvictOf(share) => self.evict_oldest(|candidate| candidate == share),
            Room::EvictUpTo(rank) => self.evict_oldest(|candidate| candidate.rank() <= rank),
        };
        self.count(place, |count| count.open += 1);
        self.connecting += usize::from(place.tenant().is_some());
        let slot = self.slots.entry(place.clone()).or_default();
        slot.open += 1;
        slot.connecting += 1;
        slot.connects.take(now, self.limits.connect_interval);
        Opened { generation: slot.generation, is_probe: slot.breaker.begin(), evicted }
    }

    /// The connect has ended. True when the breaker opened, or stayed open.
    pub fn connected(&mut self, now: Duration, place: &Place, outcome: Outcome, is_probe: bool) -> bool {
        self.connecting -= usize::from(place.tenant().is_some());
        let Some(slot) = self.slots.get_mut(place) else { return false };
        slot.connecting -= 1;
        let longest = if place.tenant().is_some() { LONGEST_PAUSE } else { LONGEST_SHARED_PAUSE };
        let was_closed = slot.breaker.is_closed();
        let is_broken = slot.breaker.end(now, outcome, is_probe, longest);
        if *place == Place::Control && outcome == Outcome::Connected && !was_closed {
            self.hurry(now);
        }
        is_broken
    }

    /// A server is back: every database that was left alone is tried when it is next asked for.
    pub fn hurry(&mut self, now: Duration) {
        self.slots.values_mut().for_each(|slot| slot.breaker.hurry(now));
    }

    fn evict_oldest(&mut self, allowed: impl Fn(Share) -> bool) -> Option<PgConnection> {
        let candidates = self.slots.iter().filter(|(place, _)| allowed(Share::of(place)));
        let oldest = candidates.filter_map(|(place, slot)| Some((slot.idle.front()?.1, place)));
        let place = oldest.min_by_key(|(since, _)| *since)?.1.clone();
        let (conn, _) = self.slots.get_mut(&place)?.idle.pop_front()?;
        self.count(&place, |count| count.idle -= 1);
        self.free(&place);
        Some(conn)
    }

    /// Keeps a connection for the next request, unless its place has moved on.
    pub fn keep(&mut self, now: Duration, place: &Place, generation: u64, conn: PgConnection) -> Option<PgConnection> {
        match self.slots.get_mut(place) {
            Some(slot) if slot.generation == generation => {
                slot.idle.push_back((conn, now));
                self.count(place, |count| count.idle += 1);
                None
            }
            _ => Some(conn),
        }
    }

    /// Gives a permit back.
    pub fn free(&mut self, place: &Place) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.open -= 1;
        }
        self.count(place, |count| count.open -= 1);
    }

    /// Takes out what is idle in a place. The permits are still taken.
    pub fn take_all_idle(&mut self, place: &Place) -> Vec<PgConnection> {
        let taken: Vec<_> = self.slots.get_mut(place).into_iter().flat_map(|slot| slot.idle.drain(..)).collect();
        self.count(place, |count| count.idle -= taken.len());
        taken.into_iter().map(|(conn, _)| conn).collect()
    }

    /// From now on no connection that is open in this place will be used again.
    pub fn renew(&mut self, place: &Place) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.generation += 1;
        }
    }

    pub fn forgive(&mut self, place: &Place) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.breaker = Breaker::default();
        }
    }

    /// Takes out what was idle for too long, and forgets places of which there is nothing to tell.
    pub fn sweep(&mut self, now: Duration) -> Vec<(Place, PgConnection)> {
        let mut taken = Vec::new();
        for (place, slot) in &mut self.slots {
            while slot.idle.front().is_some_and(|(_, since)| now.saturating_sub(*since) >= self.limits.idle_after) {
                taken.extend(slot.idle.pop_front().map(|(conn, _)| (place.clone(), conn)));
            }
            if slot.breaker.is_forgotten(now) {
                slot.breaker = Breaker::default();
            }
        }
        for (place, _) in &taken {
            self.count(place, |count| count.idle -= 1);
        }
        self.slots.retain(|_, slot| slot.open > 0 || !slot.breaker.is_untroubled() || !slot.connects.is_full(now));
        taken
    }

    fn count(&mut self, place: &Place, change: impl Fn(&mut Count)) {
        let share = Share::of(place);
        change(&mut self.ranks[share.rank()]);
        let own = self.shares.entry(share).or_default();
        change(own);
        if own.open == 0 {
            self.shares.remove(&share);
        }
    }
}
