//! Migrations: forward only, one transaction each, recorded in the database they change.
use crate::DbError;
use crate::secrets::sha256;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};

/// Which databases a service's schema lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// The one control database.
    Control,
    /// Every tenant's database.
    Tenant,
}

/// One step of a service's schema.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    pub service: &'static str,
    pub home: Home,
    /// Starts at 1 and counts up without holes, per service.
    pub version: i32,
    pub sql: &'static str,
}

/// A step that ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    pub service: String,
    pub version: i32,
}

const KERNEL: &str = "kernel";

const KERNEL_MIGRATIONS: &[Migration] = &[
    Migration { service: KERNEL, home: Home::Tenant, version: 1, sql: include_str!("../migrations/0001_kernel.sql") },
    Migration { service: KERNEL, home: Home::Control, version: 1, sql: include_str!("../migrations/0001_kernel.sql") },
    Migration {
        service: KERNEL,
        home: Home::Control,
        version: 2,
        sql: include_str!("../migrations/0002_directory.sql"),
    },
    Migration {
        service: KERNEL,
        home: Home::Control,
        version: 3,
        sql: include_str!("../migrations/0003_control_plane.sql"),
    },
    Migration { service: KERNEL, home: Home::Control, version: 5, sql: include_str!("../migrations/0005_backups.sql") },
    Migration { service: KERNEL, home: Home::Tenant, version: 6, sql: include_str!("../migrations/0006_journal.sql") },
    Migration { service: KERNEL, home: Home::Control, version: 7, sql: include_str!("../migrations/0007_plans.sql") },
];

/// The kernel's and the services' migrations for one home, in the order they run.
pub fn plan(home: Home, services: &[Migration]) -> Vec<Migration> {
    KERNEL_MIGRATIONS.iter().chain(services).filter(|migration| migration.home == home).copied().collect()
}

/// A short name for a set of migrations: two databases with one fingerprint have one schema.
pub fn fingerprint(plan: &[Migration]) -> String {
    let mut text = String::new();
    for Migration { service, version, sql, .. } in plan {
        text.push_str(&format!("{service} {version} {}\n{sql}\n", sql.len()));
    }
    sha256(text.as_bytes())[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs what is missing on one database. Two runners at once are safe: the second waits and finds nothing to do.
pub async fn run(conn: &mut PgConnection, plan: &[Migration]) -> Result<Vec<AppliedMigration>, DbError> {
    let mut applied = Vec::new();
    for migration in plan {
        let mut tx = conn.begin().await?;
        sqlx::query("select pg_advisory_xact_lock(hashtext('hitaji.migrate'))").execute(&mut *tx).await?;
        sqlx::query("set local lock_timeout = '2s'").execute(&mut *tx).await?;
        match recorded_checksum(&mut tx, migration).await? {
            Some(checksum) if checksum == sha256(migration.sql.as_bytes()) => continue,
            Some(_) => {
                return Err(refused(migration, "its text is not the one that ran here; migrations never change"));
            }
            None => {}
        }
        journal(&mut tx, migration).await?;
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await.map_err(|error| refused(migration, &error.to_string()))?;
        sqlx::query("insert into hitaji.schema_version (service, version, checksum) values ($1, $2, $3)")
            .bind(migration.service)
            .bind(migration.version)
            .bind(sha256(migration.sql.as_bytes()))
            .execute(&mut *tx)
            .await?;
        if is_journaled(&mut tx).await? {
            sqlx::raw_sql("select hitaji.journal_on()").execute(&mut *tx).await?;
        }
        tx.commit().await?;
        applied.push(AppliedMigration { service: migration.service.to_owned(), version: migration.version });
    }
    Ok(applied)
}

/// Whether every change in this database is journaled.
pub async fn is_journaled(conn: &mut PgConnection) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from pg_trigger where tgname = 'hitaji_journal_row')")
        .fetch_one(conn)
        .await?)
}

/// Notes in the journal that the schema changes here: a replay makes the same change at the same place.
async fn journal(conn: &mut PgConnection, migration: &Migration) -> Result<(), DbError> {
    if is_journaled(conn).await? {
        sqlx::query("insert into hitaji.journal (relation, operation, new) values ($1, 'M', $2::text)")
            .bind(migration.service)
            .bind(migration.version)
            .execute(conn)
            .await?;
    }
    Ok(())
}

/// All steps that ran on a database, in the order they ran.
pub async fn applied(conn: &mut PgConnection) -> Result<Vec<AppliedMigration>, DbError> {
    let rows: Vec<(String, i32)> =
        sqlx::query_as("select service, version from hitaji.schema_version order by applied_at, service, version")
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(service, version)| AppliedMigration { service, version }).collect())
}

async fn recorded_checksum(conn: &mut PgConnection, migration: &Migration) -> Result<Option<Vec<u8>>, DbError> {
    let exists: bool =
        sqlx::query_scalar("select to_regclass('hitaji.schema_version') is not null").fetch_one(&mut *conn).await?;
    if !exists {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("select checksum from hitaji.schema_version where service = $1 and version = $2")
        .bind(migration.service)
        .bind(migration.version)
        .fetch_optional(conn)
        .await?)
}

fn refused(migration: &Migration, reason: &str) -> DbError {
    DbError::Migration { service: migration.service.to_owned(), version: migration.version, reason: reason.to_owned() }
}
