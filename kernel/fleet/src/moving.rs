//! Moving a tenant's database to another cluster, or one of its services into a database of its own, while people work.
//!
//! A backup is loaded at the new place while the journal collects what changes meanwhile. Then writers are held (every table is
//! locked against writing, reading goes on), the rest is replayed, both sides are compared, the old place is closed and the
//! directory switched. A crash before the switch leaves the old place in use; after it, the new one.
use crate::FleetError;
use crate::fleet::{Fleet, Work};
use crate::journal::Replayed;
use crate::tables::{self, Scope, Table};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::TenantId;
use hitaji_db::directory::database::{self, DatabaseRow, NewDatabase};
use hitaji_db::{Conn, cluster};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgConnection};
use std::time::{Duration, Instant};

/// Fewer changes than this are replayed while writers wait.
const FEW: usize = 500;
const MAX_ROUNDS: usize = 10;
const KEEP: TimeDelta = TimeDelta::days(7);
/// How long the move waits for writers under way before it lets others go on and tries again.
const LOCK_WAIT: &str = "set lock_timeout = '3s'";
const LOCK_TRIES: usize = 5;

/// What is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What<'a> {
    /// The database that services share.
    Shared,
    /// The database that this service has of its own.
    Own(&'a str),
    /// This service, out of the shared database into one of its own.
    Service(&'a str),
}

/// How a move went.
#[derive(Clone, Debug)]
pub struct Moved {
    pub rows: i64,
    /// For how long nobody could write.
    pub held: Duration,
}

impl Fleet {
    pub async fn move_tenant(
        &self,
        tenant: TenantId,
        what: What<'_>,
        to_cluster: &str,
        actor: &str,
    ) -> Result<Moved, FleetError> {
        self.operate("move", Some(tenant), actor, async |work| {
            let row = self.source(tenant, what, to_cluster).await?;
            let moved = self.move_database(tenant, &row, what, to_cluster, work).await;
            // The triggers stay only where every change is journaled for good.
            let ended = self.end_journaling(tenant).await;
            let moved = moved?;
            ended?;
            self.go_on_journaling(tenant, KEEP, work).await?;
            Ok(moved)
        })
        .await
    }

    async fn source(&self, tenant: TenantId, what: What<'_>, to_cluster: &str) -> Result<DatabaseRow, FleetError> {
        let rows = self.in_use(tenant).await?;
        let wanted = if let What::Own(service) = what { Some(service) } else { None };
        let row = rows.iter().find(|row| row.service.as_deref() == wanted);
        let row = row.ok_or_else(|| FleetError::Refused("that service has no database of its own".into()))?;
        if let What::Service(service) = what {
            if !self
                .databases
                .plan(hitaji_db::Home::Tenant)
                .iter()
                .any(|step| step.service == service && service != "kernel")
            {
                return Err(FleetError::Refused(format!(
                    "there is no service {service} with tables of an organisation"
                )));
            }
            if rows.iter().any(|row| row.service.as_deref() == Some(service)) {
                return Err(FleetError::Refused(format!("{service} has a database of its own already")));
            }
        } else if row.cluster == to_cluster {
            return Err(FleetError::Refused(format!("it is on the cluster {to_cluster} already")));
        }
        Ok(row.clone())
    }

    async fn move_database(
        &self,
        tenant: TenantId,
        row: &DatabaseRow,
        what: What<'_>,
        to_cluster: &str,
        work: &Work,
    ) -> Result<Moved, FleetError> {
        self.admin_run(row, "select hitaji.journal_on()").await?;
        self.backup_now(tenant, KEEP, work).await?;
        let base = self.backups(tenant).await?.into_iter().find(|backup| backup.database_id == row.id);
        let mut base = base.ok_or_else(|| FleetError::Refused("the backup is gone".into()))?;
        base.service = if let What::Service(service) = what { Some(service.to_owned()) } else { base.service };
        let place = self.databases.place_of_row(tenant, row.service.as_deref()).await?;
        self.ship(&place, tenant).await?;
        let (new, mut replayed) = self.load_to(tenant, &base, to_cluster, DateTime::<Utc>::MAX_UTC, work).await?;
        work.step("loaded", json!({"database": new.name})).await?;
        let moved = self.catch_up(tenant, row, &new, what, &mut replayed).await;
        if moved.is_err() {
            self.reopen(tenant).await?;
            self.discard(&new).await?;
        }
        moved
    }

    /// Replays until little is left, holds the writers, replays that, compares, and switches.
    async fn catch_up(
        &self,
        tenant: TenantId,
        row: &DatabaseRow,
        new: &NewDatabase,
        what: What<'_>,
        replayed: &mut Replayed,
    ) -> Result<Moved, FleetError> {
        let place = self.databases.place_of_row(tenant, row.service.as_deref()).await?;
        let all = (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC);
        for _ in 0..MAX_ROUNDS {
            self.ship(&place, tenant).await?;
            if self.replay_on(new, tenant, row.id, all, replayed).await? < FEW {
                break;
            }
        }
        let mut source = self.databases.admin(&row.cluster, &row.name).await?;
        tables::plain_formats(&mut source).await?;
        let list = tables::tables(&mut source, Scope::All).await?;
        let held_since = hold_writers(&mut source, &list).await?;
        // The last changes; the journal itself can be emptied, it is not among the locked tables.
        self.ship(&place, tenant).await?;
        self.replay_on(new, tenant, row.id, all, replayed).await?;
        let scope = if let What::Service(service) = what { Scope::Service(service) } else { Scope::All };
        let rows = self.compare(&mut source, new, scope).await?;
        let spared: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *source).await?;
        let mut admin = self.databases.maintenance(&row.cluster).await?;
        cluster::fence(&mut admin, &row.name, spared).await?;
        let mut control = self.databases.control().await?;
        database::switch(&mut control, new.id).await?;
        control.release();
        self.databases.forget(tenant);
        let held = held_since.elapsed();
        if let What::Service(service) = what {
            clear_service(&mut source, &list, service).await?;
            cluster::unfence(&mut admin, &row.name).await?;
        }
        source.close();
        Ok(Moved { rows, held })
    }

    /// Both sides hold the same rows; for one service, the new side holds nothing else.
    async fn compare(&self, source: &mut Conn, new: &NewDatabase, scope: Scope<'_>) -> Result<i64, FleetError> {
        let mut target = self.databases.admin(&new.cluster, &new.name).await?;
        tables::plain_formats(&mut target).await?;
        if let Scope::Service(service) = scope {
            keep_service(&mut target, service).await?;
        }
        let list = tables::tables(source, scope).await?;
        let expected = tables::digests(source, &list, scope).await?;
        let found = tables::digests(&mut target, &list, scope).await?;
        tables::set_sequences(&mut target, &tables::sequences(source).await?).await?;
        target.close();
        let differences = tables::differences(&expected, &found);
        if !differences.is_empty() {
            return Err(FleetError::Differs(differences));
        }
        Ok(expected.values().map(|digest| digest.rows).sum())
    }
}

/// Locks every table against writing. Writers under way are waited for; new ones wait for us, until their own time is up.
async fn hold_writers(conn: &mut PgConnection, list: &[Table]) -> Result<Instant, FleetError> {
    let names: Vec<String> = list.iter().map(Table::quoted).collect();
    let lock = format!("begin; lock table {} in exclusive mode", names.join(", "));
    sqlx::raw_sql(LOCK_WAIT).execute(&mut *conn).await?;
    for attempt in 1.. {
        let since = Instant::now();
        match sqlx::raw_sql(AssertSqlSafe(lock.clone())).execute(&mut *conn).await {
            Ok(_) => return Ok(since),
            Err(error) if attempt == LOCK_TRIES => return Err(error.into()),
            Err(error) => tracing::info!(%error, "writers are busy; the move waits a little"),
        }
        sqlx::raw_sql("rollback").execute(&mut *conn).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(FleetError::Cancelled)
}

/// Leaves only one service's rows in a database that is a copy of the shared one.
async fn keep_service(conn: &mut PgConnection, service: &str) -> Result<(), FleetError> {
    let list = tables::tables(conn, Scope::All).await?;
    let others: Vec<String> =
        list.iter().filter(|table| table.schema != service && table.schema != "hitaji").map(Table::quoted).collect();
    if !others.is_empty() {
        sqlx::raw_sql(AssertSqlSafe(format!("truncate {}", others.join(", ")))).execute(&mut *conn).await?;
    }
    delete_rows(conn, &list, |literal| format!("service <> {literal}"), service).await
}

/// Takes one service's rows out of the shared database.
async fn clear_service(conn: &mut PgConnection, list: &[Table], service: &str) -> Result<(), FleetError> {
    let own: Vec<String> = list.iter().filter(|table| table.schema == service).map(Table::quoted).collect();
    sqlx::raw_sql(AssertSqlSafe(format!("truncate {}", own.join(", ")))).execute(&mut *conn).await?;
    delete_rows(conn, list, |literal| format!("service = {literal}"), service).await?;
    sqlx::raw_sql("commit").execute(conn).await?;
    Ok(())
}

async fn delete_rows(
    conn: &mut PgConnection,
    list: &[Table],
    condition: impl Fn(&str) -> String,
    service: &str,
) -> Result<(), FleetError> {
    let condition = condition(&tables::literal(service));
    for table in list.iter().filter(|table| table.schema == "hitaji" && table.columns.contains(&"service".to_owned())) {
        let sql = format!("delete from {} where {condition}", table.quoted());
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    Ok(())
}
