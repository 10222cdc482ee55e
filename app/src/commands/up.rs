//! `hitaji up`: the whole platform on one machine, with its own PostgreSQL, mail page and, if wished, a demo school.
use crate::commands::ask::{Place, State};
use crate::commands::demo::{self, DemoAccount};
use crate::commands::serve::bind;
use crate::mail_catcher;
use crate::master;
use crate::runtime::{self, Failure};
use clap::Args;
use hitaji_core::{Clock, Config};
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use hitaji_db::secrets::MasterKey;
use hitaji_web::{Assembled, Peers};
use serde::Serialize;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

#[derive(Args)]
pub struct UpArguments {
    /// The port people open in their browser.
    #[arg(long, default_value_t = 8360)]
    port: u16,
    /// Start with a believable school and a second organisation.
    #[arg(long)]
    demo: bool,
    /// Written once everything answers: JSON with the addresses and, for the demo, the accounts.
    #[arg(long)]
    ready_file: Option<PathBuf>,
    /// Log as JSON instead of text.
    #[arg(long)]
    json_log: bool,
}

#[derive(Serialize)]
struct Ready<'a> {
    address: &'a str,
    operations_address: String,
    mail_address: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<DemoAccount>,
}

/// The sockets, bound before anything slow starts, so that a taken port is told at once.
struct Listeners {
    public: TcpListener,
    operations: TcpListener,
    mail_page: TcpListener,
    smtp: TcpListener,
}

pub async fn run(place: &Place, arguments: UpArguments) -> Result<(), Failure> {
    let mut config = runtime::load_config(place.config.as_deref())?;
    if !arguments.json_log {
        config.set("log", "format", "text");
        config.set("log", "level", "info,hitaji::access=warn");
    }
    runtime::start_logging(&config)?;
    let listeners = listen(arguments.port).await?;
    make_data_folder(&place.data_dir)?;
    let cluster = PrivateCluster::start(&place.data_dir.join("postgres"), Durability::Real).await?;
    let outcome = run_on(place, &arguments, &mut config, listeners, &cluster).await;
    // Whatever happened, the server must not outlive us.
    cluster.stop().await;
    let _ = fs::remove_file(State::path(&place.data_dir));
    outcome
}

async fn run_on(
    place: &Place,
    arguments: &UpArguments,
    config: &mut Config,
    listeners: Listeners,
    cluster: &PrivateCluster,
) -> Result<(), Failure> {
    let origin = format!("http://localhost:{}", arguments.port);
    let mail_address = format!("http://localhost:{}", listeners.mail_page.local_addr()?.port());
    let state =
        State { admin_url: cluster.url().to_owned(), origin: origin.clone(), mail_address: mail_address.clone() };
    state.apply(config, &place.data_dir);
    config.set("identity", "smtp_url", format!("smtp://{}", listeners.smtp.local_addr()?));
    config.set("identity", "texts_url", "mail:");
    let prometheus = runtime::metrics()?;
    let keys = master::Source::new(config)?;
    master::resolve(config).await?;
    let assembled = runtime::build(config, &[], Clock::system())?;
    tokio::spawn(keys.follow(assembled.platform.databases().master().clone()));
    crate::commands::migrate::quietly(assembled.platform.databases()).await?;
    state.write(&place.data_dir)?;
    let operations_address = format!("http://localhost:{}", listeners.operations.local_addr()?.port());
    mail_catcher::start(listeners.smtp, listeners.mail_page);
    let peers = assembled.platform.peers().clone();
    let announce = announce(arguments, &place.data_dir, peers, origin.clone(), operations_address, mail_address);
    let (failed, failure) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if let Err(error) = announce.await {
            // Nobody hears it when the server is stopping already.
            let _ = failed.send(error);
        }
    });
    let mut problem = None;
    let stop = stop_or_failure(failure, &mut problem);
    runtime_serve(assembled, listeners.public, listeners.operations, prometheus, stop).await;
    problem.map_or(Ok(()), Err)
}

/// Serves on this task, because `stop` borrows where the failure goes.
async fn runtime_serve(
    assembled: Assembled,
    public: TcpListener,
    operations: TcpListener,
    prometheus: metrics_exporter_prometheus::PrometheusHandle,
    stop: impl Future<Output = ()>,
) {
    let (stopped, wait) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(runtime::serve(assembled, public, Some(operations), prometheus, async {
        // An error means that the sender is gone: stop too.
        let _ = wait.await;
    }));
    stop.await;
    let _ = stopped.send(());
    let _ = serving.await;
}

async fn stop_or_failure(failure: tokio::sync::oneshot::Receiver<Failure>, problem: &mut Option<Failure>) {
    let failed = async {
        match failure.await {
            Ok(error) => error,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = runtime::stop_signal() => {}
        error = failed => *problem = Some(error),
    }
}

/// Once the server answers: the demo where wished, the ready file, and a word on the terminal.
fn announce(
    arguments: &UpArguments,
    data_dir: &Path,
    peers: Peers,
    address: String,
    operations_address: String,
    mail_address: String,
) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
    let (demo, ready_file, data_dir) = (arguments.demo, arguments.ready_file.clone(), data_dir.to_owned());
    async move {
        demo::wait_until_ready(&address).await?;
        let accounts = if demo { demo::fill(peers, &address, &mail_address, &data_dir).await? } else { Vec::new() };
        eprintln!("\n  Hitaji is ready: {address}\n  Mail it sends:   {mail_address}");
        match accounts.first() {
            None => eprintln!("  Begin with:      {address}/sign-up"),
            Some(_) => eprintln!("\n  Sign in as (password {}):", demo::PASSWORD),
        }
        for account in &accounts {
            eprintln!("    {:<34} {:<14} {}", account.email, account.role, account.organisation);
        }
        eprintln!("\n  Ctrl-C stops it.\n");
        if let Some(path) = ready_file {
            let ready = Ready { address: &address, operations_address, mail_address, accounts };
            // Renamed into place, so that nobody reads half of it.
            let draft = path.with_extension("draft");
            fs::write(&draft, serde_json::to_vec_pretty(&ready)?)?;
            fs::rename(&draft, &path)?;
        }
        Ok(())
    }
}

async fn listen(port: u16) -> Result<Listeners, Failure> {
    let public = bind(&format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| format!("{error}. Choose another one with --port."))?;
    Ok(Listeners {
        public,
        operations: near(port.saturating_add(1)).await?,
        mail_page: near(port.saturating_add(2)).await?,
        smtp: near(0).await?,
    })
}

/// The wished port, else any free one.
async fn near(port: u16) -> Result<TcpListener, Failure> {
    match bind(&format!("127.0.0.1:{port}")).await {
        Ok(listener) => Ok(listener),
        Err(_) => bind("127.0.0.1:0").await,
    }
}

/// The data folder with its master key; both for their owner only, though the database's account may pass through.
fn make_data_folder(data_dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(data_dir)?;
    fs::set_permissions(data_dir, fs::Permissions::from_mode(0o711))?;
    let path = data_dir.join("master.key");
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            file.write_all(MasterKey::generate().to_base64().as_bytes())?;
            Ok(file.sync_all()?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display()).into()),
    }
}
