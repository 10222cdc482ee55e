//! H8: a migration of the whole fleet, against a plain loop over the same databases.
use crate::Size;
use crate::postgres::Postgres;
use crate::report::{at_most, say};
use futures::{StreamExt as _, TryStreamExt as _};
use hitaji_core::{Clock, TenantId, new_id};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, Home, Migration, NewTenant, Settings};
use hitaji_fleet::{drift, migrate};
use sqlx::Connection as _;
use std::time::{Duration, Instant};

const AT_ONCE: usize = 4;
/// A schema of a believable size.
const FIRST: &str = include_str!("../../verticals/school/migrations/0001_school.sql");
const SECOND: &str = "alter table school.student add column h8_note text;
create table school.h8_visits (id uuid primary key, student_id uuid not null references school.student, note text not null);
create index h8_visits_student on school.h8_visits (student_id);";
/// The same again under other names, for the loop.
const BY_LOOP: &str = "begin; alter table school.student add column h8_other text;
create table school.h8_others (id uuid primary key, student_id uuid not null references school.student, note text not null);
create index h8_others_student on school.h8_others (student_id); commit";

pub async fn run(size: Size) -> usize {
    let tenants = size.tenants.unwrap_or(size.of(1_000, 20));
    say(&format!("H8  a migration of {tenants} tenants: a column, a table and an index, {AT_ONCE} at once"));
    let postgres = Postgres::start().await;
    let master = MasterKey::generate().to_base64();
    let old = program(&postgres, &master, &[FIRST]);
    old.prepare().await.expect("a control database");
    let started = Instant::now();
    futures::stream::iter(0..tenants).map(|n| sign_up(&old, n)).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    say(&format!("  made {tenants} databases in {:.1} s", started.elapsed().as_secs_f64()));

    let new = program(&postgres, &master, &[FIRST, SECOND]);
    let options = migrate::Options { parallel: AT_ONCE, shadow: 0, ..migrate::Options::default() };
    let started = Instant::now();
    let outcome = migrate::migrate(&new, &options, &|_| {}).await.expect("a run");
    let ours = started.elapsed();
    assert_eq!((outcome.done, outcome.problem), (tenants, None));
    rate("the fleet's migration, template and ledger included", tenants, ours);
    let floor = by_loop(&postgres, &new).await;
    rate("a loop that connects, runs the statements and commits", tenants, floor);

    let started = Instant::now();
    let again = migrate::migrate(&new, &options, &|_| {}).await.expect("a run");
    say(&format!("  nothing to do: {} databases, {:.0} ms", again.done, started.elapsed().as_secs_f64() * 1e3));
    let started = Instant::now();
    let inspection = drift::check(&new, None).await.expect("a check");
    rate("the check for drift", tenants, started.elapsed());
    let drifted = inspection.databases.iter().filter(|checked| !checked.drift.is_empty()).count();
    assert_eq!(drifted, tenants, "what the loop did is drift");
    postgres.stop().await;
    let thousand = ours.as_secs_f64() * 1e3 / tenants as f64;
    at_most("1,000 tenants at this rate", thousand, 120.0, "s")
        + at_most("above the loop", ours.as_secs_f64() / floor.as_secs_f64(), 2.0, "times")
}

fn rate(what: &str, tenants: usize, took: Duration) {
    let seconds = took.as_secs_f64();
    say(&format!("  {what:<56} {seconds:>8.2} s  {:>8.1} tenants/s", tenants as f64 / seconds));
}

fn program(postgres: &Postgres, master: &str, steps: &'static [&'static str]) -> Databases {
    let settings = Settings {
        admin_url: postgres.url().to_owned(),
        control: crate::platform::CONTROL.to_owned(),
        connections: 32,
        connections_per_tenant: 12,
        wait_ms: 60_000,
        idle_s: 60,
        statement_timeout_ms: 60_000,
        warm: 0,
    };
    let migrations =
        (1..).zip(steps).map(|(version, sql)| Migration { service: "school", home: Home::Tenant, version, sql });
    let master = MasterKey::from_base64(master).expect("a key");
    Databases::new(settings, master, Clock::system(), migrations.collect()).expect("settings are right")
}

async fn sign_up(program: &Databases, n: usize) {
    let id = TenantId(new_id());
    let new = NewTenant {
        id,
        slug: format!("tenant-{n}"),
        name: format!("Tenant {n}"),
        country: "KE".to_owned(),
        currency: "KES".to_owned(),
        time_zone: "Africa/Nairobi".parse().expect("a time zone"),
        products: Vec::new(),
    };
    program.intend(&new).await.expect("recorded");
    program.provision(id).await.expect("a database");
}

/// The least that any migration does: connect, run the statements in one transaction, go.
async fn by_loop(postgres: &Postgres, program: &Databases) -> Duration {
    let places = program.tenant_places().await.expect("places");
    let started = Instant::now();
    let one = |database: String| async move {
        let mut conn = postgres.connect(&database).await;
        sqlx::raw_sql(BY_LOOP).execute(&mut conn).await?;
        conn.close().await
    };
    let loops = futures::stream::iter(places).map(|(_, _, database)| one(database)).buffer_unordered(AT_ONCE);
    loops.try_collect::<Vec<()>>().await.expect("the statements run");
    started.elapsed()
}
