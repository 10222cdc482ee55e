//! An organisation takes along everything it owns: signed bundles to download, and the keys to check them with.
use crate::http::work;
use axum::body::Body as ResponseBody;
use axum::http::header;
use axum::response::Response;
use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use hitaji_db::Audit;
use hitaji_db::directory::operation;
use hitaji_fleet::{Fleet, FleetError};
use hitaji_web::{Answer, Ctx, Id, PlatformCtx, Problem};
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

#[derive(Serialize, JsonSchema)]
pub struct Exports {
    /// Whole copies that can be downloaded now, newest first: exports and backups alike.
    ready: Vec<Export>,
    /// Whether one is being made.
    running: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Export {
    id: Uuid,
    service: Option<String>,
    taken_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    bytes: i64,
    rows: i64,
}

pub async fn list(ctx: Ctx) -> Result<Answer, Problem> {
    let fleet = ctx.parts().get::<Fleet>();
    let backups = fleet.backups(ctx.tenant().id).await.map_err(Problem::internal)?;
    let mut conn = ctx.read().await?;
    let running = operation::is_running(&mut conn, ctx.tenant().id).await?;
    conn.release();
    let out = |part: hitaji_fleet::Backup| Export {
        id: part.id,
        service: part.service,
        taken_at: part.taken_at,
        expires_at: part.expires_at,
        bytes: part.bytes,
        rows: part.rows,
    };
    Ok(Answer::ok(&Exports { ready: backups.into_iter().take(20).map(out).collect(), running }))
}

/// Begins one; `GET /exports` shows when it is ready.
pub async fn create(ctx: Ctx) -> Result<Answer, Problem> {
    let (id, actor) = (ctx.tenant().id, ctx.subject().to_string());
    let mut tx = ctx.tx().await?;
    let operation = work::take(&mut tx, "export", ctx.tenant(), &actor).await?;
    tx.audit(Audit {
        action: "export",
        resource: "tenancy.organisation",
        record_id: Some(id.0),
        before: None,
        after: None,
    });
    let answer = ctx.commit(tx, work::accepted("export", operation)).await?;
    let fleet = ctx.parts().get::<Fleet>().taking_up(operation);
    tokio::spawn(async move {
        if let Err(error) = fleet.export(id, &actor).await {
            tracing::error!(tenant = %id, %error, "an export failed");
        }
    });
    Ok(answer)
}

/// The archive (`.tar.zst`), decrypted on its way.
pub async fn download(ctx: Ctx, Id(id): Id) -> Result<Response, Problem> {
    let fleet = ctx.parts().get::<Fleet>();
    let backups = fleet.backups(ctx.tenant().id).await.map_err(Problem::internal)?;
    let part = backups.into_iter().find(|part| part.id == id).ok_or_else(Problem::not_found)?;
    let archive = fleet.download(ctx.tenant().id, &part).await.map_err(Problem::internal)?;
    let name = format!("{}-{}.tar.zst", ctx.tenant().slug, part.taken_at.format("%Y%m%d-%H%M"));
    let archive = archive.map_err(|error: FleetError| std::io::Error::other(error.to_string()));
    Response::builder()
        .header(header::CONTENT_TYPE, "application/zstd")
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
        .header(header::CACHE_CONTROL, "no-store")
        .body(ResponseBody::from_stream(archive))
        .map_err(Problem::internal)
}

/// The platform's public keys, as a JWK set: for certificates of erasure and proofs of exports.
pub async fn public_keys(ctx: PlatformCtx) -> Result<Answer, Problem> {
    Ok(Answer::ok(&ctx.parts().get::<Fleet>().public_keys().await.map_err(Problem::internal)?))
}
