//! The ledger of migrations in the control database: runs, and what became of each database in them.
use crate::shadow;
use hitaji_core::new_id;
use hitaji_db::DbError;
use hitaji_db::directory::database::DatabaseRow;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

pub struct Run {
    pub id: Uuid,
    /// Whether it went well on copies of the largest tenants.
    pub is_rehearsed: bool,
}

/// A database that a run is to bring up to date.
#[derive(sqlx::FromRow)]
pub struct Work {
    pub id: Uuid,
    pub cluster: String,
    pub name: String,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    total: i64,
    pending: i64,
    done: i64,
    failed_early: i64,
    failed_later: i64,
}

/// How many databases of a run are in which state.
pub struct Counts {
    pub total: usize,
    pub pending: usize,
    pub done: usize,
    pub failed_early: usize,
    pub failed_later: usize,
}

/// Databases in use whose schema, as far as the directory knows, is older than `fingerprint`; the oldest tenants first.
pub async fn behind(conn: &mut PgConnection, fingerprint: &str) -> Result<Vec<DatabaseRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, cluster, name, tenant_id, service, state, schema, login_role from directory.database
         where state = 'claimed' and schema is distinct from $1 and not exists (
             select from directory.schema newer, directory.schema ours
             where newer.fingerprint = database.schema and ours.fingerprint = $1 and newer.place > ours.place)
         order by tenant_id, service nulls first",
    )
    .bind(fingerprint)
    .fetch_all(conn)
    .await?)
}

pub async fn unfinished(conn: &mut PgConnection, fingerprint: &str) -> Result<Option<Run>, DbError> {
    let found: Option<(Uuid, bool)> = sqlx::query_as(
        "select id, shadow is not null from directory.migration_run where fingerprint = $1 and state <> 'done'",
    )
    .bind(fingerprint)
    .fetch_optional(conn)
    .await?;
    Ok(found.map(|(id, is_rehearsed)| Run { id, is_rehearsed }))
}

pub async fn begin(conn: &mut PgConnection, fingerprint: &str) -> Result<Run, DbError> {
    let id = new_id();
    sqlx::query("insert into directory.migration_run (id, fingerprint) values ($1, $2)")
        .bind(id)
        .bind(fingerprint)
        .execute(conn)
        .await?;
    Ok(Run { id, is_rehearsed: false })
}

/// The run goes on; what failed is to be done again where that is wished.
pub async fn take_up(conn: &mut PgConnection, run: Uuid, retry: bool) -> Result<(), DbError> {
    sqlx::query(
        "with again as (update directory.migration_result set state = 'pending', changed_at = clock_timestamp()
                        where run_id = $1 and state = 'failed' and $2)
         update directory.migration_run set state = 'running', error = null, finished_at = null where id = $1",
    )
    .bind(run)
    .bind(retry)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn rehearsed(conn: &mut PgConnection, run: Uuid, reports: &[shadow::Report]) -> Result<(), DbError> {
    sqlx::query("update directory.migration_run set shadow = $2 where id = $1")
        .bind(run)
        .bind(Json(reports))
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts every database that is behind into the run. The first time they are spread over the waves: one, 1 %, 10 %, the rest;
/// who comes later is in the last.
pub async fn enlist(conn: &mut PgConnection, run: Uuid, fingerprint: &str, last: i32) -> Result<(), DbError> {
    let ids: Vec<Uuid> = behind(&mut *conn, fingerprint).await?.into_iter().map(|row| row.id).collect();
    let begun: bool = sqlx::query_scalar("select exists (select from directory.migration_result where run_id = $1)")
        .bind(run)
        .fetch_one(&mut *conn)
        .await?;
    let waves: Vec<i32> =
        (0..ids.len()).map(|place| if begun { last } else { wave_of(place, ids.len(), last) }).collect();
    sqlx::query(
        "insert into directory.migration_result (run_id, database_id, wave)
         select $1, enlisted.id, enlisted.wave from unnest($2::uuid[], $3::integer[]) enlisted(id, wave)
         on conflict (run_id, database_id) do update set state = 'pending' where migration_result.state = 'done'",
    )
    .bind(run)
    .bind(&ids)
    .bind(&waves)
    .execute(conn)
    .await?;
    Ok(())
}

/// The wave of the database at `place` of `total`.
pub fn wave_of(place: usize, total: usize, last: i32) -> i32 {
    let upto = |percent: usize| (total * percent).div_ceil(100);
    match place {
        0 => 1,
        _ if place <= upto(1) => 2,
        _ if place <= upto(10) => 3,
        _ => last,
    }
}

/// Databases that are gone, or no longer in use, do not count.
pub async fn counts(conn: &mut PgConnection, run: Uuid, early: i32) -> Result<Counts, DbError> {
    let row: CountRow = sqlx::query_as(
        "select count(*) as total, count(*) filter (where result.state = 'pending') as pending,
             count(*) filter (where result.state = 'done') as done,
             count(*) filter (where result.state = 'failed' and wave <= $2) as failed_early,
             count(*) filter (where result.state = 'failed' and wave > $2) as failed_later
         from directory.migration_result result join directory.database on database.id = result.database_id
         where run_id = $1 and database.state = 'claimed'",
    )
    .bind(run)
    .bind(early)
    .fetch_one(conn)
    .await?;
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    Ok(Counts {
        total: count(row.total),
        pending: count(row.pending),
        done: count(row.done),
        failed_early: count(row.failed_early),
        failed_later: count(row.failed_later),
    })
}

pub async fn pending(conn: &mut PgConnection, run: Uuid, wave: i32) -> Result<Vec<Work>, DbError> {
    Ok(sqlx::query_as(
        "select database.id, database.cluster, database.name
         from directory.migration_result result join directory.database on database.id = result.database_id
         where run_id = $1 and wave = $2 and result.state = 'pending' and database.state = 'claimed'
         order by database.tenant_id, database.service nulls first",
    )
    .bind(run)
    .bind(wave)
    .fetch_all(conn)
    .await?)
}

/// The database has the run's schema now, or (`schema` is none) a newer one.
pub async fn succeeded(
    conn: &mut PgConnection,
    run: Uuid,
    database: Uuid,
    schema: Option<&str>,
    steps: i32,
    took_ms: i32,
) -> Result<(), DbError> {
    sqlx::query(
        "with told as (update directory.migration_result set state = 'done', attempts = attempts + 1, error = null, steps = $4,
                           took_ms = $5, changed_at = clock_timestamp() where run_id = $1 and database_id = $2)
         update directory.database set schema = coalesce($3, schema) where id = $2",
    )
    .bind(run)
    .bind(database)
    .bind(schema)
    .bind(steps)
    .bind(took_ms)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn failed(
    conn: &mut PgConnection,
    run: Uuid,
    database: Uuid,
    error: &str,
    took_ms: i32,
) -> Result<(), DbError> {
    sqlx::query(
        "update directory.migration_result set state = 'failed', attempts = attempts + 1, error = $3, took_ms = $4,
             changed_at = clock_timestamp() where run_id = $1 and database_id = $2",
    )
    .bind(run)
    .bind(database)
    .bind(error)
    .bind(took_ms)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the run: done, or halted for a reason.
pub async fn finish(conn: &mut PgConnection, run: Uuid, problem: Option<&str>) -> Result<(), DbError> {
    sqlx::query(
        "update directory.migration_run set state = case when $2::text is null then 'done' else 'halted' end, error = $2,
             finished_at = clock_timestamp() where id = $1",
    )
    .bind(run)
    .bind(problem)
    .execute(conn)
    .await?;
    Ok(())
}
