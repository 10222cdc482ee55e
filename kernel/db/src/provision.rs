//! Databases for tenants: made from the template, kept warm, claimed, removed; and what a platform needs before it serves.
use crate::catalogue::Catalogue;
use crate::directory::database::{NewDatabase, Wanted};
use crate::directory::{self, NewTenant, Tenant, TenantState};
use crate::migrate::{self, AppliedMigration, Home, Migration};
use crate::{Databases, DbError, HOME_CLUSTER, cluster, roles};
use chrono::TimeDelta;
use hitaji_core::TenantId;

/// How long a replaced database is kept, so that a restore or a move can be taken back.
const RETIRED_FOR: TimeDelta = TimeDelta::days(7);

impl Databases {
    /// Records the wish for an organisation; the database follows with [`Databases::provision`].
    pub async fn intend(&self, new: &NewTenant) -> Result<(), DbError> {
        directory::insert_tenant(&mut *self.control().await?, new).await
    }

    /// Gives the organisation its database: a ready one, else one made now. Can be run again after a crash. The policy: the
    /// open cluster that is emptiest by its capacity, and the next one where that cannot be reached.
    pub async fn provision(&self, id: TenantId) -> Result<(), DbError> {
        let mut conn = self.control().await?;
        let template = self.newest_template(&mut conn).await?;
        if directory::database::has_one(&mut conn, id).await? {
            return Ok(());
        }
        let clusters = directory::cluster::list(&mut conn).await?;
        conn.release();
        let open: Vec<_> = clusters.into_iter().filter(|cluster| cluster.state == "open").collect();
        let mut last = DbError::Unavailable("no cluster takes new organisations");
        for cluster in &open {
            match self.provision_on(id, &cluster.name, &template, open.len() > 1).await {
                Err(error) if error.is_unavailable() && open.len() > 1 => {
                    tracing::warn!(cluster = cluster.name, %error, "a cluster cannot take an organisation; the next one is tried");
                    last = error;
                }
                other => return other,
            }
        }
        Err(last)
    }

    async fn provision_on(&self, id: TenantId, cluster: &str, template: &str, ask_first: bool) -> Result<(), DbError> {
        if ask_first {
            self.maintenance(cluster).await?.close();
        }
        loop {
            let mut conn = self.control().await?;
            if directory::database::claim(&mut conn, &self.0.master, id, cluster, template).await? {
                conn.release();
                return Ok(());
            }
            drop(conn);
            self.make_database(cluster, template).await?;
        }
    }

    /// Makes one database ready for a later sign-up, if fewer than the configured number are. A program older than the newest
    /// schema leaves this to the newer ones.
    pub async fn refill(&self) -> Result<bool, DbError> {
        let mut conn = self.control().await?;
        let template = self.newest_template(&mut conn).await?;
        let Some(cluster) = directory::cluster::list(&mut conn).await?.into_iter().find(|c| c.state == "open") else {
            return Ok(false);
        };
        let ready = directory::database::ready(&mut conn, &cluster.name, &template).await?;
        conn.release();
        if ready >= self.0.settings.warm || template != self.template() {
            return Ok(false);
        }
        self.make_database(&cluster.name, &template).await?;
        Ok(true)
    }

    /// Removes databases that nobody will use: left half-made for `age`, ready on an old schema, or retired long ago.
    pub async fn reap(&self, age: TimeDelta) -> Result<usize, DbError> {
        let now = self.0.clock.now();
        let mut conn = self.control().await?;
        let newest = self.newest_template(&mut conn).await?;
        let (older_than, retired_before) = (now - age, now - RETIRED_FOR);
        let orphans = directory::database::mark_orphans(&mut conn, Some(&newest), older_than, retired_before).await?;
        conn.release();
        let mut dropped = 0;
        for orphan in &orphans {
            match self.drop_database(orphan.id, &orphan.cluster, &orphan.name, &orphan.login_role).await {
                Ok(()) => dropped += 1,
                Err(error) => {
                    tracing::warn!(database = orphan.name, %error, "a database could not be dropped; it is tried again");
                }
            }
        }
        Ok(dropped)
    }

    /// Drops a database that is marked so, with its roles and its row.
    pub async fn drop_database(&self, id: uuid::Uuid, cluster: &str, name: &str, role: &str) -> Result<(), DbError> {
        let mut admin = self.maintenance(cluster).await?;
        cluster::drop_database(&mut admin, name).await?;
        for role in [roles::first_role(role), roles::second_role(role)] {
            cluster::drop_role(&mut admin, &role).await?;
        }
        admin.close();
        directory::database::forget(&mut *self.control().await?, id).await
    }

    async fn make_database(&self, cluster: &str, template: &str) -> Result<(), DbError> {
        let new = self.clone_template(cluster, template, Wanted::Anybody).await?;
        directory::database::made(&mut *self.control().await?, new.id).await
    }

    /// An empty database for a tenant, beside the one in use: of today's schema, or (`bare`) without any.
    pub async fn make_loading(
        &self,
        cluster: &str,
        tenant: TenantId,
        service: Option<&str>,
        bare: bool,
    ) -> Result<NewDatabase, DbError> {
        let keys = self.data_keys(tenant).await?;
        let template = if bare { "template0".to_owned() } else { self.template() };
        self.clone_template(cluster, &template, Wanted::Loading(tenant, service, &keys)).await
    }

    /// A clone of a tenant's closed database, for the same tenant.
    pub async fn make_clone(
        &self,
        cluster: &str,
        tenant: TenantId,
        service: Option<&str>,
        original: &str,
    ) -> Result<NewDatabase, DbError> {
        let keys = self.data_keys(tenant).await?;
        self.clone_template(cluster, original, Wanted::Loading(tenant, service, &keys)).await
    }

    async fn clone_template(&self, cluster: &str, template: &str, wanted: Wanted<'_>) -> Result<NewDatabase, DbError> {
        let mut admin = self.maintenance(cluster).await?;
        let is_template = template.starts_with(&cluster::template_name(self.control_name(), ""));
        if is_template && !cluster::template_ready(&mut admin, template).await? {
            admin.close();
            if template != self.template() {
                return Err(DbError::Unavailable("the newest schema's template is not on this cluster yet"));
            }
            self.ensure_template(cluster).await?;
            admin = self.maintenance(cluster).await?;
        }
        let mut control = self.control().await?;
        let inner = &self.0;
        let new = directory::database::intend(
            &mut control,
            &inner.master,
            cluster,
            &inner.settings.control,
            template,
            wanted,
        );
        let new = new.await?;
        control.release();
        cluster::create_tenant_database(&mut admin, template, &new.name, &new.login_role, &new.password).await?;
        admin.close();
        Ok(new)
    }

    /// Makes what a platform needs before it serves: the control database with its schema, roles, the template.
    pub async fn prepare(&self) -> Result<Vec<AppliedMigration>, DbError> {
        let applied = self.prepare_control().await?;
        let made = self.make_templates(&[HOME_CLUSTER.to_owned()]).await?;
        self.offer_schema(&made).await?;
        Ok(applied)
    }

    /// Makes the template of this program's schema on each of the clusters. Returns what is in those made now.
    pub async fn make_templates(&self, clusters: &[String]) -> Result<Vec<(String, Catalogue)>, DbError> {
        let mut made = Vec::new();
        for cluster in clusters {
            made.extend(self.ensure_template(cluster).await?);
        }
        Ok(made)
    }

    /// Makes this program's schema the one that new tenants get: its template must be there by now.
    pub async fn offer_schema(&self, catalogues: &[(String, Catalogue)]) -> Result<(), DbError> {
        let fingerprint = self.fingerprint();
        let mut conn = self.control().await?;
        directory::know_schema(&mut conn, &fingerprint).await?;
        for (version, catalogue) in catalogues {
            directory::store_catalogue(&mut conn, &fingerprint, version, catalogue).await?;
        }
        conn.release();
        Ok(())
    }

    /// Makes the control database with its schema and its roles.
    pub async fn prepare_control(&self) -> Result<Vec<AppliedMigration>, DbError> {
        let control = &self.0.settings.control;
        let mut admin = self.maintenance(HOME_CLUSTER).await?;
        sqlx::query("select pg_advisory_lock(hashtext($1))").bind(control).execute(&mut *admin).await?;
        roles::ensure(&mut admin, &self.0.master, control).await?;
        if !cluster::database_exists(&mut admin, control).await? {
            let database = roles::quote(control);
            roles::run(&mut admin, format!("create database {database} template template0 encoding 'UTF8'")).await?;
        }
        let (database, role) = (roles::quote(control), roles::quote(&roles::control_role(control)));
        roles::run(&mut admin, format!("revoke all on database {database} from public")).await?;
        roles::run(&mut admin, format!("grant connect on database {database} to {role}")).await?;
        let mut conn = self.admin(HOME_CLUSTER, control).await?;
        let applied = migrate::run(&mut conn, &self.plan(Home::Control)).await?;
        conn.close();
        // Closing frees the lock; the next starter finds everything done.
        admin.close();
        Ok(applied)
    }

    /// Brings one database of a tenant to this program's schema: wholly, or not at all.
    pub async fn migrate_database(&self, cluster: &str, database: &str) -> Result<Vec<AppliedMigration>, DbError> {
        let mut conn = self.admin(cluster, database).await?;
        let applied = migrate::run(&mut conn, &self.plan(Home::Tenant)).await?;
        conn.close();
        Ok(applied)
    }

    /// Makes the template on a cluster where it is missing, and returns what is in it if it was made now.
    async fn ensure_template(&self, cluster_name: &str) -> Result<Option<(String, Catalogue)>, DbError> {
        let template = self.template();
        let mut admin = self.maintenance(cluster_name).await?;
        roles::ensure_app_role(&mut admin).await?;
        // One lock for the cluster: two templates are never cloned from or built at once by two processes.
        sqlx::query("select pg_advisory_lock(hashtext($1))").bind(&template).execute(&mut *admin).await?;
        let mut made = None;
        if !cluster::template_ready(&mut admin, &template).await? {
            let plan = self.plan(Home::Tenant);
            let connect = async || self.admin(cluster_name, &template).await;
            made = Some(cluster::build_template(&mut admin, &template, &plan, connect).await?);
        }
        admin.close();
        Ok(made)
    }

    /// This program's migrations for one home, in the order they run.
    pub fn plan(&self, home: Home) -> Vec<Migration> {
        migrate::plan(home, &self.0.migrations)
    }

    /// The name of this program's schema of tenants' databases.
    pub fn fingerprint(&self) -> String {
        migrate::fingerprint(&self.plan(Home::Tenant))
    }

    /// The name of the template of this program's schema.
    pub fn template(&self) -> String {
        cluster::template_name(&self.0.settings.control, &self.fingerprint())
    }

    async fn newest_template(&self, conn: &mut sqlx::PgConnection) -> Result<String, DbError> {
        let newest = directory::newest_schema(conn).await?.unwrap_or_else(|| self.fingerprint());
        Ok(cluster::template_name(&self.0.settings.control, &newest))
    }

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
        reason: Option<&str>,
    ) -> Result<bool, DbError> {
        directory::set_state(conn, id, state, reason).await
    }

    /// Changes what an owner may change; the new version, or none when `tenant.version` is not current.
    pub async fn update_tenant(&self, conn: &mut sqlx::PgConnection, tenant: &Tenant) -> Result<Option<i64>, DbError> {
        directory::update_tenant(conn, tenant.id, tenant.version, &tenant.name, tenant.time_zone, &tenant.products)
            .await
    }

    /// Adds a cluster, after looking whether it answers and is new enough.
    pub async fn add_cluster(&self, name: &str, url: &str) -> Result<(), DbError> {
        directory::cluster::put(&mut *self.control().await?, &self.0.master, name, url).await?;
        self.forget_clusters();
        self.ensure_template(name).await?;
        Ok(())
    }
}
