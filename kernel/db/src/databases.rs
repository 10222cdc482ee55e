//! The one door to databases: connections by place, and the cached directory.
use crate::denials;
use crate::directory::database::Placement;
use crate::directory::{self, Tenant, TenantState};
use crate::governor::{Conn, Governor, GovernorStats};
use crate::keys::DataKeys;
use crate::meter::Meter;
use crate::migrate::Migration;
use crate::secrets::MasterKey;
use crate::{DbError, Denylist, HOME_CLUSTER, Place, roles};
use chrono::{DateTime, Utc};
use hitaji_core::{Clock, TenantId, new_id};
use serde::Deserialize;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use uuid::Uuid;

/// Section `[database]` of the configuration.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The cluster, as a role that may create databases and roles: `postgres://…`. Never logged.
    pub admin_url: String,
    /// The control database's name; names of tenants' databases and roles start with it.
    pub control: String,
    pub connections: usize,
    pub connections_per_tenant: usize,
    pub wait_ms: u64,
    pub idle_s: u64,
    pub statement_timeout_ms: u64,
    /// Databases kept ready for the next sign-ups.
    pub warm: i64,
}

/// What a commit tells its own process at once: the relay which databases have new events, the journal which were written
/// to, and everybody which tokens are denied.
#[derive(Clone, Default)]
pub struct Wake(Arc<Woken>);

#[derive(Default)]
struct Woken {
    events: Mutex<HashSet<Place>>,
    more: Notify,
    written: Mutex<HashSet<Place>>,
    denylist: Denylist,
}

impl Wake {
    pub fn wake(&self, place: Place) {
        self.0.events.lock().expect("cannot be poisoned: inserting does not panic").insert(place);
        self.0.more.notify_one();
    }

    /// Says that a place was written to.
    pub fn written(&self, place: &Place) {
        let mut written = self.0.written.lock().expect("cannot be poisoned: inserting does not panic");
        if !written.contains(place) {
            written.insert(place.clone());
        }
    }

    /// The places that this process committed to since it was last asked.
    pub fn take_written(&self) -> HashSet<Place> {
        std::mem::take(&mut *self.0.written.lock().expect("cannot be poisoned: taking does not panic"))
    }

    pub(crate) fn denylist(&self) -> &Denylist {
        &self.0.denylist
    }

    /// Waits for at least one place, and takes all there are.
    pub async fn places(&self) -> HashSet<Place> {
        loop {
            let places = std::mem::take(&mut *self.0.events.lock().expect("cannot be poisoned: taking does not panic"));
            if !places.is_empty() {
                return places;
            }
            self.0.more.notified().await;
        }
    }
}

#[derive(Clone)]
pub struct Databases(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub settings: Settings,
    /// The admin role on the home cluster.
    home: PgConnectOptions,
    /// The admin roles on other clusters, as far as they were needed.
    clusters: RwLock<HashMap<String, PgConnectOptions>>,
    pub master: MasterKey,
    pub clock: Clock,
    pub governor: Governor,
    pub meter: Meter,
    /// Names this process in the ledger.
    pub process: Uuid,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    placements: RwLock<HashMap<TenantId, Arc<Placements>>>,
    checked_at: Mutex<Option<DateTime<Utc>>>,
    /// Changes of the directory that were acted upon.
    seen: Mutex<HashMap<TenantId, DateTime<Utc>>>,
    pub migrations: Vec<Migration>,
    wake: Wake,
}

/// Where a tenant's data lives, and its keys; none of these while it has no database, or no more.
#[derive(Default)]
struct Placements {
    databases: Vec<Placement>,
    keys: Option<Arc<DataKeys>>,
}

impl Placements {
    /// The service's own database, else the one that all share.
    fn of(&self, service: &str) -> Option<&Placement> {
        let own = self.databases.iter().find(|placement| placement.service.as_deref() == Some(service));
        own.or_else(|| self.databases.iter().find(|placement| placement.service.is_none()))
    }
}

impl Databases {
    /// Opens nothing yet. `migrations` are those of the services this binary has.
    pub fn new(
        settings: Settings,
        master: MasterKey,
        clock: Clock,
        migrations: Vec<Migration>,
    ) -> Result<Databases, DbError> {
        let home = admin_options(&settings, &settings.admin_url)?;
        let governor = Governor::new(
            settings.connections,
            settings.connections_per_tenant,
            Duration::from_millis(settings.wait_ms),
            Duration::from_secs(settings.idle_s),
        );
        Ok(Databases(Arc::new(Inner {
            settings,
            home,
            clusters: RwLock::default(),
            master,
            clock,
            governor,
            meter: Meter::default(),
            process: new_id(),
            tenants: RwLock::default(),
            placements: RwLock::default(),
            checked_at: Mutex::default(),
            seen: Mutex::default(),
            migrations,
            wake: Wake::default(),
        })))
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn master(&self) -> &MasterKey {
        &self.0.master
    }

    /// The control database's name; names of all our databases and roles start with it.
    pub fn control_name(&self) -> &str {
        &self.0.settings.control
    }

    pub fn wake(&self) -> &Wake {
        &self.0.wake
    }

    pub fn stats(&self) -> GovernorStats {
        self.0.governor.stats()
    }

    /// A connection to the control database, as the role that serves requests.
    pub async fn control(&self) -> Result<Conn, DbError> {
        let inner = &self.0;
        let name = &inner.settings.control;
        // While the master key changes, the role's password may be that of any of the keys.
        let mut refused = None;
        for password in roles::control_passwords(&inner.master, name) {
            let options = inner.home.clone().database(name).username(&roles::control_role(name)).password(&password);
            match inner.governor.acquire(Place::Control, async || Ok(options)).await {
                Err(error) if error.is_wrong_password() => refused = Some(error),
                other => return other,
            }
        }
        Err(refused.unwrap_or(DbError::Secret("there is no master key")))
    }

    /// A connection to the database that holds this service's data of the organisation, as a role that can connect nowhere
    /// else.
    pub async fn tenant(&self, id: TenantId, service: &str) -> Result<Conn, DbError> {
        let give_up_at = Instant::now() + Duration::from_millis(self.0.settings.wait_ms);
        loop {
            let placements = self.placements(id).await?;
            let placement = placements.of(service).ok_or(DbError::UnknownTenant)?;
            let place = self.place_in(id, service, &placements);
            let acquired = self.0.governor.acquire(place, async || {
                let admin = self.admin_options(&placement.cluster).await?;
                Ok(admin.database(&placement.database).username(&placement.login_role).password(&placement.password))
            });
            match acquired.await {
                // It was moved, restored or got a new password just now; the directory knows better than we.
                Err(error) if error.is_stale_placement() && Instant::now() < give_up_at => {
                    self.forget(id);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                other => return other,
            }
        }
    }

    /// A connection to any place but an administrator's.
    pub async fn place(&self, place: &Place) -> Result<Conn, DbError> {
        match place {
            Place::Control => self.control().await,
            Place::Tenant(id) => self.tenant(*id, "").await,
            Place::Service(id, service) => self.tenant(*id, service).await,
            Place::Admin { .. } => Err(DbError::Invalid("an administrator's connection is asked for by name".into())),
        }
    }

    /// Where this service's data of the organisation is: what the relay and jobs go by.
    pub async fn place_of(&self, id: TenantId, service: &'static str) -> Result<Place, DbError> {
        let placements = self.placements(id).await?;
        Ok(self.place_in(id, service, &placements))
    }

    /// The place of a directory row: of one service, or of all.
    pub async fn place_of_row(&self, id: TenantId, service: Option<&str>) -> Result<Place, DbError> {
        let placements = self.placements(id).await?;
        Ok(self.place_in(id, service.unwrap_or_default(), &placements))
    }

    fn place_in(&self, id: TenantId, service: &str, placements: &Placements) -> Place {
        let own = placements
            .databases
            .iter()
            .find_map(|placement| placement.service.as_deref().filter(|own| *own == service));
        let known = own.and_then(|own| self.0.migrations.iter().find(|migration| migration.service == own));
        known.map_or(Place::Tenant(id), |migration| Place::Service(id, migration.service))
    }

    /// The directory's name for the database behind a tenant's place.
    pub async fn database_id(&self, place: &Place) -> Result<Uuid, DbError> {
        let (id, service) = match place {
            Place::Tenant(id) => (*id, ""),
            Place::Service(id, service) => (*id, *service),
            Place::Control | Place::Admin { .. } => return Err(DbError::UnknownTenant),
        };
        let placements = self.placements(id).await?;
        placements.of(service).map(|placement| placement.id).ok_or(DbError::UnknownTenant)
    }

    /// All places of organisations, with the cluster and the database each is.
    pub async fn tenant_places(&self) -> Result<Vec<(Place, String, String)>, DbError> {
        let rows = directory::database::claimed(&mut *self.control().await?).await?;
        let place = |row: directory::database::DatabaseRow| {
            let id = row.tenant()?;
            let service = row.service.as_deref();
            let known = service.and_then(|own| self.0.migrations.iter().find(|migration| migration.service == own));
            let place = known.map_or(Place::Tenant(id), |migration| Place::Service(id, migration.service));
            Some((place, row.cluster, row.name))
        };
        Ok(rows.into_iter().filter_map(place).collect())
    }

    /// The administrator's connection to a database of a cluster. Making and changing databases takes longer than any
    /// request may.
    pub async fn admin(&self, cluster: &str, database: &str) -> Result<Conn, DbError> {
        let place = Place::Admin { cluster: cluster.to_owned(), database: database.to_owned() };
        let options = async || {
            let admin = self.admin_options(cluster).await?;
            Ok(admin.database(database).options([("statement_timeout", "300000")]))
        };
        self.0.governor.acquire(place, options).await
    }

    /// The administrator's connection to the database that is there before any of ours.
    pub async fn maintenance(&self, cluster: &str) -> Result<Conn, DbError> {
        let options = self.admin_options(cluster).await?;
        self.admin(cluster, options.get_database().unwrap_or("postgres")).await
    }

    /// Rows written to each database of a cluster since its server's counters began, by the server's own count.
    pub async fn write_counters(&self, cluster: &str) -> Result<HashMap<String, i64>, DbError> {
        const COUNT: &str = "select datname::text, tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname is not null";
        let home = cluster == HOME_CLUSTER;
        let mut conn = if home { self.control().await? } else { self.maintenance(cluster).await? };
        let counters: Vec<(String, i64)> = sqlx::query_as(COUNT).fetch_all(&mut *conn).await?;
        conn.release();
        Ok(counters.into_iter().collect())
    }

    async fn admin_options(&self, cluster: &str) -> Result<PgConnectOptions, DbError> {
        if cluster == HOME_CLUSTER {
            return Ok(self.0.home.clone());
        }
        if let Some(options) = self.0.clusters.read().expect("cannot be poisoned").get(cluster) {
            return Ok(options.clone());
        }
        // Not through the governor: whoever asks holds the right to a connection, and waits for nothing else.
        let mut conn = self.side_connection().await?;
        let url = directory::cluster::admin_url(&mut conn, &self.0.master, cluster).await?;
        let url = url.ok_or_else(|| DbError::Invalid(format!("there is no cluster {cluster}")))?;
        let options = admin_options(&self.0.settings, &url)?;
        self.0.clusters.write().expect("cannot be poisoned").insert(cluster.to_owned(), options.clone());
        Ok(options)
    }

    /// A connection to the control database beside the governor's, for what must not wait.
    async fn side_connection(&self) -> Result<PgConnection, DbError> {
        let options = self.0.home.clone().database(&self.0.settings.control);
        let connected = tokio::time::timeout(Duration::from_secs(5), PgConnection::connect_with(&options)).await;
        Ok(connected.map_err(|_| DbError::Unavailable("connecting took too long"))??)
    }

    /// The organisation from the cache, else from the control database.
    pub async fn describe(&self, id: TenantId) -> Result<Arc<Tenant>, DbError> {
        if let Some(tenant) = self.0.tenants.read().expect("cannot be poisoned").get(&id) {
            return Ok(tenant.clone());
        }
        let mut conn = self.control().await?;
        let tenant = Arc::new(directory::tenant(&mut conn, id).await?.ok_or(DbError::UnknownTenant)?);
        conn.release();
        // One on its way is not cached: its activation may happen in another process.
        if tenant.state != TenantState::Provisioning {
            self.0.tenants.write().expect("cannot be poisoned").insert(id, tenant.clone());
            self.0.governor.set_weight(id, tenant.plan.connection_weight.unsigned_abs());
        }
        Ok(tenant)
    }

    pub async fn find_by_slug(&self, slug: &str) -> Result<Option<Arc<Tenant>>, DbError> {
        let mut conn = self.control().await?;
        let id = directory::tenant_by_slug(&mut conn, slug).await?;
        conn.release();
        match id {
            Some(id) => self.describe(id).await.map(Some),
            None => Ok(None),
        }
    }

    /// All organisations, in pages.
    pub async fn list(&self, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
        directory::tenants(&mut *self.control().await?, after, limit).await
    }

    /// Forgets what is cached of an organisation and closes its idle connections; the next use reads it anew.
    pub fn forget(&self, id: TenantId) {
        self.0.tenants.write().expect("cannot be poisoned").remove(&id);
        // Its time zone may have changed, and with it its day.
        self.0.meter.forget_standing(id);
        if let Some(placements) = self.0.placements.write().expect("cannot be poisoned").remove(&id) {
            for placement in &placements.databases {
                let service = placement.service.as_deref().unwrap_or_default();
                self.0.governor.close_place(&self.place_in(id, service, &placements));
            }
        }
    }

    /// Forgets what clusters are called and where they are.
    pub fn forget_clusters(&self) {
        self.0.clusters.write().expect("cannot be poisoned").clear();
    }

    /// Follows what changes in the directory and which tokens are denied, told by PostgreSQL itself, for as long as the
    /// process lives.
    pub async fn follow_directory(self) {
        loop {
            if let Err(error) = self.follow_until_lost().await {
                tracing::debug!(%error, "changes of the directory are not told just now; they are read every two seconds");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn follow_until_lost(&self) -> Result<(), DbError> {
        let options = self.0.home.clone().database(&self.0.settings.control);
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen_all(["hitaji_directory", denials::CHANNEL]).await?;
        // Only now: what is denied from here on is told.
        self.read_denials().await?;
        loop {
            match listener.try_recv().await? {
                Some(told) if told.channel() == denials::CHANNEL => self.told_of_denial(told.payload()),
                Some(told) => {
                    if let Ok(id) = told.payload().parse() {
                        self.forget(TenantId(id));
                    }
                }
                None => return Ok(()),
            }
        }
    }

    /// One round of upkeep: closes idle connections, drops cached directory rows that changed elsewhere.
    pub async fn upkeep(&self) -> Result<(), DbError> {
        self.0.governor.close_idle().await;
        let now = self.0.clock.now();
        let since = self.0.checked_at.lock().expect("cannot be poisoned").replace(now);
        let mut conn = self.control().await?;
        let changed = directory::changed_since(&mut conn, since.unwrap_or(now)).await?;
        self.keep_denials(&mut conn).await?;
        conn.release();
        let changed: HashMap<TenantId, DateTime<Utc>> = changed.into_iter().collect();
        let seen = std::mem::replace(&mut *self.0.seen.lock().expect("cannot be poisoned"), changed.clone());
        changed.iter().filter(|(id, at)| seen.get(id) != Some(at)).for_each(|(id, _)| self.forget(*id));
        Ok(())
    }

    async fn placements(&self, id: TenantId) -> Result<Arc<Placements>, DbError> {
        if let Some(placements) = self.0.placements.read().expect("cannot be poisoned").get(&id) {
            return Ok(placements.clone());
        }
        let mut conn = self.control().await?;
        let (databases, keys) = directory::database::placements(&mut conn, &self.0.master, id).await?;
        conn.release();
        let placements = Arc::new(Placements { databases, keys: keys.map(Arc::new) });
        // One that has no database yet gets it by another process, maybe.
        if !placements.databases.is_empty() {
            self.0.placements.write().expect("cannot be poisoned").insert(id, placements.clone());
        }
        Ok(placements)
    }

    /// The organisation's data keys.
    pub async fn data_keys(&self, id: TenantId) -> Result<Arc<DataKeys>, DbError> {
        self.placements(id).await?.keys.clone().ok_or(DbError::Secret("the organisation has no data key"))
    }
}

fn admin_options(settings: &Settings, url: &str) -> Result<PgConnectOptions, DbError> {
    Ok(PgConnectOptions::from_str(url)
        .map_err(|_| DbError::Invalid("the address of a cluster is not a PostgreSQL URL".into()))?
        .application_name("hitaji")
        .options([
            ("statement_timeout", settings.statement_timeout_ms.to_string()),
            ("idle_in_transaction_session_timeout", "60000".to_owned()),
            // A rollback without a transaction, after a cancelled request, is no news.
            ("client_min_messages", "error".to_owned()),
        ])
        .disable_statement_logging())
}
