//! What the machine says: versions, load, and the processor time and memory of processes.
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Linux counts processor time for user space in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// One line on what the figures below it were measured on.
pub fn header() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory: u64 = memory.lines().next().and_then(number).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "load average {} | {cores} × {}, {} GiB | Linux {} | {} | commit {}",
        load_average(),
        model.trim_start_matches([' ', '\t', ':']),
        memory >> 20,
        fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        answer(crate::pgbench::program("postgres").to_str().unwrap_or_default(), &["--version"]),
        answer("git", &["describe", "--always", "--dirty", "--abbrev=10"]),
    )
}

pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn answer(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "?".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn number(line: &str) -> Option<u64> {
    line.split_whitespace().find_map(|word| word.parse().ok())
}

/// Fields of `/proc/PID/stat` behind the name, which may hold anything.
fn stat(pid: i32) -> Vec<i64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    rest.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect()
}

/// User and system time of a process.
pub fn cpu(pid: i32) -> Duration {
    stat(pid).get(11..13).map_or(Duration::ZERO, ticks)
}

/// The same of a PostgreSQL: its postmaster, its processes, and those that ended.
pub fn postgres_cpu(postmaster: i32) -> Duration {
    let children = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = children.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let all = pids.map(|pid| (pid, stat(pid)));
    all.filter(|(pid, fields)| *pid == postmaster || fields.get(1) == Some(&i64::from(postmaster)))
        .map(|(_, fields)| fields.get(11..15).map_or(Duration::ZERO, ticks))
        .sum()
}

fn ticks(fields: &[i64]) -> Duration {
    TICK * u32::try_from(fields.iter().sum::<i64>()).unwrap_or_default()
}

/// Resident memory of a process in MiB.
pub fn resident_mib(pid: i32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = text.lines().find(|line| line.starts_with("VmRSS")).and_then(number);
    kib.unwrap_or_default() as f64 / 1024.0
}
