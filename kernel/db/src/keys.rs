//! Data keys of tenants: what a tenant's secrets, backups and exports are encrypted with. Each is kept wrapped by the
//! master key; destroying the wrapped copies is what makes erasure final.
use crate::DbError;
use crate::secrets::{MasterKey, SEALED_BY_DATA_KEY, derive_from, open_with, random, seal_with};
use hitaji_core::TenantId;
use sqlx::PgConnection;
use std::fmt;

/// Version byte and the key's number.
const HEADER_LENGTH: usize = 5;

/// All data keys of one tenant; the newest one seals. Never printed.
#[derive(Clone)]
pub struct DataKeys {
    tenant: TenantId,
    /// By version, newest first; never empty.
    keys: Vec<(u32, [u8; 32])>,
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeys({}, {} versions)", self.tenant, self.keys.len())
    }
}

impl DataKeys {
    /// The newest key's number.
    pub fn version(&self) -> u32 {
        self.keys[0].0
    }

    /// A key for one purpose, of this version, for streams that have a format of their own.
    pub fn derive(&self, version: u32, purpose: &str) -> Result<[u8; 32], DbError> {
        Ok(derive_from(self.find(version)?, &format!("{}/{purpose}", self.tenant)))
    }

    /// Encrypts `plain` so that it opens only for this tenant and `purpose`.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> Vec<u8> {
        let (version, key) = &self.keys[0];
        let header = [&[SEALED_BY_DATA_KEY][..], &version.to_be_bytes()].concat();
        seal_with(key, &header, &self.tenant.to_string(), purpose, plain)
    }

    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, DbError> {
        let version = version_of(sealed).ok_or(DbError::Secret("not sealed by a data key"))?;
        open_with(self.find(version)?, HEADER_LENGTH, &self.tenant.to_string(), purpose, sealed)
    }

    /// Whether the newest key made this.
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        version_of(sealed) == Some(self.version())
    }

    fn find(&self, version: u32) -> Result<&[u8; 32], DbError> {
        let key = self.keys.iter().find(|(known, _)| *known == version).map(|(_, key)| key);
        key.ok_or(DbError::Secret("the data key is gone"))
    }
}

/// The number of the data key that sealed this; none when it was the master key.
pub(crate) fn version_of(sealed: &[u8]) -> Option<u32> {
    let header = sealed.get(..HEADER_LENGTH)?;
    (header[0] == SEALED_BY_DATA_KEY).then(|| u32::from_be_bytes([header[1], header[2], header[3], header[4]]))
}

fn purpose(version: i32) -> String {
    format!("tenant-key/{version}")
}

/// The tenant's keys; none when it never had one or they are destroyed.
pub async fn load(conn: &mut PgConnection, master: &MasterKey, tenant: TenantId) -> Result<Option<DataKeys>, DbError> {
    let rows: Vec<(i32, Vec<u8>)> =
        sqlx::query_as("select version, wrapped from directory.tenant_key where tenant_id = $1 order by version desc")
            .bind(tenant.0)
            .fetch_all(conn)
            .await?;
    let mut keys = Vec::new();
    for (version, wrapped) in rows {
        let key = master.open(&tenant.to_string(), &purpose(version), &wrapped)?;
        let key = key.try_into().map_err(|_| DbError::Secret("a data key is not 32 bytes"))?;
        keys.push((version as u32, key));
    }
    Ok(if keys.is_empty() { None } else { Some(DataKeys { tenant, keys }) })
}

/// The next data key, made now; answers all.
pub async fn add(conn: &mut PgConnection, master: &MasterKey, tenant: TenantId) -> Result<DataKeys, DbError> {
    let mut known = load(conn, master, tenant).await?.map(|keys| keys.keys).unwrap_or_default();
    let version = known.first().map_or(1, |(version, _)| version + 1);
    let key: [u8; 32] = random();
    sqlx::query("insert into directory.tenant_key (tenant_id, version, wrapped) values ($1, $2, $3)")
        .bind(tenant.0)
        .bind(version as i32)
        .bind(master.seal(&tenant.to_string(), &purpose(version as i32), &key))
        .execute(conn)
        .await?;
    known.insert(0, (version, key));
    Ok(DataKeys { tenant, keys: known })
}

/// Wraps anew, by today's master key, up to `limit` keys that an earlier one wrapped; returns how many.
pub async fn rewrap(
    conn: &mut PgConnection,
    master: &MasterKey,
    after: (TenantId, i32),
    limit: i64,
) -> Result<(usize, Option<(TenantId, i32)>), DbError> {
    let rows: Vec<(uuid::Uuid, i32, Vec<u8>)> = sqlx::query_as(
        "select tenant_id, version, wrapped from directory.tenant_key where (tenant_id, version) > ($1, $2)
         order by tenant_id, version limit $3",
    )
    .bind(after.0.0)
    .bind(after.1)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    let last = rows.last().map(|(tenant, version, _)| (TenantId(*tenant), *version));
    let (mut tenants, mut versions, mut before, mut anew) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (tenant, version, wrapped) in rows {
        if !master.is_current(&wrapped) {
            let owner = TenantId(tenant).to_string();
            let key = master.open(&owner, &purpose(version), &wrapped)?;
            anew.push(master.seal(&owner, &purpose(version), &key));
            tenants.push(tenant);
            versions.push(version);
            before.push(wrapped);
        }
    }
    sqlx::query(
        "update directory.tenant_key as key set wrapped = line.anew
         from unnest($1::uuid[], $2::int[], $3::bytea[], $4::bytea[]) as line (tenant_id, version, before, anew)
         where key.tenant_id = line.tenant_id and key.version = line.version and key.wrapped = line.before",
    )
    .bind(&tenants)
    .bind(&versions)
    .bind(&before)
    .bind(&anew)
    .execute(conn)
    .await?;
    Ok((tenants.len(), last))
}

/// Makes everything that these keys sealed unreadable for ever. Returns the destroyed versions.
pub async fn destroy(conn: &mut PgConnection, tenant: TenantId) -> Result<Vec<i32>, DbError> {
    Ok(sqlx::query_scalar("delete from directory.tenant_key where tenant_id = $1 returning version")
        .bind(tenant.0)
        .fetch_all(conn)
        .await?)
}
