//! Reading and stamping a database's outbox.
use chrono::{DateTime, Utc};
use hitaji_core::{CloudEvent, TenantId};
use hitaji_db::DbError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

/// A place in a service's stream of events. Offsets of two epochs cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    pub epoch: Uuid,
    pub sequence: i64,
}

const STAMP: &str = "with fresh as (
    select position, service, row_number() over (partition by service order by position) as place
    from hitaji.outbox where sequence is null
), heads as (
    insert into hitaji.outbox_head as head (service, sequence)
    select service, count(*) from fresh group by service
    on conflict (service) do update set sequence = head.sequence + excluded.sequence
    returning service, sequence
), sizes as (select service, count(*) as size from fresh group by service)
update hitaji.outbox as event set sequence = heads.sequence - sizes.size + fresh.place
from fresh join heads using (service) join sizes using (service)
where event.position = fresh.position";

/// Begins, and takes the lock. The plan of [`STAMP`] is made while a new outbox is empty and kept while it grows, so it
/// must go by the indexes, whatever a small table would suggest.
const LOCK: &str = "begin; set local enable_seqscan = off; set local enable_hashjoin = off;
set local enable_mergejoin = off; select pg_advisory_xact_lock(hashtext('hitaji.stamp'))";

/// Numbers what was committed since the last time; returns how many. One stamper at a time per database.
pub(crate) async fn stamp(conn: &mut PgConnection) -> Result<u64, DbError> {
    sqlx::raw_sql(LOCK).execute(&mut *conn).await?;
    let stamped = sqlx::query(STAMP).execute(&mut *conn).await?.rows_affected();
    sqlx::raw_sql("commit").execute(&mut *conn).await?;
    Ok(stamped)
}

/// Whether the consumer, known here, has had all that the service stamped. Only reads: a visit that finds nothing to
/// deliver must not write, because each write waits for the disk.
pub(crate) async fn is_up_to_date(conn: &mut PgConnection, consumer: &str, service: &str) -> Result<bool, DbError> {
    let up_to_date: Option<bool> = sqlx::query_scalar(
        "select consumer.sequence >= coalesce(head.sequence, 0) from hitaji.consumer
         left join hitaji.outbox_head head on head.service = consumer.service
         where consumer.name = $1 and consumer.service = $2",
    )
    .bind(consumer)
    .bind(service)
    .fetch_optional(conn)
    .await?;
    Ok(up_to_date == Some(true))
}

/// Where the service's stream in this database stands now; a stream that never had an event has no epoch yet.
pub async fn head(conn: &mut PgConnection, service: &str) -> Result<Offset, DbError> {
    let (epoch, sequence) = sqlx::query_as(
        "with made as (insert into hitaji.outbox_head (service) values ($1) on conflict do nothing returning epoch, sequence)
         select epoch, sequence from made union all select epoch, sequence from hitaji.outbox_head where service = $1 limit 1",
    )
    .bind(service)
    .fetch_one(conn)
    .await?;
    Ok(Offset { epoch, sequence })
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    service: String,
    sequence: i64,
    r#type: String,
    subject: String,
    actor: String,
    data: sqlx::types::Json<Box<RawValue>>,
    traceparent: Option<String>,
    time: DateTime<Utc>,
}

/// The service's events after `sequence`, oldest first, at most `limit`.
pub async fn since(
    conn: &mut PgConnection,
    service: &str,
    sequence: i64,
    limit: i64,
    tenant: Option<Uuid>,
) -> Result<Vec<CloudEvent>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, service, sequence, type, subject, actor, data, traceparent, time from hitaji.outbox
         where service = $1 and sequence > $2 order by sequence limit $3",
    )
    .bind(service)
    .bind(sequence)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| envelope(row, tenant)).collect())
}

/// The service's stamped events in the control database whose payload names the tenant, since `from`, oldest first.
pub(crate) async fn about(
    conn: &mut PgConnection,
    service: &str,
    tenant: TenantId,
    from: DateTime<Utc>,
) -> Result<Vec<CloudEvent>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select id, service, sequence, type, subject, actor, data, traceparent, time from hitaji.outbox
         where service = $1 and sequence is not null and time >= $2 and data ->> 'tenant_id' = $3 order by sequence",
    )
    .bind(service)
    .bind(from)
    .bind(tenant.to_string())
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| envelope(row, None)).collect())
}

fn envelope(row: Row, tenant: Option<Uuid>) -> CloudEvent {
    CloudEvent {
        specversion: "1.0".into(),
        id: row.id,
        source: format!("/{}", row.service),
        kind: row.r#type,
        subject: row.subject,
        time: row.time,
        datacontenttype: "application/json".into(),
        data: row.data.0,
        tenant,
        traceparent: row.traceparent,
        actor: row.actor,
        sequence: row.sequence,
    }
}
