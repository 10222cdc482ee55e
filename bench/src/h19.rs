//! H19: what applications and programs ask of identity all day, beside the same requests to npm oidc-provider.
use crate::http::{Connection, Reply, request};
use crate::load::{self, Cost};
use crate::people::{Newcomer, Organisation};
use crate::platform::Platform;
use crate::report::{Times, at_least, at_most, say, times};
use crate::{Size, machine};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 4;
const WEB: &str = "client_id=bench-web&client_secret=bench-secret";
const MACHINE: &str = "client_id=bench-machine&client_secret=bench-secret";

/// A provider that is measured.
struct Target {
    name: &'static str,
    address: String,
    token: String,
    introspect: String,
    /// A refresh token of each family.
    tokens: Vec<String>,
}

/// Requests a second.
struct Figures {
    refresh: f64,
    credentials: f64,
    introspection: f64,
}

pub async fn run(size: Size) -> usize {
    say(
        "H19  refresh, client credentials, introspection; 4 connections kept alive, server, database and generator on one machine",
    );
    let id = hitaji_core::new_id();
    let clients = format!(
        r#"[{{ id = "bench-web", secret = "bench-secret", redirect_uris = ["https://bench.example/cb"], refresh = true }},
            {{ id = "bench-machine", secret = "bench-secret", grants = ["client_credentials"], organisation = "{id}", scopes = ["school.student:read"] }}]"#
    );
    let settings = [("DATABASE__WARM", "0"), ("IDENTITY__CLIENTS", clients.as_str())];
    let platform = Platform::start(&settings).await;
    Organisation::make_as(&platform, "Uhuru", Some(id)).await;
    others(&platform, 0..9).await;
    let families = families(&platform).await;
    let ours = Target {
        name: "ours",
        address: platform.address.clone(),
        token: "/oauth/token".into(),
        introspect: "/oauth/introspect".into(),
        tokens: families,
    };
    let (few, tokens) = measure(&ours, Some(&platform), size).await;
    say(&format!(
        "  {:<52} {:>8.1} MiB",
        "resident memory of all services in one process",
        machine::resident_mib(platform.pid())
    ));
    let hash = sign_in(&platform, size).await;
    times("sign-in with a password (argon2id, 19 MiB, 2 passes), one by one", &hash);
    let many = size.tenants.unwrap_or(size.of(1_000, 12));
    others(&platform, 9..many - 1).await;
    say(&format!("  with {many} organisations"));
    let (full, _) = measure(&Target { tokens, ..ours }, Some(&platform), size).await;
    platform.stop().await;
    let reference = Reference::start(CONNECTIONS).await;
    let (theirs, _) = measure(&reference.target(), None, size).await;
    say(&format!("  {:<52} {:>8.1} MiB", "resident memory of npm oidc-provider", machine::resident_mib(reference.pid)));
    for (what, ours, theirs) in [
        ("refresh", few.refresh, theirs.refresh),
        ("client credentials", few.credentials, theirs.credentials),
        ("introspection", few.introspection, theirs.introspection),
    ] {
        say(&format!(
            "  {what:<52} {:>8.2} times npm oidc-provider, which keeps everything in its memory",
            ours / theirs
        ));
    }
    at_least("refresh", few.refresh, 400.0, "/s")
        + at_least("client credentials", few.credentials, 600.0, "/s")
        + at_least("introspection", few.introspection, 2_000.0, "/s")
        + at_most("many organisations: slower by", 100.0 * (1.0 - full.refresh / few.refresh), 20.0, "%")
}

async fn others(platform: &Platform, range: std::ops::Range<usize>) {
    for n in range {
        Organisation::make(platform, &format!("Other{n}")).await;
    }
}

/// One family of refresh tokens for each connection, as a browser gets them.
async fn families(platform: &Platform) -> Vec<String> {
    let mut newcomer = Newcomer::arrive(platform, "Familia").await;
    newcomer.sign_up().await;
    let mut tokens = Vec::new();
    for _ in 0..CONNECTIONS {
        let all = newcomer
            .tokens("bench-web", "bench-secret", "https://bench.example/cb", "openid offline_access hitaji")
            .await;
        tokens.push(all["refresh_token"].as_str().expect("a refresh token").to_owned());
    }
    tokens
}

/// Measures one provider, and gives back the newest refresh tokens.
async fn measure(target: &Target, platform: Option<&Platform>, size: Size) -> (Figures, Vec<String>) {
    let turns = size.of(1_500, 20);
    let before = platform.map(Platform::cpu);
    let (started, mut newest, mut taken) = (Instant::now(), Vec::new(), Vec::new());
    let running: Vec<_> = target
        .tokens
        .iter()
        .map(|token| tokio::spawn(rotate(target.address.clone(), target.token.clone(), token.clone(), turns)))
        .collect();
    for family in running {
        let (last, times) = family.await.expect("a family that lives");
        newest.push(last);
        taken.extend(times);
    }
    let refresh = line(target, "refresh", started, taken, before, platform);
    let credentials = format!("{MACHINE}&grant_type=client_credentials&scope=school.student:read");
    let issue = form(&target.token, &credentials);
    let access = json(&Connection::open(&target.address).await.send(&issue).await)["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let credentials = same(target, "client credentials", issue, size.of(1_500, 20), platform).await;
    // The other one introspects opaque tokens only.
    let (who, token) = if platform.is_some() { (MACHINE, &access) } else { (WEB, &newest[0]) };
    let look = form(&target.introspect, &format!("{who}&token={token}"));
    let introspection = same(target, "introspection", look, size.of(4_000, 20), platform).await;
    (Figures { refresh, credentials, introspection }, newest)
}

async fn rotate(address: String, path: String, mut token: String, turns: usize) -> (String, Vec<Duration>) {
    let mut connection = Connection::open(&address).await;
    let mut times = Vec::new();
    for _ in 0..turns {
        let bytes = form(&path, &format!("{WEB}&grant_type=refresh_token&refresh_token={token}"));
        let sent = Instant::now();
        let reply = connection.send(&bytes).await;
        times.push(sent.elapsed());
        token = json(&reply)["refresh_token"].as_str().expect("a next token").to_owned();
    }
    (token, times)
}

/// The same request again and again.
async fn same(target: &Target, what: &str, bytes: Vec<u8>, turns: usize, platform: Option<&Platform>) -> f64 {
    let before = platform.map(Platform::cpu);
    let clients = (0..CONNECTIONS).map(|_| std::iter::repeat_n(bytes.clone(), turns)).collect();
    let done = load::run(&target.address, 200, clients).await;
    report(target, what, done.per_s, &done.times, before, platform);
    done.per_s
}

fn line(
    target: &Target,
    what: &str,
    started: Instant,
    taken: Vec<Duration>,
    before: Option<[Duration; 3]>,
    platform: Option<&Platform>,
) -> f64 {
    let per_s = taken.len() as f64 / started.elapsed().as_secs_f64();
    report(target, what, per_s, &Times::new(taken), before, platform);
    per_s
}

fn report(
    target: &Target,
    what: &str,
    per_s: f64,
    taken: &Times,
    before: Option<[Duration; 3]>,
    platform: Option<&Platform>,
) {
    times(&format!("{}: {what}, {per_s:.0}/s", target.name), taken);
    if let (Some(before), Some(platform)) = (before, platform) {
        let cost = Cost::between(before, platform.cpu(), taken.count());
        say(&format!(
            "  {:<52} our CPU {:>6.0} µs, PostgreSQL's {:>6.0} µs, the generator's {:>4.0} µs",
            "", cost.server_us, cost.postgres_us, cost.generator_us
        ));
    }
}

/// Sign-ins with the right password, each in a browser of its own: bound by the hash.
async fn sign_in(platform: &Platform, size: Size) -> Times {
    let mut taken = Vec::new();
    for _ in 0..size.of(30, 3) {
        let mut connection = Connection::open(&platform.address).await;
        let mut fields = crate::people::hidden(&connection.visit("GET", "/sign-in", &[]).await.expect(200).text());
        fields.retain(|(name, _)| name != "email" && name != "password");
        fields.push(("email".into(), "owner@familia.example".into()));
        fields.push(("password".into(), crate::people::PASSWORD.into()));
        let sent = Instant::now();
        connection.visit("POST", "/sign-in", &fields).await.expect(303);
        taken.push(sent.elapsed());
    }
    Times::new(taken)
}

fn form(path: &str, body: &str) -> Vec<u8> {
    request("POST", path, &[("content-type", "application/x-www-form-urlencoded")], body)
}

#[track_caller]
fn json(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}\n{}", reply.head, reply.text());
    reply.json()
}

/// npm oidc-provider as a child process.
struct Reference {
    child: Child,
    pid: i32,
    ready: Value,
}

impl Drop for Reference {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Reference {
    async fn start(families: usize) -> Reference {
        let folder = tempfile::tempdir().expect("a folder");
        let ready = folder.path().join("ready.json");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference-op.mjs");
        let mut command = Command::new("node");
        command.arg(script).arg(&ready).arg(families.to_string()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(Stdio::null()).env("NODE_ENV", "production");
        let child = command.spawn().expect("node is installed");
        let pid = i32::try_from(child.id()).expect("a process id");
        let started = Instant::now();
        while !ready.exists() {
            assert!(
                started.elapsed() < Duration::from_secs(30),
                "npm oidc-provider did not start: run ./dev test once, which installs it"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let ready = serde_json::from_slice(&std::fs::read(&ready).expect("a file")).expect("JSON");
        Reference { child, pid, ready }
    }

    fn target(&self) -> Target {
        let text = |pointer: &str| self.ready.pointer(pointer).and_then(Value::as_str).expect("a text").to_owned();
        let tokens = self.ready["tokens"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Target {
            name: "npm oidc-provider",
            address: text("/address"),
            token: text("/paths/token"),
            introspect: text("/paths/introspect"),
            tokens: tokens.map(str::to_owned).collect(),
        }
    }
}
