//! Migrations: forward only, all that a database misses in one transaction, recorded in the database they change.
use crate::DbError;
use crate::roles;
use crate::secrets::{hex, sha256};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use std::collections::HashMap;
use std::time::Duration;

/// How often a database is tried whose locks somebody else holds, and the pause after the first try; it doubles.
const TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The first line of a step that PostgreSQL refuses to run in a transaction (an index built concurrently) begins so. It is
/// one statement, and runs after all the others: nothing may rest on it.
const SEPARATE: &str = "-- separate:";

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

impl Migration {
    fn is_separate(&self) -> bool {
        self.sql.starts_with(SEPARATE)
    }

    fn name(&self) -> AppliedMigration {
        AppliedMigration { service: self.service.to_owned(), version: self.version }
    }
}

/// A step that ran, or is to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    Migration {
        service: KERNEL,
        home: Home::Control,
        version: 4,
        sql: include_str!("../migrations/0004_migration_runs.sql"),
    },
    Migration { service: KERNEL, home: Home::Control, version: 5, sql: include_str!("../migrations/0005_backups.sql") },
    Migration { service: KERNEL, home: Home::Tenant, version: 6, sql: include_str!("../migrations/0006_journal.sql") },
    Migration { service: KERNEL, home: Home::Control, version: 7, sql: include_str!("../migrations/0007_plans.sql") },
    Migration { service: KERNEL, home: Home::Control, version: 8, sql: include_str!("../migrations/0008_denials.sql") },
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
    hex(&sha256(text.as_bytes())[..6])
}

/// What a database says of itself: the steps that ran in it, with their checksums.
#[derive(Clone, Debug, Default)]
pub struct Recorded(HashMap<(String, i32), Vec<u8>>);

impl Recorded {
    pub async fn read(conn: &mut PgConnection) -> Result<Recorded, DbError> {
        let exists: bool =
            sqlx::query_scalar("select to_regclass('hitaji.schema_version') is not null").fetch_one(&mut *conn).await?;
        if !exists {
            return Ok(Recorded::default());
        }
        let rows: Vec<(String, i32, Vec<u8>)> =
            sqlx::query_as("select service, version, checksum from hitaji.schema_version").fetch_all(conn).await?;
        Ok(Recorded(rows.into_iter().map(|(service, version, checksum)| ((service, version), checksum)).collect()))
    }

    /// The steps of the plan that did not run here. A step whose text is not the one that ran is an error.
    pub fn missing(&self, plan: &[Migration]) -> Result<Vec<Migration>, DbError> {
        let (ran, missing) = self.split(plan)?;
        debug_assert_eq!(ran.len() + missing.len(), plan.len());
        Ok(missing)
    }

    /// The steps of the plan that ran here, and those that did not.
    pub fn split(&self, plan: &[Migration]) -> Result<(Vec<Migration>, Vec<Migration>), DbError> {
        let (mut ran, mut missing) = (Vec::new(), Vec::new());
        for migration in plan {
            match self.0.get(&(migration.service.to_owned(), migration.version)) {
                Some(checksum) if *checksum == sha256(migration.sql.as_bytes()) => ran.push(*migration),
                Some(_) => {
                    return Err(refused(migration, "its text is not the one that ran here; migrations never change"));
                }
                None => missing.push(*migration),
            }
        }
        Ok((ran, missing))
    }

    /// Whether steps ran here that this program does not know: a newer one was here.
    pub fn is_newer_than(&self, plan: &[Migration]) -> bool {
        let known = |service: &str, version: i32| plan.iter().any(|m| m.service == service && m.version == version);
        self.0.keys().any(|(service, version)| !known(service, *version))
    }

    /// The fingerprint of the schema that the database says it has; none when it is newer than the plan.
    pub fn fingerprint(&self, plan: &[Migration]) -> Result<Option<String>, DbError> {
        if self.is_newer_than(plan) {
            return Ok(None);
        }
        Ok(Some(fingerprint(&self.split(plan)?.0)))
    }
}

/// Runs all that is missing on one database in one transaction: it is wholly before or wholly after. Locks are waited for
/// two seconds, and asked for again a few times. Two runners at once are safe: the second waits and finds nothing to do.
pub async fn run(conn: &mut PgConnection, plan: &[Migration]) -> Result<Vec<AppliedMigration>, DbError> {
    let (separate, together): (Vec<Migration>, Vec<Migration>) = plan.iter().partition(|step| step.is_separate());
    let mut pause = FIRST_PAUSE;
    for tries_left in (0..TRIES).rev() {
        let done = async {
            let mut applied = run_together(conn, &together).await?;
            for step in &separate {
                applied.extend(run_separate(conn, step).await?);
            }
            Ok(applied)
        };
        match done.await {
            Err(error) if tries_left > 0 && is_lock_conflict(&error) => {
                tracing::debug!(%error, "locks of a database are held by others; its migration is tried again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            other => return other,
        }
    }
    Err(DbError::Unavailable("its locks are held by others"))
}

async fn run_together(conn: &mut PgConnection, plan: &[Migration]) -> Result<Vec<AppliedMigration>, DbError> {
    let mut tx = conn.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtext('hitaji.migrate')), set_config('lock_timeout', '2s', true)")
        .execute(&mut *tx)
        .await?;
    let missing = Recorded::read(&mut tx).await?.missing(plan)?;
    let journaled = is_journaled(&mut tx).await?;
    for migration in &missing {
        if journaled {
            journal(&mut tx, migration).await?;
        }
        sqlx::raw_sql(migration.sql).execute(&mut *tx).await.map_err(|error| stopped(migration, error))?;
        record(&mut tx, migration).await?;
    }
    if journaled && !missing.is_empty() {
        sqlx::raw_sql("select hitaji.journal_on()").execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(missing.iter().map(Migration::name).collect())
}

/// Runs a step that cannot be in a transaction. What a broken try of it left behind goes first: an index built
/// concurrently stays, invalid, when building it fails.
async fn run_separate(conn: &mut PgConnection, step: &Migration) -> Result<Option<AppliedMigration>, DbError> {
    let alone: bool = sqlx::query_scalar("select pg_try_advisory_lock(hashtext('hitaji.migrate.separate'))")
        .fetch_one(&mut *conn)
        .await?;
    if !alone {
        return Err(DbError::Unavailable("another runner builds this database's indexes"));
    }
    let done = async {
        if Recorded::read(conn).await?.missing(&[*step])?.is_empty() {
            return Ok(None);
        }
        let broken: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', n.nspname, c.relname) from pg_index i join pg_class c on c.oid = i.indexrelid
             join pg_namespace n on n.oid = c.relnamespace where not i.indisvalid and c.relkind = 'i' and n.nspname = $1",
        )
        .bind(step.service)
        .fetch_all(&mut *conn)
        .await?;
        for index in broken {
            roles::run(conn, format!("drop index concurrently if exists {index}")).await?;
        }
        sqlx::raw_sql(step.sql).execute(&mut *conn).await.map_err(|error| stopped(step, error))?;
        record(conn, step).await?;
        Ok(Some(step.name()))
    };
    let done = done.await;
    sqlx::query("select pg_advisory_unlock(hashtext('hitaji.migrate.separate'))").execute(conn).await?;
    done
}

/// Whether every change in this database is journaled.
pub async fn is_journaled(conn: &mut PgConnection) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from pg_trigger where tgname = 'hitaji_journal_row')")
        .fetch_one(conn)
        .await?)
}

/// Notes in the journal that the schema changes here: a replay makes the same change at the same place.
async fn journal(conn: &mut PgConnection, migration: &Migration) -> Result<(), DbError> {
    sqlx::query("insert into hitaji.journal (relation, operation, new) values ($1, 'M', $2::text)")
        .bind(migration.service)
        .bind(migration.version.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// All steps that ran on a database.
pub async fn applied(conn: &mut PgConnection) -> Result<Vec<AppliedMigration>, DbError> {
    let rows: Vec<(String, i32)> =
        sqlx::query_as("select service, version from hitaji.schema_version order by applied_at, service, version")
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(service, version)| AppliedMigration { service, version }).collect())
}

async fn record(conn: &mut PgConnection, migration: &Migration) -> Result<(), DbError> {
    sqlx::query("insert into hitaji.schema_version (service, version, checksum) values ($1, $2, $3)")
        .bind(migration.service)
        .bind(migration.version)
        .bind(sha256(migration.sql.as_bytes()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether others held the locks: lock not available, deadlock, serialisation, or another runner.
fn is_lock_conflict(error: &DbError) -> bool {
    matches!(error.code().as_deref(), Some("55P03" | "40P01" | "40001")) || matches!(error, DbError::Unavailable(_))
}

fn stopped(migration: &Migration, error: sqlx::Error) -> DbError {
    let reason = error.to_string();
    match DbError::from(error) {
        error if is_lock_conflict(&error) || error.is_unavailable() => error,
        _ => refused(migration, &reason),
    }
}

fn refused(migration: &Migration, reason: &str) -> DbError {
    DbError::Migration { service: migration.service.to_owned(), version: migration.version, reason: reason.to_owned() }
}
