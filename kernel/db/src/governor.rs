//! The connection governor: owns every server connection of the process, opened on demand and closed when idle.
//!
//! One cap for the process and one per tenant. Who cannot be served waits for a bounded time; a freed connection goes
//! to the waiting tenant that used least, if need be by closing it and opening another place's. A database that cannot
//! be reached is left alone for a while, so that it costs the others nothing.
mod breaker;
mod conn;
mod pool;
mod queue;

pub use conn::Conn;

use crate::{DbError, Place};
use breaker::{Outcome, ServerBreaker};
use conn::{Opening, Parting, Permit};
use hitaji_core::TenantId;
use pool::Pool;
use queue::{FairQueue, Share};
use sqlx::postgres::PgConnectOptions;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What a governor keeps to.
#[derive(Clone, Copy, Debug)]
pub struct GovernorLimits {
    /// Connections of the process.
    pub cap: usize,
    /// Connections of one tenant, in all its databases; and those to the control database.
    pub cap_per_place: usize,
    /// Connections of the cap that tenants cannot have: half for administration, half for the control database alone.
    pub reserve: usize,
    /// How long a request waits for its turn.
    pub wait: Duration,
    pub idle_after: Duration,
    /// Waiting requests of all tenants, and of one.
    pub queue: usize,
    pub queue_per_tenant: usize,
    /// Connects of tenants under way at once: all, and those to one database.
    pub connecting: usize,
    pub connecting_per_place: usize,
    /// One connect more each interval to one database of a tenant, and so many at once after a rest.
    pub connect_interval: Duration,
    pub connect_burst: u32,
    /// For databases of tenants.
    pub connect_timeout: Duration,
    /// For all others.
    pub own_connect_timeout: Duration,
}

impl GovernorLimits {
    pub fn new(cap: usize, cap_per_place: usize, wait: Duration, idle_after: Duration) -> GovernorLimits {
        GovernorLimits {
            cap,
            cap_per_place,
            reserve: if cap < 4 { 0 } else { (cap / 8).clamp(1, 4) },
            wait,
            idle_after,
            queue: 2_000,
            queue_per_tenant: 400,
            connecting: (cap / 2).max(1),
            connecting_per_place: 4,
            connect_interval: Duration::from_millis(50),
            connect_burst: 24,
            connect_timeout: Duration::from_secs(2),
            own_connect_timeout: Duration::from_secs(5),
        }
    }

    /// How many connections the shares up to this rank may have together.
    fn cap_of_rank(&self, rank: usize) -> usize {
        let out_of_reach = [self.reserve, self.reserve.div_ceil(2)].get(rank).copied().unwrap_or(0);
        self.cap.saturating_sub(out_of_reach).max(1)
    }
}

/// What the governor has just now, and what it refused so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct GovernorStats {
    pub open: usize,
    pub idle: usize,
    pub waiting: usize,
    /// Requests without a connection since the start: a full queue, a wait too long, an open breaker.
    pub refused: u64,
    /// Places whose circuit breaker is open or tries.
    pub broken: usize,
}

#[derive(Clone)]
pub struct Governor(Arc<Inner>);

struct Inner {
    limits: GovernorLimits,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    pool: Pool,
    queue: FairQueue<Waiter>,
    /// Those on which connects failed lately.
    servers: HashMap<String, ServerBreaker>,
    refused: u64,
    /// When somebody will look whether a rate limit has passed.
    alarm: Option<Duration>,
}

type Waiter = oneshot::Sender<Result<Grant, DbError>>;

/// What a request gets in the end. One that nobody picks up gives itself back when it is dropped.
enum Grant {
    /// With how long it was idle.
    Live(Conn, Duration),
    Open(Opening),
}

/// A connection that was idle for so long is asked whether it still lives before somebody works with it.
const ASK_AFTER: Duration = Duration::from_millis(500);

const BROKEN: DbError = DbError::Unavailable("the database could not be reached, and is left alone for a moment");

impl Governor {
    pub fn new(cap: usize, cap_per_place: usize, wait: Duration, idle_after: Duration) -> Governor {
        Governor::with_limits(GovernorLimits::new(cap, cap_per_place, wait, idle_after))
    }

    pub fn with_limits(limits: GovernorLimits) -> Governor {
        let (pool, queue) = (Pool::new(limits), FairQueue::default());
        let state = State { pool, queue, servers: HashMap::new(), refused: 0, alarm: None };
        Governor(Arc::new(Inner { limits, started: Instant::now(), state: Mutex::new(state) }))
    }

    /// A connection to `place`; `options` is asked only when one must be opened.
    pub async fn acquire<F>(&self, place: Place, options: F) -> Result<Conn, DbError>
    where
        F: AsyncFnOnce() -> Result<PgConnectOptions, DbError>,
    {
        let limits = &self.0.limits;
        let timeout = if place.tenant().is_some() { limits.connect_timeout } else { limits.own_connect_timeout };
        loop {
            let grant = match self.request(&place)? {
                Ok(grant) => grant,
                Err(waiting) => waiting.turn(limits.wait).await?,
            };
            match grant {
                Grant::Open(opening) => return opening.connect(timeout, options).await,
                Grant::Live(mut conn, rested) => {
                    if rested < ASK_AFTER || conn.answers().await {
                        return Ok(conn);
                    }
                    // The server restarted, or the database was replaced: its other connections are as dead as this one.
                    self.close_idle_of(&place);
                    conn.close();
                }
            }
        }
    }

    pub fn stats(&self) -> GovernorStats {
        self.change(None, |state, _| GovernorStats {
            open: state.pool.open_connections(),
            idle: state.pool.idle_connections(),
            waiting: state.queue.waiting(),
            refused: state.refused,
            broken: state.pool.broken().count(),
        })
    }

    /// The places whose circuit breaker is open or tries.
    pub fn broken_places(&self) -> Vec<Place> {
        self.change(None, |state, _| state.pool.broken().cloned().collect())
    }

    /// The time for which each tenant held connections since this was last asked; all its connections added up.
    pub fn take_usage(&self) -> Vec<(TenantId, Duration)> {
        let all = self.take_all_usage().into_iter();
        all.filter_map(|(tenant, used)| Some((tenant?, used))).collect()
    }

    /// The same, with the platform's own connections (control database, administration) as those of no tenant.
    pub fn take_all_usage(&self) -> Vec<(Option<TenantId>, Duration)> {
        self.change(None, |state, now| state.queue.take_usage(now))
    }

    /// How much of the connections' time a tenant gets where there is not enough for all: 1 unless set.
    pub fn set_weight(&self, tenant: TenantId, weight: u32) {
        self.change(None, |state, now| state.queue.set_weight(now, tenant, weight));
    }

    /// Closes what has been idle too long; called from time to time.
    pub async fn close_idle(&self) {
        let stale = self.change(None, |state, now| {
            state.queue.forget_idle();
            state.pool.sweep(now)
        });
        let parting = |(place, conn)| Parting { place, governor: self.clone(), conn: Some(conn) };
        let stale: Vec<Parting> = stale.into_iter().map(parting).collect();
        futures::future::join_all(stale.into_iter().map(Parting::now)).await;
    }

    /// Closes the connections of a place: idle ones now, leased ones when they come back. For what changes where a
    /// database is, or how one signs in to it.
    pub fn close_place(&self, place: &Place) {
        self.change(None, |state, _| state.pool.renew(place));
        self.close_idle_of(place);
    }

    /// Closes the place's breaker: the database is back, by other knowledge than a connect's.
    pub fn forgive(&self, place: &Place) {
        self.change(None, |state, _| state.pool.forgive(place));
    }

    fn close_idle_of(&self, place: &Place) {
        let idle = self.change(None, |state, _| state.pool.take_all_idle(place));
        let parting = |conn| Parting { place: place.clone(), governor: self.clone(), conn: Some(conn) };
        let idle: Vec<Parting> = idle.into_iter().map(parting).collect();
        idle.into_iter().for_each(Parting::later);
    }

    /// Serves at once, else joins the line.
    fn request(&self, place: &Place) -> Result<Result<Grant, Waiting>, DbError> {
        self.change(None, |state, now| {
            let share = Share::of(place);
            if !state.queue.has_line(place) && state.pool.is_servable(now, place) {
                state.queue.start(now, share);
                return Ok(Ok(self.grant(state, now, place)));
            }
            let is_full = match share {
                Share::Tenant(_) => {
                    let (limits, queue) = (&self.0.limits, &state.queue);
                    queue.waiting() >= limits.queue || queue.waiting_of(share) >= limits.queue_per_tenant
                }
                Share::Admin | Share::Control => state.queue.waiting_of(share) >= self.0.limits.queue,
            };
            let refusal = match () {
                () if state.pool.refuses(now, place) => BROKEN,
                () if is_full => DbError::Unavailable("too many requests wait for a connection"),
                () => {
                    let (grant, turn) = oneshot::channel();
                    let ticket = state.queue.push(now, place, grant);
                    return Ok(Err(Waiting { governor: self.clone(), place: place.clone(), ticket, turn }));
                }
            };
            state.refused += 1;
            Err(refusal)
        })
    }

    /// What the pool has for this place; the queue charges the share already.
    fn grant(&self, state: &mut State, now: Duration, place: &Place) -> Grant {
        match state.pool.take_idle(place) {
            Some((conn, generation, since)) => {
                let conn = Conn::new(conn, Permit::new(self.clone(), place.clone(), generation));
                Grant::Live(conn, now.saturating_sub(since))
            }
            None => {
                let opened = state.pool.open(now, place);
                Grant::Open(Opening::new(self.clone(), place.clone(), opened))
            }
        }
    }

    /// Asks the breaker of the server that a connect is about to begin at; the platform's own connects always may.
    fn approach(&self, place: &Place, options: &PgConnectOptions) -> Result<(String, bool), DbError> {
        let server = match options.get_socket() {
            Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let is_probe = self.change(None, |state, now| {
            let Some(breaker) = state.servers.get_mut(&server).filter(|_| place.tenant().is_some()) else {
                return Ok(false);
            };
            if breaker.refuses(now) {
                state.refused += 1;
                return Err(BROKEN);
            }
            Ok(breaker.begin())
        })?;
        Ok((server, is_probe))
    }

    /// A connect has ended; where that opened the breaker, all who wait for the place are told.
    fn connected(&self, place: &Place, outcome: Outcome, is_probe: bool, server: Option<(String, bool)>) {
        let (is_server_broken, is_broken, waiters) = self.change(None, |state, now| {
            let mut is_server_broken = false;
            if let Some((server, is_probe)) = &server {
                let breaker = state.servers.entry(server.clone()).or_default();
                let was_closed = breaker.is_closed();
                is_server_broken = breaker.end(now, place, outcome, *is_probe);
                if !was_closed && breaker.is_closed() {
                    state.pool.hurry(now);
                }
                if breaker.is_untroubled() {
                    state.servers.remove(server);
                }
            }
            let is_broken = state.pool.connected(now, place, outcome, is_probe);
            let is_refused = is_broken && state.pool.refuses(now, place);
            let waiters = if is_refused { state.queue.drain(place) } else { Vec::new() };
            state.refused += waiters.len() as u64;
            (is_server_broken, is_broken, waiters)
        });
        if let (true, Some((server, _))) = (is_server_broken, server) {
            tracing::warn!(server, "a database server cannot be reached and is left alone for a while");
        }
        if is_broken {
            tracing::warn!(?place, "a database cannot be reached and is left alone for a while");
        }
        for waiter in waiters {
            // Who went away needs no answer.
            let _ = waiter.send(Err(BROKEN));
        }
    }

    /// The one way to the state. Whatever changed, all who can be served now are served before this returns.
    fn change<R>(&self, favoured: Option<Share>, change: impl FnOnce(&mut State, Duration) -> R) -> R {
        let mut served = Vec::new();
        let mut alarm = None;
        let result = {
            let mut state = self.0.state.lock().expect("cannot be poisoned: nothing panics while it is held");
            let now = self.0.started.elapsed();
            let result = change(&mut state, now);
            if state.queue.waiting() > 0 {
                alarm = self.serve(&mut state, now, favoured, &mut served);
            }
            result
        };
        // Not while the state is held: a grant that nobody picks up comes back from here.
        for (waiter, grant) in served {
            let _ = waiter.send(Ok(grant));
        }
        if let Some(at) = alarm {
            self.set_alarm(at);
        }
        result
    }

    /// Serves whom it can, and says when to look again, where somebody waits only for a rate limit.
    fn serve(
        &self,
        state: &mut State,
        now: Duration,
        favoured: Option<Share>,
        served: &mut Vec<(Waiter, Grant)>,
    ) -> Option<Duration> {
        let ready_at = std::cell::Cell::new(None::<Duration>);
        loop {
            let State { pool, queue, .. } = &mut *state;
            let next = queue.next(now, favoured, |place| {
                if let Some(at) = pool.rate_limited_until(now, place) {
                    ready_at.set(Some(ready_at.get().map_or(at, |earliest| earliest.min(at))));
                }
                pool.is_servable(now, place)
            });
            let Some((place, waiter)) = next else { break };
            served.push((waiter, self.grant(state, now, &place)));
        }
        let at = ready_at.get()?;
        if state.alarm.is_some_and(|alarm| alarm <= at) {
            return None;
        }
        state.alarm = Some(at);
        Some(at)
    }

    fn set_alarm(&self, at: Duration) {
        let governor = self.clone();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(async move {
                    tokio::time::sleep_until((governor.0.started + at).into()).await;
                    governor.change(None, |state, _| state.alarm = None);
                });
            }
            Err(_) => self.0.state.lock().expect("cannot be poisoned: nothing panics while it is held").alarm = None,
        }
    }
}

/// A place in a line. Dropped it is left.
struct Waiting {
    governor: Governor,
    place: Place,
    ticket: u64,
    turn: oneshot::Receiver<Result<Grant, DbError>>,
}

impl Waiting {
    async fn turn(mut self, wait: Duration) -> Result<Grant, DbError> {
        match tokio::time::timeout(wait, &mut self.turn).await {
            Ok(turn) => turn.map_err(|_| DbError::Unavailable("the governor is shutting down"))?,
            Err(_) => {
                self.governor.change(None, |state, _| state.refused += 1);
                Err(DbError::Unavailable("all connections are in use"))
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.governor.change(None, |state, _| state.queue.cancel(&self.place, self.ticket));
    }
}
