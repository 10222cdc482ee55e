//! The connection governor: owns every server connection of the process, opened on demand and closed when idle.
//!
//! One cap for the process and one per place. Who cannot be served waits in order, for a bounded time; a freed
//! connection goes to the first waiter that may have it, if need be by closing it and opening another place's.
use crate::{DbError, Place};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use std::collections::{HashMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const QUEUE_LIMIT: usize = 2_000;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many connections there are just now.
#[derive(Clone, Copy, Debug, Default)]
pub struct GovernorStats {
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
}

#[derive(Clone)]
pub(crate) struct Governor(Arc<Inner>);

struct Inner {
    cap: usize,
    cap_per_place: usize,
    wait: Duration,
    idle_after: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: usize,
    places: HashMap<Place, Slot>,
    waiters: VecDeque<Waiter>,
}

#[derive(Default)]
struct Slot {
    open: usize,
    idle: Vec<(PgConnection, Instant)>,
}

struct Waiter {
    place: Place,
    /// Gets a lease: with a live connection, or empty, which is the right to open one. A lease that nobody
    /// picks up gives itself back when it is dropped.
    grant: oneshot::Sender<Conn>,
}

impl Governor {
    pub fn new(cap: usize, cap_per_place: usize, wait: Duration, idle_after: Duration) -> Governor {
        Governor(Arc::new(Inner { cap, cap_per_place, wait, idle_after, state: Mutex::default() }))
    }

    /// A connection to `place`; `options` is asked only when one must be opened.
    pub async fn acquire<F>(&self, place: Place, options: F) -> Result<Conn, DbError>
    where
        F: AsyncFnOnce() -> Result<PgConnectOptions, DbError>,
    {
        let mut lease = match self.lease_now(&place)? {
            Ok(lease) => lease,
            Err(waiting) => tokio::time::timeout(self.0.wait, waiting)
                .await
                .map_err(|_| DbError::Unavailable("all connections are in use"))?
                .map_err(|_| DbError::Unavailable("the governor is shutting down"))?,
        };
        if lease.conn.is_none() {
            let options = options().await?;
            let connecting = tokio::time::timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options));
            lease.conn = Some(connecting.await.map_err(|_| DbError::Unavailable("connecting took too long"))??);
        }
        Ok(lease)
    }

    pub fn stats(&self) -> GovernorStats {
        let state = self.lock();
        let idle = state.places.values().map(|slot| slot.idle.len()).sum();
        GovernorStats { open: state.open, idle, waiting: state.waiters.len() }
    }

    /// Closes what has been idle too long; called from time to time.
    pub async fn close_idle(&self) {
        let idle_after = self.0.idle_after;
        self.close_where(|_, since| since.elapsed() >= idle_after).await;
    }

    /// Closes the idle connections of a place; replaced by the governor's own branch.
    pub fn close_place(&self, place: &Place) {
        let governor = self.clone();
        let place = place.clone();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { governor.close_where(|candidate, _| *candidate == place).await });
        }
    }

    async fn close_where(&self, stale: impl Fn(&Place, &Instant) -> bool) {
        let mut closing = Vec::new();
        {
            let mut state = self.lock();
            let State { places, open, .. } = &mut *state;
            for (place, slot) in places.iter_mut() {
                let (old, kept): (Vec<_>, Vec<_>) = slot.idle.drain(..).partition(|(_, since)| stale(place, since));
                slot.idle = kept;
                slot.open -= old.len();
                *open -= old.len();
                closing.extend(old);
            }
            places.retain(|_, slot| slot.open > 0);
        }
        for (conn, _) in closing {
            // A connection that cannot say goodbye is gone all the same.
            let _ = conn.close().await;
        }
    }

    fn lease(&self, place: &Place, conn: Option<PgConnection>) -> Conn {
        Conn { conn, place: place.clone(), governor: self.clone(), clean: true, armed: true }
    }

    fn lease_now(&self, place: &Place) -> Result<Result<Conn, oneshot::Receiver<Conn>>, DbError> {
        let mut state = self.lock();
        if let Some((conn, _)) = state.places.get_mut(place).and_then(|slot| slot.idle.pop()) {
            return Ok(Ok(self.lease(place, Some(conn))));
        }
        if self.may_open(&state, place) && (state.open < self.0.cap || evict_oldest(&mut state)) {
            state.open += 1;
            state.places.entry(place.clone()).or_default().open += 1;
            return Ok(Ok(self.lease(place, None)));
        }
        if state.waiters.len() >= QUEUE_LIMIT {
            return Err(DbError::Unavailable("too many requests wait for a connection"));
        }
        let (grant, waiting) = oneshot::channel();
        state.waiters.push_back(Waiter { place: place.clone(), grant });
        Ok(Err(waiting))
    }

    fn may_open(&self, state: &State, place: &Place) -> bool {
        state.places.get(place).is_none_or(|slot| slot.open < self.0.cap_per_place)
    }

    /// Takes back a lease: hands it on, keeps it, or (`live` is none) only frees its permit.
    fn give_back(&self, place: &Place, mut live: Option<PgConnection>) {
        let mut state = self.lock();
        state.waiters.retain(|waiter| !waiter.grant.is_closed());
        while let Some(index) = state.waiters.iter().position(|w| w.place == *place || self.may_open(&state, &w.place))
        {
            let Some(waiter) = state.waiters.remove(index) else {
                break;
            };
            if waiter.place != *place {
                live = None;
                move_permit(&mut state, place, &waiter.place);
            }
            let Err(mut refused) = waiter.grant.send(self.lease(&waiter.place, live.take())) else {
                return;
            };
            refused.armed = false;
            live = refused.conn.take();
            if waiter.place != *place {
                move_permit(&mut state, &waiter.place, place);
            }
        }
        match live {
            Some(conn) if !matches!(place, Place::Admin { .. }) => {
                state.places.entry(place.clone()).or_default().idle.push((conn, Instant::now()));
            }
            _ => {
                state.open -= 1;
                free_permit(&mut state, place);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().expect("cannot be poisoned: nothing panics while it is held")
    }
}

fn free_permit(state: &mut State, place: &Place) {
    if let Some(slot) = state.places.get_mut(place) {
        slot.open -= 1;
        if slot.open == 0 {
            state.places.remove(place);
        }
    }
}

fn move_permit(state: &mut State, from: &Place, to: &Place) {
    free_permit(state, from);
    state.places.entry(to.clone()).or_default().open += 1;
}

/// Closes the connection that has been idle longest, anywhere. False when none is idle.
fn evict_oldest(state: &mut State) -> bool {
    let oldest = state
        .places
        .iter()
        .filter_map(|(place, slot)| slot.idle.first().map(|(_, since)| (*since, place.clone())))
        .min_by_key(|(since, _)| *since);
    let Some((_, place)) = oldest else { return false };
    if let Some(slot) = state.places.get_mut(&place) {
        slot.idle.remove(0);
    }
    state.open -= 1;
    free_permit(state, &place);
    true
}

/// A leased connection. Dropped after an unfinished query it is checked before it is used again.
pub struct Conn {
    conn: Option<PgConnection>,
    place: Place,
    governor: Governor,
    clean: bool,
    /// False once the lease was taken apart by the governor itself.
    armed: bool,
}

impl Conn {
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Says that no query is under way, so that the connection can be handed on without a check.
    pub fn release(mut self) {
        self.clean = true;
    }

    /// Ends the connection now instead of handing it on.
    pub fn close(mut self) {
        self.conn = None;
    }
}

impl Deref for Conn {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        self.conn.as_ref().expect("cannot be empty: only drop takes it")
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.clean = false;
        self.conn.as_mut().expect("cannot be empty: only drop takes it")
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (conn, place, governor) = (self.conn.take(), self.place.clone(), self.governor.clone());
        match conn {
            Some(mut conn) if !self.clean => {
                let Ok(runtime) = tokio::runtime::Handle::try_current() else {
                    return governor.give_back(&place, None);
                };
                runtime.spawn(async move {
                    // Rolls back what a cancelled request left open, and drains what the server still sends.
                    let reset = sqlx::raw_sql("rollback").execute(&mut conn);
                    let sound = matches!(tokio::time::timeout(CONNECT_TIMEOUT, reset).await, Ok(Ok(_)));
                    if !sound {
                        // The server restarted, most likely: its other connections are as dead as this one.
                        governor.close_where(|candidate, _| *candidate == place).await;
                    }
                    governor.give_back(&place, sound.then_some(conn));
                });
            }
            conn => governor.give_back(&place, conn),
        }
    }
}
