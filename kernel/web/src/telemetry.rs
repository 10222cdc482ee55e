//! Health and metrics: the operations port, and the two health addresses of the public one.
use crate::Platform;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;
use std::time::Duration;

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The process runs.
pub(crate) async fn livez() -> Response {
    health(StatusCode::OK, json!({"status": "pass"}))
}

/// The control database answers. One organisation's database away does not make the platform unready.
pub(crate) async fn readyz(State(platform): State<Platform>) -> Response {
    let probe = async {
        let mut conn = platform.databases().control().await?;
        sqlx::query("select 1").execute(&mut *conn).await?;
        conn.release();
        Ok::<_, hitaji_db::DbError>(())
    };
    let up = matches!(tokio::time::timeout(PROBE_TIMEOUT, probe).await, Ok(Ok(())));
    let (status, word) = if up { (StatusCode::OK, "pass") } else { (StatusCode::SERVICE_UNAVAILABLE, "fail") };
    health(status, json!({"status": word, "checks": {"control-database": [{"status": word}]}}))
}

fn health(status: StatusCode, body: serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/health+json"), (header::CACHE_CONTROL, "no-store")], body.to_string())
        .into_response()
}

/// Everything for operators, unauthenticated: bind it to a private address.
pub fn operations_router(platform: Platform, prometheus: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(async move || {
                prometheus.run_upkeep();
                ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus.render())
            }),
        )
        .with_state(platform)
}
