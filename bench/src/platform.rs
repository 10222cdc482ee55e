//! The platform under test: the release binary as a child process, with limits that a benchmark does not meet.
use crate::http::Connection;
use crate::machine;
use crate::postgres::Postgres;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::Clock;
use hitaji_db::secrets::MasterKey;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const CONTROL: &str = "bench";

/// A PostgreSQL, a master key and, most of the time, a server.
pub struct Platform {
    pub postgres: Postgres,
    pub address: String,
    operations: String,
    master: MasterKey,
    server: Option<Server>,
}

/// A child process that does not outlive us.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary that is measured: the one beside this one.
pub fn binary() -> PathBuf {
    let ours = std::env::current_exe().expect("a path of our own");
    let path = ours.with_file_name("hitaji");
    assert!(path.exists(), "{} is missing: cargo build --release -p hitaji", path.display());
    path
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

impl Platform {
    /// Starts PostgreSQL and the server, with settings such as `("DATABASE__WARM", "0")` besides the usual ones.
    pub async fn start(settings: &[(&str, &str)]) -> Platform {
        let mut platform = Platform {
            postgres: Postgres::start().await,
            address: format!("127.0.0.1:{}", free_port()),
            operations: format!("127.0.0.1:{}", free_port()),
            master: MasterKey::generate(),
            server: None,
        };
        platform.serve(settings).await;
        platform
    }

    /// Starts the server and says how long it took until it was ready.
    pub async fn serve(&mut self, settings: &[(&str, &str)]) -> Duration {
        self.server = None;
        let mut command = Command::new(binary());
        command.arg("serve").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("HITAJI__DATABASE__ADMIN_URL", self.postgres.url()).env("HITAJI__DATABASE__CONTROL", CONTROL);
        command.env("HITAJI__KEYS__MASTER", self.master.to_base64()).env("HITAJI__SERVER__ORIGIN", self.origin());
        command.env("HITAJI__SERVER__LISTEN", &self.address).env("HITAJI__LOG__LEVEL", "info");
        command.env("HITAJI__SERVER__OPERATIONS_LISTEN", &self.operations);
        command.env("HITAJI__BACKUPS__AUTOMATIC", "false").env("HITAJI__BACKUPS__PROVE_DAYS", "0");
        for limit in ["ORGANISATION_PER_S", "ORGANISATION_BURST", "SUBJECT_PER_S", "SUBJECT_BURST"] {
            command.env(format!("HITAJI__LIMITS__{limit}"), "1000000");
        }
        let throttles = ["ATTEMPTS_PER_ADDRESS_PER_MINUTE", "SIGN_UPS_PER_ADDRESS_PER_MINUTE"];
        for limit in throttles.iter().chain(&["TOKEN_REQUESTS_PER_ADDRESS_PER_SECOND"]) {
            command.env(format!("HITAJI__IDENTITY__{limit}"), "1000000");
        }
        for (key, value) in settings {
            command.env(format!("HITAJI__{key}"), value);
        }
        let started = Instant::now();
        self.server = Some(Server(command.spawn().expect("the binary starts")));
        while !self.is_ready().await {
            assert!(started.elapsed() < Duration::from_secs(60), "the server did not become ready");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        started.elapsed()
    }

    async fn is_ready(&self) -> bool {
        if tokio::net::TcpStream::connect(&self.address).await.is_err() {
            return false;
        }
        Connection::open(&self.address).await.get("/readyz", "").await.status == 200
    }

    pub fn origin(&self) -> String {
        format!("http://localhost:{}", self.address.rsplit(':').next().unwrap_or_default())
    }

    pub fn pid(&self) -> i32 {
        let id = self.server.as_ref().expect("a running server").0.id();
        i32::try_from(id).expect("a process id")
    }

    /// Processor time of the server, of PostgreSQL and of this process.
    pub fn cpu(&self) -> [Duration; 3] {
        let ours = i32::try_from(std::process::id()).unwrap_or_default();
        [machine::cpu(self.pid()), machine::postgres_cpu(self.postgres.pid()), machine::cpu(ours)]
    }

    /// Halts the server while something else is measured, or lets it go on.
    pub fn halt(&self, halted: bool) {
        let signal = if halted { Signal::STOP } else { Signal::CONT };
        let pid = Pid::from_raw(self.pid()).expect("a process id");
        kill_process(pid, signal).expect("a signal");
    }

    /// `Peer …`: the right of the command line, for tokens and for what services ask each other.
    pub fn peer(&self) -> String {
        let claims = json!({"service": "operator", "exp": Clock::system().now().timestamp() + 60}).to_string();
        let signature = self.master.sign("peer-token", claims.as_bytes());
        format!("Peer {}.{}", URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(signature))
    }

    /// The sum of seconds and the number of requests of a route so far, by the server's own histogram.
    pub async fn served(&self, route: &str) -> (f64, f64) {
        let page = Connection::open(&self.operations).await.get("/metrics", "").await.expect(200).text();
        let label = format!("route=\"{route}\"");
        let sum = |name: &str| -> f64 {
            let lines = page.lines().filter(|line| line.starts_with(name) && line.contains(&label));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        (sum("http_request_duration_seconds_sum"), sum("http_request_duration_seconds_count"))
    }

    pub async fn stop(mut self) {
        self.server = None;
        self.postgres.stop().await;
    }
}
