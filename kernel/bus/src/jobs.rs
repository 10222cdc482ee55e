//! Periodic work: each job runs in one process at a time, held by a lock in the control database.
use crate::Parts;
use futures::future::BoxFuture;
use hitaji_db::{Conn, Databases, DbError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// What a job works with.
#[derive(Clone)]
pub struct JobContext {
    pub databases: Databases,
    pub parts: Parts,
}

/// Declared in a service's `lib.rs`.
#[derive(Clone, Copy)]
pub struct Job {
    /// Unique: `tenancy.refill`.
    pub name: &'static str,
    /// In every process, about what that process alone knows; else in one process at a time.
    pub everywhere: bool,
    pub every: Duration,
    pub run: fn(JobContext) -> BoxFuture<'static, Result<(), String>>,
}

/// The locks of this process's jobs, all on one connection: a job that holds a connection and waits for another would, with
/// enough jobs, wait for ever. When the connection is lost, so are the locks, and another process may take them.
#[derive(Clone, Default)]
pub struct JobLocks(Arc<Mutex<Option<Conn>>>);

impl JobLocks {
    /// Whether the job is ours now. Nobody else's process runs it until [`JobLocks::free`].
    async fn take(&self, databases: &Databases, name: &str) -> Result<bool, DbError> {
        self.ask(databases, "select pg_try_advisory_lock(hashtext('job/' || $1))", name).await
    }

    async fn free(&self, databases: &Databases, name: &str) -> Result<bool, DbError> {
        self.ask(databases, "select pg_advisory_unlock(hashtext('job/' || $1))", name).await
    }

    async fn ask(&self, databases: &Databases, sql: &'static str, name: &str) -> Result<bool, DbError> {
        let mut held = self.0.lock().await;
        let mut conn = match held.take() {
            Some(conn) => conn,
            None => databases.control().await?,
        };
        let answer = sqlx::query_scalar(sql).bind(name).fetch_one(&mut *conn).await;
        match answer {
            Ok(answer) => {
                *held = Some(conn);
                Ok(answer)
            }
            Err(error) => {
                conn.close();
                Err(error.into())
            }
        }
    }
}

impl Job {
    /// Runs for as long as the process lives; an error is logged and the next turn comes as usual.
    pub async fn repeat(self, context: JobContext, locks: JobLocks) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.turn(&context, &locks).await {
                tracing::warn!(job = self.name, error, "a job failed; it runs again at its next turn");
            }
        }
    }

    async fn turn(&self, context: &JobContext, locks: &JobLocks) -> Result<(), String> {
        if self.everywhere {
            return (self.run)(context.clone()).await;
        }
        let told = |error: DbError| error.to_string();
        if !locks.take(&context.databases, self.name).await.map_err(told)? {
            return Ok(());
        }
        let outcome = (self.run)(context.clone()).await;
        locks.free(&context.databases, self.name).await.map_err(told)?;
        outcome
    }
}
