//! A PostgreSQL with durable settings in a scratch folder, and a way into each of its databases.
use hitaji_db::private_cluster::{Durability, PrivateCluster};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use tempfile::TempDir;

pub struct Postgres {
    cluster: PrivateCluster,
    folder: TempDir,
    _watch: Child,
}

impl Postgres {
    pub async fn start() -> Postgres {
        let folder = TempDir::with_prefix("hitaji-bench-").expect("a scratch folder");
        // PostgreSQL runs as another account than root, and must get to its data in here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("permissions");
        let cluster = PrivateCluster::start(folder.path(), Durability::Real).await.expect("PostgreSQL starts");
        let _watch = stop_with_us(&cluster);
        Postgres { cluster, folder, _watch }
    }

    pub async fn stop(self) {
        self.cluster.stop().await;
    }

    pub fn url(&self) -> &str {
        self.cluster.url()
    }

    pub fn pid(&self) -> i32 {
        self.cluster.pid().expect("a running PostgreSQL")
    }

    pub fn log(&self) -> PathBuf {
        self.folder.path().join("postgres.log")
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::from_str(self.url()).expect("a URL")
    }

    /// What pgbench and its like need to connect to `database` as the same role as the server, by the same socket.
    pub fn variables(&self, database: &str, role: &str) -> Vec<(&'static str, String)> {
        let url = url::Url::parse(self.url()).expect("a URL");
        let socket = url.query_pairs().find(|(name, _)| name == "host").map(|(_, value)| value.into_owned());
        vec![
            ("PGHOST", socket.expect("a socket folder")),
            ("PGPORT", url.port().unwrap_or_default().to_string()),
            ("PGUSER", url.username().to_owned()),
            ("PGPASSWORD", url.password().unwrap_or_default().to_owned()),
            ("PGDATABASE", database.to_owned()),
            ("PGOPTIONS", format!("-c role={role}")),
        ]
    }

    /// A connection as the superuser.
    pub async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect_with(&self.options().database(database)).await.expect("a connection")
    }

    /// Runs statements as the superuser.
    pub async fn run(&self, database: &str, sql: &str) {
        let mut conn = self.connect(database).await;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut conn).await.expect("the SQL runs");
        conn.close().await.expect("a goodbye");
    }

    /// The one number or text that a query answers.
    pub async fn ask<T>(&self, database: &str, sql: &str) -> T
    where
        T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
    {
        let mut conn = self.connect(database).await;
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await.expect("the query answers")
    }

    /// Waits until a query answers true.
    pub async fn wait_for(&self, database: &str, sql: &str) {
        let mut conn = self.connect(database).await;
        for _ in 0..12_000 {
            let there = sqlx::query_scalar::<_, bool>(AssertSqlSafe(sql.to_owned())).fetch_one(&mut conn).await;
            if there.expect("the query answers") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("this did not become true: {sql}");
    }

    /// Changes a setting of the running server.
    pub async fn set(&self, setting: &str) {
        self.run("postgres", &format!("alter system {setting}")).await;
        self.run("postgres", "select pg_reload_conf()").await;
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

/// A run may end by Ctrl-C or a panic; a small shell waits for that and then stops the server by its id.
fn stop_with_us(cluster: &PrivateCluster) -> Child {
    let (server, ours) = (cluster.pid().expect("a running PostgreSQL"), std::process::id());
    let script = format!("while kill -0 {ours} 2>/dev/null; do sleep 1; done; kill -INT {server} 2>/dev/null");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.process_group(0).spawn().expect("a shell")
}
