//! A connection on loan, and the permits behind it, which find their way back however a lease ends.
use super::Governor;
use super::breaker::Outcome;
use super::pool::Opened;
use super::queue::Share;
use crate::{DbError, Place};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use std::ops::{Deref, DerefMut};
use std::time::Duration;

const PING_TIMEOUT: Duration = Duration::from_secs(1);
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(2);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// A leased connection. Dropped after an unfinished query it is checked before it is used again.
pub struct Conn {
    /// Both are there until drop takes them.
    conn: Option<PgConnection>,
    permit: Option<Permit>,
    clean: bool,
    closing: bool,
}

impl Conn {
    pub(super) fn new(conn: PgConnection, permit: Permit) -> Conn {
        Conn { conn: Some(conn), permit: Some(permit), clean: true, closing: false }
    }

    pub fn place(&self) -> &Place {
        &self.permit.as_ref().expect("cannot be empty: only drop takes it").place
    }

    /// Says that no query is under way, so that the connection can be handed on without a check.
    pub fn release(mut self) {
        self.clean = true;
    }

    /// Whether the server is still there.
    pub(super) async fn answers(&mut self) -> bool {
        let Some(conn) = &mut self.conn else { return false };
        matches!(tokio::time::timeout(PING_TIMEOUT, conn.ping()).await, Ok(Ok(())))
    }

    /// Ends the connection, and with it its locks.
    pub fn close(mut self) {
        self.closing = true;
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
        let (Some(conn), Some(permit)) = (self.conn.take(), self.permit.take()) else { return };
        if self.closing || matches!(permit.place, Place::Admin { .. }) {
            close_later(conn, permit);
        } else if self.clean {
            permit.keep(conn);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(check(conn, permit));
        }
    }
}

/// Rolls back what a cancelled request left open, and drains what the server still sends.
async fn check(mut conn: PgConnection, permit: Permit) {
    let reset = sqlx::raw_sql("rollback").execute(&mut conn);
    if matches!(tokio::time::timeout(ROLLBACK_TIMEOUT, reset).await, Ok(Ok(_))) {
        permit.keep(conn);
    } else {
        // The server restarted, most likely: its other connections are as dead as this one.
        permit.governor.close_idle_of(&permit.place);
    }
}

/// Says goodbye first, so that the server has ended the session when the permit is used again.
fn close_later<P: Send + 'static>(conn: PgConnection, permit: P) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move {
            close(conn).await;
            drop(permit);
        });
    }
}

pub(super) async fn close(conn: PgConnection) {
    // A connection that cannot say goodbye is gone all the same.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, conn.close()).await;
}

/// The right to one connection on loan. Dropped it is free for others.
pub(super) struct Permit {
    place: Place,
    governor: Governor,
    generation: u64,
    is_held: bool,
}

impl Permit {
    pub fn new(governor: Governor, place: Place, generation: u64) -> Permit {
        Permit { place, governor, generation, is_held: true }
    }

    /// Gives the connection back together with the permit.
    fn keep(mut self, conn: PgConnection) {
        let outdated = self.governor.change(Some(Share::of(&self.place)), |state, now| {
            let outdated = state.pool.keep(now, &self.place, self.generation, conn);
            if outdated.is_none() {
                state.queue.end(now, Share::of(&self.place));
            }
            outdated
        });
        match outdated {
            Some(conn) => close_later(conn, self),
            None => self.is_held = false,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_held {
            self.governor.change(None, |state, now| {
                state.pool.free(&self.place);
                state.queue.end(now, Share::of(&self.place));
            });
        }
    }
}

/// A connection that was idle and is about to be closed; its permit is free when this is dropped.
pub(super) struct Parting {
    pub place: Place,
    pub governor: Governor,
    pub conn: Option<PgConnection>,
}

impl Parting {
    pub fn later(mut self) {
        if let Some(conn) = self.conn.take() {
            close_later(conn, self);
        }
    }

    pub async fn now(mut self) {
        if let Some(conn) = self.conn.take() {
            close(conn).await;
        }
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        // Gone before its permit is.
        self.conn = None;
        self.governor.change(None, |state, _| state.pool.free(&self.place));
    }
}

/// The right to open a connection, until it is open or has failed.
pub(super) struct Opening {
    permit: Option<Permit>,
    is_probe: bool,
    evicted: Option<PgConnection>,
    /// The server, once it is known, and whether this connect tries whether it is back.
    server: Option<(String, bool)>,
}

impl Opening {
    pub fn new(governor: Governor, place: Place, opened: Opened) -> Opening {
        let permit = Permit::new(governor, place, opened.generation);
        Opening { permit: Some(permit), is_probe: opened.is_probe, evicted: opened.evicted, server: None }
    }

    pub async fn connect<F>(mut self, timeout: Duration, options: F) -> Result<Conn, DbError>
    where
        F: AsyncFnOnce() -> Result<PgConnectOptions, DbError>,
    {
        let options = options().await?;
        if let Some(evicted) = self.evicted.take() {
            close(evicted).await;
        }
        self.server =
            self.permit.as_ref().map(|permit| permit.governor.approach(&permit.place, &options)).transpose()?;
        let connecting = tokio::time::timeout(timeout, PgConnection::connect_with(&options)).await;
        let (outcome, result) = match connecting {
            Ok(result) => (Outcome::of(&result), result.map_err(DbError::from)),
            Err(_) => (Outcome::Silent, Err(DbError::Unavailable("connecting took too long"))),
        };
        match (self.end(outcome), result) {
            (Some(permit), Ok(conn)) => Ok(Conn::new(conn, permit)),
            (_, Err(error)) => {
                tracing::debug!(%error, "a connect failed");
                Err(error)
            }
            (None, Ok(_)) => Err(DbError::Unavailable("the connection was given away")),
        }
    }

    fn end(&mut self, outcome: Outcome) -> Option<Permit> {
        let permit = self.permit.take()?;
        permit.governor.connected(&permit.place, outcome, self.is_probe, self.server.take());
        Some(permit)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.evicted = None;
        self.end(Outcome::Undecided);
    }
}
