//! H7: a class register of 40 pupils, each time a new one: marks, idempotent answer, events and audit in one commit.
use crate::http::{Connection, request};
use crate::load::{self, Cost};
use crate::people::Organisation;
use crate::pgbench::{self, Ceiling, Length, Run};
use crate::platform::Platform;
use crate::report::{at_least, at_most, say, times};
use crate::school::{CLASS, Turn};
use crate::{Size, capture, school};
use std::path::Path;

const PATH: &str = "/school/v1/attendance-registers";
const SQL: &str = include_str!("../sql/attendance.sql");
const TURNS: &str = include_str!("../sql/turns.sql");
/// Kind of the registers' ids.
const REGISTER: u8 = 7;

/// What one round of one level came to.
struct Round {
    per_s: f64,
    cost: Cost,
    ceiling: Ceiling,
}

pub async fn run(size: Size) -> usize {
    say("H7  a register of 40 marks (2 absent whose guardians are told, 2 late), a new one each time, durable");
    let platform = Platform::start(&[("DATABASE__WARM", "0"), ("DATABASE__IDLE_S", "3600")]).await;
    let organisation = Organisation::make(&platform, "Uhuru").await;
    organisation.settled(&platform).await;
    let most = size.of(6_000, 240);
    school::fill(&platform, &organisation, most / 2).await;
    let date = school::today(&platform, &organisation).await;
    let values = prepare(&platform, &organisation, &date, most).await;
    let mut best: Option<Round> = None;
    for (clients, turns) in [(1, most / 4), (4, most), (8, most)] {
        let rounds = level(&platform, &organisation, &date, &values, (clients, turns), size.of(3, 1)).await;
        if best.as_ref().is_none_or(|best| rounds.per_s > best.per_s) {
            best = Some(rounds);
        }
    }
    platform.stop().await;
    let best = best.expect("one level at least");
    at_most("our CPU a write, at the highest rate", best.cost.server_us, 120.0, "µs")
        + at_least("of the ceiling of our own SQL", 100.0 * best.per_s / best.ceiling.per_s, 80.0, "%")
        + at_most("the database's CPU a write (NestJS: 1,100-1,500)", best.cost.postgres_us, 650.0, "µs")
}

/// Makes sure that the kept SQL is what the server sends, and gives pgbench the values that the server sent with it.
async fn prepare(
    platform: &Platform,
    organisation: &Organisation,
    date: &str,
    turns: usize,
) -> Vec<(&'static str, String)> {
    let mut connection = Connection::open(&platform.address).await;
    let post = async {
        let bytes = post(&organisation.authorization, date, 1);
        connection.send(&bytes).await.expect(201);
    };
    let sent = capture::statements(platform, &organisation.database, "insert into school.attendance_mark", post).await;
    capture::compare(&capture::script(SQL), &sent);
    say("  the ceiling's SQL is what the server sends");
    let (postgres, database) = (&platform.postgres, &organisation.database);
    let sql = TURNS.replace("{turns}", &turns.to_string()).replace("{class}", &CLASS.to_string());
    postgres.run(database, &sql).await;
    let mut values =
        vec![("n", "0".to_owned()), ("date", date.to_owned()), ("everyone", "true".into()), ("nobody", "{}".into())];
    values.extend([("traceparent", "-".to_owned()), ("reasons", format!("{{{}}}", vec!["null"; CLASS].join(",")))]);
    let counts = [("enrolled", 40), ("present", 36), ("away", 2), ("late", 2), ("excused", 0)];
    values.extend(counts.map(|(name, count)| (name, count.to_string())));
    for (name, expression) in [
        ("at", "max(time)::text"),
        ("service", "max(service)"),
        ("actor", "max(actor)"),
        ("account", "max(actor)"),
        ("types", "array_agg(type order by position)::text"),
        ("subjects", "array_agg(subject order by position)::text"),
        ("data", "array_agg(data::text order by position)::text"),
    ] {
        values.push((name, postgres.ask(database, &format!("select {expression} from hitaji.outbox")).await));
    }
    for (name, expression) in [
        ("request", "request_id"),
        ("actions", "array[action]::text"),
        ("resources", "array[resource]::text"),
        ("records", "array[record_id]::text"),
        ("befores", "array[before::text]::text"),
        ("afters", "array[after::text]::text"),
    ] {
        let sql = format!("select {expression} from hitaji.audit where resource = 'school.attendance'");
        values.push((name, postgres.ask(database, &sql).await));
    }
    for (name, expression) in [
        ("hash", "request_hash::text"),
        ("status", "status::text"),
        ("location", "location"),
        ("etag", "etag"),
        ("body", "body::text"),
    ] {
        let sql = format!("select {expression} from hitaji.idempotency where location like '/school/%'");
        values.push((name, postgres.ask(database, &sql).await));
    }
    values
}

/// The request of turn `n`.
pub fn post(authorization: &str, date: &str, n: usize) -> Vec<u8> {
    let key = format!("\"{}\"", hitaji_core::new_id());
    let headers = [("authorization", authorization), ("content-type", "application/json"), ("idempotency-key", &key)];
    request("POST", PATH, &headers, &Turn::new(n).body(date, &school::id(REGISTER, n)))
}

/// The middle one, by rate, of several rounds.
async fn level(
    platform: &Platform,
    organisation: &Organisation,
    date: &str,
    values: &[(&'static str, String)],
    (clients, turns): (usize, usize),
    rounds: usize,
) -> Round {
    let each = turns / clients;
    let mut all = Vec::new();
    for _ in 0..rounds {
        school::clear(platform, organisation).await;
        let ceiling = ceiling(platform, organisation, values, clients, each).await;
        school::clear(platform, organisation).await;
        let client = |client: usize| {
            let requests: Vec<Vec<u8>> =
                (1..=each).map(|n| post(&organisation.authorization, date, client * each + n)).collect();
            requests.into_iter()
        };
        let clients_requests = (0..clients).map(client).collect();
        let before = platform.cpu();
        let done = load::run(&platform.address, 201, clients_requests).await;
        // What the relay does with the events afterwards belongs to the write.
        school::drained(platform, organisation).await;
        let cost = Cost::between(before, platform.cpu(), done.times.count());
        times(&format!("{clients} connections"), &done.times);
        say(&format!(
            "  {:<52} {:>8.0}/s  ours {:.0} µs, PostgreSQL {:.0} µs, generator {:.0} µs | pgbench {:.0}/s, {:.0} µs | {:.0} %",
            "",
            done.per_s,
            cost.server_us,
            cost.postgres_us,
            cost.generator_us,
            ceiling.per_s,
            ceiling.postgres_us,
            100.0 * done.per_s / ceiling.per_s
        ));
        all.push(Round { per_s: done.per_s, cost, ceiling });
    }
    all.sort_by(|one, other| one.per_s.total_cmp(&other.per_s));
    all.swap_remove(all.len() / 2)
}

/// The whole script, less what reading its ids costs.
async fn ceiling(
    platform: &Platform,
    organisation: &Organisation,
    values: &[(&'static str, String)],
    clients: usize,
    each: usize,
) -> Ceiling {
    let folder = tempfile::TempDir::new().expect("a scratch folder");
    let (whole, ids) = (folder.path().join("whole.sql"), folder.path().join("ids.sql"));
    let head = SQL.split("-- the server's own").next().unwrap_or_default();
    std::fs::write(&whole, SQL).expect("a script");
    std::fs::write(&ids, head).expect("a script");
    let mut values = values.to_vec();
    values.push(("each", each.to_string()));
    let run = async |script: &Path| {
        let run = Run { script, clients, length: Length::Turns(each), values: &values };
        pgbench::run(platform, &organisation.database, &organisation.role, &run).await
    };
    let (ids, whole) = (run(&ids).await, run(&whole).await);
    Ceiling { per_s: 1.0 / (1.0 / whole.per_s - 1.0 / ids.per_s), postgres_us: whole.postgres_us - ids.postgres_us }
}
