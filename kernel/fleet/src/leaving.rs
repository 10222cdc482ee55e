//! Leaving: everything an organisation owns as one signed bundle, taking such a bundle in elsewhere, copies for support, and
//! erasure for good.
use crate::FleetError;
use crate::backup::Backup;
use crate::bundle::{self, Manifest, Reader};
use crate::fleet::{Fleet, Work};
use crate::signature;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream::BoxStream;
use hitaji_core::{TenantId, new_id};
use hitaji_db::directory::{self, database, operation};
use hitaji_db::secrets::hex;
use hitaji_db::{HOME_CLUSTER, NewTenant, TenantState, keys};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::Connection as _;
use uuid::Uuid;

/// How long an export is kept for downloading.
const EXPORT_KEPT: TimeDelta = TimeDelta::days(7);

/// What is signed of an export: whoever has the bundle can tell that it is whole and ours.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportProof {
    pub format: String,
    pub organisation: Uuid,
    pub taken_at: DateTime<Utc>,
    /// SHA-256 of each uncompressed archive, in hex.
    pub archives: Vec<String>,
    pub rows: i64,
}

/// The step of an erasure after which nothing can be had back.
const KEYS_GONE: &str = "keys destroyed";
/// More long work than one tenant has in its life.
const MANY: i64 = 10_000;

/// What an erasure destroyed first, as it stands with that step.
#[derive(Serialize, Deserialize)]
struct KeysGone {
    at: DateTime<Utc>,
    data_keys: Vec<i32>,
    databases: Vec<String>,
}

/// What is signed of an erasure.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Certificate {
    pub statement: String,
    pub organisation: Uuid,
    pub asked_by: String,
    pub keys_destroyed_at: DateTime<Utc>,
    pub erased_at: DateTime<Utc>,
    /// Numbers of the destroyed data keys.
    pub data_keys: Vec<i32>,
    /// Databases that were dropped.
    pub databases: Vec<String>,
    /// Objects in the file store that were removed, and could not be read any more anyhow.
    pub objects: usize,
    /// Until then, physical backups and the write-ahead log of the control database may hold the wrapped keys; they open only
    /// with the master key of that time.
    pub physical_copies_expire_at: DateTime<Utc>,
}

impl Fleet {
    /// Everything an organisation owns, as a set of bundles in the store, and the signed proof of it.
    pub async fn export(&self, tenant: TenantId, actor: &str) -> Result<(Uuid, String), FleetError> {
        self.operate("export", Some(tenant), actor, async |work| {
            let set = self.backup_now(tenant, EXPORT_KEPT, work).await?;
            let described = self.databases.describe(tenant).await?;
            let parts: Vec<_> = self.backups(tenant).await?.into_iter().filter(|part| part.set_id == set).collect();
            let proof = ExportProof {
                format: bundle::FORMAT.to_owned(),
                organisation: described.id.0,
                taken_at: self.databases.clock().now(),
                archives: parts.iter().map(|part| hex(&part.content)).collect(),
                rows: parts.iter().map(|part| part.rows).sum(),
            };
            Ok((set, self.sign(&proof).await?))
        })
        .await
    }

    /// A stored bundle's archive (`.tar.zst`) as the organisation may have it: decrypted.
    pub async fn download(
        &self,
        tenant: TenantId,
        part: &Backup,
    ) -> Result<BoxStream<'static, Result<Bytes, FleetError>>, FleetError> {
        let keys = self.databases.data_keys(tenant).await?;
        bundle::open(&self.store, &part.object, tenant, &keys).await
    }

    /// Takes in an archive from elsewhere as a new organisation with this short name; its products are those of the bundle.
    pub async fn import(
        &self,
        archive: BoxStream<'static, Result<Bytes, FleetError>>,
        slug: &str,
        actor: &str,
    ) -> Result<TenantId, FleetError> {
        let (reader, manifest) = Reader::new(archive).await?;
        let id = TenantId(new_id());
        self.take_in(id, slug, reader, &manifest, None, actor).await?;
        Ok(id)
    }

    /// A copy of a tenant for support or tests: an organisation of its own from which nothing leaves.
    pub async fn clone_tenant(&self, tenant: TenantId, slug: &str, actor: &str) -> Result<TenantId, FleetError> {
        let set = self.backup(tenant, TimeDelta::days(1), actor).await?;
        let parts: Vec<_> = self.backups(tenant).await?.into_iter().filter(|part| part.set_id == set).collect();
        let [part] = &parts[..] else {
            return Err(FleetError::Refused("a tenant with several databases cannot be cloned yet".into()));
        };
        let (reader, manifest) = Reader::new(self.download(tenant, part).await?).await?;
        let id = TenantId(new_id());
        self.take_in(id, slug, reader, &manifest, Some(tenant), actor).await?;
        Ok(id)
    }

    async fn take_in(
        &self,
        id: TenantId,
        slug: &str,
        reader: Reader,
        manifest: &Manifest,
        cloned_from: Option<TenantId>,
        actor: &str,
    ) -> Result<(), FleetError> {
        let from = &manifest.organisation;
        let new = NewTenant {
            id,
            slug: slug.to_owned(),
            name: from.name.clone(),
            country: from.country.clone(),
            currency: from.currency.clone(),
            time_zone: from.time_zone.parse().map_err(|_| FleetError::Damaged("its time zone is unknown".into()))?,
            products: from.products.clone(),
        };
        match self.databases.intend(&new).await {
            Err(error) if error.constraint() == Some("tenant_slug_key") => {
                return Err(FleetError::Refused(format!("the short name {slug} is taken")));
            }
            Err(error) if error.constraint() == Some("tenant_slug_check") => {
                return Err(FleetError::Refused("a short name is up to 40 small letters, digits and hyphens".into()));
            }
            other => other?,
        }
        let mut conn = self.databases.control().await?;
        // Suspended until all is in: a half organisation is never opened.
        directory::set_state(&mut conn, id, TenantState::Suspended, Some("it is being taken in")).await?;
        if cloned_from.is_some() {
            directory::set_neutralised(&mut conn, id, cloned_from).await?;
        }
        keys::add(&mut conn, self.databases.master(), id).await?;
        conn.release();
        self.databases.forget(id);
        self.operate("import", Some(id), actor, async |work| {
            let new = self.load_from(id, reader, manifest, HOME_CLUSTER, None, work).await?;
            let mut conn = self.databases.admin(&new.cluster, &new.name).await?;
            hitaji_db::migrate::run(&mut conn, &self.databases.plan(hitaji_db::Home::Tenant)).await?;
            if cloned_from.is_some() {
                // What waits to be told to others is not told by a copy.
                sqlx::raw_sql("delete from hitaji.outbox where sequence is null; delete from hitaji.dead_letter")
                    .execute(&mut *conn)
                    .await?;
            }
            conn.close();
            let mut control = self.databases.control().await?;
            database::switch(&mut control, new.id).await?;
            directory::set_state(&mut control, id, TenantState::Active, None).await?;
            control.release();
            self.databases.forget(id);
            Ok(())
        })
        .await
    }

    /// Erases a tenant for good: first its keys, then its databases and stored objects. The answer is the signed certificate.
    /// `physical_retention` is how long the operator keeps physical backups and the write-ahead log.
    pub async fn erase(
        &self,
        tenant: TenantId,
        physical_retention: TimeDelta,
        actor: &str,
    ) -> Result<String, FleetError> {
        self.operate("erase", Some(tenant), actor, async |work| {
            let gone = self.destroy_keys(tenant, work).await?;
            self.databases.forget(tenant);
            self.erase_rest(tenant, gone, physical_retention, actor.to_owned()).await
        })
        .await
    }

    /// Destroys the keys and writes down which, in one step: an erasure that is taken up again still knows.
    async fn destroy_keys(&self, tenant: TenantId, work: &Work) -> Result<KeysGone, FleetError> {
        let at = self.databases.clock().now();
        let mut conn = self.databases.control().await?;
        let earlier = operation::of_tenant(&mut conn, tenant, MANY).await?;
        let earlier =
            earlier.into_iter().filter(|earlier| earlier.step == KEYS_GONE).map(|earlier| earlier.detail).next_back();
        let databases = database::of_tenant(&mut conn, tenant).await?.into_iter().map(|row| row.name).collect();
        let mut tx = conn.begin().await?;
        directory::set_state(&mut tx, tenant, TenantState::Erasing, Some("it is being erased")).await?;
        let data_keys = keys::destroy(&mut tx, tenant).await?;
        let gone = match earlier {
            Some(earlier) => serde_json::from_value(earlier)?,
            None => KeysGone { at, data_keys, databases },
        };
        operation::step(&mut tx, work.id, KEYS_GONE, &serde_json::to_value(&gone)?).await?;
        tx.commit().await?;
        conn.release();
        Ok(gone)
    }

    async fn erase_rest(
        &self,
        tenant: TenantId,
        gone: KeysGone,
        physical_retention: TimeDelta,
        asked_by: String,
    ) -> Result<String, FleetError> {
        let mut conn = self.databases.control().await?;
        let rows = database::of_tenant(&mut conn, tenant).await?;
        for row in &rows {
            database::give_up(&mut conn, row.id).await?;
        }
        conn.release();
        for row in &rows {
            self.databases.drop_database(row.id, &row.cluster, &row.name, &row.login_role).await?;
        }
        let objects = self.store.list(&format!("tenants/{tenant}")).await?;
        for object in &objects {
            self.store.delete(&object.name).await?;
        }
        self.clean_control(tenant).await?;
        let now = self.databases.clock().now();
        let certificate = Certificate {
            statement: "The data of this organisation was erased: its keys were destroyed, its databases dropped, its stored objects removed.".into(),
            organisation: tenant.0,
            asked_by,
            keys_destroyed_at: gone.at,
            erased_at: now,
            data_keys: gone.data_keys,
            databases: gone.databases,
            objects: objects.len(),
            physical_copies_expire_at: now + physical_retention,
        };
        let signed = self.sign(&certificate).await?;
        let mut conn = self.databases.control().await?;
        directory::erased(&mut conn, tenant, &signed).await?;
        conn.release();
        self.databases.forget(tenant);
        Ok(signed)
    }

    /// What the control database still says of the tenant: events of other services, values in audit lines, stored answers.
    /// Who did what and when stays. Deleted rows lie in the table's file until somebody cleans it.
    async fn clean_control(&self, tenant: TenantId) -> Result<(), FleetError> {
        let mut conn = self.databases.admin(HOME_CLUSTER, self.databases.control_name()).await?;
        for step in [
            "update hitaji.audit set before = null, after = null
             where record_id::text in (select unnest(array[subject, data ->> 'account_id']) from hitaji.outbox
                where data ->> 'tenant_id' = $1)",
            // The word that it is erased goes on to whoever has not heard it.
            "delete from hitaji.outbox where data ->> 'tenant_id' = $1 and type <> 'tenancy.organisation.erasing.v1'",
            "delete from hitaji.idempotency where subject like $1 || '/%'",
            "update hitaji.audit set before = null, after = null
             where record_id::text = $1 or after ->> 'tenant_id' = $1 or after ->> 'organisation_id' = $1",
        ] {
            sqlx::query(step).bind(tenant.to_string()).execute(&mut *conn).await?;
        }
        sqlx::raw_sql("vacuum directory.tenant_key").execute(&mut *conn).await?;
        conn.close();
        Ok(())
    }

    /// Tenants whose erasure began and whose process ended.
    pub async fn half_erased(&self) -> Result<Vec<TenantId>, FleetError> {
        let mut conn = self.databases.control().await?;
        let ids: Vec<Uuid> = sqlx::query_scalar(
            "select id from directory.tenant where state = 'erasing' and not exists (
                select from directory.operation where tenant_id = tenant.id and state = 'running')",
        )
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        Ok(ids.into_iter().map(TenantId).collect())
    }

    /// The signed certificate of an erased tenant.
    pub async fn certificate(&self, tenant: TenantId) -> Result<Option<String>, FleetError> {
        let mut conn = self.databases.control().await?;
        let certificate = directory::certificate(&mut conn, tenant).await?;
        conn.release();
        Ok(certificate)
    }
}

/// The certificate in a signed text, if these keys signed it.
pub fn read_certificate(signed: &str, keys: &Value) -> Option<Certificate> {
    serde_json::from_value(signature::verify(signed, keys)?).ok()
}
