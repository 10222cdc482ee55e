//! From configuration to a running process: the same steps for `up`, `serve` and the commands that only ask.
use crate::{pages, registry};
use axum::Router;
use hitaji_core::{Clock, Config};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, Migration};
use hitaji_web::{Assembled, Registry, assemble, operations_router};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Deserialize;
use std::fs;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tracing_subscriber::EnvFilter;

pub const DEFAULT_CONFIG: &str = include_str!("../config.default.toml");

/// What stops a command, said to a person.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Deserialize)]
struct Keys {
    master_file: String,
    master: String,
}

#[derive(Deserialize)]
struct Log {
    level: String,
    format: String,
}

/// Default, file, environment.
pub fn load_config(file: Option<&Path>) -> Result<Config, Failure> {
    let text = match file {
        Some(path) => Some(fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?),
        None => None,
    };
    let name = file.map(|path| path.display().to_string()).unwrap_or_default();
    Ok(Config::load(DEFAULT_CONFIG, text.as_deref().map(|text| (name.as_str(), text)), std::env::vars())?)
}

pub fn master_key(config: &Config) -> Result<MasterKey, Failure> {
    let keys: Keys = config.section("keys")?;
    if !keys.master_file.is_empty() {
        let text = fs::read_to_string(&keys.master_file).map_err(|error| format!("{}: {error}", keys.master_file))?;
        return Ok(MasterKey::from_base64(&text)?);
    }
    if keys.master.is_empty() {
        return Err("there is no master key: set keys.master_file, or HITAJI__KEYS__MASTER".into());
    }
    Ok(MasterKey::from_base64(&keys.master)?)
}

pub fn start_logging(config: &Config) -> Result<(), Failure> {
    let log: Log = config.section("log")?;
    let filter = EnvFilter::try_new(&log.level).map_err(|error| format!("log.level: {error}"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match log.format.as_str() {
        "json" => subscriber.json().flatten_event(true).with_current_span(false).init(),
        "text" => subscriber.with_target(false).init(),
        _ => return Err("log.format is json or text".into()),
    }
    Ok(())
}

/// The registry of this binary, and databases as configured.
pub fn databases(config: &Config, clock: Clock) -> Result<(Registry, Databases), Failure> {
    let registry = Registry::new(registry::services())?;
    let migrations: Vec<Migration> =
        registry.services().iter().flat_map(|service| service.migrations).copied().collect();
    let settings: hitaji_db::Settings = config.section("database")?;
    if settings.admin_url.is_empty() {
        return Err("there is no database: set database.admin_url, or run `hitaji up`, which brings its own".into());
    }
    let databases = Databases::new(settings, master_key(config)?, clock, migrations)?;
    Ok((registry, databases))
}

/// The platform with the named services (all where none is named), not serving yet.
pub fn build(config: &Config, only: &[String], clock: Clock) -> Result<Assembled, Failure> {
    let (registry, databases) = databases(config, clock)?;
    if let Some(unknown) = only.iter().find(|name| !registry.services().iter().any(|service| service.name == **name)) {
        return Err(format!("there is no service {unknown}; see `hitaji services`").into());
    }
    Ok(assemble(registry, only, config, databases, pages::router())?)
}

/// Prometheus recorder of this process.
pub fn metrics() -> Result<PrometheusHandle, Failure> {
    let buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
    Ok(PrometheusBuilder::new().set_buckets(&buckets)?.install_recorder()?)
}

/// Serves the public and the operations port until `stop`.
pub async fn serve(
    assembled: Assembled,
    public: TcpListener,
    operations: Option<TcpListener>,
    prometheus: PrometheusHandle,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let mut background = assembled.start_background();
    tokio::spawn(fold_metrics(prometheus.clone()));
    if let Some(listener) = operations {
        let router = operations_router(assembled.platform.clone(), prometheus);
        tokio::spawn(hitaji_web::serve(listener, router, std::future::pending()));
    }
    let router: Router = assembled.router.clone().layer(CompressionLayer::new().gzip(true).br(true));
    hitaji_web::serve(public, router, stop).await;
    // Before PostgreSQL goes away under it.
    background.shutdown().await;
}

/// Every measured time waits in memory until it is folded into its histogram, also where nobody asks for metrics.
async fn fold_metrics(prometheus: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}

/// Resolves on Ctrl-C or SIGTERM.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
