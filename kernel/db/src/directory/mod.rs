//! The tenant directory: which organisations there are, their state and products, and where their data lives.
pub mod cluster;
pub mod database;
pub mod operation;
pub mod plan;
pub mod usage;

use crate::catalogue::Catalogue;
use crate::directory::plan::Plan;
use crate::{Databases, DbError};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hitaji_core::TenantId;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::HashSet;
use uuid::Uuid;

/// What an organisation may do just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantState {
    Provisioning,
    Active,
    Suspended,
    Archived,
    Erasing,
    /// Keys and data are gone; the id is never used again.
    Erased,
}

impl TenantState {
    pub fn as_str(self) -> &'static str {
        match self {
            TenantState::Provisioning => "provisioning",
            TenantState::Active => "active",
            TenantState::Suspended => "suspended",
            TenantState::Archived => "archived",
            TenantState::Erasing => "erasing",
            TenantState::Erased => "erased",
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
            TenantState::Erased,
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
    /// Told to who is refused, where the state is not active.
    pub state_reason: Option<String>,
    /// A copy for support or testing: no mail, SMS, payment or webhook may leave it.
    pub neutralised: bool,
    /// Every change is journaled, so that any second can be restored.
    pub journaled: bool,
    /// What it may use.
    pub plan: Plan,
    pub version: i64,
    pub created_at: DateTime<Utc>,
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
    state_reason: Option<String>,
    neutralised: bool,
    journaled: bool,
    version: i64,
    created_at: DateTime<Utc>,
    #[sqlx(flatten)]
    plan: Plan,
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
            state_reason: row.state_reason,
            neutralised: row.neutralised,
            journaled: row.journaled,
            plan: row.plan,
            version: row.version,
            created_at: row.created_at,
        })
    }
}

/// All that [`TenantRow`] holds, of the tenants that the rest of the statement picks.
macro_rules! tenants {
    ($rest:literal) => {
        concat!(
            "select tenant.id, tenant.slug, tenant.name, tenant.country, tenant.currency, tenant.time_zone, tenant.products,
             tenant.state, tenant.state_reason, tenant.neutralised, tenant.journaled, tenant.version, tenant.created_at,
             plan.key as plan_key, plan.name as plan_name, plan.users, plan.storage_bytes, plan.requests_per_day,
             plan.messages_per_month, plan.connection_weight, plan.point_in_time, plan.backup_every_hours, plan.backup_keep_days
             from directory.tenant join directory.plan on plan.key = tenant.plan ",
            $rest
        )
    };
}

pub async fn tenant(conn: &mut PgConnection, id: TenantId) -> Result<Option<Tenant>, DbError> {
    let row: Option<TenantRow> =
        sqlx::query_as(tenants!("where tenant.id = $1")).bind(id.0).fetch_optional(conn).await?;
    row.map(Tenant::try_from).transpose()
}

pub async fn tenant_by_slug(conn: &mut PgConnection, slug: &str) -> Result<Option<TenantId>, DbError> {
    let id: Option<Uuid> =
        sqlx::query_scalar("select id from directory.tenant where slug = $1").bind(slug).fetch_optional(conn).await?;
    Ok(id.map(TenantId))
}

/// All organisations after `after` in order of id, at most `limit`.
pub async fn tenants(conn: &mut PgConnection, after: Option<TenantId>, limit: i64) -> Result<Vec<Tenant>, DbError> {
    let rows: Vec<TenantRow> = sqlx::query_as(tenants!("where tenant.id > $1 order by tenant.id limit $2"))
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
pub async fn set_state(
    conn: &mut PgConnection,
    id: TenantId,
    state: TenantState,
    reason: Option<&str>,
) -> Result<bool, DbError> {
    let changed = sqlx::query(
        "update directory.tenant set state = $2, state_reason = $3, version = version + 1, changed_at = clock_timestamp()
         where id = $1 and state <> $2",
    )
    .bind(id.0)
    .bind(state.as_str())
    .bind(reason)
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
pub async fn changed_since(
    conn: &mut PgConnection,
    since: DateTime<Utc>,
) -> Result<Vec<(TenantId, DateTime<Utc>)>, DbError> {
    let rows: Vec<(Uuid, DateTime<Utc>)> = sqlx::query_as(
        "select id, changed_at from directory.tenant where changed_at > $1::timestamptz - interval '10 seconds'",
    )
    .bind(since)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|(id, at)| (TenantId(id), at)).collect())
}

/// Tenants whose changes are journaled.
pub async fn journaled(conn: &mut PgConnection) -> Result<HashSet<TenantId>, DbError> {
    let ids: Vec<Uuid> = sqlx::query_scalar("select id from directory.tenant where journaled").fetch_all(conn).await?;
    Ok(ids.into_iter().map(TenantId).collect())
}

/// Marks a copy, from which nothing may leave.
pub async fn set_neutralised(conn: &mut PgConnection, id: TenantId, from: Option<TenantId>) -> Result<(), DbError> {
    sqlx::query("update directory.tenant set neutralised = true, cloned_from = $2, changed_at = clock_timestamp() where id = $1")
        .bind(id.0)
        .bind(from.map(|from| from.0))
        .execute(conn)
        .await?;
    Ok(())
}

/// Leaves the tombstone of a tenant: its id, its state and the certificate. Its short name is free again.
pub async fn erased(conn: &mut PgConnection, id: TenantId, certificate: &str) -> Result<(), DbError> {
    sqlx::query(
        "with kept as (insert into directory.certificate (tenant_id, signed) values ($1, $2) on conflict do nothing),
              gone as (delete from directory.backup where tenant_id = $1)
         update directory.tenant set state = 'erased', state_reason = null, name = 'Erased', slug = 'erased-' || left(replace(id::text, '-', ''), 30),
            version = version + 1, changed_at = clock_timestamp() where id = $1",
    )
    .bind(id.0)
    .bind(certificate)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn certificate(conn: &mut PgConnection, id: TenantId) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select signed from directory.certificate where tenant_id = $1")
        .bind(id.0)
        .fetch_optional(conn)
        .await?)
}

/// Says whether the tenant's changes are journaled.
pub async fn set_journaled(conn: &mut PgConnection, id: TenantId, journaled: bool) -> Result<(), DbError> {
    sqlx::query(
        "update directory.tenant set journaled = $2, version = version + 1, changed_at = clock_timestamp() where id = $1",
    )
    .bind(id.0)
    .bind(journaled)
    .execute(conn)
    .await?;
    Ok(())
}

/// The schema's fingerprint, seen the first time or again.
pub async fn know_schema(conn: &mut PgConnection, fingerprint: &str) -> Result<(), DbError> {
    sqlx::query("insert into directory.schema (fingerprint) values ($1) on conflict do nothing")
        .bind(fingerprint)
        .execute(conn)
        .await?;
    Ok(())
}

/// Keeps what is in a template of the schema, as a server of this major version writes it down. A schema that is not known
/// is not made known by this.
pub async fn store_catalogue(
    conn: &mut PgConnection,
    fingerprint: &str,
    server_version: &str,
    catalogue: &Catalogue,
) -> Result<(), DbError> {
    sqlx::query(
        "update directory.schema set catalogue = (coalesce(catalogue::jsonb, '{}') || jsonb_build_object($2::text, $3::jsonb))::json
         where fingerprint = $1",
    )
    .bind(fingerprint)
    .bind(server_version)
    .bind(Json(catalogue))
    .execute(conn)
    .await?;
    Ok(())
}

/// What is in a database of the schema on a server of this major version, where that was kept.
pub async fn catalogue(
    conn: &mut PgConnection,
    fingerprint: &str,
    server_version: &str,
) -> Result<Option<Catalogue>, DbError> {
    let found: Option<Option<Json<Catalogue>>> =
        sqlx::query_scalar("select catalogue -> $2 from directory.schema where fingerprint = $1")
            .bind(fingerprint)
            .bind(server_version)
            .fetch_optional(conn)
            .await?;
    Ok(found.flatten().map(|Json(catalogue)| catalogue))
}

/// The schema that new tenants get: the one that was seen for the first time last, by whatever version of the program.
pub async fn newest_schema(conn: &mut PgConnection) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select fingerprint from directory.schema order by place desc limit 1")
        .fetch_optional(conn)
        .await?)
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
            tenants!(
                "where ($1::text is null or strpos(lower(tenant.name), lower($1)) > 0 or strpos(slug, lower($1)) > 0 or id::text = lower($1))
                   and ($2::text is null or state = $2) and ($3::uuid is null or id < $3) order by id desc limit $4"
            ),
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
        let row: Option<TenantRow> = sqlx::query_as(tenants!("where tenant.id = $1 for update of tenant"))
            .bind(id.0)
            .fetch_optional(conn)
            .await?;
        row.map(Tenant::try_from).transpose()
    }
}
