//! Clients that nobody here wrote, in Node, Python and Apache, against `hitaji up` as people start it.
//!
//! Those that speak OpenID Connect run against npm `oidc-provider` first, a certified provider with the same clients:
//! what fails there is the script's fault, and what fails only here is ours.
use crate::process::free_port;
use chrono::TimeDelta;
use hitaji_testkit::{TestApp, at};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process;

const BINARY: &str = env!("CARGO_BIN_EXE_hitaji");
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The applications that the scripts are.
const CLIENTS: &str = "clients.toml";

/// A platform of its own with its private PostgreSQL and mail page, in a folder that goes away with it.
pub struct Up {
    child: Child,
    folder: TempDir,
    /// Where scripts listen that the platform calls or leads to.
    client_port: u16,
}

impl Up {
    pub async fn start() -> Up {
        Up::start_with(&[], &[]).await
    }

    /// Starts with further arguments of `up`, and settings as variables.
    pub async fn start_with(arguments: &[&str], settings: &[(&str, &str)]) -> Up {
        // PostgreSQL, which never runs as root, must be able to pass through.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        let folder = tempfile::Builder::new().permissions(permissions).tempdir().expect("a folder");
        let client_port = free_port();
        let clients = fs::read_to_string(scripts().join(CLIENTS)).expect("clients");
        let config = folder.path().join("clients.toml");
        fs::write(&config, clients.replace("{port}", &client_port.to_string())).expect("a configuration");
        let mut command = Command::new(BINARY);
        command.arg("--config").arg(config).arg("--data-dir").arg(folder.path().join("data"));
        command
            .args(["up", "--port", &free_port().to_string(), "--ready-file"])
            .arg(folder.path().join("ready.json"))
            .args(arguments)
            .envs(settings.iter().copied());
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = command.stdin(Stdio::null()).stderr(log).spawn().expect("the binary starts");
        wait_until_ready(&mut child, folder.path()).await;
        Up { child, folder, client_port }
    }

    /// What the ready file says.
    pub fn ready(&self) -> serde_json::Value {
        let text = fs::read(self.folder.path().join("ready.json")).expect("a ready file");
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Runs a script against it; fails with what the script said.
    pub async fn run(&self, program: &Path, script: &str) {
        run(program, script, self.folder.path(), self.client_port).await;
    }
}

impl Drop for Up {
    /// As Ctrl-C does, so that its PostgreSQL stops too.
    fn drop(&mut self) {
        let asked = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        if asked.is_ok_and(|status| status.success()) {
            // How it ended is of no matter any more.
            let _ = self.child.wait();
        }
    }
}

/// npm `oidc-provider`, on a free port, with the clients of `clients.toml`.
struct Reference {
    child: Child,
    folder: TempDir,
    client_port: u16,
}

impl Reference {
    async fn start() -> Reference {
        let (folder, client_port) = (tempfile::tempdir().expect("a folder"), free_port());
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let mut child = Command::new(node())
            .arg(scripts().join("reference-op.mjs"))
            .arg(folder.path().join("ready.json"))
            .arg(client_port.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("node starts");
        wait_until_ready(&mut child, folder.path()).await;
        Reference { child, folder, client_port }
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn at_both(program: &Path, script: &str) {
    let reference = Reference::start().await;
    run(program, script, reference.folder.path(), reference.client_port).await;
    drop(reference);
    Up::start().await.run(program, script).await;
}

/// Waits for the ready file in its folder.
async fn wait_until_ready(child: &mut Child, folder: &Path) {
    let (ready, deadline) = (folder.join("ready.json"), Instant::now() + READY_WITHIN);
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while !ready.exists() {
        let ended = child.try_wait().expect("a child");
        assert!(ended.is_none() && Instant::now() < deadline, "the provider did not become ready:\n{}", log(folder));
        looks.tick().await;
    }
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Runs a script against the provider of this folder; fails with what the script said.
async fn run(program: &Path, script: &str, folder: &Path, client_port: u16) {
    let done = process::Command::new(program)
        .arg(scripts().join(script))
        .env("HITAJI_READY", folder.join("ready.json"))
        .env("HITAJI_CLIENT_PORT", client_port.to_string())
        .env("HITAJI_BIN", BINARY)
        .env("HITAJI_DATA_DIR", folder.join("data"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("the script starts");
    let said = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{script}: {}\n{said}\nThe provider's log:\n{}", done.status, log(folder));
    eprintln!("{said}");
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn answers(program: &Path, arguments: &[&str]) -> bool {
    let asked = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Node, with the packages that the scripts import.
pub fn node() -> PathBuf {
    let node = PathBuf::from("node");
    assert!(answers(&node, &["--version"]), "Node is missing: run `./dev test`, or put node on the PATH");
    let packages = scripts().join("node_modules/openid-client");
    assert!(packages.exists(), "npm packages are missing: run `./dev test`, or `npm ci` in app/tests/clients");
    node
}

/// Python with the clients: $PYTHON, else the one that ./dev made, else the PATH's.
fn python() -> PathBuf {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.dev/venv/bin/python");
    let named = env::var_os("PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| if made.exists() { made } else { "python3".into() });
    let complete = answers(&python, &["-c", "import authlib, joserfc, requests, requests_oauth2client"]);
    assert!(complete, "{} lacks the test clients: run `./dev test`, or set PYTHON", python.display());
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_does_all_that_an_application_can_ask() {
    at_both(&node(), "openid.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_oidc_client_ts_signs_in_as_a_browser_application() {
    at_both(&node(), "oidc-client-ts.mjs").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_authlib_signs_in_and_checks_every_token() {
    at_both(&python(), "authlib_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pypi_requests_oauth2client_gets_tokens_in_every_way() {
    at_both(&python(), "requests_oauth2client_client.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apache_mod_auth_openidc_guards_pages_and_an_api() {
    at_both(&python(), "mod_auth_openidc.py").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_socket_io_client_hears_each_event_once() {
    let node = node();
    Up::start().await.run(&node, "live.mjs").await;
}

/// Five minutes pass in a moment: the platform runs in this process, with a clock that the script moves.
#[tokio::test(flavor = "multi_thread")]
async fn npm_socket_io_client_is_closed_when_its_token_expires() {
    let node = node();
    let mut now = at("2026-05-12T05:00:00Z");
    let app = TestApp::start_with(hitaji_core::Clock::fixed(now), |_| {}).await;
    let organisation = app.organisation("Uhuru Academy").await;
    let folder = tempfile::tempdir().expect("a folder");
    let ready = folder.path().join("ready.json");
    fs::write(&ready, json!({"address": app.address, "mail_address": app.mail}).to_string()).expect("a ready file");
    let mut child = process::Command::new(node)
        .arg(scripts().join("expiry.mjs"))
        .env("HITAJI_READY", ready)
        .env("TOKEN", app.token(&organisation.slug, &organisation.owner_email, "").await)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the script starts");
    let mut stdin = child.stdin.take().expect("its input");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.expect("text") {
        if let Some(seconds) = line.strip_prefix("clock ") {
            now += TimeDelta::seconds(seconds.parse().expect("a number"));
            app.clock.set(now);
            let token = app.token(&organisation.slug, &organisation.owner_email, "").await;
            stdin.write_all(format!("{token}\n").as_bytes()).await.expect("the script listens");
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(child.wait().await.expect("an end").success(), "expiry.mjs:\n{said}");
    eprintln!("{said}");
}

#[test]
fn the_web_applications_openapi_document_is_what_the_binary_says() {
    let said = Command::new(BINARY).arg("openapi").output().expect("the binary starts");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/openapi.json");
    let same = fs::read(kept).is_ok_and(|kept| kept == said.stdout);
    assert!(same, "the API has changed: `cargo run -q -- openapi > web/openapi.json`, then `npm run check` in web/");
}
