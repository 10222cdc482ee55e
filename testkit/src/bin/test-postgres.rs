//! `test-postgres COMMAND …`: runs a command with a scratch PostgreSQL beside it, and stops that afterwards.
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use hitaji_testkit::POSTGRES_VARIABLE;
use std::process::ExitCode;
use tempfile::TempDir;

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: test-postgres COMMAND [ARGUMENT …]");
        return ExitCode::FAILURE;
    };
    let folder = TempDir::with_prefix("hitaji-test-").expect("a scratch folder");
    let cluster = PrivateCluster::start(folder.path(), Durability::Scratch).await.expect("PostgreSQL starts");
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).env(POSTGRES_VARIABLE, cluster.url());
    let status = command.status().await;
    cluster.stop().await;
    match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("test-postgres: {error}");
            ExitCode::FAILURE
        }
    }
}
