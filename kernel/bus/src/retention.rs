//! What is kept for how long: delivered events and inboxes for 30 days, idempotent answers for 48 hours, denied tokens
//! until they would have expired anyway.
use hitaji_db::{Databases, DbError, Place};
use std::time::Duration;

const BATCH: i64 = 5_000;
const EVERY: Duration = Duration::from_secs(3 * 3600);

/// Deletes at most one batch; an event goes only after every consumer of this database has passed it.
const STEPS: [&str; 3] = [
    "delete from hitaji.idempotency where ctid = any(array(
         select ctid from hitaji.idempotency where at < now() - interval '48 hours' limit $1))",
    "delete from hitaji.inbox where ctid = any(array(
         select ctid from hitaji.inbox where at < now() - interval '31 days' limit $1))",
    "delete from hitaji.outbox where position = any(array(
         select event.position from hitaji.outbox event
         where event.time < now() - interval '30 days' and event.sequence is not null
           and not exists (select from hitaji.consumer where consumer.service = event.service
                           and consumer.sequence < event.sequence)
         order by event.position limit $1))",
];

/// Of the control database alone.
const DENIALS: &str = "delete from directory.denial where id = any(array(
         select id from directory.denial where until < now() - interval '1 hour' limit $1))";

/// Runs for as long as the process lives; several processes may do it at once.
pub async fn run(databases: Databases) {
    let mut ticks = tokio::time::interval(EVERY);
    // The first tick is at once; a process that has just started has better things to do.
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if let Err(error) = sweep(&databases).await {
            tracing::warn!(%error, "old rows could not be removed; it is tried again");
        }
    }
}

async fn sweep(databases: &Databases) -> Result<(), DbError> {
    clean(databases, &Place::Control).await?;
    for (place, ..) in databases.tenant_places().await? {
        if let Err(error) = clean(databases, &place).await {
            // One organisation's database away must not keep the others' from being cleaned.
            tracing::warn!(?place, %error, "old rows of an organisation could not be removed");
        }
    }
    Ok(())
}

/// Removes what is old in one database, batch by batch.
pub async fn clean(databases: &Databases, place: &Place) -> Result<(), DbError> {
    let own = (*place == Place::Control).then_some(DENIALS);
    for step in STEPS.into_iter().chain(own) {
        loop {
            let mut conn = databases.place(place).await?;
            let removed = sqlx::query(step).bind(BATCH).execute(&mut *conn).await?.rows_affected();
            conn.release();
            if (removed as i64) < BATCH {
                break;
            }
        }
    }
    Ok(())
}
