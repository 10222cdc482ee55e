//! Puts services together into one router with its background work: the same for one process or many.
use crate::guard::{Rule, finish, guard};
use crate::issuers::{Auth, Issuers};
use crate::keys::{KeyRing, Source};
use crate::limits::Limits;
use crate::platform::PlatformInner;
use crate::presented::seen_proofs;
use crate::token::token_cache;
use crate::{Answer, Peers, Platform, Problem, Registry, Setup, meter, openapi, telemetry};
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse as _;
use axum::routing::get;
use hitaji_bus::{Job, JobContext, JobLocks, Parts, Relay};
use hitaji_core::{Config, ErrorCode};
use hitaji_db::Databases;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

/// Section `[server]` of the configuration, as far as the router needs it.
#[derive(Deserialize)]
struct Server {
    /// The public address; tokens name it as their issuer.
    origin: String,
    /// Whether a proxy of ours stands in front and says in X-Forwarded-For whom it speaks for.
    behind_proxy: bool,
}

/// A platform ready to serve.
pub struct Assembled {
    pub platform: Platform,
    pub router: Router,
    relay: Relay,
    jobs: Vec<Job>,
}

impl Assembled {
    /// Starts the relay, the jobs and the kernel's own upkeep. They end when the set is dropped or shut down.
    pub fn start_background(&self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.relay.clone().run());
        tasks.spawn(upkeep(self.platform.clone()));
        tasks.spawn(self.platform.databases().clone().follow_directory());
        tasks.spawn(meter::book_each_minute(self.platform.databases().clone()));
        tasks.spawn(hitaji_bus::retention::run(self.platform.databases().clone()));
        let context = JobContext { databases: self.platform.databases().clone(), parts: self.platform.parts().clone() };
        let locks = JobLocks::default();
        for job in &self.jobs {
            tasks.spawn(job.repeat(context.clone(), locks.clone()));
        }
        tasks
    }

    /// Brings every event that is due now to its consumers; for tests and orderly shutdown.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }
}

/// Assembles the services named in `hosted` (all of `registry` where it is empty). `pages` answers what no
/// service does: the browser application.
pub fn assemble(
    registry: Registry,
    hosted: &[String],
    config: &Config,
    databases: Databases,
    pages: Router,
) -> Result<Assembled, String> {
    let server: Server = config.section("server").map_err(|error| error.to_string())?;
    let limits = config.section("limits").map_err(|error| error.to_string())?;
    let auth: Auth = config.section("auth").map_err(|error| error.to_string())?;
    let issuers = Issuers::new(auth, &server.origin, &registry)?;
    let addresses: HashMap<String, String> = config.section("peers").map_err(|error| error.to_string())?;
    let services: Vec<_> = registry
        .services()
        .iter()
        .filter(|service| hosted.is_empty() || hosted.iter().any(|name| name == service.name))
        .copied()
        .collect();
    let peers = Peers::new(
        services.iter().map(|service| service.name).collect(),
        addresses,
        databases.master().clone(),
        databases.clock().clone(),
    )?;
    let (stamped, _) = broadcast::channel(1024);
    let setup = Setup { config, databases: &databases, registry: &registry, origin: &server.origin, stamped: &stamped };
    let mut parts = Parts::default();
    for service in &services {
        parts.extend((service.setup)(&setup).map_err(|error| format!("{}: {error}", service.name))?);
    }
    let consumers = services.iter().flat_map(|service| service.consumers).copied().collect();
    let relay = Relay::new(databases.clone(), consumers, parts.clone(), stamped);
    parts.insert(relay.clone());
    let platform = Platform(Arc::new(PlatformInner {
        databases,
        registry,
        parts,
        keys: KeyRing::new(Source::Identity(peers.clone())),
        peers,
        issuers,
        tokens: token_cache(),
        proofs: seen_proofs(),
        limits: Limits::new(&limits),
        origin: server.origin,
    }));
    let router = routes(&platform, &services, pages, server.behind_proxy)?;
    platform.peers().serve_locally(router.clone());
    let jobs = services.iter().flat_map(|service| service.jobs).copied().collect();
    Ok(Assembled { platform, router, relay, jobs })
}

fn routes(
    platform: &Platform,
    services: &[crate::Service],
    pages: Router,
    behind_proxy: bool,
) -> Result<Router, String> {
    let mut router = Router::new()
        .route(
            "/openapi.json",
            get(async |State(platform): State<Platform>| Answer::ok(&openapi::document(platform.registry(), None))),
        )
        .route("/livez", get(telemetry::livez))
        .route("/readyz", get(telemetry::readyz));
    for service in services {
        let name = service.name;
        router = router.route(
            &format!("/{name}/openapi.json"),
            get(async move |State(platform): State<Platform>| {
                Answer::ok(&openapi::document(platform.registry(), Some(name)))
            }),
        );
        for route in (service.routes)() {
            let rule = Arc::new(Rule::new(service, &route, platform)?);
            let path = if route.protocol { route.path.clone() } else { format!("/{name}/v1{}", route.path) };
            let handler = route.handler.clone().route_layer(from_fn_with_state((platform.clone(), rule), guard));
            router = router.route(&path, handler);
        }
        // What lies below a service and is none of its routes is a problem, not a page.
        router = router.route(&format!("/{name}/{{*rest}}"), axum::routing::any(async || Problem::not_found()));
    }
    let router = router.method_not_allowed_fallback(async || {
        Problem::new(ErrorCode::MethodNotAllowed, "This address is there, but not for this method.").into_response()
    });
    let mut router = router.with_state(platform.clone()).fallback_service(pages);
    for wrap in services.iter().filter_map(|service| service.wrap) {
        router = wrap(router, platform);
    }
    let meter = platform.databases().meter().clone();
    Ok(router.layer(from_fn_with_state((meter, behind_proxy), finish)))
}

/// What every process does for itself: idle connections, changed directory rows, forgotten limits.
async fn upkeep(platform: Platform) {
    let mut ticks = tokio::time::interval(Duration::from_secs(2));
    loop {
        ticks.tick().await;
        if let Err(error) = platform.databases().upkeep().await {
            tracing::warn!(%error, "upkeep failed; it runs again in two seconds");
        }
        platform.0.limits.forget_idle();
        let stats = platform.databases().stats();
        metrics::gauge!("database_connections_open").set(stats.open as f64);
        metrics::gauge!("database_connections_idle").set(stats.idle as f64);
        metrics::gauge!("database_connection_waiters").set(stats.waiting as f64);
        metrics::counter!("database_connections_refused").absolute(stats.refused);
        metrics::gauge!("database_places_broken").set(stats.broken as f64);
    }
}
