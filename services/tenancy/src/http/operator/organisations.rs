//! `GET /tenancy/v1/organisations` and one of them: for people who run the platform.
use crate::http::operator::{Part, cut};
use crate::http::organisation::OrganisationOut;
use crate::store::measures::{self, SchemaVersion, Size};
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::directory::database;
use hitaji_db::{DbError, Home, Search, TenantState};
use hitaji_fleet::Fleet;
use hitaji_web::{Answer, Id, Params, PlatformCtx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    q: Option<String>,
    state: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn list(ctx: PlatformCtx, Params(wanted): Params<Wanted>) -> Result<Answer, Problem> {
    let part = Part::<TenantId>::read(&ctx, wanted.limit.as_deref(), wanted.cursor.as_deref())?;
    if wanted.state.as_deref().is_some_and(|state| TenantState::named(state).is_none()) {
        let detail = "state is provisioning, active, suspended, archived, erasing or erased.";
        return Err(Problem::new(ErrorCode::Malformed, detail));
    }
    let search = Search {
        text: wanted.q.as_deref().map(str::trim).filter(|text| !text.is_empty()),
        state: wanted.state.as_deref(),
        before: part.after,
        limit: part.limit + 1,
    };
    let mut tenants = ctx.databases().search(&search).await?;
    let next = cut(&mut tenants, part.limit, |tenant| tenant.id);
    let rows: Vec<_> = tenants.iter().map(OrganisationOut::from).collect();
    ctx.page(&rows, part.limit, next.as_ref())
}

#[derive(Serialize, JsonSchema)]
pub struct OrganisationDetail {
    #[serde(flatten)]
    organisation: OrganisationOut,
    measures: Measures,
}

/// What is known of the organisation's use of the platform; null is not measured.
#[derive(Default, Serialize, JsonSchema)]
pub struct Measures {
    /// Its database answers.
    reachable: bool,
    size_bytes: Option<i64>,
    last_change_at: Option<DateTime<Utc>>,
    /// Events of the last 24 hours.
    changes_today: Option<i64>,
    requests_today: Option<i64>,
    /// Seconds of processor and database time this month, from the ledger: what the organisation costs.
    cost_this_month: Option<i64>,
    plan: String,
    /// Members and open invitations.
    users: Option<i64>,
    last_backup_at: Option<DateTime<Utc>>,
    last_restore_proven_at: Option<DateTime<Utc>>,
    cluster: Option<String>,
    schema: Vec<SchemaOut>,
}

#[derive(Serialize, JsonSchema)]
pub struct SchemaOut {
    service: String,
    version: i32,
    /// What this program brings databases to.
    newest: i32,
}

pub async fn read(ctx: PlatformCtx, Id(id): Id) -> Result<Answer, Problem> {
    // Not from the cache: what another process changed a moment ago must show.
    ctx.databases().forget(TenantId(id));
    let tenant = match ctx.databases().describe(TenantId(id)).await {
        Err(DbError::UnknownTenant) => return Err(Problem::not_found()),
        tenant => tenant?,
    };
    let measures = match measure(&ctx, tenant.id).await {
        Ok(measures) => measures,
        Err(error) => {
            tracing::warn!(tenant = %tenant.id, %error, "an organisation's database does not say how it is");
            known(&ctx, tenant.id).await.unwrap_or_default()
        }
    };
    let version = tenant.version;
    Ok(Answer::ok(&OrganisationDetail { organisation: OrganisationOut::from(&*tenant), measures }).version(version))
}

/// What the directory knows without asking the organisation's database.
async fn known(ctx: &PlatformCtx, id: TenantId) -> Result<Measures, DbError> {
    let mut conn = ctx.databases().control().await?;
    let rows = database::of_tenant(&mut conn, id).await?;
    conn.release();
    let backups = ctx.parts().get::<Fleet>().backups(id).await.unwrap_or_default();
    let tenant = ctx.databases().describe(id).await?;
    let stands = ctx.databases().standing(&tenant).await?;
    let month = ctx.databases().usage_days(id, stands.day.with_day(1).unwrap_or(stands.day)).await?;
    let in_use = rows.into_iter().find(|row| row.state == "claimed" && row.service.is_none());
    Ok(Measures {
        cluster: in_use.map(|row| row.cluster),
        requests_today: Some(stands.standing.requests),
        cost_this_month: Some(month.iter().map(|day| day.cpu_us + day.database_us).sum::<i64>() / 1_000_000),
        plan: tenant.plan.name.clone(),
        users: Some(stands.standing.users),
        last_backup_at: backups.first().map(|newest| newest.taken_at),
        last_restore_proven_at: backups.iter().filter_map(|backup| backup.proven_at).max(),
        ..Measures::default()
    })
}

async fn measure(ctx: &PlatformCtx, id: TenantId) -> Result<Measures, DbError> {
    let mut conn = ctx.databases().tenant(id, "tenancy").await?;
    let size: Size = measures::size(&mut conn, ctx.now() - TimeDelta::hours(24)).await?;
    let schema: Vec<SchemaVersion> = measures::schema(&mut conn).await?;
    conn.release();
    let migrations = ctx.platform().registry().services().iter().flat_map(|service| service.migrations);
    let newest: Vec<_> = migrations.filter(|migration| migration.home == Home::Tenant).collect();
    let out = |found: SchemaVersion| {
        let known = newest.iter().filter(|migration| migration.service == found.service);
        let newest = known.map(|migration| migration.version).max().unwrap_or(found.version);
        SchemaOut { service: found.service, version: found.version, newest }
    };
    Ok(Measures {
        reachable: true,
        size_bytes: Some(size.size_bytes),
        last_change_at: size.last_change_at,
        changes_today: Some(size.changes_today),
        schema: schema.into_iter().map(out).collect(),
        ..known(ctx, id).await?
    })
}
