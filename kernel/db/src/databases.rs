//! The one door to databases: connections by place, the cached directory, provisioning and migrations.
use crate::directory::{self, NewTenant, Placement, Tenant, TenantState};
use crate::governor::{Conn, Governor, GovernorStats};
use crate::migrate::{self, AppliedMigration, Home, Migration};
use crate::secrets::MasterKey;
use crate::{DbError, HOME_CLUSTER, Place, cluster, roles};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_core::{Clock, TenantId};
use serde::Deserialize;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;
use tokio::sync::Notify;

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

/// Tells the relay which databases have new events.
#[derive(Clone, Default)]
pub struct Wake(Arc<(Mutex<HashSet<Place>>, Notify)>);

impl Wake {
    pub fn wake(&self, place: Place) {
        self.0.0.lock().expect("cannot be poisoned: inserting does not panic").insert(place);
        self.0.1.notify_one();
    }

    /// Waits for at least one place, and takes all there are.
    pub async fn places(&self) -> HashSet<Place> {
        loop {
            let places = std::mem::take(&mut *self.0.0.lock().expect("cannot be poisoned: taking does not panic"));
            if !places.is_empty() {
                return places;
            }
            self.0.1.notified().await;
        }
    }
}

#[derive(Clone)]
pub struct Databases(Arc<Inner>);

struct Inner {
    settings: Settings,
    admin: PgConnectOptions,
    master: MasterKey,
    clock: Clock,
    governor: Governor,
    tenants: RwLock<HashMap<TenantId, Arc<Tenant>>>,
    placements: RwLock<HashMap<TenantId, Arc<Placement>>>,
    checked_at: Mutex<Option<DateTime<Utc>>>,
    migrations: Vec<Migration>,
    wake: Wake,
}

impl Databases {
    /// Opens nothing yet. `migrations` are those of the services this binary has.
    pub fn new(
        settings: Settings,
        master: MasterKey,
        clock: Clock,
        migrations: Vec<Migration>,
    ) -> Result<Databases, DbError> {
        let admin = PgConnectOptions::from_str(&settings.admin_url)
            .map_err(|_| DbError::Invalid("database.admin_url is not a PostgreSQL URL".into()))?
            .application_name("hitaji")
            .options([
                ("statement_timeout", settings.statement_timeout_ms.to_string()),
                ("idle_in_transaction_session_timeout", "60000".to_owned()),
                // A rollback without a transaction, after a cancelled request, is no news.
                ("client_min_messages", "error".to_owned()),
            ])
            .disable_statement_logging();
        let governor = Governor::new(
            settings.connections,
            settings.connections_per_tenant,
            Duration::from_millis(settings.wait_ms),
            Duration::from_secs(settings.idle_s),
        );
        Ok(Databases(Arc::new(Inner {
            settings,
            admin,
            master,
            clock,
            governor,
            tenants: RwLock::default(),
            placements: RwLock::default(),
            checked_at: Mutex::default(),
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

    pub fn wake(&self) -> &Wake {
        &self.0.wake
    }

    pub fn stats(&self) -> GovernorStats {
        self.0.governor.stats()
    }

    /// A connection to the control database, as the role that serves requests.
    pub async fn control(&self) -> Result<Conn, DbError> {
        let inner = &self.0;
        inner
            .governor
            .acquire(Place::Control, async || {
                let name = &inner.settings.control;
                Ok(inner
                    .admin
                    .clone()
                    .database(name)
                    .username(&roles::control_role(name))
                    .password(&roles::control_password(&inner.master, name)))
            })
            .await
    }

    /// A connection to the organisation's own database, as a role that can connect nowhere else.
    pub async fn tenant(&self, id: TenantId) -> Result<Conn, DbError> {
        self.0
            .governor
            .acquire(Place::Tenant(id), async || {
                let placement = self.placement(id).await?;
                Ok(self
                    .0
                    .admin
                    .clone()
                    .database(&placement.database)
                    .username(&placement.login_role)
                    .password(&placement.password))
            })
            .await
    }

    /// A connection to either.
    pub async fn place(&self, place: &Place) -> Result<Conn, DbError> {
        match place {
            Place::Control => self.control().await,
            Place::Tenant(id) => self.tenant(*id).await,
            Place::Service(id, _) => self.tenant(*id).await,
            Place::Admin { database, .. } => self.admin(database).await,
        }
    }

    async fn admin(&self, database: &str) -> Result<Conn, DbError> {
        self.0
            .governor
            // Making and changing databases takes longer than any request may.
            .acquire(Place::Admin { cluster: HOME_CLUSTER.into(), database: database.to_owned() }, async || {
                Ok(self.0.admin.clone().database(database).options([("statement_timeout", "300000")]))
            })
            .await
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

    /// Forgets what is cached of an organisation; the next use reads it anew.
    pub fn forget(&self, id: TenantId) {
        self.0.tenants.write().expect("cannot be poisoned").remove(&id);
        self.0.placements.write().expect("cannot be poisoned").remove(&id);
    }

    /// One round of upkeep: closes idle connections, drops cached directory rows that changed elsewhere.
    pub async fn upkeep(&self) -> Result<(), DbError> {
        self.0.governor.close_idle().await;
        let now = self.0.clock.now();
        let since = self.0.checked_at.lock().expect("cannot be poisoned").replace(now);
        let mut conn = self.control().await?;
        for id in directory::changed_since(&mut conn, since.unwrap_or(now)).await? {
            self.forget(id);
        }
        conn.release();
        Ok(())
    }

    async fn placement(&self, id: TenantId) -> Result<Arc<Placement>, DbError> {
        if let Some(placement) = self.0.placements.read().expect("cannot be poisoned").get(&id) {
            return Ok(placement.clone());
        }
        let mut conn = self.control().await?;
        let placement = directory::placement(&mut conn, &self.0.master, id).await?.ok_or(DbError::UnknownTenant)?;
        conn.release();
        let placement = Arc::new(placement);
        self.0.placements.write().expect("cannot be poisoned").insert(id, placement.clone());
        Ok(placement)
    }

    // ── provisioning and migrations ──────────────────────────────────────────────────────────────────────────

    /// Records the wish for an organisation; the database follows with [`Databases::provision`].
    pub async fn intend(&self, new: &NewTenant) -> Result<(), DbError> {
        directory::insert_tenant(&mut *self.control().await?, new).await
    }

    /// Gives the organisation its database: a ready one, else one made now. Can be run again after a crash.
    pub async fn provision(&self, id: TenantId) -> Result<(), DbError> {
        let template = self.template();
        loop {
            let mut conn = self.control().await?;
            if directory::claim_database(&mut conn, &self.0.master, id, &template).await? {
                return Ok(());
            }
            drop(conn);
            self.make_database().await?;
        }
    }

    /// Makes one database ready for a later sign-up, if fewer than the configured number are.
    pub async fn refill(&self) -> Result<bool, DbError> {
        let ready = directory::ready_databases(&mut *self.control().await?, &self.template()).await?;
        if ready >= self.0.settings.warm {
            return Ok(false);
        }
        self.make_database().await?;
        Ok(true)
    }

    /// Removes databases that nobody will use: left half-made for `age`, or ready on an old schema.
    pub async fn reap(&self, age: TimeDelta) -> Result<usize, DbError> {
        let older_than = self.0.clock.now() - age;
        let orphans = directory::mark_orphans(&mut *self.control().await?, &self.template(), older_than).await?;
        let mut admin = self.admin(&self.maintenance_database()).await?;
        for (id, name, login_role) in &orphans {
            cluster::drop_database(&mut admin, name).await?;
            cluster::drop_role(&mut admin, login_role).await?;
            directory::forget_database(&mut *self.control().await?, *id).await?;
        }
        Ok(orphans.len())
    }

    async fn make_database(&self) -> Result<(), DbError> {
        let template = self.template();
        let mut admin = self.admin(&self.maintenance_database()).await?;
        if !cluster::template_ready(&mut admin, &template).await? {
            drop(admin);
            self.ensure_template().await?;
            admin = self.admin(&self.maintenance_database()).await?;
        }
        let mut control = self.control().await?;
        let new = directory::intend_database(&mut control, &self.0.master, &self.0.settings.control, &template).await?;
        control.release();
        cluster::create_tenant_database(&mut admin, &template, &new.name, &new.login_role, &new.password).await?;
        directory::database_made(&mut *self.control().await?, new.id).await
    }

    /// Makes what a platform needs before it serves: the control database with its schema, roles, the template.
    pub async fn prepare(&self) -> Result<Vec<AppliedMigration>, DbError> {
        let control = &self.0.settings.control;
        let mut admin = self.admin(&self.maintenance_database()).await?;
        sqlx::query("select pg_advisory_lock(hashtext($1))").bind(control).execute(&mut *admin).await?;
        roles::ensure(&mut admin, &self.0.master, control).await?;
        if !cluster::database_exists(&mut admin, control).await? {
            roles::run(
                &mut admin,
                format!("create database {} template template0 encoding 'UTF8'", roles::quote(control)),
            )
            .await?;
        }
        let (database, role) = (roles::quote(control), roles::quote(&roles::control_role(control)));
        roles::run(&mut admin, format!("revoke all on database {database} from public")).await?;
        roles::run(&mut admin, format!("grant connect on database {database} to {role}")).await?;
        let mut conn = self.admin(control).await?;
        let applied = migrate::run(&mut conn, &self.plan(Home::Control)).await?;
        conn.close();
        // Closing frees the lock; the next starter finds everything done.
        admin.close();
        self.ensure_template().await?;
        Ok(applied)
    }

    /// Brings one organisation's database to this binary's schema.
    pub async fn migrate_tenant(&self, database: &str) -> Result<Vec<AppliedMigration>, DbError> {
        let mut conn = self.admin(database).await?;
        migrate::run(&mut conn, &self.plan(Home::Tenant)).await
    }

    /// The databases that [`Databases::migrate_tenant`] is for.
    pub async fn tenant_databases(&self) -> Result<Vec<(TenantId, String)>, DbError> {
        directory::claimed_databases(&mut *self.control().await?).await
    }

    async fn ensure_template(&self) -> Result<(), DbError> {
        let template = self.template();
        let mut admin = self.admin(&self.maintenance_database()).await?;
        // One lock for the cluster: two templates are never cloned from or built at once by two processes.
        sqlx::query("select pg_advisory_lock(hashtext($1))").bind(&template).execute(&mut *admin).await?;
        if !cluster::template_ready(&mut admin, &template).await? {
            let plan = self.plan(Home::Tenant);
            cluster::build_template(&mut admin, &template, &plan, async || self.admin(&template).await).await?;
        }
        admin.close();
        Ok(())
    }

    fn plan(&self, home: Home) -> Vec<Migration> {
        migrate::plan(home, &self.0.migrations)
    }

    fn template(&self) -> String {
        cluster::template_name(&self.0.settings.control, &migrate::fingerprint(&self.plan(Home::Tenant)))
    }

    fn maintenance_database(&self) -> String {
        self.0.admin.get_database().unwrap_or("postgres").to_owned()
    }

    // ── directory changes (tenancy service only) ─────────────────────────────────────────────────────────────

    /// Organisations whose sign-up has not finished after `age`.
    pub async fn unfinished(&self, age: TimeDelta) -> Result<Vec<TenantId>, DbError> {
        directory::unfinished(&mut *self.control().await?, self.0.clock.now() - age).await
    }

    /// True when this changed the state.
    pub async fn set_state(
        &self,
        conn: &mut sqlx::PgConnection,
        id: TenantId,
        state: TenantState,
    ) -> Result<bool, DbError> {
        directory::set_state(conn, id, state).await
    }

    /// Changes what an owner may change; the new version, or none when `tenant.version` is not current.
    pub async fn update_tenant(&self, conn: &mut sqlx::PgConnection, tenant: &Tenant) -> Result<Option<i64>, DbError> {
        directory::update_tenant(conn, tenant.id, tenant.version, &tenant.name, tenant.time_zone, &tenant.products)
            .await
    }
}
