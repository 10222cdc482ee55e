//! The relay: numbers committed events and brings them to the consumers of this process.
//!
//! A commit wakes it. What a crash left behind is found by a sweep over the servers' own write counters, which
//! needs no connection to a database that nobody wrote to.
use crate::consumer::{Consumer, Delivery};
use crate::{ConsumerError, Parts, outbox};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::{CloudEvent, TenantId};
use hitaji_db::{Begun, Databases, DbError, Home, Place, Scope, TenantState, Tx};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast};

const BATCH: i64 = 100;
const PARALLEL_PLACES: usize = 8;
const MAX_ATTEMPTS: i32 = 8;
/// An event that a database was without may have been made this much earlier than the database's copy.
const UNDELIVERED_FOR: TimeDelta = TimeDelta::hours(1);
const SWEEP_EVERY: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Relay(Arc<Inner>);

struct Inner {
    databases: Databases,
    consumers: Vec<Consumer>,
    parts: Parts,
    stamped: broadcast::Sender<Place>,
    busy: Mutex<HashSet<Place>>,
    slots: Semaphore,
}

impl Relay {
    pub fn new(
        databases: Databases,
        consumers: Vec<Consumer>,
        parts: Parts,
        stamped: broadcast::Sender<Place>,
    ) -> Relay {
        let (busy, slots) = (Mutex::default(), Semaphore::new(PARALLEL_PLACES));
        Relay(Arc::new(Inner { databases, consumers, parts, stamped, busy, slots }))
    }

    /// Runs for as long as the process lives.
    pub async fn run(self) {
        tokio::join!(self.clone().follow_commits(), self.clone().sweep());
    }

    async fn follow_commits(self) {
        loop {
            for place in self.0.databases.wake().places().await {
                tokio::spawn(self.clone().visit(place));
            }
        }
    }

    /// One visit at a time per place; a wake during a visit leads to another visit.
    async fn visit(self, place: Place) {
        if !self.0.busy.lock().expect("cannot be poisoned").insert(place.clone()) {
            // The visit under way may have read its last batch already.
            tokio::time::sleep(Duration::from_millis(2)).await;
            return self.0.databases.wake().wake(place);
        }
        let outcome = {
            let _slot = self.0.slots.acquire().await.expect("cannot be closed: nobody closes it");
            let meter = self.0.databases.meter();
            meter.work(place.tenant(), self.deliver(&place)).await
        };
        self.0.busy.lock().expect("cannot be poisoned").remove(&place);
        if let Err(error) = outcome {
            tracing::warn!(?place, %error, "events could not be delivered; they are tried again");
            self.wake_later(place, Duration::from_secs(2));
        }
    }

    fn wake_later(&self, place: Place, after: Duration) {
        let wake = self.0.databases.wake().clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            wake.wake(place);
        });
    }

    /// Stamps and delivers all there is at one place.
    pub async fn deliver(&self, place: &Place) -> Result<(), DbError> {
        let mut conn = self.0.databases.place(place).await?;
        if outbox::stamp(&mut conn).await? > 0 {
            // Nobody listens in a process without realtime; that is no error.
            let _ = self.0.stamped.send(place.clone());
        }
        conn.release();
        let home = if *place == Place::Control { Home::Control } else { Home::Tenant };
        for consumer in self.0.consumers.iter().filter(|consumer| consumer.source_home == home) {
            while self.deliver_batch(place, consumer).await? == BATCH as usize {}
        }
        Ok(())
    }

    /// Brings events of the control database about a tenant since `from` once more to consumers that make their effect in the
    /// tenant's database: after it was put back in time. What is in its inbox is not done twice.
    pub async fn redeliver(&self, tenant: TenantId, from: DateTime<Utc>) -> Result<usize, DbError> {
        let (from, mut delivered) = (from - UNDELIVERED_FOR, 0);
        for consumer in self.0.consumers.iter().filter(|c| c.source_home == Home::Control && c.home == Home::Tenant) {
            let mut conn = self.0.databases.control().await?;
            let events = outbox::about(&mut conn, consumer.source, tenant, from).await?;
            conn.release();
            for event in &events {
                if let Err(error) = self.deliver_one(&Place::Control, consumer, event).await {
                    tracing::error!(consumer = consumer.name, event = %event.id, %error, "an event was not made again");
                    return Err(DbError::Invalid(error.to_string()));
                }
            }
            delivered += events.len();
        }
        Ok(delivered)
    }

    /// Delivers up to one batch to one consumer; the lock on its position keeps other processes away.
    async fn deliver_batch(&self, place: &Place, consumer: &Consumer) -> Result<usize, DbError> {
        let mut conn = self.0.databases.place(place).await?;
        if outbox::is_up_to_date(&mut conn, consumer.name, consumer.source).await? {
            conn.release();
            return Ok(0);
        }
        sqlx::query("insert into hitaji.consumer (name, service) values ($1, $2) on conflict do nothing")
            .bind(consumer.name)
            .bind(consumer.source)
            .execute(&mut *conn)
            .await?;
        sqlx::raw_sql("begin").execute(&mut *conn).await?;
        let position: Option<(i64, i32)> = sqlx::query_as(
            "select sequence, attempts from hitaji.consumer
             where name = $1 and service = $2 and coalesce(retry_at, '-infinity') <= now() for update skip locked",
        )
        .bind(consumer.name)
        .bind(consumer.source)
        .fetch_optional(&mut *conn)
        .await?;
        let Some((mut sequence, mut attempts)) = position else {
            sqlx::raw_sql("rollback").execute(&mut *conn).await?;
            conn.release();
            return Ok(0);
        };
        let tenant = place.tenant().map(|TenantId(id)| id);
        let head = outbox::head(&mut conn, consumer.source).await?.sequence;
        let events = outbox::since(&mut conn, consumer.source, sequence, BATCH, tenant).await?;
        let is_all = (events.len() as i64) < BATCH;
        let mut failure = None;
        for event in &events {
            if let Err(error) = self.deliver_one(place, consumer, event).await {
                attempts += 1;
                tracing::warn!(consumer = consumer.name, event = %event.id, attempts, %error, "an event was not handled");
                if attempts < MAX_ATTEMPTS {
                    failure = Some(error.to_string());
                    break;
                }
                bury(&mut conn, consumer, event, &error).await?;
            }
            (sequence, attempts) = (event.sequence, 0);
        }
        if is_all && failure.is_none() {
            // Events of an erased organisation are gone; nobody waits for them.
            sequence = sequence.max(head);
        }
        let backoff = failure.as_ref().map(|_| Duration::from_millis(100 << attempts.min(10)));
        sqlx::query(
            "update hitaji.consumer set sequence = $3, attempts = $4, error = $5, retry_at = now() + $6 * interval '1 second'
             where name = $1 and service = $2",
        )
        .bind(consumer.name)
        .bind(consumer.source)
        .bind(sequence)
        .bind(attempts)
        .bind(failure)
        .bind(backoff.map(|backoff| backoff.as_secs_f64()))
        .execute(&mut *conn)
        .await?;
        sqlx::raw_sql("commit").execute(&mut *conn).await?;
        conn.release();
        if let Some(backoff) = backoff {
            self.wake_later(place.clone(), backoff + Duration::from_millis(5));
            return Ok(0);
        }
        Ok(events.len())
    }

    /// Makes the effect and its inbox row in one transaction, unless the inbox has it already.
    async fn deliver_one(&self, place: &Place, consumer: &Consumer, event: &CloudEvent) -> Result<(), ConsumerError> {
        if !consumer.types.contains(&event.kind.as_str()) {
            return Ok(());
        }
        let databases = &self.0.databases;
        let target = match consumer.home {
            Home::Control => Place::Control,
            Home::Tenant => match place.tenant().or_else(|| tenant_of(event)) {
                // Of an erased organisation nothing is kept, and nobody waits behind it.
                Some(id) if is_gone(databases, id).await? => return Ok(()),
                Some(id) => databases.place_of(id, consumer.service).await?,
                None => return Err(ConsumerError::Other("the event names no organisation".into())),
            },
        };
        let conn = databases.place(&target).await?;
        let scope = Scope {
            tenant: target.tenant(),
            service: consumer.service,
            actor: event.actor.clone(),
            request_id: None,
            traceparent: event.traceparent.clone(),
            at: databases.clock().now(),
        };
        let Begun::Fresh(mut tx) = Tx::begin(conn, scope, None, databases.wake().clone()).await? else {
            return Err(ConsumerError::Other("a transaction without a key began as a replay".into()));
        };
        let first = sqlx::query("insert into hitaji.inbox (consumer, event_id) values ($1, $2) on conflict do nothing")
            .bind(consumer.name)
            .bind(event.id)
            .execute(&mut **tx)
            .await?
            .rows_affected();
        if first == 0 {
            return Ok(tx.rollback().await?);
        }
        (consumer.handle)(Delivery { tx: &mut tx, event, parts: &self.0.parts }).await?;
        Ok(tx.commit(None).await?)
    }

    /// Visits databases whose write counters moved since the last look; on the first look, all of them.
    async fn sweep(self) {
        let mut seen: HashMap<Place, i64> = HashMap::new();
        loop {
            if let Err(error) = self.sweep_once(&mut seen).await {
                tracing::warn!(%error, "the sweep for undelivered events failed; it is tried again");
            }
            tokio::time::sleep(SWEEP_EVERY).await;
        }
    }

    async fn sweep_once(&self, seen: &mut HashMap<Place, i64>) -> Result<(), DbError> {
        let databases = &self.0.databases;
        databases.wake().wake(Place::Control);
        let places = databases.tenant_places().await?;
        let clusters: HashSet<&String> = places.iter().map(|(_, cluster, _)| cluster).collect();
        let mut counters = HashMap::new();
        for cluster in clusters {
            match databases.write_counters(cluster).await {
                Ok(counted) => counters.extend([(cluster.clone(), counted)]),
                Err(error) => tracing::warn!(cluster, %error, "a cluster cannot be swept; the others are"),
            }
        }
        for (place, cluster, database) in places {
            let Some(now) = counters.get(&cluster).map(|c| c.get(&database).copied().unwrap_or_default()) else {
                continue;
            };
            if seen.insert(place.clone(), now) != Some(now) {
                databases.wake().wake(place);
            }
        }
        Ok(())
    }
}

async fn is_gone(databases: &Databases, id: TenantId) -> Result<bool, DbError> {
    let state = databases.describe(id).await?.state;
    Ok(matches!(state, TenantState::Erasing | TenantState::Erased))
}

/// The tenant an event of the control database is about: its payload's `tenant_id`.
fn tenant_of(event: &CloudEvent) -> Option<TenantId> {
    #[derive(serde::Deserialize)]
    struct About {
        tenant_id: TenantId,
    }
    event
        .tenant
        .map(TenantId)
        .or_else(|| serde_json::from_str::<About>(event.data.get()).ok().map(|about| about.tenant_id))
}

/// Sets an event aside after its last attempt, with the reason, for somebody to look at.
async fn bury(
    conn: &mut sqlx::PgConnection,
    consumer: &Consumer,
    event: &CloudEvent,
    error: &ConsumerError,
) -> Result<(), DbError> {
    tracing::error!(consumer = consumer.name, event = %event.id, "an event became a dead letter");
    sqlx::query(
        "insert into hitaji.dead_letter (consumer, event_id, event, error) values ($1, $2, $3, $4) on conflict do nothing",
    )
    .bind(consumer.name)
    .bind(event.id)
    .bind(sqlx::types::Json(event))
    .bind(error.to_string())
    .execute(conn)
    .await?;
    Ok(())
}
