//! Periodic work: each job runs in one process at a time, held by a lock in the control database.
use crate::Parts;
use futures::future::BoxFuture;
use hitaji_db::Databases;
use std::time::Duration;

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

impl Job {
    /// Runs for as long as the process lives; an error is logged and the next turn comes as usual.
    pub async fn repeat(self, context: JobContext) {
        let mut ticks = tokio::time::interval(self.every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.turn(&context).await {
                tracing::warn!(job = self.name, error, "a job failed; it runs again at its next turn");
            }
        }
    }

    async fn turn(&self, context: &JobContext) -> Result<(), String> {
        if self.everywhere {
            return (self.run)(context.clone()).await;
        }
        let mut conn = context.databases.control().await.map_err(|error| error.to_string())?;
        // The lock is held for as long as the job takes.
        sqlx::raw_sql("begin; set local idle_in_transaction_session_timeout = 0")
            .execute(&mut *conn)
            .await
            .map_err(|error| error.to_string())?;
        let ours: bool = sqlx::query_scalar("select pg_try_advisory_xact_lock(hashtext('job/' || $1))")
            .bind(self.name)
            .fetch_one(&mut *conn)
            .await
            .map_err(|error| error.to_string())?;
        let outcome = if ours { (self.run)(context.clone()).await } else { Ok(()) };
        sqlx::raw_sql("commit").execute(&mut *conn).await.map_err(|error| error.to_string())?;
        conn.release();
        outcome
    }
}
