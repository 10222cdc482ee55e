//! Point-in-time restore: every change of a journaled tenant goes into `hitaji.journal` by triggers, is shipped to the store each
//! second, and is replayed on top of a backup up to any moment.
//!
//! A shipment is named by the moment before which everything committed is in it or in an earlier one. A transaction counts as
//! committed at T when its last change was made by T and it is in a shipment no later than the first after T; a transaction is
//! never split. So what a restore shows is a moment that was, at most as long before T as shipments are apart.
use crate::backup::{self, Backup};
use crate::fleet::{Fleet, Work};
use crate::restore::Restored;
use crate::{FleetError, tables};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::TenantId;
use hitaji_db::directory;
use hitaji_db::directory::database::{DatabaseRow, NewDatabase};
use hitaji_db::{DataKeys, Home, Migration, Place, migrate};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use std::collections::{BTreeMap, HashMap, HashSet};
use uuid::Uuid;

const PURPOSE: &str = "journal";
const LEVEL: i32 = 3;
/// Entries in one object.
const PART: usize = 5_000;

/// One change, as it lies in a shipment (a line of JSON).
#[derive(Clone, Debug, Serialize, Deserialize, sqlx::FromRow)]
struct Entry {
    position: i64,
    xid: String,
    at: DateTime<Utc>,
    relation: String,
    operation: String,
    old: Option<String>,
    new: Option<String>,
}

/// How far a loaded database has come.
pub(crate) struct Replayed {
    /// What was in it from the beginning.
    snapshot: String,
    /// The name of the last shipment that is in it.
    last: String,
}

fn folder(tenant: TenantId, database: Uuid) -> String {
    format!("tenants/{tenant}/journal/{database}")
}

impl Fleet {
    /// Begins to journal a tenant, with the backup that the journal goes on from.
    pub async fn journal_on(&self, tenant: TenantId, keep: TimeDelta, actor: &str) -> Result<(), FleetError> {
        self.operate("journal", Some(tenant), actor, async |work| {
            let mut control = self.databases.control().await?;
            directory::set_journaled(&mut control, tenant, true).await?;
            control.release();
            self.databases.forget(tenant);
            self.go_on_journaling(tenant, keep, work).await
        })
        .await
    }

    /// Where every change of the tenant is journaled: so it is in the databases that are in use now, and from a backup of them on.
    pub(crate) async fn go_on_journaling(
        &self,
        tenant: TenantId,
        keep: TimeDelta,
        work: &Work,
    ) -> Result<(), FleetError> {
        if !self.databases.describe(tenant).await?.journaled {
            return Ok(());
        }
        for row in self.in_use(tenant).await? {
            self.admin_run(&row, "select hitaji.journal_on()").await?;
        }
        self.backup_now(tenant, keep, work).await?;
        Ok(())
    }

    /// Where changes are journaled for nobody: the triggers go, and what they wrote.
    pub(crate) async fn end_journaling(&self, tenant: TenantId) -> Result<(), FleetError> {
        if self.databases.describe(tenant).await?.journaled {
            return Ok(());
        }
        for row in self.in_use(tenant).await? {
            self.admin_run(&row, "select hitaji.journal_off(); truncate hitaji.journal").await?;
        }
        Ok(())
    }

    /// Runs a statement in a tenant's database as the administrator.
    pub(crate) async fn admin_run(&self, row: &DatabaseRow, sql: &'static str) -> Result<(), FleetError> {
        let mut conn = self.databases.admin(&row.cluster, &row.name).await?;
        sqlx::raw_sql(sql).execute(&mut *conn).await?;
        conn.close();
        Ok(())
    }

    /// Ships what was written since the last time by this process; `sweep` looks at all journaled tenants, for what others
    /// wrote. Returns how many changes.
    pub async fn ship_journals(&self, sweep: bool) -> Result<usize, FleetError> {
        let mut places = self.databases.wake().take_written();
        if sweep {
            let mut conn = self.databases.control().await?;
            let journaled = directory::journaled(&mut conn).await?;
            conn.release();
            let all = self.databases.tenant_places().await?.into_iter().map(|(place, ..)| place);
            places.extend(all.filter(|place| place.tenant().is_some_and(|tenant| journaled.contains(&tenant))));
        }
        let mut shipped = 0;
        for place in places {
            let Some(tenant) = place.tenant() else { continue };
            if !self.databases.describe(tenant).await.is_ok_and(|tenant| tenant.journaled) {
                continue;
            }
            match self.ship(&place, tenant).await {
                Ok(entries) => shipped += entries,
                Err(error) => {
                    tracing::warn!(%tenant, %error, "changes could not be shipped; they are tried again");
                    self.databases.wake().written(&place);
                }
            }
        }
        Ok(shipped)
    }

    /// Moves one database's journal to the store. One shipper at a time; a crash in between ships the same entries again.
    pub async fn ship(&self, place: &Place, tenant: TenantId) -> Result<usize, FleetError> {
        let keys = self.databases.data_keys(tenant).await?;
        let folder = folder(tenant, self.databases.database_id(place).await?);
        let mut conn = self.databases.place(place).await?;
        sqlx::raw_sql("begin; set local timezone = 'UTC'").execute(&mut *conn).await?;
        let (ours, cutoff): (bool, DateTime<Utc>) =
            sqlx::query_as("select pg_try_advisory_xact_lock(hashtext('hitaji.journal')), clock_timestamp()")
                .fetch_one(&mut *conn)
                .await?;
        let shipped = if ours { self.ship_parts(&mut conn, &keys, &folder, cutoff).await? } else { 0 };
        sqlx::raw_sql(if shipped > 0 { "commit" } else { "rollback" }).execute(&mut *conn).await?;
        conn.release();
        Ok(shipped)
    }

    async fn ship_parts(
        &self,
        conn: &mut PgConnection,
        keys: &DataKeys,
        folder: &str,
        cutoff: DateTime<Utc>,
    ) -> Result<usize, FleetError> {
        let (mut shipped, mut after) = (0, 0);
        for part in 0.. {
            let entries: Vec<Entry> = sqlx::query_as(
                "select position, xid::text, at, relation, operation, old, new from hitaji.journal
                 where position > $1 order by position limit $2",
            )
            .bind(after)
            .bind(PART as i64)
            .fetch_all(&mut *conn)
            .await?;
            let Some(last) = entries.last() else { break };
            after = last.position;
            let mut text = Vec::new();
            for entry in &entries {
                serde_json::to_writer(&mut text, entry)?;
                text.push(b'\n');
            }
            let sealed = keys.seal(PURPOSE, &zstd::bulk::compress(&text, LEVEL)?);
            let name = format!("{folder}/{}-{part:04}.sealed", cutoff.format("%Y%m%dT%H%M%S%.6fZ"));
            self.store.put(&name, sealed).await?;
            let positions: Vec<i64> = entries.iter().map(|entry| entry.position).collect();
            sqlx::query("delete from hitaji.journal where position = any($1)")
                .bind(&positions)
                .execute(&mut *conn)
                .await?;
            shipped += entries.len();
        }
        Ok(shipped)
    }

    /// Puts a journaled tenant back to what it was at `moment`. What was in use before is kept for a week.
    pub async fn restore_to(
        &self,
        tenant: TenantId,
        moment: DateTime<Utc>,
        actor: &str,
    ) -> Result<Restored, FleetError> {
        self.operate("restore", Some(tenant), actor, async |work| {
            let mut loaded = Vec::new();
            for row in self.in_use(tenant).await? {
                let place = self.databases.place_of_row(tenant, row.service.as_deref()).await?;
                // What is not shipped yet is part of the past too.
                self.ship(&place, tenant).await?;
                let base = self.base(tenant, row.id, moment).await?;
                loaded.push(self.load_to(tenant, &base, &row.cluster, moment, work).await?.0);
            }
            for new in &loaded {
                self.replace(tenant, new, work).await?;
            }
            self.go_on_journaling(tenant, self.kept(tenant).await?, work).await?;
            Ok(Restored { as_of: moment, rows: 0 })
        })
        .await
    }

    /// What a journaled tenant was at a moment, in a database of its own beside the one in use: to look at, then to discard.
    pub async fn past(&self, tenant: TenantId, moment: DateTime<Utc>, actor: &str) -> Result<NewDatabase, FleetError> {
        self.operate("past", Some(tenant), actor, async |work| {
            let rows = self.in_use(tenant).await?;
            let row = rows.iter().find(|row| row.service.is_none()).unwrap_or(&rows[0]);
            let place = self.databases.place_of_row(tenant, row.service.as_deref()).await?;
            self.ship(&place, tenant).await?;
            let base = self.base(tenant, row.id, moment).await?;
            Ok(self.load_to(tenant, &base, &row.cluster, moment, work).await?.0)
        })
        .await
    }

    /// The newest backup of this database from before the moment.
    async fn base(&self, tenant: TenantId, database: Uuid, moment: DateTime<Utc>) -> Result<Backup, FleetError> {
        let mut conn = self.databases.control().await?;
        let all = backup::find(&mut conn, tenant).await?;
        conn.release();
        let base = all.into_iter().find(|backup| backup.database_id == database && backup.taken_at <= moment);
        base.ok_or_else(|| {
            FleetError::Refused(
                "there is no backup of this database from before that moment: restore an older backup".into(),
            )
        })
    }

    /// A backup and the journal after it, up to the moment, in a new database of today's schema. Answers the last shipment that
    /// is in it too.
    pub(crate) async fn load_to(
        &self,
        tenant: TenantId,
        base: &Backup,
        cluster: &str,
        moment: DateTime<Utc>,
        work: &Work,
    ) -> Result<(NewDatabase, Replayed), FleetError> {
        let (reader, manifest) = self.read_bundle(&base.object, tenant).await?;
        let new = self.load_from(tenant, reader, &manifest, cluster, base.service.as_deref(), work).await?;
        let mut replayed = Replayed { snapshot: manifest.snapshot, last: String::new() };
        // Clocks of two machines may differ; what is in the backup already is not made again.
        let from = base.taken_at - TimeDelta::minutes(10);
        match self.replay_on(&new, tenant, base.database_id, (from, moment), &mut replayed).await {
            Ok(_) => Ok((new, replayed)),
            Err(error) => {
                self.discard(&new).await?;
                Err(error)
            }
        }
    }

    /// Makes the changes of shipments after the last one in a loaded database. Returns how many there were.
    pub(crate) async fn replay_on(
        &self,
        new: &NewDatabase,
        tenant: TenantId,
        database: Uuid,
        (from, moment): (DateTime<Utc>, DateTime<Utc>),
        replayed: &mut Replayed,
    ) -> Result<usize, FleetError> {
        let entries = self.entries(tenant, database, (from, moment), &mut replayed.last).await?;
        let mut conn = self.databases.admin(&new.cluster, &new.name).await?;
        let outcome = replay(&mut conn, &entries, &replayed.snapshot, &self.databases.plan(Home::Tenant)).await;
        conn.close();
        outcome.map(|()| entries.len())
    }

    /// Changes in shipments after `last` that count as committed at `moment`, in the order they were made; `last` goes along.
    async fn entries(
        &self,
        tenant: TenantId,
        database: Uuid,
        (from, moment): (DateTime<Utc>, DateTime<Utc>),
        last: &mut String,
    ) -> Result<Vec<Entry>, FleetError> {
        let keys = self.databases.data_keys(tenant).await?;
        let mut found: BTreeMap<i64, Entry> = BTreeMap::new();
        let mut enough = None;
        for stored in self.store.list(&folder(tenant, database)).await? {
            let cutoff = cutoff_of(&stored.name)
                .ok_or_else(|| FleetError::Damaged(format!("{} is not a shipment's name", stored.name)))?;
            if cutoff < from || stored.name <= *last {
                continue;
            }
            if enough.is_some_and(|enough| cutoff > enough) {
                break;
            }
            if cutoff > moment {
                enough = Some(cutoff);
            }
            let plain = keys.open(PURPOSE, &self.store.get(&stored.name).await?)?;
            let text = zstd::stream::decode_all(&plain[..])?;
            for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let entry: Entry = serde_json::from_slice(line)?;
                found.entry(entry.position).or_insert(entry);
            }
            *last = stored.name;
        }
        let mut last_change: HashMap<String, DateTime<Utc>> = HashMap::new();
        for entry in found.values() {
            let last = last_change.entry(entry.xid.clone()).or_insert(entry.at);
            *last = entry.at.max(*last);
        }
        let later: HashSet<String> =
            last_change.into_iter().filter(|(_, at)| *at > moment).map(|(xid, _)| xid).collect();
        Ok(found.into_values().filter(|entry| !later.contains(&entry.xid)).collect())
    }

    /// Removes shipments that no backup needs any more. Returns how many.
    pub async fn expire_journals(&self, tenant: TenantId) -> Result<usize, FleetError> {
        let oldest: HashMap<String, DateTime<Utc>> = {
            let backups = self.backups(tenant).await?;
            let mut oldest = HashMap::new();
            for backup in backups {
                let first = oldest.entry(backup.database_id.to_string()).or_insert(backup.taken_at);
                *first = backup.taken_at.min(*first);
            }
            oldest
        };
        let mut removed = 0;
        for stored in self.store.list(&format!("tenants/{tenant}/journal")).await? {
            let database = stored.name.split('/').nth(3).unwrap_or_default();
            let needed = oldest.get(database).is_some_and(|from| cutoff_of(&stored.name).is_none_or(|at| at >= *from));
            if !needed {
                self.store.delete(&stored.name).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn cutoff_of(name: &str) -> Option<DateTime<Utc>> {
    let file = name.rsplit('/').next()?;
    let (time, _) = file.split_once('-')?;
    chrono::NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%S%.fZ").ok().map(|time| time.and_utc())
}

/// Applies changes that the snapshot does not have, one after another, on the server itself. Migrations are run where they ran.
async fn replay(
    conn: &mut PgConnection,
    entries: &[Entry],
    snapshot: &str,
    plan: &[Migration],
) -> Result<(), FleetError> {
    tables::plain_formats(conn).await?;
    sqlx::raw_sql("begin; create temporary table replay (position bigint primary key, xid text, relation text, operation text, old text, new text) on commit drop")
        .execute(&mut *conn)
        .await?;
    let aside = tables::set_aside(conn).await?;
    let mut waiting: Vec<&Entry> = Vec::new();
    let mut plan_so_far: Vec<(String, i64)> =
        migrate::applied(conn).await?.into_iter().map(|step| (step.service, i64::from(step.version))).collect();
    for entry in entries {
        if entry.operation != "M" {
            waiting.push(entry);
            continue;
        }
        apply(conn, &waiting, snapshot).await?;
        waiting.clear();
        let version: Option<i64> = entry.new.as_ref().and_then(|new| new.parse().ok());
        let version = version.ok_or_else(|| FleetError::Damaged("a migration in the journal has no version".into()))?;
        let step = (entry.relation.clone(), version);
        if plan_so_far.contains(&step) {
            continue;
        }
        plan_so_far.push(step);
        aside.back(conn).await?;
        sqlx::raw_sql("commit").execute(&mut *conn).await?;
        let had = |migration: &Migration| {
            plan_so_far
                .iter()
                .any(|(service, version)| service == migration.service && *version == i64::from(migration.version))
        };
        let then: Vec<Migration> = plan.iter().copied().filter(had).collect();
        migrate::run(conn, &then).await?;
        return Box::pin(replay(conn, after(entries, entry.position), snapshot, plan)).await;
    }
    apply(conn, &waiting, snapshot).await?;
    set_identities(conn).await?;
    aside.back(conn).await?;
    sqlx::raw_sql("commit").execute(&mut *conn).await?;
    migrate::run(conn, plan).await?;
    Ok(())
}

fn after(entries: &[Entry], position: i64) -> &[Entry] {
    &entries[entries.partition_point(|entry| entry.position <= position)..]
}

/// The server reads the changes from a table of its own and makes each: a row that comes or changes replaces what has its key.
async fn apply(conn: &mut PgConnection, entries: &[&Entry], snapshot: &str) -> Result<(), FleetError> {
    for chunk in entries.chunks(PART) {
        sqlx::query(
            "insert into replay (position, xid, relation, operation, old, new)
             select position, xid, relation, operation, old, new
             from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                as line (position, xid, relation, operation, old, new)
             where not pg_visible_in_snapshot(xid::xid8, $7::pg_snapshot)",
        )
        .bind(chunk.iter().map(|entry| entry.position).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.xid.clone()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.relation.clone()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.operation.clone()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.old.clone()).collect::<Vec<_>>())
        .bind(chunk.iter().map(|entry| entry.new.clone()).collect::<Vec<_>>())
        .bind(snapshot)
        .execute(&mut *conn)
        .await?;
    }
    sqlx::raw_sql(include_str!("replay.sql")).execute(&mut *conn).await?;
    Ok(())
}

/// Numbers that tables give by themselves go on after the highest that is there.
async fn set_identities(conn: &mut PgConnection) -> Result<(), FleetError> {
    sqlx::raw_sql(
        "do $$ declare found record; begin
            for found in select format('%I.%I', table_schema, table_name) as relation, column_name as number,
                    pg_get_serial_sequence(format('%I.%I', table_schema, table_name), column_name) as sequence
                from information_schema.columns where is_identity = 'YES' and not (table_schema = 'hitaji' and table_name = 'journal') loop
                execute format('select setval(%L, highest) from (select max(%I) as highest from %s) there, %s as drawn where highest > drawn.last_value',
                    found.sequence, found.number, found.relation, found.sequence);
            end loop; end $$",
    )
    .execute(conn)
    .await?;
    Ok(())
}
