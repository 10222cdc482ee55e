//! H6: an authenticated, rate-limited list of 20 rows out of 800.
use crate::capture;
use crate::http::{Connection, request};
use crate::load::{self, Cost};
use crate::people::Organisation;
use crate::pgbench::{self, Length, Run};
use crate::platform::Platform;
use crate::report::{at_least, at_most, median, say, times};
use crate::{Size, school};
use std::time::{Duration, Instant};

const PATH: &str = "/school/v1/students?limit=20";
const SQL: &str = include_str!("../sql/list.sql");

pub async fn run(size: Size) -> usize {
    say(
        "H6  authenticated, tenant-resolved, rate-limited list of 20 rows (GET /school/v1/students?limit=20, 800 pupils)",
    );
    let platform = Platform::start(&[("DATABASE__WARM", "0"), ("DATABASE__IDLE_S", "3600")]).await;
    let organisation = Organisation::make(&platform, "Uhuru").await;
    organisation.settled(&platform).await;
    school::fill(&platform, &organisation, 20).await;
    check(&platform, &organisation).await;
    let mut best = (0.0, f64::NAN, f64::NAN);
    for clients in [1, 4, 8, 16] {
        let outcome = level(&platform, &organisation, clients, size).await;
        if outcome.0 > best.0 {
            best = outcome;
        }
    }
    platform.stop().await;
    at_most("our CPU a request, at the highest rate", best.1, 45.0, "µs")
        + at_least("of the database's ceiling", best.2, 45.0, "%")
}

/// The kept SQL is what the server sends, and the answer has 20 rows.
async fn check(platform: &Platform, organisation: &Organisation) {
    let mut connection = Connection::open(&platform.address).await;
    let page = connection.get(PATH, &organisation.authorization).await.expect(200);
    assert_eq!(page.json()["data"].as_array().map(Vec::len), Some(20), "{}", page.text());
    let read = async {
        connection.get(PATH, &organisation.authorization).await.expect(200);
    };
    let sent = capture::statements(platform, &organisation.database, "from school.student r", read).await;
    capture::compare(&capture::script(SQL), &sent);
    say(&format!("  an answer has {} bytes; the ceiling's SQL is what the server sends", page.body.len()));
}

/// Rate, our CPU and the share of the ceiling with so many connections: the middle of several rounds.
async fn level(platform: &Platform, organisation: &Organisation, clients: usize, size: Size) -> (f64, f64, f64) {
    let seconds = size.of(5, 1);
    let script = tempfile::NamedTempFile::with_suffix(".sql").expect("a scratch file");
    std::fs::write(script.path(), SQL).expect("a script");
    let values = Vec::new();
    let ceiling = Run { script: script.path(), clients, length: Length::Seconds(seconds), values: &values };
    let mut rounds = Vec::new();
    for _ in 0..size.of(3, 1) {
        let top = pgbench::run(platform, &organisation.database, &organisation.role, &ceiling).await;
        let bytes = request("GET", PATH, &[("authorization", &organisation.authorization)], "");
        let before = platform.cpu();
        let end = Instant::now() + Duration::from_secs(seconds as u64);
        let client = |_| {
            let bytes = bytes.clone();
            std::iter::from_fn(move || (Instant::now() < end).then(|| bytes.clone()))
        };
        let done = load::run(&platform.address, 200, (0..clients).map(client).collect()).await;
        let cost = Cost::between(before, platform.cpu(), done.times.count());
        times(&format!("{clients} connections"), &done.times);
        say(&format!(
            "  {:<52} {:>8.0}/s  ours {:.0} µs, PostgreSQL {:.0} µs, generator {:.0} µs | pgbench {:.0}/s, {:.0} µs | {:.0} %",
            "",
            done.per_s,
            cost.server_us,
            cost.postgres_us,
            cost.generator_us,
            top.per_s,
            top.postgres_us,
            100.0 * done.per_s / top.per_s
        ));
        rounds.push((done.per_s, cost.server_us, 100.0 * done.per_s / top.per_s));
    }
    let middle = |figure: fn(&(f64, f64, f64)) -> f64| median(rounds.iter().map(figure));
    (middle(|round| round.0), middle(|round| round.1), middle(|round| round.2))
}
