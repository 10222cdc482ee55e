//! Backups: a tenant's databases streamed into the store, encrypted under its own key, kept for a while.
use crate::bundle::{self, Organisation};
use crate::fleet::{Fleet, Work};
use crate::{FleetError, bundle::Manifest};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::{TenantId, new_id};
use hitaji_db::directory::database::{self, DatabaseRow};
use sqlx::PgConnection;
use uuid::Uuid;

/// One stored database of a backup.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Backup {
    pub id: Uuid,
    /// Backups of one tenant's databases that were taken together.
    pub set_id: Uuid,
    pub tenant_id: Uuid,
    pub service: Option<String>,
    pub database_id: Uuid,
    pub object: String,
    pub bytes: i64,
    pub rows: i64,
    /// SHA-256 of the uncompressed archive.
    pub content: Vec<u8>,
    pub taken_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub proven_at: Option<DateTime<Utc>>,
    pub fault: Option<String>,
    /// The database that a proof left at hand.
    pub copy_id: Option<Uuid>,
}

impl Fleet {
    /// Backs up all databases of a tenant; what the set is called.
    pub async fn backup(&self, tenant: TenantId, keep: TimeDelta, actor: &str) -> Result<Uuid, FleetError> {
        self.operate("backup", Some(tenant), actor, async |work| self.backup_now(tenant, keep, work).await).await
    }

    /// For how long the tenant's plan keeps a backup.
    pub async fn kept(&self, tenant: TenantId) -> Result<TimeDelta, FleetError> {
        Ok(TimeDelta::days(self.databases.describe(tenant).await?.plan.backup_keep_days.into()))
    }

    pub(crate) async fn backup_now(&self, tenant: TenantId, keep: TimeDelta, work: &Work) -> Result<Uuid, FleetError> {
        let set_id = new_id();
        for row in self.in_use(tenant).await? {
            self.backup_database(&row, tenant, set_id, keep, work).await?;
        }
        Ok(set_id)
    }

    /// The tenant's databases that the directory leads to.
    pub(crate) async fn in_use(&self, tenant: TenantId) -> Result<Vec<DatabaseRow>, FleetError> {
        let mut conn = self.databases.control().await?;
        let rows = database::of_tenant(&mut conn, tenant).await?;
        conn.release();
        let rows: Vec<_> = rows.into_iter().filter(|row| row.state == "claimed").collect();
        if rows.is_empty() { Err(FleetError::Refused("the organisation has no database".into())) } else { Ok(rows) }
    }

    async fn backup_database(
        &self,
        row: &DatabaseRow,
        tenant: TenantId,
        set_id: Uuid,
        keep: TimeDelta,
        work: &Work,
    ) -> Result<(), FleetError> {
        let described = self.databases.describe(tenant).await?;
        let keys = self.databases.data_keys(tenant).await?;
        let now = self.databases.clock().now();
        let mut conn = self.databases.admin(&row.cluster, &row.name).await?;
        let manifest = bundle::describe(&mut conn, Organisation::from(&*described), now).await?;
        let (id, service) = (new_id(), row.service.clone());
        let object = format!("tenants/{tenant}/backups/{}-{id}.bundle", now.format("%Y%m%dT%H%M%SZ"));
        let upload = self.store.create(&object).await?;
        let written = bundle::write(&mut conn, &manifest, &keys, upload, |bytes| work.reached(bytes)).await?;
        conn.close();
        let mut control = self.databases.control().await?;
        sqlx::query(
            "insert into directory.backup (id, set_id, tenant_id, service, database_id, schema, object, bytes, rows,
                content, data_key, taken_at, expires_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        )
        .bind(id)
        .bind(set_id)
        .bind(tenant.0)
        .bind(service)
        .bind(row.id)
        .bind(&row.schema)
        .bind(object)
        .bind(written.bytes as i64)
        .bind(manifest.rows())
        .bind(&written.content[..])
        .bind(keys.version() as i32)
        .bind(now)
        .bind(now + keep)
        .execute(&mut *control)
        .await?;
        control.release();
        Ok(())
    }

    /// Backups of a tenant, newest first.
    pub async fn backups(&self, tenant: TenantId) -> Result<Vec<Backup>, FleetError> {
        let mut conn = self.databases.control().await?;
        let found = find(&mut conn, tenant).await?;
        conn.release();
        Ok(found)
    }

    /// Tenants in use whose newest backup is older than their plan allows, or that never had one; the longest waiting first.
    pub async fn backup_due(&self, limit: i64) -> Result<Vec<TenantId>, FleetError> {
        let mut conn = self.databases.control().await?;
        let due: Vec<Uuid> = sqlx::query_scalar(
            "select tenant.id from directory.tenant join directory.plan on plan.key = tenant.plan
             left join lateral (select max(taken_at) as taken_at from directory.backup where backup.tenant_id = tenant.id) newest on true
             where tenant.state in ('active', 'suspended') and not tenant.neutralised
               and coalesce(newest.taken_at, '-infinity') < $1::timestamptz - plan.backup_every_hours * interval '1 hour'
               and not exists (select from directory.operation where operation.tenant_id = tenant.id and operation.state = 'running')
             order by newest.taken_at nulls first limit $2",
        )
        .bind(self.databases.clock().now())
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        Ok(due.into_iter().map(TenantId).collect())
    }

    /// Tenants whose plan promises any second back, and whose changes are not journaled yet.
    pub async fn journal_due(&self, limit: i64) -> Result<Vec<TenantId>, FleetError> {
        let mut conn = self.databases.control().await?;
        let due: Vec<Uuid> = sqlx::query_scalar(
            "select tenant.id from directory.tenant join directory.plan on plan.key = tenant.plan
             where plan.point_in_time and not tenant.journaled and tenant.state = 'active' and not tenant.neutralised
               and not exists (select from directory.operation where operation.tenant_id = tenant.id and operation.state = 'running')
             order by tenant.id limit $1",
        )
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        Ok(due.into_iter().map(TenantId).collect())
    }

    /// Removes backups past their time, but never the newest one of a tenant that is in use. Returns how many.
    pub async fn expire_backups(&self) -> Result<usize, FleetError> {
        let mut conn = self.databases.control().await?;
        let expired: Vec<(Uuid, String, Option<Uuid>)> = sqlx::query_as(
            "select id, object, copy_id from directory.backup where expires_at < $1 and set_id <> (
                select newest.set_id from directory.backup newest where newest.tenant_id = backup.tenant_id
                order by newest.taken_at desc limit 1)
             limit 500",
        )
        .bind(self.databases.clock().now())
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        for (id, object, copy) in &expired {
            // The object first: a row without an object would be a backup that is not there.
            self.store.delete(object).await?;
            let mut conn = self.databases.control().await?;
            if let Some(copy) = copy {
                database::give_up(&mut conn, *copy).await?;
            }
            sqlx::query("delete from directory.backup where id = $1").bind(id).execute(&mut *conn).await?;
            conn.release();
        }
        Ok(expired.len())
    }

    /// The manifest of a stored bundle, with the reader for its rows.
    pub(crate) async fn read_bundle(
        &self,
        object: &str,
        tenant: TenantId,
    ) -> Result<(bundle::Reader, Manifest), FleetError> {
        let keys = self.databases.data_keys(tenant).await?;
        bundle::Reader::new(bundle::open(&self.store, object, tenant, &keys).await?).await
    }
}

/// Backups of a tenant, newest first.
pub async fn find(conn: &mut PgConnection, tenant: TenantId) -> Result<Vec<Backup>, FleetError> {
    Ok(sqlx::query_as(
        "select id, set_id, tenant_id, service, database_id, object, bytes, rows, content, taken_at, expires_at, proven_at, fault, copy_id
         from directory.backup where tenant_id = $1 order by taken_at desc, set_id desc, service nulls first",
    )
    .bind(tenant.0)
    .fetch_all(conn)
    .await?)
}
