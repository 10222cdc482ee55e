//! The ledger of what organisations cost: by minute and day, beside the totals of processes, and warnings about limits.
use crate::DbError;
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_core::TenantId;
use sqlx::PgConnection;
use uuid::Uuid;

/// What was used in some time. The platform itself has the nil id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub requests: u64,
    pub errors: u64,
    pub cpu_us: u64,
    pub database_us: u64,
    pub rows: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub messages: u64,
}

impl Usage {
    fn columns(&self) -> [i64; 8] {
        [
            self.requests,
            self.errors,
            self.cpu_us,
            self.database_us,
            self.rows,
            self.bytes_in,
            self.bytes_out,
            self.messages,
        ]
        .map(|count| i64::try_from(count).unwrap_or(i64::MAX))
    }
}

/// One line to add to the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub tenant: Uuid,
    /// The day that the minute belongs to there.
    pub day: NaiveDate,
    pub usage: Usage,
}

/// One statement, so that minutes, days and the process's total are there together or not at all.
const ADD: &str = "with line as materialized (
    select * from unnest($2::uuid[], $3::date[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                         $9::bigint[], $10::bigint[], $11::bigint[])
        as line (tenant_id, day, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages)
), minutes as (
    insert into directory.usage_minute as kept
        (tenant_id, minute, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages)
    select tenant_id, $1, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages from line
    order by tenant_id
    on conflict (tenant_id, minute) do update set
        requests = kept.requests + excluded.requests, errors = kept.errors + excluded.errors,
        cpu_us = kept.cpu_us + excluded.cpu_us, database_us = kept.database_us + excluded.database_us,
        rows = kept.rows + excluded.rows, bytes_in = kept.bytes_in + excluded.bytes_in,
        bytes_out = kept.bytes_out + excluded.bytes_out, messages = kept.messages + excluded.messages
), days as (
    insert into directory.usage_day as kept
        (tenant_id, day, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages)
    select tenant_id, day, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages from line
    order by tenant_id
    on conflict (tenant_id, day) do update set
        requests = kept.requests + excluded.requests, errors = kept.errors + excluded.errors,
        cpu_us = kept.cpu_us + excluded.cpu_us, database_us = kept.database_us + excluded.database_us,
        rows = kept.rows + excluded.rows, bytes_in = kept.bytes_in + excluded.bytes_in,
        bytes_out = kept.bytes_out + excluded.bytes_out, messages = kept.messages + excluded.messages
)
insert into directory.usage_process as kept
    (process, minute, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages)
values ($12, $1, $13, $14, $15, $16, $17, $18, $19, $20)
on conflict (process, minute) do update set
    requests = kept.requests + excluded.requests, errors = kept.errors + excluded.errors,
    cpu_us = kept.cpu_us + excluded.cpu_us, database_us = kept.database_us + excluded.database_us,
    rows = kept.rows + excluded.rows, bytes_in = kept.bytes_in + excluded.bytes_in,
    bytes_out = kept.bytes_out + excluded.bytes_out, messages = kept.messages + excluded.messages";

/// Adds a minute to the ledger, with what the process counted as a whole.
pub async fn add(
    conn: &mut PgConnection,
    minute: DateTime<Utc>,
    lines: &[Line],
    process: Uuid,
    total: &Usage,
) -> Result<(), DbError> {
    let columns: Vec<[i64; 8]> = lines.iter().map(|line| line.usage.columns()).collect();
    let mut query = sqlx::query(ADD)
        .bind(minute)
        .bind(lines.iter().map(|line| line.tenant).collect::<Vec<_>>())
        .bind(lines.iter().map(|line| line.day).collect::<Vec<_>>());
    for column in 0..8 {
        query = query.bind(columns.iter().map(|line| line[column]).collect::<Vec<_>>());
    }
    query = query.bind(process);
    for count in total.columns() {
        query = query.bind(count);
    }
    query.execute(conn).await?;
    Ok(())
}

/// What counts against an organisation's limits just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Standing {
    pub users: i64,
    pub storage_bytes: i64,
    /// Of `day`.
    pub requests: i64,
    /// Of the month of `day`, up to and with it.
    pub messages: i64,
}

/// How organisations stand, each on its own day; in the order asked.
pub async fn standings(conn: &mut PgConnection, asked: &[(TenantId, NaiveDate)]) -> Result<Vec<Standing>, DbError> {
    Ok(sqlx::query_as(
        "select coalesce(level.users, 0) as users, coalesce(level.storage_bytes, 0) as storage_bytes,
         coalesce(today.requests, 0) as requests,
         (select coalesce(sum(month.messages), 0)::bigint from directory.usage_day month
          where month.tenant_id = asked.tenant_id and month.day between date_trunc('month', asked.day)::date and asked.day) as messages
         from unnest($1::uuid[], $2::date[]) with ordinality as asked (tenant_id, day, place)
         left join directory.usage_level level on level.tenant_id = asked.tenant_id
         left join directory.usage_day today on today.tenant_id = asked.tenant_id and today.day = asked.day
         order by asked.place",
    )
    .bind(asked.iter().map(|(tenant, _)| tenant.0).collect::<Vec<_>>())
    .bind(asked.iter().map(|(_, day)| *day).collect::<Vec<_>>())
    .fetch_all(conn)
    .await?)
}

/// One day of an organisation.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Day {
    pub day: NaiveDate,
    pub requests: i64,
    pub errors: i64,
    pub cpu_us: i64,
    pub database_us: i64,
    pub rows: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub messages: i64,
    pub storage_bytes: Option<i64>,
}

/// The days of an organisation from `first` on, oldest first; days without use are left out.
pub async fn days(conn: &mut PgConnection, tenant: TenantId, first: NaiveDate) -> Result<Vec<Day>, DbError> {
    Ok(sqlx::query_as(
        "select day, requests, errors, cpu_us, database_us, rows, bytes_in, bytes_out, messages, storage_bytes
         from directory.usage_day where tenant_id = $1 and day >= $2 order by day limit 400",
    )
    .bind(tenant.0)
    .bind(first)
    .fetch_all(conn)
    .await?)
}

/// Says how many users the organisation has.
pub async fn set_users(conn: &mut PgConnection, tenant: TenantId, users: i64) -> Result<(), DbError> {
    sqlx::query(
        "insert into directory.usage_level as level (tenant_id, users)
         select id, $2 from directory.tenant where id = $1
         on conflict (tenant_id) do update set users = excluded.users where level.users <> excluded.users",
    )
    .bind(tenant.0)
    .bind(users)
    .execute(conn)
    .await?;
    Ok(())
}

/// Says how much organisations store, each on its own day.
pub async fn set_storage(
    conn: &mut PgConnection,
    measured: &[(TenantId, NaiveDate, i64)],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "with measured as (select * from unnest($1::uuid[], $2::date[], $3::bigint[]) as measured (tenant_id, day, bytes)
                           join directory.tenant on tenant.id = measured.tenant_id),
         days as (insert into directory.usage_day (tenant_id, day, storage_bytes)
                  select tenant_id, day, bytes from measured order by tenant_id
                  on conflict (tenant_id, day) do update set storage_bytes = excluded.storage_bytes)
         insert into directory.usage_level (tenant_id, storage_bytes, measured_at)
         select tenant_id, bytes, $4 from measured order by tenant_id
         on conflict (tenant_id) do update set storage_bytes = excluded.storage_bytes, measured_at = excluded.measured_at",
    )
    .bind(measured.iter().map(|(tenant, ..)| tenant.0).collect::<Vec<_>>())
    .bind(measured.iter().map(|(_, day, _)| *day).collect::<Vec<_>>())
    .bind(measured.iter().map(|(.., bytes)| *bytes).collect::<Vec<_>>())
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The servers' counters of a database as they were last read.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Counter {
    pub name: String,
    pub rows: i64,
    pub bytes: i64,
}

pub async fn counters(conn: &mut PgConnection, cluster: &str) -> Result<Vec<Counter>, DbError> {
    Ok(sqlx::query_as("select name, rows, bytes from directory.database_counter where cluster = $1")
        .bind(cluster)
        .fetch_all(conn)
        .await?)
}

/// Keeps a cluster's counters, and forgets databases that are gone.
pub async fn keep_counters(
    conn: &mut PgConnection,
    cluster: &str,
    now: &[Counter],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "with counted as (select * from unnest($2::text[], $3::bigint[], $4::bigint[]) as counted (name, rows, bytes)),
         gone as (delete from directory.database_counter where cluster = $1 and name <> all ($2))
         insert into directory.database_counter (cluster, name, rows, bytes, seen_at)
         select $1, name, rows, bytes, $5 from counted
         on conflict (cluster, name) do update set rows = excluded.rows, bytes = excluded.bytes, seen_at = excluded.seen_at",
    )
    .bind(cluster)
    .bind(now.iter().map(|counter| counter.name.clone()).collect::<Vec<_>>())
    .bind(now.iter().map(|counter| counter.rows).collect::<Vec<_>>())
    .bind(now.iter().map(|counter| counter.bytes).collect::<Vec<_>>())
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// A limit that an organisation comes near, not warned about before in this period.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Near {
    pub tenant_id: Uuid,
    /// `users`, `storage`, `requests` or `messages`.
    pub kind: String,
    pub period: NaiveDate,
    /// 80 or 95: the highest that is new.
    pub percent: i32,
    pub used: i64,
    pub quota: i64,
    pub plan: String,
}

/// Notes every limit that is 80 or 95 percent used and was not noted before in its period.
pub async fn note_near(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<Near>, DbError> {
    Ok(sqlx::query_as(
        "with local as (
             select id, tenant.plan, ($1::timestamptz at time zone time_zone)::date as day from directory.tenant where state = 'active'
         ), standing as (
             select local.id as tenant_id, plan.name as plan, v.kind, v.used, v.quota, v.period
             from local join directory.plan on plan.key = local.plan
             left join directory.usage_level level on level.tenant_id = local.id
             left join directory.usage_day today on today.tenant_id = local.id and today.day = local.day
             cross join lateral (values
                 ('users', coalesce(level.users, 0), plan.users, date_trunc('month', local.day)::date),
                 ('storage', coalesce(level.storage_bytes, 0), plan.storage_bytes, date_trunc('month', local.day)::date),
                 ('requests', coalesce(today.requests, 0), plan.requests_per_day, local.day),
                 ('messages', (select coalesce(sum(month.messages), 0)::bigint from directory.usage_day month
                               where month.tenant_id = local.id and month.day between date_trunc('month', local.day)::date and local.day),
                  plan.messages_per_month, date_trunc('month', local.day)::date)
             ) as v (kind, used, quota, period)
         ), noted as (
             insert into directory.quota_warning (tenant_id, kind, period, percent, warned_at)
             select tenant_id, kind, period, percent, $1 from standing cross join (values (80), (95)) as levels (percent)
             where used::numeric * 100 >= quota::numeric * percent
             on conflict do nothing returning tenant_id, kind, period, percent
         )
         select distinct on (noted.tenant_id, noted.kind) noted.tenant_id, noted.kind, noted.period, noted.percent,
             standing.used, standing.quota, standing.plan
         from noted join standing using (tenant_id, kind)
         order by noted.tenant_id, noted.kind, noted.percent desc",
    )
    .bind(now)
    .fetch_all(conn)
    .await?)
}

/// Removes what is past its time: minutes after 48 hours, days after 400, warnings after 100 days.
pub async fn forget_old(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<u64, DbError> {
    let mut removed = 0;
    for step in [
        "delete from directory.usage_minute where minute < $1::timestamptz - interval '48 hours'",
        "delete from directory.usage_process where minute < $1::timestamptz - interval '48 hours'",
        "delete from directory.usage_day where day < ($1::timestamptz - interval '400 days')::date",
        "delete from directory.quota_warning where warned_at < $1::timestamptz - interval '100 days'",
    ] {
        removed += sqlx::query(step).bind(now).execute(&mut *conn).await?.rows_affected();
    }
    Ok(removed)
}
