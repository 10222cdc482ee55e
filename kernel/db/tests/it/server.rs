//! The PostgreSQL of these tests: the one that the test command started, else one of this process's own.
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::str::FromStr as _;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::OnceCell;

static OWN: OnceCell<String> = OnceCell::const_new();

/// How to reach it as its administrator, under a name by which a test knows its connections.
pub async fn options(name: &str) -> PgConnectOptions {
    let url = match std::env::var("HITAJI_TEST_POSTGRES") {
        Ok(url) => url,
        Err(_) => OWN.get_or_init(start).await.clone(),
    };
    PgConnectOptions::from_str(&url).expect("a URL").application_name(name).disable_statement_logging()
}

async fn start() -> String {
    let folder = TempDir::with_prefix("hitaji-db-test-").expect("a scratch folder").keep();
    let cluster = PrivateCluster::start(&folder, Durability::Scratch).await.expect("PostgreSQL starts");
    let (url, server) = (cluster.url().to_owned(), cluster.pid().expect("a process id"));
    std::mem::forget(cluster);
    // A test process may end at any moment; a small shell waits for that, stops the server and removes its folder.
    let ours = std::process::id();
    let script = format!(
        "while kill -0 {ours} 2>/dev/null; do sleep 0.2; done; kill -INT {server} 2>/dev/null; tries=100
         while [ $tries -gt 0 ] && kill -0 {server} 2>/dev/null; do sleep 0.1; tries=$((tries - 1)); done; rm -rf \"$0\""
    );
    let mut shell = tokio::process::Command::new("sh");
    shell.args(["-c", &script]).arg(folder).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    shell.stderr(std::process::Stdio::null()).spawn().expect("a shell");
    url
}

/// Counts the server's sessions of a test.
pub struct Watcher(PgConnection);

impl Watcher {
    pub async fn new() -> Watcher {
        Watcher(PgConnection::connect_with(&options("watcher").await).await.expect("a connection"))
    }

    pub async fn sessions(&mut self, name: &str) -> usize {
        let count: i64 = sqlx::query_scalar("select count(*) from pg_stat_activity where application_name = $1")
            .bind(name)
            .fetch_one(&mut self.0)
            .await
            .expect("a count");
        usize::try_from(count).expect("not negative")
    }
}

/// Lets so much time pass, for what time itself brings about.
pub async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

/// Waits until something holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if holds() {
            return;
        }
        pass(Duration::from_millis(10)).await;
    }
    panic!("not in ten seconds: {what}");
}
