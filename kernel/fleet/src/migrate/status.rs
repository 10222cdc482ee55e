//! What is where: schemas by the number of databases, and what the last run of this program's schema left undone.
use chrono::{DateTime, Utc};
use hitaji_db::{Databases, DbError};

/// The state of the fleet's schemas.
#[derive(Clone, Debug)]
pub struct Status {
    /// This program's schema.
    pub fingerprint: String,
    /// Fingerprints with the number of databases in use; none where the directory does not know.
    pub schemas: Vec<(Option<String>, i64)>,
    /// The last run to this program's schema.
    pub run: Option<Run>,
    pub failed: Vec<Failed>,
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Run {
    /// running, done, halted.
    pub state: String,
    pub error: Option<String>,
    pub started_at: DateTime<Utc>,
    pub finished_at: Option<DateTime<Utc>>,
    pub done: i64,
    pub failed: i64,
    pub pending: i64,
}

/// A database that stayed on its old schema.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Failed {
    pub database: String,
    pub cluster: String,
    pub organisation: Option<String>,
    pub attempts: i32,
    pub error: Option<String>,
}

/// Reads the directory and the ledger; nothing where there are none yet.
pub async fn status(databases: &Databases) -> Result<Status, DbError> {
    let fingerprint = databases.fingerprint();
    let mut conn = databases.control().await?;
    let schemas = sqlx::query_as(
        "select database.schema, count(*) from directory.database where state = 'claimed'
         group by database.schema order by max(database.created_at) desc, 1",
    )
    .fetch_all(&mut *conn)
    .await?;
    let known: bool =
        sqlx::query_scalar("select to_regclass('directory.migration_run') is not null").fetch_one(&mut *conn).await?;
    let (mut run, mut failed) = (None, Vec::new());
    if known {
        run = sqlx::query_as(
            "select run.state, run.error, run.started_at, run.finished_at,
                 count(*) filter (where result.state = 'done') as done,
                 count(*) filter (where result.state = 'failed') as failed,
                 count(*) filter (where result.state = 'pending') as pending
             from directory.migration_run run left join directory.migration_result result on result.run_id = run.id
             where run.fingerprint = $1 group by run.id order by run.started_at desc limit 1",
        )
        .bind(&fingerprint)
        .fetch_optional(&mut *conn)
        .await?;
        failed = sqlx::query_as(
            "select database.name as database, database.cluster, tenant.slug as organisation, result.attempts, result.error
             from directory.migration_run run join directory.migration_result result on result.run_id = run.id
             join directory.database on database.id = result.database_id
             left join directory.tenant on tenant.id = database.tenant_id
             where run.fingerprint = $1 and run.state <> 'done' and result.state = 'failed' and database.state = 'claimed'
             order by tenant.id limit 1000",
        )
        .bind(&fingerprint)
        .fetch_all(&mut *conn)
        .await?;
    }
    conn.release();
    Ok(Status { fingerprint, schemas, run, failed })
}
