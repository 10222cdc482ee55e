//! Rotation without a pause: passwords of databases, data keys of tenants, and what the master key wraps. Each new secret is
//! good before the old one ends.
use crate::FleetError;
use crate::fleet::Fleet;
use chrono::TimeDelta;
use futures::StreamExt as _;
use hitaji_core::TenantId;
use hitaji_db::directory::{self, database};
use hitaji_db::secrets::random_token;
use hitaji_db::{HOME_CLUSTER, cluster, keys, roles};
use uuid::Uuid;

/// For how long a process may still know the password of before: directory changes are told at once and re-read within seconds.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);
const PARALLEL: usize = 4;
const PAGE: i64 = 500;

/// What a change of the master key sealed anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    pub data_keys: usize,
    pub others: usize,
}

impl Fleet {
    /// Gives the tenant's databases a new role with a new password; the old one is closed once nobody can know it any more.
    pub async fn rotate_passwords(&self, tenant: TenantId) -> Result<(), FleetError> {
        let keys = self.databases.data_keys(tenant).await?;
        for row in self.in_use(tenant).await? {
            let next = roles::other_role(&row.login_role);
            let password = random_token();
            let mut admin = self.databases.maintenance(&row.cluster).await?;
            cluster::put_login_role(&mut admin, &row.name, &next, &password).await?;
            admin.close();
            let mut control = self.databases.control().await?;
            let sealed = database::seal_password(&keys, &password);
            let retire_at = self.databases.clock().now() + OVERLAP;
            database::set_login(&mut control, &row, &next, &sealed, retire_at).await?;
            control.release();
        }
        self.databases.forget(tenant);
        Ok(())
    }

    /// [`Fleet::rotate_passwords`] of all tenants. Returns how many; goes on past those that cannot be reached, and names them.
    pub async fn rotate_all_passwords(&self) -> Result<(usize, Vec<TenantId>), FleetError> {
        let mut control = self.databases.control().await?;
        let rows = database::claimed(&mut control).await?;
        control.release();
        let mut tenants: Vec<TenantId> = rows.iter().filter_map(|row| row.tenant()).collect();
        tenants.dedup();
        let rotate = async |tenant: TenantId| match self.rotate_passwords(tenant).await {
            Ok(()) => None,
            Err(error) => {
                tracing::warn!(%tenant, %error, "a database's password was not rotated");
                Some(tenant)
            }
        };
        let failed: Vec<TenantId> = futures::stream::iter(tenants.iter().copied())
            .map(rotate)
            .buffer_unordered(PARALLEL)
            .filter_map(async |one| one)
            .collect()
            .await;
        Ok((tenants.len() - failed.len(), failed))
    }

    /// Closes roles whose time is over. Sessions that they have go on. Returns how many.
    pub async fn retire_roles(&self) -> Result<usize, FleetError> {
        let mut control = self.databases.control().await?;
        let due = database::retiring(&mut control, self.databases.clock().now()).await?;
        control.release();
        for (id, cluster, role) in &due {
            let mut admin = self.databases.maintenance(cluster).await?;
            cluster::close_login_role(&mut admin, role).await?;
            admin.close();
            let mut control = self.databases.control().await?;
            database::retired(&mut control, *id, role).await?;
            control.release();
        }
        Ok(due.len())
    }

    /// Gives the tenant a new data key. What the earlier ones sealed stays readable; backups taken from now on use the new one.
    pub async fn rotate_data_key(&self, tenant: TenantId) -> Result<u32, FleetError> {
        let mut control = self.databases.control().await?;
        let keys = keys::add(&mut control, self.databases.master(), tenant).await?;
        control.release();
        self.databases.forget(tenant);
        // Its password is the one thing sealed in place; a new one comes under the new key.
        self.rotate_passwords(tenant).await?;
        Ok(keys.version())
    }

    /// Wraps everything anew that an earlier master key wrapped, while all go on working. Services do the same with theirs.
    pub async fn rewrap(&self) -> Result<Rewrapped, FleetError> {
        let master = self.databases.master();
        let mut admin = self.databases.maintenance(HOME_CLUSTER).await?;
        roles::ensure(&mut admin, master, self.databases.control_name()).await?;
        admin.close();
        let mut control = self.databases.control().await?;
        let mut rewrapped = Rewrapped::default();
        let mut after = (TenantId(Uuid::nil()), 0);
        loop {
            let (changed, last) = keys::rewrap(&mut control, master, after, PAGE).await?;
            rewrapped.data_keys += changed;
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        rewrapped.others += directory::cluster::rewrap(&mut control, master).await?;
        rewrapped.others += database::rewrap(&mut control, master).await?;
        rewrapped.others += self.rewrap_signature_keys(&mut control).await?;
        control.release();
        Ok(rewrapped)
    }

    /// How much is still sealed by a master key of before.
    pub async fn waiting_for_rewrap(&self) -> Result<usize, FleetError> {
        let mut control = self.databases.control().await?;
        let sealed: Vec<Vec<u8>> = sqlx::query_scalar(
            "select wrapped from directory.tenant_key union all select admin_url from directory.cluster where admin_url is not null
             union all select sealed from directory.signature_key
             union all select password from directory.database where state in ('creating', 'ready')",
        )
        .fetch_all(&mut *control)
        .await?;
        control.release();
        Ok(sealed.iter().filter(|sealed| !self.databases.master().is_current(sealed)).count())
    }
}
