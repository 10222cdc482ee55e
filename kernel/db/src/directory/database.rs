//! The directory's databases: made, claimed, loaded for a tenant, switched to, retired, dropped.
use crate::keys::{self, DataKeys};
use crate::secrets::{MasterKey, random_token};
use crate::{DbError, HOME_CLUSTER};
use chrono::{DateTime, Utc};
use hitaji_core::{TenantId, new_id};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

const PASSWORD_PURPOSE: &str = "database-password";

/// Where a tenant's data lives, and the credentials for it.
#[derive(Clone)]
pub struct Placement {
    pub id: Uuid,
    pub cluster: String,
    pub database: String,
    /// The one service it is for; none: all that have no database of their own.
    pub service: Option<String>,
    pub login_role: String,
    pub(crate) password: String,
}

/// A database as the control plane sees it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct DatabaseRow {
    pub id: Uuid,
    pub cluster: String,
    pub name: String,
    pub tenant_id: Option<Uuid>,
    pub service: Option<String>,
    pub state: String,
    /// The schema's fingerprint as far as the directory knows.
    pub schema: Option<String>,
    pub login_role: String,
}

impl DatabaseRow {
    pub fn tenant(&self) -> Option<TenantId> {
        self.tenant_id.map(TenantId)
    }
}

/// A database on its way: the row is written before the database is made, so that a crash leaves a trace.
pub struct NewDatabase {
    pub id: Uuid,
    pub cluster: String,
    pub name: String,
    pub login_role: String,
    pub(crate) password: String,
}

/// Whom a new database is for.
#[derive(Clone, Copy)]
pub enum Wanted<'a> {
    /// Whoever signs up next.
    Anybody,
    /// A tenant's next database (of one service, or of all): it is filled before it is used.
    Loading(TenantId, Option<&'a str>, &'a DataKeys),
}

/// All databases in use by the tenant, with the credentials that `keys` or the master key open.
pub async fn placements(
    conn: &mut PgConnection,
    master: &MasterKey,
    id: TenantId,
) -> Result<(Vec<Placement>, Option<DataKeys>), DbError> {
    type Row = (Uuid, String, String, Option<String>, String, Vec<u8>);
    let rows: Vec<Row> = sqlx::query_as(
        "select id, cluster, name, service, login_role, password from directory.database
         where tenant_id = $1 and state = 'claimed'",
    )
    .bind(id.0)
    .fetch_all(&mut *conn)
    .await?;
    let keys = keys::load(conn, master, id).await?;
    let placement = |(row_id, cluster, database, service, login_role, sealed): Row| {
        let password = open_password(master, keys.as_ref(), &id.to_string(), &sealed)?;
        Ok(Placement { id: row_id, cluster, database, service, login_role, password })
    };
    let placements = rows.into_iter().map(placement).collect::<Result<_, DbError>>()?;
    Ok((placements, keys))
}

pub async fn intend(
    conn: &mut PgConnection,
    master: &MasterKey,
    cluster: &str,
    control_database: &str,
    template: &str,
    wanted: Wanted<'_>,
) -> Result<NewDatabase, DbError> {
    let id = new_id();
    // The random tail of a UUIDv7; the head is time and nearly the same for databases made together.
    let tail = &id.simple().to_string()[12..];
    let new = NewDatabase {
        id,
        cluster: cluster.to_owned(),
        name: format!("{control_database}_t_{tail}"),
        login_role: format!("{control_database}_r_{tail}"),
        password: random_token(),
    };
    let (state, tenant, service, sealed) = match wanted {
        Wanted::Anybody => {
            ("creating", None, None, master.seal(&id.to_string(), PASSWORD_PURPOSE, new.password.as_bytes()))
        }
        Wanted::Loading(tenant, service, keys) => {
            ("loading", Some(tenant.0), service, keys.seal(PASSWORD_PURPOSE, new.password.as_bytes()))
        }
    };
    sqlx::query(
        "insert into directory.database (id, name, state, tenant_id, service, cluster, template, schema, login_role, password)
         values ($1, $2, $3, $4, $5, $6, $7, right($7, 12), $8, $9)",
    )
    .bind(id)
    .bind(&new.name)
    .bind(state)
    .bind(tenant)
    .bind(service)
    .bind(cluster)
    .bind(template)
    .bind(&new.login_role)
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(new)
}

pub async fn made(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("update directory.database set state = 'ready' where id = $1 and state = 'creating'")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives a ready database of this template on this cluster to the tenant, with the tenant's first data key. True when
/// the tenant has one now, also from before.
pub async fn claim(
    conn: &mut PgConnection,
    master: &MasterKey,
    tenant: TenantId,
    cluster: &str,
    template: &str,
) -> Result<bool, DbError> {
    let mut tx = conn.begin().await?;
    // Two that claim for one organisation at once would both take a database.
    sqlx::query("select from directory.tenant where id = $1 for update").bind(tenant.0).execute(&mut *tx).await?;
    if has_one(&mut tx, tenant).await? {
        return Ok(true);
    }
    let ready: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select id, password from directory.database where state = 'ready' and template = $1 and cluster = $2
         order by created_at limit 1 for update skip locked",
    )
    .bind(template)
    .bind(cluster)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((id, sealed)) = ready else {
        return Ok(false);
    };
    let password = open_password(master, None, &id.to_string(), &sealed)?;
    let keys = match keys::load(&mut tx, master, tenant).await? {
        Some(keys) => keys,
        None => keys::add(&mut tx, master, tenant).await?,
    };
    sqlx::query(
        "update directory.database set state = 'claimed', tenant_id = $2, password = $3, changed_at = clock_timestamp()
         where id = $1",
    )
    .bind(id)
    .bind(tenant.0)
    .bind(keys.seal(PASSWORD_PURPOSE, password.as_bytes()))
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(true)
}

pub async fn has_one(conn: &mut PgConnection, tenant: TenantId) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from directory.database where tenant_id = $1 and state = 'claimed' and service is null)",
    )
    .bind(tenant.0)
    .fetch_one(conn)
    .await?)
}

/// Replaces the tenant's database (of that service, or of all) by a loaded one, in one step. The old one is retired and
/// returned; none when there was none, or when `new` was switched to before.
pub async fn switch(conn: &mut PgConnection, new: Uuid) -> Result<Option<DatabaseRow>, DbError> {
    let mut tx = conn.begin().await?;
    let old: Option<DatabaseRow> = sqlx::query_as(
        "update directory.database as old set state = 'retired', changed_at = clock_timestamp()
         from directory.database as new
         where new.id = $1 and new.state in ('loading', 'retired') and old.state = 'claimed' and old.id <> new.id
           and old.tenant_id = new.tenant_id and old.service is not distinct from new.service
         returning old.id, old.cluster, old.name, old.tenant_id, old.service, old.state, old.schema, old.login_role",
    )
    .bind(new)
    .fetch_optional(&mut *tx)
    .await?;
    sqlx::query(
        "with chosen as (update directory.database set state = 'claimed', changed_at = clock_timestamp()
                         where id = $1 and state in ('loading', 'retired') returning tenant_id)
         update directory.tenant set changed_at = clock_timestamp() from chosen where id = chosen.tenant_id",
    )
    .bind(new)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(old)
}

/// Notes which schema is in a database now.
pub async fn has_schema(conn: &mut PgConnection, id: Uuid, fingerprint: &str) -> Result<(), DbError> {
    sqlx::query("update directory.database set schema = $2 where id = $1")
        .bind(id)
        .bind(fingerprint)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps a loaded database as a copy at hand, instead of any earlier one.
pub async fn keep_copy(conn: &mut PgConnection, row: &DatabaseRow) -> Result<(), DbError> {
    sqlx::query(
        "update directory.database set changed_at = clock_timestamp(), state = case when id = $1 then 'copy' else 'dropping' end
         where id = $1 or (tenant_id = $2 and service is not distinct from $3 and state = 'copy')",
    )
    .bind(row.id)
    .bind(row.tenant_id)
    .bind(&row.service)
    .execute(conn)
    .await?;
    Ok(())
}

/// Databases ready for a sign-up, by cluster.
pub async fn ready(conn: &mut PgConnection, cluster: &str, template: &str) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from directory.database where state = 'ready' and template = $1 and cluster = $2",
    )
    .bind(template)
    .bind(cluster)
    .fetch_one(conn)
    .await?)
}

/// Marks for removal what nobody will use: half-made databases, ones being loaded by an operation that ended, retired ones
/// past `retired_before`, and ready ones of an old template where `template` is told. Returns all that are to go.
pub async fn mark_orphans(
    conn: &mut PgConnection,
    template: Option<&str>,
    older_than: DateTime<Utc>,
    retired_before: DateTime<Utc>,
) -> Result<Vec<DatabaseRow>, DbError> {
    Ok(sqlx::query_as(
        "update directory.database as row set state = 'dropping', changed_at = clock_timestamp()
         where state = 'dropping' or (state = 'creating' and created_at < $2) or (state = 'ready' and template <> $1)
            or (state = 'retired' and changed_at < $3)
            or (state = 'loading' and created_at < $2 and not exists (
                select from directory.operation where operation.tenant_id = row.tenant_id and operation.state = 'running'))
         returning id, cluster, name, tenant_id, service, state, schema, login_role",
    )
    .bind(template)
    .bind(older_than)
    .bind(retired_before)
    .fetch_all(conn)
    .await?)
}

/// Says that a database is to go, whatever it was; it is dropped at the next round of upkeep.
pub async fn give_up(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("update directory.database set state = 'dropping', changed_at = clock_timestamp() where id = $1")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub async fn forget(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from directory.database where id = $1 and state = 'dropping'").bind(id).execute(conn).await?;
    Ok(())
}

/// All databases of tenants in use, after `after` in order of id.
pub async fn claimed(conn: &mut PgConnection) -> Result<Vec<DatabaseRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, cluster, name, tenant_id, service, state, schema, login_role from directory.database
         where state = 'claimed' order by tenant_id, service",
    )
    .fetch_all(conn)
    .await?)
}

pub async fn of_tenant(conn: &mut PgConnection, tenant: TenantId) -> Result<Vec<DatabaseRow>, DbError> {
    Ok(sqlx::query_as(
        "select id, cluster, name, tenant_id, service, state, schema, login_role from directory.database
         where tenant_id = $1 order by created_at",
    )
    .bind(tenant.0)
    .fetch_all(conn)
    .await?)
}

/// The password as it was sealed: by a data key of the tenant, or by the master key for the named owner.
pub fn open_password(
    master: &MasterKey,
    keys: Option<&DataKeys>,
    owner: &str,
    sealed: &[u8],
) -> Result<String, DbError> {
    let plain = match (keys::version_of(sealed), keys) {
        (Some(_), Some(keys)) => keys.open(PASSWORD_PURPOSE, sealed)?,
        (Some(_), None) => return Err(DbError::Secret("the data key is gone")),
        (None, _) => master.open(owner, PASSWORD_PURPOSE, sealed)?,
    };
    String::from_utf8(plain).map_err(|_| DbError::Secret("not text"))
}

/// Lets the database be entered as another role from now on; the role of before is closed at `retire_at`.
pub async fn set_login(
    conn: &mut PgConnection,
    row: &DatabaseRow,
    role: &str,
    sealed: &[u8],
    retire_at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "with turned as (update directory.database set login_role = $2, password = $3, retiring_role = login_role, retire_at = $4,
                changed_at = clock_timestamp() where id = $1 and login_role = $5 returning tenant_id)
         update directory.tenant set changed_at = clock_timestamp() from turned where id = turned.tenant_id",
    )
    .bind(row.id)
    .bind(role)
    .bind(sealed)
    .bind(retire_at)
    .bind(&row.login_role)
    .execute(conn)
    .await?;
    Ok(())
}

/// Roles whose time is over: the database's id, its cluster, the role.
pub async fn retiring(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Vec<(Uuid, String, String)>, DbError> {
    Ok(sqlx::query_as(
        "select id, cluster, retiring_role from directory.database where retire_at <= $1 and retiring_role is not null",
    )
    .bind(now)
    .fetch_all(conn)
    .await?)
}

pub async fn retired(conn: &mut PgConnection, id: Uuid, role: &str) -> Result<(), DbError> {
    sqlx::query(
        "update directory.database set retiring_role = null, retire_at = null where id = $1 and retiring_role = $2",
    )
    .bind(id)
    .bind(role)
    .execute(conn)
    .await?;
    Ok(())
}

/// Seals anew, by today's master key, the passwords of databases that are nobody's yet; returns how many.
pub async fn rewrap(conn: &mut PgConnection, master: &MasterKey) -> Result<usize, DbError> {
    let rows: Vec<(Uuid, Vec<u8>)> =
        sqlx::query_as("select id, password from directory.database where state in ('creating', 'ready')")
            .fetch_all(&mut *conn)
            .await?;
    let mut changed = 0;
    for (id, sealed) in rows.iter().filter(|(_, sealed)| !master.is_current(sealed)) {
        let password = open_password(master, None, &id.to_string(), sealed)?;
        sqlx::query("update directory.database set password = $3 where id = $1 and password = $2")
            .bind(id)
            .bind(sealed)
            .bind(master.seal(&id.to_string(), PASSWORD_PURPOSE, password.as_bytes()))
            .execute(&mut *conn)
            .await?;
        changed += 1;
    }
    Ok(changed)
}

/// Seals a database's password under the tenant's newest data key.
pub fn seal_password(keys: &DataKeys, password: &str) -> Vec<u8> {
    keys.seal(PASSWORD_PURPOSE, password.as_bytes())
}

impl NewDatabase {
    pub fn is_home(&self) -> bool {
        self.cluster == HOME_CLUSTER
    }
}
