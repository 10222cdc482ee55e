//! A rehearsal: the rows of a tenant's database copied into a scratch one of the same schema, and the migration run there.
use crate::FleetError;
use crate::copy::{begin_snapshot, copy_in_sql, copy_out_sql};
use crate::tables::{self, Scope};
use futures::TryStreamExt as _;
use hitaji_db::directory::database::DatabaseRow;
use hitaji_db::migrate::{self, Recorded};
use hitaji_db::{Conn, Databases, DbError, Home, Migration, cluster};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Instant;

/// How a migration went on a copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The database that was copied.
    pub database: String,
    pub rows: u64,
    pub copy_ms: u64,
    pub migrate_ms: u64,
    pub error: Option<String>,
}

/// The databases with the most bytes, the largest first.
pub async fn largest(databases: &Databases, rows: Vec<DatabaseRow>, count: usize) -> Result<Vec<DatabaseRow>, DbError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut sizes: HashMap<String, i64> = HashMap::new();
    let mut clusters: Vec<&str> = rows.iter().map(|row| row.cluster.as_str()).collect();
    clusters.sort_unstable();
    clusters.dedup();
    for cluster in clusters {
        let names: Vec<&str> = rows.iter().filter(|row| row.cluster == cluster).map(|row| row.name.as_str()).collect();
        let mut admin = databases.maintenance(cluster).await?;
        let found: Vec<(String, i64)> =
            sqlx::query_as("select datname::text, pg_database_size(oid) from pg_database where datname = any($1)")
                .bind(&names)
                .fetch_all(&mut *admin)
                .await?;
        admin.close();
        sizes.extend(found);
    }
    let mut rows = rows;
    rows.sort_by_key(|row| std::cmp::Reverse(sizes.get(&row.name).copied().unwrap_or_default()));
    rows.truncate(count);
    Ok(rows)
}

fn name(databases: &Databases) -> String {
    format!("{}_shadow", databases.control_name())
}

/// Drops the copy on a cluster, also one that is left from a process that died: it holds an organisation's data.
pub async fn clear(databases: &Databases, cluster: &str) -> Result<(), DbError> {
    let mut admin = databases.maintenance(cluster).await?;
    cluster::drop_database(&mut admin, &name(databases)).await?;
    admin.close();
    Ok(())
}

/// Migrates a copy of the database, which is gone afterwards. The database itself is only read, in one snapshot.
pub async fn rehearse(databases: &Databases, row: &DatabaseRow) -> Report {
    let name = name(databases);
    let mut report = Report { database: row.name.clone(), rows: 0, copy_ms: 0, migrate_ms: 0, error: None };
    let mut outcome = on_copy(databases, row, &name, &mut report).await;
    outcome = outcome.and(clear(databases, &row.cluster).await.map_err(FleetError::from));
    report.error = outcome.err().map(|error| error.to_string());
    report
}

async fn on_copy(databases: &Databases, row: &DatabaseRow, name: &str, report: &mut Report) -> Result<(), FleetError> {
    let plan = databases.plan(Home::Tenant);
    let mut source = databases.admin(&row.cluster, &row.name).await?;
    let (ran, _) = Recorded::read(&mut source).await?.split(&plan)?;
    let mut admin = databases.maintenance(&row.cluster).await?;
    cluster::make_scratch(&mut admin, name).await?;
    admin.close();
    let started = Instant::now();
    let mut target = databases.admin(&row.cluster, name).await?;
    report.rows = copy(&mut source, &mut target, &ran).await?;
    source.close();
    report.copy_ms = elapsed_ms(started);
    let started = Instant::now();
    migrate::run(&mut target, &plan).await?;
    report.migrate_ms = elapsed_ms(started);
    target.close();
    Ok(())
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Makes the schema of the steps that ran in the source, and fills it with the source's rows.
async fn copy(source: &mut Conn, target: &mut Conn, ran: &[Migration]) -> Result<u64, FleetError> {
    migrate::run(target, ran).await?;
    begin_snapshot(source).await?;
    tables::plain_formats(target).await?;
    let aside = tables::set_aside(target).await?;
    let list = tables::tables(target, Scope::All).await?;
    tables::clear(target, &list).await?;
    let mut rows = 0;
    for table in &list {
        let mut chunks = source.copy_out_raw(&copy_out_sql(table)).await?;
        let mut sink = target.copy_in_raw(&copy_in_sql(table)).await?;
        while let Some(chunk) = chunks.try_next().await? {
            sink.send(chunk).await?;
        }
        rows += sink.finish().await?;
    }
    tables::set_sequences(target, &tables::sequences(source).await?).await?;
    aside.back(target).await?;
    // A data patch is planned by what is in the tables.
    sqlx::raw_sql("analyze").execute(&mut **target).await?;
    Ok(rows)
}
