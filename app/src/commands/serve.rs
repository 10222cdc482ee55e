//! `hitaji serve`: all services, or some, on a configured PostgreSQL.
use crate::commands::ask::Place;
use crate::master;
use crate::runtime::{self, Failure};
use clap::Args;
use hitaji_core::Clock;
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Args)]
pub struct ServeArguments {
    /// Only these services, comma separated; the others are asked at [peers].
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[derive(Deserialize)]
struct Server {
    listen: String,
    operations_listen: String,
}

pub async fn run(place: &Place, arguments: ServeArguments) -> Result<(), Failure> {
    let mut config = runtime::load_config(place.config.as_deref())?;
    let keys = master::Source::new(&config)?;
    master::resolve(&mut config).await?;
    runtime::start_logging(&config)?;
    let server: Server = config.section("server")?;
    let prometheus = runtime::metrics()?;
    let assembled = runtime::build(&config, &arguments.only, Clock::system())?;
    tokio::spawn(keys.follow(assembled.platform.databases().master().clone()));
    assembled.platform.databases().prepare().await?;
    let public = bind(&server.listen).await?;
    let operations =
        if server.operations_listen.is_empty() { None } else { Some(bind(&server.operations_listen).await?) };
    tracing::info!(listen = server.listen, "serving");
    runtime::serve(assembled, public, operations, prometheus, runtime::stop_signal()).await;
    Ok(())
}

pub async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| format!("{address}: {error}").into())
}
