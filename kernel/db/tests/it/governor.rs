//! The connection governor: caps hold, nobody pays for another's trouble, nothing is lost.
use crate::server::{Watcher, options, pass, until};
use hitaji_core::TenantId;
use hitaji_db::{Conn, DbError, Governor, GovernorLimits, Place};
use sqlx::postgres::PgConnectOptions;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use uuid::Uuid;

fn id(n: u128) -> TenantId {
    TenantId(Uuid::from_u128(n))
}

fn tenant(n: u128) -> Place {
    Place::Tenant(id(n))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn limits(cap: usize) -> GovernorLimits {
    GovernorLimits::new(cap, cap, ms(30_000), ms(60_000))
}

async fn take(governor: &Governor, place: Place, options: &PgConnectOptions) -> Result<Conn, DbError> {
    governor.acquire(place, async || Ok(options.clone())).await
}

async fn work(mut conn: Conn) -> i32 {
    let pid = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *conn).await.expect("an answer");
    conn.release();
    pid
}

fn unreachable_at(port: u16) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("nobody").database("nowhere")
}

/// A port that nobody listens at.
fn closed_port() -> PgConnectOptions {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    unreachable_at(listener.local_addr().expect("an address").port())
}

/// A server that takes connections and never says a word.
fn mute_server() -> (TcpListener, PgConnectOptions) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let options = unreachable_at(listener.local_addr().expect("an address").port());
    (listener, options)
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * 99 / 100]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_tenants_share_sixteen_connections() {
    const CAP: usize = 16;
    let options = options("governor-cap").await;
    let governor = Governor::with_limits(GovernorLimits { idle_after: Duration::ZERO, ..limits(CAP) });
    let mut watcher = Watcher::new().await;
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let (governor, options) = (governor.clone(), options.clone());
        tasks.spawn(async move {
            for _ in 0..5 {
                work(take(&governor, tenant(n), &options).await.expect("a connection in time")).await;
            }
        });
    }
    let (started, mut most) = (Instant::now(), 0);
    while !tasks.is_empty() {
        while let Some(done) = tasks.try_join_next() {
            done.expect("no task failed");
        }
        most = most.max(watcher.sessions("governor-cap").await);
        assert!(governor.stats().open <= CAP);
    }
    eprintln!("{most} sessions at most, {:?} for 1,000 requests", started.elapsed());
    assert!((4..=CAP).contains(&most), "{most} sessions at once");
    governor.close_idle().await;
    assert_eq!((governor.stats().open, governor.stats().waiting), (0, 0));
    while watcher.sessions("governor-cap").await > 0 {}
}

/// The p99 of eight tenants' requests, one after the other for so long.
async fn healthy(governor: &Governor, options: &PgConnectOptions, time: Duration) -> Duration {
    let (started, mut times) = (Instant::now(), Vec::new());
    while started.elapsed() < time {
        let asked = Instant::now();
        let place = tenant(1 + times.len() as u128 % 8);
        work(take(governor, place, options).await.expect("a connection")).await;
        times.push(asked.elapsed());
        pass(ms(1)).await;
    }
    p99(times)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_and_slow_databases_cost_the_others_nothing() {
    let options = options("governor-dead").await;
    let limits = GovernorLimits { connect_timeout: ms(500), cap_per_place: 4, ..limits(24) };
    let governor = Governor::with_limits(limits);
    healthy(&governor, &options, ms(100)).await;
    let calm = healthy(&governor, &options, ms(1_000)).await;
    let (_listener, mute) = mute_server();
    let closed = closed_port();
    let mut tasks = JoinSet::new();
    let end = Instant::now() + ms(1_500);
    for n in 0..200 {
        let (governor, mute, closed) = (governor.clone(), mute.clone(), closed.clone());
        let (place, dead) = if n % 2 == 0 { (tenant(100), mute) } else { (tenant(101), closed) };
        tasks.spawn(async move {
            while Instant::now() < end {
                let refused = take(&governor, place.clone(), &dead).await.err().expect("nobody is there");
                assert!(refused.is_unavailable(), "{refused}");
                pass(ms(20)).await;
            }
        });
    }
    for _ in 0..20 {
        let (governor, options) = (governor.clone(), options.clone());
        tasks.spawn(async move {
            while Instant::now() < end {
                let mut conn = take(&governor, tenant(102), &options).await.expect("a connection");
                sqlx::raw_sql("select pg_sleep(0.2)").execute(&mut *conn).await.expect("an answer");
                conn.release();
            }
        });
    }
    pass(ms(50)).await;
    let troubled = healthy(&governor, &options, ms(1_300)).await;
    eprintln!("p99 {calm:?} before, {troubled:?} beside dead and slow databases");
    assert!(troubled <= calm * 2 + ms(50), "p99 {calm:?} before, {troubled:?} beside dead and slow databases");
    until("both breakers open", || governor.stats().broken == 2).await;
    let asked = Instant::now();
    let refused = take(&governor, tenant(101), &closed).await.err();
    assert!(matches!(refused, Some(DbError::Unavailable(_))) && asked.elapsed() < ms(100), "{:?}", asked.elapsed());
    tasks.join_all().await;
    until("all permits are back", || governor.stats().open == governor.stats().idle).await;
}

#[tokio::test]
async fn a_database_that_is_back_is_found_by_one_try() {
    let (alive, dead) = (options("governor-back").await, closed_port());
    let governor = Governor::with_limits(limits(8));
    for _ in 0..5 {
        let error = take(&governor, tenant(1), &dead).await.err().expect("nobody is there");
        assert!(matches!(error, DbError::Sql(sqlx::Error::Io(_))), "{error}");
    }
    assert_eq!(governor.broken_places(), [tenant(1)]);
    assert!(matches!(take(&governor, tenant(1), &alive).await.err(), Some(DbError::Unavailable(_))));
    pass(ms(1_050)).await;
    let (started, go) = (AtomicBool::new(false), tokio::sync::Notify::new());
    let probe = governor.acquire(tenant(1), async || {
        started.store(true, Ordering::SeqCst);
        go.notified().await;
        Ok(alive.clone())
    });
    let meanwhile = async {
        until("the probe is under way", || started.load(Ordering::SeqCst)).await;
        let second = take(&governor, tenant(1), &alive).await.err();
        assert!(matches!(second, Some(DbError::Unavailable(_))), "one probe at a time");
        go.notify_one();
    };
    let (probe, ()) = tokio::join!(probe, meanwhile);
    work(probe.expect("it is back")).await;
    assert_eq!((governor.stats().broken, governor.stats().refused), (0, 2));
    work(take(&governor, tenant(1), &alive).await.expect("a connection")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_server_with_many_databases_costs_the_others_nothing_for_long() {
    let options = options("governor-server").await;
    let governor = Governor::with_limits(GovernorLimits { connect_timeout: ms(300), ..limits(16) });
    let (_listener, mute) = mute_server();
    let mut tasks = JoinSet::new();
    for n in 0..300 {
        let (governor, mute) = (governor.clone(), mute.clone());
        tasks.spawn(async move {
            let refused = take(&governor, tenant(1_000 + n), &mute).await.err().expect("nobody is there");
            assert!(matches!(refused, DbError::Unavailable(_)), "{refused}");
        });
    }
    let asked = Instant::now();
    work(take(&governor, tenant(1), &options).await.expect("a connection to another server")).await;
    let took = asked.elapsed();
    tasks.join_all().await;
    eprintln!("{took:?} beside a dead server, {:?} until all its 300 tenants were told", asked.elapsed());
    assert!(took < ms(2_000) && asked.elapsed() < ms(5_000), "{took:?} and {:?}", asked.elapsed());
    assert_eq!((governor.stats().open, governor.stats().idle), (1, 1));
}

#[tokio::test]
async fn a_wrong_password_is_told_apart_and_counts_when_repeated() {
    let right = options("governor-password").await;
    let wrong = right.clone().password("wrong");
    let governor = Governor::with_limits(limits(8));
    for _ in 0..6 {
        let error = take(&governor, tenant(1), &wrong).await.err().expect("refused");
        let DbError::Sql(sqlx::Error::Database(error)) = error else { panic!("{error}") };
        assert_eq!(error.code().as_deref(), Some("28P01"));
    }
    assert!(matches!(take(&governor, tenant(1), &right).await.err(), Some(DbError::Unavailable(_))));
    governor.forgive(&tenant(1));
    work(take(&governor, tenant(1), &right).await.expect("the right one")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_waiters_go_away() {
    let options = options("governor-stress").await;
    let limits = GovernorLimits { connect_burst: 1_000, ..limits(8) };
    let governor = Governor::with_limits(GovernorLimits { cap_per_place: 3, ..limits });
    let dead = closed_port();
    let mut tasks = JoinSet::new();
    for n in 0..60_u64 {
        let (governor, options, dead) = (governor.clone(), options.clone(), dead.clone());
        tasks.spawn(async move {
            let mut dice = 0x9e37_79b9_7f4a_7c15_u64 ^ (n + 1);
            for _ in 0..60 {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let place = tenant(u128::from(dice % 20));
                let options = if dice % 20 == 7 { dead.clone() } else { options.clone() };
                let run = async {
                    let Ok(mut conn) = take(&governor, place.clone(), &options).await else { return };
                    let sql = if dice.is_multiple_of(3) { "select pg_sleep(0.01)" } else { "begin; select 1" };
                    let done = sqlx::raw_sql(sql).execute(&mut *conn).await;
                    match dice % 5 {
                        0 => drop(conn),
                        1 => conn.close(),
                        _ if done.is_ok() && sql.starts_with("select") => conn.release(),
                        _ => {}
                    }
                };
                // Many of these end in the middle of something.
                let _ = tokio::time::timeout(Duration::from_micros(dice % 20_000), run).await;
                if dice.is_multiple_of(31) {
                    governor.close_place(&place);
                }
            }
        });
    }
    let mut watcher = Watcher::new().await;
    while !tasks.is_empty() {
        while let Some(done) = tasks.try_join_next() {
            done.expect("no task failed");
        }
        assert!(governor.stats().open <= 8);
        pass(ms(5)).await;
    }
    until("all leases are back", || {
        let stats = governor.stats();
        stats.open == stats.idle && stats.waiting == 0
    })
    .await;
    // Every permit of tenants can be had again.
    let mut held = Vec::new();
    for n in 0..7 {
        held.push(take(&governor, tenant(200 + n), &options).await.expect("a permit"));
    }
    held.push(take(&governor, Place::Control, &options).await.expect("the reserve"));
    assert_eq!((governor.stats().open, governor.stats().idle), (8, 0));
    drop(held);
    (0..300).for_each(|n| governor.close_place(&tenant(n)));
    governor.close_place(&Place::Control);
    until("all are closed", || governor.stats().open == 0).await;
    // Cancelled connects end when their server notices.
    while watcher.sessions("governor-stress").await > 0 {}
}

#[tokio::test]
async fn a_closed_place_uses_none_of_its_old_connections() {
    let options = options("governor-close").await;
    let governor = Governor::with_limits(limits(8));
    let (leased, idle) = (take(&governor, tenant(1), &options).await, take(&governor, tenant(1), &options).await);
    let idle = work(idle.expect("a connection")).await;
    let other = work(take(&governor, tenant(2), &options).await.expect("a connection")).await;
    governor.close_place(&tenant(1));
    until("the idle one is closed", || governor.stats().open == 2).await;
    // The leased one still works, and ends with its lease.
    let leased = work(leased.expect("a connection")).await;
    until("the leased one is closed", || governor.stats().open == 1).await;
    let new = work(take(&governor, tenant(1), &options).await.expect("a connection")).await;
    assert!(![leased, idle].contains(&new));
    assert_eq!(work(take(&governor, tenant(1), &options).await.expect("a connection")).await, new, "kept again");
    assert_eq!(work(take(&governor, tenant(2), &options).await.expect("a connection")).await, other, "not its affair");
}

#[tokio::test]
async fn a_hog_fills_only_its_own_queue() {
    let options = options("governor-hog").await;
    let narrow = GovernorLimits { cap_per_place: 2, queue_per_tenant: 3, wait: ms(1_000), ..limits(8) };
    let governor = Governor::with_limits(narrow);
    let held = [take(&governor, tenant(1), &options).await, take(&governor, tenant(1), &options).await];
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let (governor, options) = (governor.clone(), options.clone());
        tasks.spawn(async move {
            let asked = Instant::now();
            (take(&governor, tenant(1), &options).await.err(), asked.elapsed())
        });
    }
    until("its queue is full", || governor.stats().waiting == 3 && governor.stats().refused == 7).await;
    work(take(&governor, tenant(2), &options).await.expect("another one's connection")).await;
    let answers = tasks.join_all().await;
    assert!(answers.iter().all(|(error, _)| matches!(error, Some(DbError::Unavailable(_)))));
    assert_eq!(answers.iter().filter(|(_, time)| *time < ms(900)).count(), 7, "refused at once");
    let usage = governor.take_usage();
    let used = usage.iter().find(|(tenant, _)| *tenant == id(1)).expect("its usage").1;
    assert!((ms(2_000)..ms(6_000)).contains(&used), "two connections for a second: {used:?}");
    drop(held);
    assert_eq!(governor.stats().waiting, 0);
}

#[tokio::test]
async fn tenants_leave_connections_to_the_platform() {
    let options = options("governor-reserve").await;
    let governor = Governor::with_limits(GovernorLimits { reserve: 2, wait: ms(100), ..limits(6) });
    let mut held = Vec::new();
    for n in 0..4 {
        held.push(take(&governor, tenant(n), &options).await.expect("a connection"));
    }
    assert!(take(&governor, tenant(9), &options).await.is_err());
    let admin = || Place::Admin { cluster: "home".into(), database: "postgres".into() };
    held.push(take(&governor, admin(), &options).await.expect("the administrator's"));
    assert!(take(&governor, admin(), &options).await.is_err());
    held.push(take(&governor, Place::Control, &options).await.expect("the last one"));
    assert_eq!(governor.stats().open, 6);
}

#[tokio::test]
async fn a_storm_of_connects_is_slowed_down_alone() {
    let options = options("governor-storm").await;
    let limits = GovernorLimits { connect_interval: ms(300), connect_burst: 2, ..limits(8) };
    let governor = Arc::new(Governor::with_limits(limits));
    let started = Instant::now();
    for _ in 0..5 {
        take(&governor, tenant(1), &options).await.expect("a connection").close();
    }
    assert!(started.elapsed() >= ms(890), "two at once, three more one each 300 ms: {:?}", started.elapsed());
    let started = Instant::now();
    take(&governor, tenant(2), &options).await.expect("a connection").close();
    assert!(started.elapsed() < ms(290), "{:?}", started.elapsed());
}
