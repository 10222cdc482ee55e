//! Where an organisation's data is, its backups, and the long work on it: seen and begun by operators.
use crate::config::Backups;
use crate::http::{erasure, work};
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::directory::{cluster, database, operation};
use hitaji_db::{Audit, Tenant, Tx};
use hitaji_fleet::{Backup, Fleet, FleetError, What};
use hitaji_web::{Answer, Body, Id, PlatformCtx, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct Storage {
    databases: Vec<DatabaseOut>,
    backups: Vec<BackupOut>,
    operations: Vec<OperationOut>,
    /// Every change is journaled: any second can be restored.
    journaled: bool,
    /// Where it can be moved to.
    clusters: Vec<String>,
    /// The signed certificate, where the organisation is erased.
    certificate: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct DatabaseOut {
    cluster: String,
    /// The one service that it is for; null: all others.
    service: Option<String>,
    state: String,
    schema: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct BackupOut {
    set_id: Uuid,
    service: Option<String>,
    bytes: i64,
    rows: i64,
    taken_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    proven_at: Option<DateTime<Utc>>,
    fault: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct OperationOut {
    id: Uuid,
    kind: String,
    /// running, done, failed or cancelled.
    state: String,
    step: String,
    done: i64,
    total: Option<i64>,
    error: Option<String>,
    actor: String,
    started_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why, for the audit trail.
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreIn {
    reason: String,
    /// A backup's set; the newest where absent.
    #[serde(default)]
    set_id: Option<Uuid>,
    /// A moment, where every change is journaled.
    #[serde(default)]
    at: Option<DateTime<Utc>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveIn {
    reason: String,
    cluster: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseIn {
    reason: String,
    /// The organisation's short name once more.
    confirm: String,
}

impl From<Backup> for BackupOut {
    fn from(backup: Backup) -> BackupOut {
        let Backup { set_id, service, bytes, rows, taken_at, expires_at, proven_at, fault, .. } = backup;
        BackupOut { set_id, service, bytes, rows, taken_at, expires_at, proven_at, fault }
    }
}

impl From<operation::Operation> for OperationOut {
    fn from(work: operation::Operation) -> OperationOut {
        let operation::Operation { id, kind, state, step, done, total, error, actor, started_at, finished_at, .. } =
            work;
        OperationOut { id, kind, state, step, done, total, error, actor, started_at, finished_at }
    }
}

pub async fn read(ctx: PlatformCtx, Id(id): Id) -> Result<Answer, Problem> {
    let tenant = known(&ctx, id).await?;
    let fleet = ctx.parts().get::<Fleet>();
    let mut conn = ctx.read().await?;
    let databases = database::of_tenant(&mut conn, tenant.id).await?;
    let operations = operation::of_tenant(&mut conn, tenant.id, 20).await?;
    let clusters = cluster::list(&mut conn).await?;
    conn.release();
    let out = |row: database::DatabaseRow| {
        let database::DatabaseRow { cluster, service, state, schema, .. } = row;
        DatabaseOut { cluster, service, state, schema }
    };
    Ok(Answer::ok(&Storage {
        databases: databases.into_iter().map(out).collect(),
        backups: fleet.backups(tenant.id).await.map_err(told)?.into_iter().take(50).map(BackupOut::from).collect(),
        operations: operations.into_iter().map(OperationOut::from).collect(),
        journaled: tenant.journaled,
        clusters: clusters.into_iter().map(|cluster| cluster.name).collect(),
        certificate: fleet.certificate(tenant.id).await.map_err(told)?,
    }))
}

pub async fn back_up(ctx: PlatformCtx, Id(id): Id, Body(body): Body<Reason>) -> Result<Answer, Problem> {
    let keep = TimeDelta::days(known(&ctx, id).await?.plan.backup_keep_days.into());
    let order = order(&ctx, id, &body.reason).await?;
    begin(ctx, order, "backup", move |fleet, id, actor| {
        async move { fleet.backup(id, keep, &actor).await.map(|_| ()) }.boxed()
    })
    .await
}

pub async fn prove(ctx: PlatformCtx, Id(id): Id, Body(body): Body<Reason>) -> Result<Answer, Problem> {
    let mut order = order(&ctx, id, &body.reason).await?;
    order.check_backup(None).await?;
    begin(ctx, order, "proof", |fleet, id, actor| async move { fleet.prove(id, &actor).await }.boxed()).await
}

pub async fn restore(ctx: PlatformCtx, Id(id): Id, Body(body): Body<RestoreIn>) -> Result<Answer, Problem> {
    let mut order = order(&ctx, id, &body.reason).await?;
    match body.at {
        Some(_) if body.set_id.is_some() => {
            return Err(Problem::field("/at", "conflict", "Name a backup or a moment, not both."));
        }
        Some(at) => order.check_moment(at, ctx.now())?,
        None => order.check_backup(body.set_id).await?,
    }
    let relay = ctx.parts().get::<hitaji_bus::Relay>();
    begin(ctx, order, "restore", move |fleet, id, actor| {
        async move {
            let restored = match body.at {
                Some(at) => fleet.restore_to(id, at, &actor).await?,
                None => fleet.restore(id, body.set_id, &actor).await?,
            };
            relay.redeliver(id, restored.as_of).await?;
            Ok(())
        }
        .boxed()
    })
    .await
}

pub async fn relocate(ctx: PlatformCtx, Id(id): Id, Body(body): Body<MoveIn>) -> Result<Answer, Problem> {
    let cluster = body.cluster;
    let mut order = order(&ctx, id, &body.reason).await?;
    order.check_cluster(&cluster).await?;
    begin(ctx, order, "move", move |fleet, id, actor| {
        async move { fleet.move_tenant(id, What::Shared, &cluster, &actor).await.map(|_| ()) }.boxed()
    })
    .await
}

pub async fn erase(ctx: PlatformCtx, Id(id): Id, Body(body): Body<EraseIn>) -> Result<Answer, Problem> {
    let Order { mut tx, tenant, reason, actor } = order(&ctx, id, &body.reason).await?;
    let operation = work::take(&mut tx, "erase", &tenant, &actor).await?;
    if body.confirm != tenant.slug {
        let message = format!("To erase it for good, write its short name: {}.", tenant.slug);
        return Err(Problem::field("/confirm", "mismatch", message));
    }
    erasure::announce(ctx.platform(), &mut tx, &tenant, &reason).await?;
    let answer = ctx.commit(tx, work::accepted("erase", operation)).await?;
    ctx.databases().forget(tenant.id);
    let fleet = ctx.parts().get::<Fleet>().taking_up(operation);
    let physical = ctx.parts().get::<Backups>().physical();
    tokio::spawn(async move {
        if let Err(error) = erasure::finish(&fleet, tenant.id, physical, &actor).await {
            tracing::error!(tenant = %tenant.id, error, "an erasure stopped; it is taken up again");
        }
    });
    Ok(answer)
}

pub async fn cancel(ctx: PlatformCtx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let work = operation::find(&mut conn, id).await?.ok_or_else(Problem::not_found)?;
    conn.release();
    let mut tx = ctx.operator_tx(TenantId(work.tenant_id.unwrap_or_default())).await?;
    if work.kind == "erase" {
        return Err(Problem::new(ErrorCode::Conflict, "An erasure is never taken back."));
    }
    if !operation::cancel(&mut tx, id).await? {
        return Err(Problem::new(ErrorCode::Conflict, "It does not run any more."));
    }
    note(&mut tx, "cancel", work.tenant_id, &json!({"operation": id}));
    ctx.commit(tx, Answer::no_content()).await
}

type Job = BoxFuture<'static, Result<(), FleetError>>;

/// What somebody wants done to an organisation, which stays as it is until that is decided.
struct Order {
    tx: Tx,
    tenant: Tenant,
    reason: String,
    actor: String,
}

/// The organisation, if it is as the caller read it.
async fn order(ctx: &PlatformCtx, id: Uuid, reason: &str) -> Result<Order, Problem> {
    let reason = crate::domain::lifecycle::check_reason(reason).map_err(|error| Problem::validation(vec![error]))?;
    let version = ctx.request().if_match()?;
    let actor = format!("operator:{}", ctx.operator()?);
    let mut tx = ctx.operator_tx(TenantId(id)).await?;
    let tenant = ctx.databases().lock(&mut tx, TenantId(id)).await?.ok_or_else(Problem::not_found)?;
    if version.is_some_and(|version| version != tenant.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed the organisation meanwhile. Read it again."));
    }
    Ok(Order { tx, tenant, reason, actor })
}

impl Order {
    /// Whether there is the backup that is asked for, or any.
    async fn check_backup(&mut self, set: Option<Uuid>) -> Result<(), Problem> {
        let backups = hitaji_fleet::find_backups(&mut self.tx, self.tenant.id).await.map_err(told)?;
        match set {
            Some(set) if backups.iter().any(|backup| backup.set_id == set) => Ok(()),
            Some(_) => Err(Problem::field("/set_id", "unknown_value", "The organisation has no such backup.")),
            None if backups.is_empty() => Err(Problem::new(ErrorCode::Conflict, "The organisation has no backup yet.")),
            None => Ok(()),
        }
    }

    fn check_moment(&self, at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), Problem> {
        if !self.tenant.journaled {
            let message = "Its changes are not journaled: only backups can be restored.";
            return Err(Problem::field("/at", "unknown_value", message));
        }
        if at > now {
            return Err(Problem::field("/at", "out_of_range", "That moment is still to come."));
        }
        Ok(())
    }

    async fn check_cluster(&mut self, cluster: &str) -> Result<(), Problem> {
        if !cluster::list(&mut self.tx).await?.iter().any(|one| one.name == cluster) {
            return Err(Problem::field("/cluster", "unknown_value", "There is no such cluster."));
        }
        let rows = database::of_tenant(&mut self.tx, self.tenant.id).await?;
        if rows.iter().any(|row| row.state == "claimed" && row.service.is_none() && row.cluster == cluster) {
            return Err(Problem::field("/cluster", "conflict", "Its data is there already."));
        }
        Ok(())
    }
}

/// Writes down who begins what and why, then begins it; it goes on after the answer.
async fn begin(
    ctx: PlatformCtx,
    order: Order,
    kind: &'static str,
    job: impl FnOnce(Fleet, TenantId, String) -> Job,
) -> Result<Answer, Problem> {
    let Order { mut tx, tenant, reason, actor } = order;
    let operation = work::take(&mut tx, kind, &tenant, &actor).await?;
    note(&mut tx, kind, Some(tenant.id.0), &json!({"reason": reason}));
    let answer = ctx.commit(tx, work::accepted(kind, operation)).await?;
    let job = job(ctx.parts().get::<Fleet>().taking_up(operation), tenant.id, actor);
    tokio::spawn(async move {
        match job.await {
            Ok(()) => {}
            Err(FleetError::Cancelled) => {
                tracing::info!(tenant = %tenant.id, kind, "work on an organisation was cancelled");
            }
            Err(error) => tracing::error!(tenant = %tenant.id, kind, %error, "work on an organisation failed"),
        }
    });
    Ok(answer)
}

fn note(tx: &mut Tx, action: &str, tenant: Option<Uuid>, what: &serde_json::Value) {
    tx.audit(Audit {
        action,
        resource: "tenancy.organisation",
        record_id: tenant,
        before: None,
        after: Some(what.to_string()),
    });
}

async fn known(ctx: &PlatformCtx, id: Uuid) -> Result<Arc<Tenant>, Problem> {
    match ctx.databases().describe(TenantId(id)).await {
        Err(hitaji_db::DbError::UnknownTenant) => Err(Problem::not_found()),
        tenant => Ok(tenant?),
    }
}

fn told(error: FleetError) -> Problem {
    Problem::internal(error)
}
