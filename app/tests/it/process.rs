//! The real binary as a child process, configured by variables, killed or stopped by its id.
use hitaji_db::secrets::MasterKey;
use hitaji_testkit::{test_postgres, until};
use std::process::{Child, Command, Stdio};

/// The settings that several processes of one platform share.
#[derive(Clone)]
pub struct Setting {
    pub variables: Vec<(String, String)>,
    pub origin: String,
}

impl Setting {
    /// A platform of its own on the test's PostgreSQL, known to people as `origin`.
    pub async fn new(origin: String) -> Setting {
        let control = format!("test_{}", &hitaji_core::new_id().simple().to_string()[20..]);
        let variable = |key: &str, value: String| (format!("HITAJI__{key}"), value);
        let variables = vec![
            variable("DATABASE__ADMIN_URL", test_postgres().await),
            variable("DATABASE__CONTROL", control),
            variable("DATABASE__WARM", "0".into()),
            variable("KEYS__MASTER", MasterKey::generate().to_base64()),
            variable("SERVER__ORIGIN", origin.clone()),
            variable("SERVER__OPERATIONS_LISTEN", "\"\"".into()),
            variable("LOG__LEVEL", "warn".into()),
            variable("BACKUPS__AUTOMATIC", "false".into()),
            variable("BACKUPS__PROVE_DAYS", "0".into()),
            variable("FILES__STORE", std::env::temp_dir().join("hitaji-test-files").display().to_string()),
        ];
        Setting { variables, origin }
    }

    pub fn with(mut self, key: &str, value: &str) -> Setting {
        self.variables.push((format!("HITAJI__{key}"), value.to_owned()));
        self
    }

    /// The configuration as the child reads it, for looking into its databases.
    pub fn config(&self) -> hitaji_core::Config {
        let variables = self.variables.iter().cloned();
        hitaji_core::Config::load(hitaji::runtime::DEFAULT_CONFIG, None, variables).expect("a good configuration")
    }
}

/// A running `hitaji serve`.
pub struct Process {
    child: Child,
    pub address: String,
}

impl Process {
    /// Starts it and waits until it answers.
    pub async fn serve(setting: &Setting, port: u16, only: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hitaji"));
        command.arg("serve");
        if !only.is_empty() {
            command.args(["--only", &only.join(",")]);
        }
        command.envs(setting.variables.iter().cloned()).env("HITAJI__SERVER__LISTEN", format!("127.0.0.1:{port}"));
        let child = command.stdin(Stdio::null()).spawn().expect("the binary starts");
        let mut process = Process { child, address: format!("http://127.0.0.1:{port}") };
        process.wait_until_ready().await;
        process
    }

    async fn wait_until_ready(&mut self) {
        let (client, url) = (reqwest::Client::new(), format!("{}/readyz", self.address));
        until("the server is ready", async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended at once: {status}");
            }
            let answer = client.get(&url).send().await;
            answer.is_ok_and(|response| response.status().is_success()).then_some(())
        })
        .await;
    }

    /// SIGKILL: no goodbye, nothing flushed.
    pub fn kill(mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("a process that ended");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone after `kill`.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}
