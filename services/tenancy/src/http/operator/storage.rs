//! Where an organisation's data is, its backups, and the long work on it: seen and begun by operators.
use crate::config::Backups;
use crate::http::erasure;
use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::directory::{database, operation};
use hitaji_db::{Audit, Tenant};
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

/// Long work has begun; `operations` of the organisation's storage show how it goes.
#[derive(Serialize, JsonSchema)]
pub struct Begun {
    kind: &'static str,
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
        certificate: fleet.certificate(tenant.id).await.map_err(told)?,
    }))
}

pub async fn back_up(ctx: PlatformCtx, Id(id): Id, Body(body): Body<Reason>) -> Result<Answer, Problem> {
    let keep = TimeDelta::days(known(&ctx, id).await?.plan.backup_keep_days.into());
    begin(ctx, id, "backup", &body.reason, move |fleet, id, actor| {
        async move { fleet.backup(id, keep, &actor).await.map(|_| ()) }.boxed()
    })
    .await
}

pub async fn prove(ctx: PlatformCtx, Id(id): Id, Body(body): Body<Reason>) -> Result<Answer, Problem> {
    begin(ctx, id, "proof", &body.reason, |fleet, id, actor| async move { fleet.prove(id, &actor).await }.boxed()).await
}

pub async fn restore(ctx: PlatformCtx, Id(id): Id, Body(body): Body<RestoreIn>) -> Result<Answer, Problem> {
    if body.set_id.is_some() && body.at.is_some() {
        return Err(Problem::field("/at", "conflict", "Name a backup or a moment, not both."));
    }
    let relay = ctx.parts().get::<hitaji_bus::Relay>();
    begin(ctx, id, "restore", &body.reason, move |fleet, id, actor| {
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
    begin(ctx, id, "move", &body.reason, move |fleet, id, actor| {
        async move { fleet.move_tenant(id, What::Shared, &cluster, &actor).await.map(|_| ()) }.boxed()
    })
    .await
}

pub async fn erase(ctx: PlatformCtx, Id(id): Id, Body(body): Body<EraseIn>) -> Result<Answer, Problem> {
    let tenant = known(&ctx, id).await?;
    if body.confirm != tenant.slug {
        let message = format!("To erase it for good, write its short name: {}.", tenant.slug);
        return Err(Problem::field("/confirm", "mismatch", message));
    }
    let reason = check(&body.reason)?;
    let mut tx = ctx.operator_tx(tenant.id).await?;
    erasure::announce(ctx.platform(), &mut tx, &tenant, &reason).await?;
    let answer = ctx.commit(tx, accepted("erase")).await?;
    ctx.databases().forget(tenant.id);
    let (fleet, actor) = (ctx.parts().get::<Fleet>(), format!("operator:{}", ctx.operator()?));
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
    if !operation::cancel(&mut tx, id).await? {
        return Err(Problem::new(ErrorCode::Conflict, "It does not run any more."));
    }
    note(&mut tx, "cancel", work.tenant_id, &json!({"operation": id}));
    ctx.commit(tx, Answer::no_content()).await
}

type Job = BoxFuture<'static, Result<(), FleetError>>;

/// Writes down who begins what and why, then begins it; it goes on after the answer.
async fn begin(
    ctx: PlatformCtx,
    id: Uuid,
    kind: &'static str,
    reason: &str,
    work: impl FnOnce(Arc<Fleet>, TenantId, String) -> Job,
) -> Result<Answer, Problem> {
    let tenant = known(&ctx, id).await?;
    let reason = check(reason)?;
    let mut tx = ctx.operator_tx(tenant.id).await?;
    if operation::is_running(&mut tx, tenant.id).await? {
        return Err(Problem::new(ErrorCode::Conflict, "Something else is being done to this organisation just now."));
    }
    note(&mut tx, kind, Some(tenant.id.0), &json!({"reason": reason}));
    let answer = ctx.commit(tx, accepted(kind)).await?;
    let actor = format!("operator:{}", ctx.operator()?);
    let job = work(ctx.parts().get::<Fleet>(), tenant.id, actor);
    tokio::spawn(async move {
        if let Err(error) = job.await {
            tracing::error!(tenant = %tenant.id, kind, %error, "work on an organisation failed");
        }
    });
    Ok(answer)
}

fn accepted(kind: &'static str) -> Answer {
    Answer::accepted(&Begun { kind })
}

fn note(tx: &mut hitaji_db::Tx, action: &str, tenant: Option<Uuid>, what: &serde_json::Value) {
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

fn check(reason: &str) -> Result<String, Problem> {
    crate::domain::lifecycle::check_reason(reason).map_err(|error| Problem::validation(vec![error]))
}

fn told(error: FleetError) -> Problem {
    Problem::internal(error)
}
