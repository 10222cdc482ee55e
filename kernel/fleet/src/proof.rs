//! Proof that backups can be restored: each is loaded into a scratch database now and then, compared, and dropped.
use crate::FleetError;
use crate::backup::Backup;
use crate::fleet::Fleet;
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::TenantId;
use hitaji_db::cluster;
use hitaji_db::directory::database::{self, NewDatabase};
use uuid::Uuid;

impl Fleet {
    /// Tenants whose newest backup was not proven for `age`, the longest waiting first: at most `limit`.
    pub async fn proof_due(&self, age: TimeDelta, limit: i64) -> Result<Vec<TenantId>, FleetError> {
        let mut conn = self.databases.control().await?;
        let due: Vec<Uuid> = sqlx::query_scalar(
            "select tenant_id from directory.backup join directory.tenant on tenant.id = tenant_id
             where tenant.state in ('active', 'suspended') group by tenant_id
             having coalesce(max(proven_at), '-infinity') < $1 order by max(proven_at) nulls first limit $2",
        )
        .bind(self.databases.clock().now() - age)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        Ok(due.into_iter().map(TenantId).collect())
    }

    /// Restores the tenant's newest backup into scratch databases and compares every table; the outcome is kept with the backup.
    pub async fn prove(&self, tenant: TenantId, actor: &str) -> Result<(), FleetError> {
        self.prove_by(tenant, false, actor).await
    }

    /// [`Fleet::prove`], which leaves the proven database at hand, closed: restoring this backup is then a clone of it.
    pub async fn prove_keeping(&self, tenant: TenantId, actor: &str) -> Result<(), FleetError> {
        self.prove_by(tenant, true, actor).await
    }

    async fn prove_by(&self, tenant: TenantId, keep: bool, actor: &str) -> Result<(), FleetError> {
        self.operate("proof", Some(tenant), actor, async |work| {
            let newest = self.backups(tenant).await?;
            let set = newest.first().map(|backup| backup.set_id);
            for backup in newest.iter().filter(|backup| Some(backup.set_id) == set) {
                let cluster = self.cluster_for(tenant, backup.service.as_deref()).await?;
                let loaded = self.load(tenant, &backup.object, &cluster, backup.service.as_deref(), work).await;
                let fault = match loaded {
                    Ok((new, _)) if keep => {
                        self.keep(tenant, backup, &new).await?;
                        None
                    }
                    Ok((new, _)) => {
                        self.discard(&new).await?;
                        None
                    }
                    Err(error) => Some(error),
                };
                self.note_proof(backup, fault.as_ref().map(ToString::to_string)).await?;
                if let Some(error) = fault {
                    tracing::error!(%tenant, %error, "a backup cannot be restored");
                    return Err(error);
                }
            }
            Ok(())
        })
        .await
    }

    async fn keep(&self, tenant: TenantId, backup: &Backup, new: &NewDatabase) -> Result<(), FleetError> {
        let row = self.row(tenant, new.id).await?;
        let mut admin = self.databases.maintenance(&new.cluster).await?;
        cluster::fence(&mut admin, &new.name, 0).await?;
        admin.close();
        let mut conn = self.databases.control().await?;
        database::keep_copy(&mut conn, &row).await?;
        sqlx::query("update directory.backup set copy_id = $2 where id = $1")
            .bind(backup.id)
            .bind(new.id)
            .execute(&mut *conn)
            .await?;
        conn.release();
        Ok(())
    }

    async fn note_proof(&self, backup: &Backup, fault: Option<String>) -> Result<(), FleetError> {
        let proven_at: Option<DateTime<Utc>> = fault.is_none().then(|| self.databases.clock().now());
        let mut conn = self.databases.control().await?;
        sqlx::query("update directory.backup set proven_at = coalesce($2, proven_at), fault = $3 where id = $1")
            .bind(backup.id)
            .bind(proven_at)
            .bind(fault)
            .execute(&mut *conn)
            .await?;
        conn.release();
        Ok(())
    }
}
