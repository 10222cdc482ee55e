//! Restore: a bundle into a new database, compared with what it should hold, and put in the place of the old one.
use crate::backup::Backup;
use crate::bundle::{Manifest, Reader};
use crate::fleet::{Fleet, Work};
use crate::{FleetError, tables};
use chrono::{DateTime, Utc};
use hitaji_core::TenantId;
use hitaji_db::directory::database::{self, DatabaseRow, NewDatabase};
use hitaji_db::migrate::{self, AppliedMigration};
use hitaji_db::{Home, cluster};
use serde_json::json;
use sqlx::PgConnection;
use std::collections::HashSet;
use uuid::Uuid;

/// What a restore went back to.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The moment that the data is of.
    pub as_of: DateTime<Utc>,
    pub rows: i64,
}

impl Fleet {
    /// Puts a tenant back to a backup: the newest, or the named set. What was in use before is kept for a week.
    pub async fn restore(&self, tenant: TenantId, set: Option<Uuid>, actor: &str) -> Result<Restored, FleetError> {
        self.operate("restore", Some(tenant), actor, async |work| {
            let backups = self.choose(tenant, set).await?;
            let mut loaded = Vec::new();
            for backup in &backups {
                loaded.push(match self.clone_of_copy(tenant, backup).await? {
                    Some(new) => new,
                    None => {
                        let cluster = self.cluster_for(tenant, backup.service.as_deref()).await?;
                        self.load(tenant, &backup.object, &cluster, backup.service.as_deref(), work).await?.0
                    }
                });
            }
            for new in &loaded {
                self.replace(tenant, new, work).await?;
            }
            self.go_on_journaling(tenant, self.kept(tenant).await?, work).await?;
            Ok(Restored { as_of: backups[0].taken_at, rows: backups.iter().map(|backup| backup.rows).sum() })
        })
        .await
    }

    /// A clone of the proven copy at hand, brought to today's schema; none where there is no such copy.
    async fn clone_of_copy(&self, tenant: TenantId, backup: &Backup) -> Result<Option<NewDatabase>, FleetError> {
        let Some(id) = backup.copy_id else { return Ok(None) };
        let copy = match self.row(tenant, id).await {
            Ok(copy) if copy.state == "copy" => copy,
            _ => return Ok(None),
        };
        let service = backup.service.as_deref();
        let new = self.databases.make_clone(&copy.cluster, tenant, service, &copy.name).await?;
        let mut conn = self.databases.admin(&new.cluster, &new.name).await?;
        migrate::run(&mut conn, &self.databases.plan(Home::Tenant)).await?;
        conn.close();
        let mut control = self.databases.control().await?;
        database::has_schema(&mut control, new.id, &self.databases.fingerprint()).await?;
        control.release();
        Ok(Some(new))
    }

    async fn choose(&self, tenant: TenantId, set: Option<Uuid>) -> Result<Vec<Backup>, FleetError> {
        let all = self.backups(tenant).await?;
        let wanted = set.or_else(|| all.first().map(|newest| newest.set_id));
        let chosen: Vec<_> = all.into_iter().filter(|backup| Some(backup.set_id) == wanted).collect();
        if chosen.is_empty() { Err(FleetError::Refused("there is no such backup".into())) } else { Ok(chosen) }
    }

    /// Where the tenant's data is now, and so where it is restored.
    pub(crate) async fn cluster_for(&self, tenant: TenantId, service: Option<&str>) -> Result<String, FleetError> {
        let rows = self.in_use(tenant).await?;
        let own = rows.iter().find(|row| row.service.as_deref() == service).or(rows.first());
        Ok(own.map_or_else(|| hitaji_db::HOME_CLUSTER.to_owned(), |row| row.cluster.clone()))
    }

    /// A bundle into a new database of this program's schema; every table is compared with the manifest.
    pub(crate) async fn load(
        &self,
        tenant: TenantId,
        object: &str,
        cluster: &str,
        service: Option<&str>,
        work: &Work,
    ) -> Result<(NewDatabase, Manifest), FleetError> {
        let (reader, manifest) = self.read_bundle(object, tenant).await?;
        let new = self.load_from(tenant, reader, &manifest, cluster, service, work).await?;
        let mut conn = self.databases.admin(cluster, &new.name).await?;
        migrate::run(&mut conn, &self.databases.plan(Home::Tenant)).await?;
        conn.close();
        let mut control = self.databases.control().await?;
        database::has_schema(&mut control, new.id, &self.databases.fingerprint()).await?;
        control.release();
        Ok((new, manifest))
    }

    /// [`Fleet::load`], but of the schema that the bundle was taken at.
    pub(crate) async fn load_from(
        &self,
        tenant: TenantId,
        reader: Reader,
        manifest: &Manifest,
        cluster: &str,
        service: Option<&str>,
        work: &Work,
    ) -> Result<NewDatabase, FleetError> {
        let plan = self.databases.plan(Home::Tenant);
        let known: HashSet<(&str, i32)> = plan.iter().map(|step| (step.service, step.version)).collect();
        let is_known = |step: &AppliedMigration| known.contains(&(step.service.as_str(), step.version));
        if let Some(newer) = manifest.schema.iter().find(|step| !is_known(step)) {
            let message = format!("it is from a newer program: {} {} is not known here", newer.service, newer.version);
            return Err(FleetError::Refused(message));
        }
        let of_today = manifest.schema.len() == plan.len();
        let new = self.databases.make_loading(cluster, tenant, service, !of_today).await?;
        let mut conn = self.databases.admin(cluster, &new.name).await?;
        if !of_today {
            let had = |service: &str, version| {
                manifest.schema.iter().any(|step| step.service == service && step.version == version)
            };
            let then: Vec<_> = plan.into_iter().filter(|step| had(step.service, step.version)).collect();
            migrate::run(&mut conn, &then).await?;
        }
        let filled = fill(&mut conn, reader, manifest, work).await;
        conn.close();
        if filled.is_err() {
            self.discard(&new).await?;
        }
        filled.map(|()| new)
    }

    /// Removes a database that was loaded for nothing.
    pub async fn discard(&self, new: &NewDatabase) -> Result<(), FleetError> {
        let mut conn = self.databases.control().await?;
        database::give_up(&mut conn, new.id).await?;
        conn.release();
        Ok(self.databases.drop_database(new.id, &new.cluster, &new.name, &new.login_role).await?)
    }

    /// Closes the database in use and puts the loaded one in its place.
    pub(crate) async fn replace(&self, tenant: TenantId, new: &NewDatabase, work: &Work) -> Result<(), FleetError> {
        let rows = self.in_use(tenant).await?;
        let loading = self.row(tenant, new.id).await?;
        let old = rows.iter().find(|row| row.service == loading.service);
        if let Some(old) = old {
            match self.close(old).await {
                Ok(heads) => self.carry_heads(new, &heads).await?,
                // Its server is away: nobody is connected, and nobody will be led there again.
                Err(FleetError::Db(error)) if error.is_unavailable() => {
                    tracing::warn!(database = old.name, %error, "the replaced database cannot be closed");
                    self.carry_heads(new, &[]).await?;
                }
                Err(error) => return Err(error),
            }
        }
        work.step("fenced", json!({"database": new.name})).await?;
        let mut conn = self.databases.control().await?;
        database::switch(&mut conn, new.id).await?;
        conn.release();
        self.databases.forget(tenant);
        Ok(())
    }

    pub(crate) async fn row(&self, tenant: TenantId, id: Uuid) -> Result<DatabaseRow, FleetError> {
        let mut conn = self.databases.control().await?;
        let rows = database::of_tenant(&mut conn, tenant).await?;
        conn.release();
        let found = rows.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| FleetError::Refused("the database is not in the directory any more".into()))
    }

    /// Where the streams of events stood in the database that is closed: numbers go on from there, so that nobody who
    /// follows a stream is sent back.
    async fn close(&self, old: &DatabaseRow) -> Result<Vec<(String, i64)>, FleetError> {
        let mut admin = self.databases.maintenance(&old.cluster).await?;
        let mut conn = self.databases.admin(&old.cluster, &old.name).await?;
        let heads = sqlx::query_as("select service, sequence from hitaji.outbox_head").fetch_all(&mut *conn).await?;
        conn.close();
        cluster::fence(&mut admin, &old.name, 0).await?;
        Ok(heads)
    }

    /// A new epoch tells followers that what they have may not be in this database; consumers stay where they were.
    async fn carry_heads(&self, new: &NewDatabase, heads: &[(String, i64)]) -> Result<(), FleetError> {
        let (services, sequences): (Vec<_>, Vec<_>) = heads.iter().cloned().unzip();
        let mut conn = self.databases.admin(&new.cluster, &new.name).await?;
        sqlx::query(
            "with was as (select service, sequence from hitaji.outbox_head), carried as (
                select service, max(sequence) as sequence from (
                    select service, sequence from was union all select * from unnest($1::text[], $2::bigint[])) both_of
                group by service), put as (
                insert into hitaji.outbox_head (service, sequence) select service, sequence from carried
                on conflict (service) do update set sequence = excluded.sequence, epoch = gen_random_uuid())
             update hitaji.consumer set sequence = carried.sequence
             from carried left join was using (service)
             where consumer.service = carried.service and consumer.sequence >= coalesce(was.sequence, 0)",
        )
        .bind(services)
        .bind(sequences)
        .execute(&mut *conn)
        .await?;
        conn.close();
        Ok(())
    }
}

/// Puts a bundle's rows into a fresh database of its schema and compares every table.
async fn fill(conn: &mut PgConnection, reader: Reader, manifest: &Manifest, work: &Work) -> Result<(), FleetError> {
    tables::plain_formats(conn).await?;
    let own = tables::tables(conn, tables::Scope::All).await?;
    if own != manifest.tables {
        return Err(FleetError::Damaged("its tables are not those of its schema".into()));
    }
    sqlx::raw_sql("begin").execute(&mut *conn).await?;
    let aside = tables::set_aside(conn).await?;
    tables::clear(conn, &own).await?;
    reader.load(conn, &own, |bytes| work.reached(bytes)).await?;
    tables::set_sequences(conn, &manifest.sequences).await?;
    aside.back(conn).await?;
    sqlx::raw_sql("commit").execute(&mut *conn).await?;
    let found = tables::digests(conn, &own, tables::Scope::All).await?;
    let differences = tables::differences(&manifest.digests, &found);
    if differences.is_empty() { Ok(()) } else { Err(FleetError::Differs(differences)) }
}
