//! The tenant directory: which organisations there are, their state and products, and where their data lives.
use crate::secrets::{MasterKey, random_token};
use crate::{Databases, DbError};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hitaji_core::{TenantId, new_id};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

const PASSWORD_PURPOSE: &str = "database-password";

/// What an organisation may do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    Provisioning,
    Active,
    Suspended,
    Archived,
    Erasing,
}

impl TenantState {
    pub fn as_str(self) -> &'static str {
        match self {
            TenantState::Provisioning => "provisioning",
            TenantState::Active => "active",
            TenantState::Suspended => "suspended",
            TenantState::Archived => "archived",
            TenantState::Erasing => "erasing",
        }
    }

    fn parse(text: &str) -> Result<TenantState, DbError> {
        TenantState::named(text).ok_or_else(|| DbError::Invalid(format!("unknown organisation state {text}")))
    }

    /// The state with this name.
    pub fn named(text: &str) -> Option<TenantState> {
        [
            TenantState::Provisioning,
            TenantState::Active,
            TenantState::Suspended,
            TenantState::Archived,
            TenantState::Erasing,
        ]
        .into_iter()
        .find(|state| state.as_str() == text)
    }
}

/// An organisation, as every service may know it.
#[derive(Clone, Debug)]
pub struct Tenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// ISO 4217.
    pub currency: String,
    pub time_zone: Tz,
    pub products: Vec<String>,
    pub state: TenantState,
    pub version: i64,
    pub created_at: DateTime<Utc>,
}

/// Where a tenant's data lives, and the credentials for it.
#[derive(Clone)]
pub struct Placement {
    pub database: String,
    pub login_role: String,
    pub(crate) password: String,
}

/// What a sign-up says of a new organisation.
#[derive(Clone, Debug)]
pub struct NewTenant {
    pub id: TenantId,
    pub slug: String,
    pub name: String,
    pub country: String,
    pub currency: String,
    pub time_zone: Tz,
    pub products: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    id: Uuid,
    slug: String,
    name: String,
    country: String,
    currency: String,
    time_zone: String,
    products: Vec<String>,
    state: String,
    version: i64,
    created_at: DateTime<Utc>,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = DbError;
    fn try_from(row: TenantRow) -> Result<Tenant, DbError> {
        Ok(Tenant {
            id: TenantId(row.id),
            time_zone: row.time_zone.parse().map_err(|_| DbError::Invalid("unknown time zone".into()))?,
            state: TenantState::parse(&row.state)?,
            slug: row.slug,
            name: row.name,
            country: row.country,
            currency: row.currency,
            products: row.products,
            version: row.version,
            created_at: row.created_at,
        })
    }
}

pub async fn tenant(conn: &mut PgConnection, id: TenantId) -> Result<Option<Tenant>, DbError> {
    let row: Option<TenantRow> = sqlx::query_as(
        "select id, slug, name, country, currency, time_zone, products, state, version, created_at
         from directory.tenant where id = $1",
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await?;
    row.map(Tenant::try_from).transpose()
}

pub async fn tenant_by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<TenantId>, DbError> {
    let id: Option<Uuid> =
        sqlx::query_scalar("select id from directory.tenant where slug = $1").bind(slug).fetch_optional(conn).await?;
    Ok(id.map(TenantId))
}

/// All organisations after `after` in order of id, at most `limit`.
pub async fn tenants(conn: &mut PgConnection, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
    let rows: Vec<TenantRow> = sqlx::query_as(
        "select id, slug, name, country, currency, time_zone, products, state, version, created_at
         from directory.tenant where id > $1 order by id limit $2",
    )
    .bind(after.map_or(Uuid::nil(), |id| id.0))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Tenant::try_from).collect()
}

/// Records the wish for an organisation. The same id twice is the same wish; the first one's details stay.
pub async fn insert_tenant(conn: &mut PgConnection, new: &NewTenant) -> Result<(), DbError> {
    sqlx::query(
        "insert into directory.tenant (id, slug, name, country, currency, time_zone, products, state)
         values ($1, $2, $3, $4, $5, $6, $7, 'provisioning') on conflict (id) do nothing",
    )
    .bind(new.id.0)
    .bind(&new.slug)
    .bind(&new.name)
    .bind(&new.country)
    .bind(&new.currency)
    .bind(new.time_zone.name())
    .bind(&new.products)
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes what an owner may change. None when `version` is not the current one.
pub async fn update_tenant(
    conn: &mut PgConnection,
    id: TenantId,
    version: i64,
    name: &str,
    time_zone: Tz,
    products: &[String],
) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "update directory.tenant set name = $3, time_zone = $4, products = $5, version = version + 1,
         changed_at = clock_timestamp() where id = $1 and version = $2 returning version",
    )
    .bind(id.0)
    .bind(version)
    .bind(name)
    .bind(time_zone.name())
    .bind(products)
    .fetch_optional(conn)
    .await?)
}

/// True when this changed the state: of two that do it at once, only one is told so.
pub async fn set_state(conn: &mut PgConnection, id: TenantId, state: TenantState) -> Result<bool, DbError> {
    let changed = sqlx::query(
        "update directory.tenant set state = $2, version = version + 1, changed_at = clock_timestamp()
         where id = $1 and state <> $2",
    )
    .bind(id.0)
    .bind(state.as_str())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Organisations whose sign-up began before `before` and did not finish.
pub async fn unfinished(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<Vec<TenantId>, DbError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from directory.tenant where state = 'provisioning' and created_at < $1 limit 100",
    )
    .bind(before)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(TenantId).collect())
}

/// Organisations changed since `since`, with some overlap for transactions that commit late.
pub async fn changed_since(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<Vec<TenantId>, DbError> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select id from directory.tenant where changed_at > $1::timestamptz - interval '10 seconds'",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(TenantId).collect())
}

pub async fn placement(
    conn: &mut PgConnection,
    master: &MasterKey,
    id: TenantId,
) -> Result<Option<Placement>, DbError> {
    let row: Option<(String, String, Vec<u8>)> =
        sqlx::query_as("select name, login_role, password from directory.database where tenant_id = $1")
            .bind(id.0)
            .fetch_optional(conn)
            .await?;
    row.map(|(database, login_role, sealed)| {
        Ok(Placement { database, login_role, password: open_password(master, &id.to_string(), &sealed)? })
    })
    .transpose()
}

/// A database on its way: the row is written before the database is made, so that a crash leaves a trace.
pub(crate) struct NewDatabase {
    pub id: Uuid,
    pub name: String,
    pub login_role: String,
    pub password: String,
}

pub(crate) async fn intend_database(
    conn: &mut PgConnection,
    master: &MasterKey,
    control_database: &str,
    template: &str,
) -> Result<NewDatabase, DbError> {
    let id = new_id();
    // The random tail of a UUIDv7; the head is time and nearly the same for databases made together.
    let tail = &id.simple().to_string()[12..];
    let new = NewDatabase {
        id,
        name: format!("{control_database}_t_{tail}"),
        login_role: format!("{control_database}_r_{tail}"),
        password: random_token(),
    };
    let sealed = master.seal(&id.to_string(), PASSWORD_PURPOSE, new.password.as_bytes());
    sqlx::query(
        "insert into directory.database (id, name, state, template, login_role, password)
         values ($1, $2, 'creating', $3, $4, $5)",
    )
    .bind(id)
    .bind(&new.name)
    .bind(template)
    .bind(&new.login_role)
    .bind(sealed)
    .execute(conn)
    .await?;
    Ok(new)
}

pub(crate) async fn database_made(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("update directory.database set state = 'ready' where id = $1 and state = 'creating'")
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Gives a ready database of this template to the tenant. True when the tenant has one now, also from before.
pub async fn claim_database(
    conn: &mut PgConnection,
    master: &MasterKey,
    tenant: TenantId,
    template: &str,
) -> Result<bool, DbError> {
    let mut tx = conn.begin().await?;
    // Two that claim for one organisation at once would both take a database.
    sqlx::query("select from directory.tenant where id = $1 for update").bind(tenant.0).execute(&mut *tx).await?;
    let has_one: bool = sqlx::query_scalar("select exists (select from directory.database where tenant_id = $1)")
        .bind(tenant.0)
        .fetch_one(&mut *tx)
        .await?;
    if has_one {
        return Ok(true);
    }
    let ready: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select id, password from directory.database where state = 'ready' and template = $1
         order by created_at limit 1 for update skip locked",
    )
    .bind(template)
    .fetch_optional(&mut *tx)
    .await?;
    let Some((id, sealed)) = ready else {
        return Ok(false);
    };
    let password = open_password(master, &id.to_string(), &sealed)?;
    sqlx::query("update directory.database set state = 'claimed', tenant_id = $2, password = $3 where id = $1")
        .bind(id)
        .bind(tenant.0)
        .bind(master.seal(&tenant.to_string(), PASSWORD_PURPOSE, password.as_bytes()))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(true)
}

pub async fn ready_databases(conn: &mut PgConnection, template: &str) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select count(*) from directory.database where state = 'ready' and template = $1")
        .bind(template)
        .fetch_one(conn)
        .await?)
}

/// Marks for removal what nobody will use: half-made databases and ready ones of an old template. Returns them.
pub(crate) async fn mark_orphans(
    conn: &mut PgConnection,
    template: &str,
    older_than: DateTime<Utc>,
) -> Result<Vec<(Uuid, String, String)>, DbError> {
    Ok(sqlx::query_as(
        "update directory.database set state = 'dropping'
         where state = 'dropping' or (state = 'creating' and created_at < $2) or (state = 'ready' and template <> $1)
         returning id, name, login_role",
    )
    .bind(template)
    .bind(older_than)
    .fetch_all(conn)
    .await?)
}

pub(crate) async fn forget_database(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from directory.database where id = $1 and state = 'dropping'").bind(id).execute(conn).await?;
    Ok(())
}

/// Databases of tenants: what the fleet migration walks.
pub async fn claimed_databases(conn: &mut PgConnection) -> Result<Vec<(TenantId, String)>, DbError> {
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select tenant_id, name from directory.database where state = 'claimed' order by tenant_id")
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|(id, name)| (TenantId(id), name)).collect())
}

fn open_password(master: &MasterKey, owner: &str, sealed: &[u8]) -> Result<String, DbError> {
    let plain = master.open(owner, PASSWORD_PURPOSE, sealed)?;
    String::from_utf8(plain).map_err(|_| DbError::Secret("not text"))
}

/// Which organisations somebody who runs the platform looks for.
#[derive(Clone, Debug, Default)]
pub struct Search<'a> {
    /// Part of the name or short name, or the id.
    pub text: Option<&'a str>,
    pub state: Option<&'a str>,
    /// Only those made before this one.
    pub before: Option<TenantId>,
    pub limit: i64,
}

impl Databases {
    /// Organisations, newest first.
    pub async fn search(&self, wanted: &Search<'_>) -> Result<Vec<Tenant>, DbError> {
        let mut conn = self.control().await?;
        let rows: Vec<TenantRow> = sqlx::query_as(
            "select id, slug, name, country, currency, time_zone, products, state, version, created_at
             from directory.tenant
             where ($1::text is null or strpos(lower(name), lower($1)) > 0 or strpos(slug, lower($1)) > 0 or id::text = lower($1))
               and ($2::text is null or state = $2) and ($3::uuid is null or id < $3)
             order by id desc limit $4",
        )
        .bind(wanted.text)
        .bind(wanted.state)
        .bind(wanted.before.map(|id| id.0))
        .bind(wanted.limit)
        .fetch_all(&mut *conn)
        .await?;
        conn.release();
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// The organisation as it is now, locked until the transaction ends.
    pub async fn lock(&self, conn: &mut PgConnection, id: TenantId) -> Result<Option<Tenant>, DbError> {
        let row: Option<TenantRow> = sqlx::query_as(
            "select id, slug, name, country, currency, time_zone, products, state, version, created_at
             from directory.tenant where id = $1 for update",
        )
        .bind(id.0)
        .fetch_optional(conn)
        .await?;
        row.map(Tenant::try_from).transpose()
    }
}
