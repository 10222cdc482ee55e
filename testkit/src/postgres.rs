//! The PostgreSQL of tests: the one that the test command started, else one of this process's own.
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Names the cluster that `test-postgres` started for a whole run.
pub const POSTGRES_VARIABLE: &str = "HITAJI_TEST_POSTGRES";

static OWN: OnceCell<String> = OnceCell::const_new();

/// The URL of a scratch cluster.
pub async fn test_postgres() -> String {
    if let Ok(url) = std::env::var(POSTGRES_VARIABLE) {
        return url;
    }
    OWN.get_or_init(another_postgres).await.clone()
}

/// The URL of a scratch cluster that is nobody else's; it stops with this process.
pub async fn another_postgres() -> String {
    let folder = TempDir::with_prefix("hitaji-test-").expect("a scratch folder").keep();
    let cluster = PrivateCluster::start(&folder, Durability::Scratch).await.expect("PostgreSQL starts");
    let url = cluster.url().to_owned();
    stop_with_us(&cluster, &folder);
    std::mem::forget(cluster);
    url
}

/// A test process may end at any moment; a small shell waits for that, stops the server by its id and removes its folder.
#[expect(clippy::zombie_processes, reason = "the shell outlives us: that is what it is for")]
fn stop_with_us(cluster: &PrivateCluster, folder: &Path) {
    let (Some(server), ours) = (cluster.pid(), std::process::id()) else { return };
    let script = format!(
        "while kill -0 {ours} 2>/dev/null; do sleep 0.2; done; kill -INT {server} 2>/dev/null; tries=100
         while [ $tries -gt 0 ] && kill -0 {server} 2>/dev/null; do sleep 0.1; tries=$((tries - 1)); done; rm -rf \"$0\""
    );
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).arg(folder).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    shell.stderr(std::process::Stdio::null()).spawn().expect("a shell");
}
