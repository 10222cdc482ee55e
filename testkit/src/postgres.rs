//! The PostgreSQL of tests: the one that the test command started, else one of this process's own.
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Names the cluster that `test-postgres` started for a whole run.
pub const POSTGRES_VARIABLE: &str = "HITAJI_TEST_POSTGRES";

static OWN: OnceCell<(String, TempDir)> = OnceCell::const_new();

/// The URL of a scratch cluster.
pub async fn test_postgres() -> String {
    if let Ok(url) = std::env::var(POSTGRES_VARIABLE) {
        return url;
    }
    let (url, _folder) = OWN
        .get_or_init(|| async {
            let folder = TempDir::with_prefix("hitaji-test-").expect("a scratch folder");
            let cluster = PrivateCluster::start(folder.path(), Durability::Scratch).await.expect("PostgreSQL starts");
            let url = cluster.url().to_owned();
            stop_with_us(&cluster);
            std::mem::forget(cluster);
            (url, folder)
        })
        .await;
    url.clone()
}

/// A test process may end at any moment; a small shell waits for that and then stops the server by its id.
#[expect(clippy::zombie_processes, reason = "the shell outlives us: that is what it is for")]
fn stop_with_us(cluster: &PrivateCluster) {
    let (Some(server), ours) = (cluster.pid(), std::process::id()) else { return };
    let script = format!("while kill -0 {ours} 2>/dev/null; do sleep 0.2; done; kill -INT {server} 2>/dev/null");
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &script]).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    shell.stderr(std::process::Stdio::null()).spawn().expect("a shell");
}
