//! The database's own ceiling: PostgreSQL's pgbench with our SQL, prepared, as the same role by the same socket.
use crate::platform::Platform;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A program of the newest installed PostgreSQL, else the one on the PATH.
pub fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin").join(name)))
        })
        .filter(|(_, path)| path.exists())
        .max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

/// How a script is run.
pub struct Run<'a> {
    pub script: &'a Path,
    pub clients: usize,
    pub length: Length,
    pub values: &'a [(&'a str, String)],
}

pub enum Length {
    Seconds(usize),
    /// So many transactions in each client.
    Turns(usize),
}

/// What pgbench says, and what PostgreSQL's processes used meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    pub per_s: f64,
    pub postgres_us: f64,
}

/// Runs a script; the server is halted meanwhile, so that it has the machine to itself.
pub async fn run(platform: &Platform, database: &str, role: &str, run: &Run<'_>) -> Ceiling {
    platform.halt(true);
    let before = platform.cpu()[1];
    let mut command = Command::new(program("pgbench"));
    command.args(["--no-vacuum", "--protocol=prepared", "--client", &run.clients.to_string()]);
    command.args(["--jobs", &run.clients.min(2).to_string(), "--file"]).arg(run.script);
    match run.length {
        Length::Seconds(seconds) => command.args(["--time", &seconds.to_string()]),
        Length::Turns(turns) => command.args(["--transactions", &turns.to_string()]),
    };
    for (name, value) in run.values {
        command.arg(format!("--define={name}={value}"));
    }
    command.envs(platform.postgres.variables(database, role)).stdin(Stdio::null());
    let output = tokio::process::Command::from(command).output().await.expect("pgbench is installed");
    // Its backends end a moment after it; only then is their time the postmaster's.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let used = platform.cpu()[1].saturating_sub(before);
    platform.halt(false);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("aborted"), "pgbench: {errors}");
    let done = figure(&text, "number of transactions actually processed: ");
    Ceiling { per_s: figure(&text, "tps = "), postgres_us: micros(used) / done }
}

fn figure(text: &str, label: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(label)).expect("a figure of pgbench");
    let number = line.split(['/', ' ']).next().unwrap_or_default();
    number.parse().expect("a number of pgbench")
}

pub fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
