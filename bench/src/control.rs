//! H2, H3, H10, H11, H17: the control plane over a thousand real databases: making them, working in two hundred of them on 64
//! connections, putting one back, erasing one, new passwords for all.
use crate::Size;
use crate::machine;
use crate::postgres::Postgres;
use crate::report::{Times, at_least, at_most, say, times};
use chrono::TimeDelta;
use futures::StreamExt as _;
use hitaji_core::{Clock, TenantId, new_id};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, Home, Migration, NewTenant, Settings};
use hitaji_fleet::{Fleet, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const AT_ONCE: usize = 4;
const CONNECTIONS: usize = 64;
const SCHOOL: &str = include_str!("../../verticals/school/migrations/0001_school.sql");
const KEEP: TimeDelta = TimeDelta::days(1);

pub async fn run(size: Size) -> usize {
    let tenants = size.tenants.unwrap_or(size.of(1_000, 40));
    say(&format!("H2 H3 H10 H11 H17  the control plane over {tenants} databases"));
    let postgres = Postgres::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let databases = program(&postgres);
    databases.prepare().await.expect("a control database");
    let fleet = Fleet::new(databases.clone(), Store::folder(folder.path()));
    let (ids, mut missed) = provision(&databases, tenants).await;
    missed += active(&postgres, &databases, &ids, size).await;
    missed += put_back(&databases, &fleet, ids[0], size).await;
    missed += rotate(&databases, &fleet, &ids).await;
    missed += erase(&fleet, &ids).await;
    postgres.stop().await;
    missed
}

fn program(postgres: &Postgres) -> Databases {
    let settings = Settings {
        admin_url: postgres.url().to_owned(),
        control: crate::platform::CONTROL.to_owned(),
        connections: CONNECTIONS,
        connections_per_tenant: 12,
        wait_ms: 60_000,
        idle_s: 60,
        statement_timeout_ms: 60_000,
        warm: 0,
    };
    let school = Migration { service: "school", home: Home::Tenant, version: 1, sql: SCHOOL };
    Databases::new(settings, MasterKey::generate(), Clock::system(), vec![school]).expect("settings are right")
}

fn memory_kib() -> f64 {
    machine::resident_mib(i32::try_from(std::process::id()).unwrap_or_default()) * 1024.0
}

async fn provision(databases: &Databases, tenants: usize) -> (Vec<TenantId>, usize) {
    let started = Instant::now();
    let one = |n: usize| async move {
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
        let since = Instant::now();
        databases.intend(&new).await.expect("recorded");
        databases.provision(id).await.expect("a database");
        let mut conn = databases.control().await.expect("the control database");
        databases.set_state(&mut conn, id, hitaji_db::TenantState::Active, None).await.expect("active");
        conn.release();
        (id, since.elapsed())
    };
    let made: Vec<(TenantId, Duration)> =
        futures::stream::iter(0..tenants).map(one).buffer_unordered(AT_ONCE).collect().await;
    let took = started.elapsed().as_secs_f64();
    times("one cold provisioning, four at once", &Times::new(made.iter().map(|(_, time)| *time).collect()));
    let missed = at_least("H2  cold organisations a second", tenants as f64 / took, 3.0, "/s");
    (made.into_iter().map(|(id, _)| id).collect(), missed)
}

/// A fifth of the organisations is worked in, with a few much more than the others (Zipf), by more workers than connections.
async fn active(postgres: &Postgres, databases: &Databases, ids: &[TenantId], size: Size) -> usize {
    let before = memory_kib();
    for id in ids {
        databases.describe(*id).await.expect("known");
    }
    let known = memory_kib() - before;
    let busy: Arc<[TenantId]> = ids.iter().copied().take((ids.len() / 5).max(1)).collect();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let workers: Vec<_> = (0..96_u64)
        .map(|seed| {
            let (databases, busy, stop, done) = (databases.clone(), busy.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                let (mut state, mut waited) = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    // Rank r with a share like 1 / r.
                    let rank =
                        ((busy.len() as f64).powf((state % 10_000) as f64 / 10_000.0) as usize).min(busy.len()) - 1;
                    let since = Instant::now();
                    let mut conn = databases.tenant(busy[rank], "school").await.expect("a connection");
                    sqlx::query("select count(*) from school.student").execute(&mut *conn).await.expect("an answer");
                    conn.release();
                    waited.push(since.elapsed());
                    done.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                waited
            })
        })
        .collect();
    let mut most = 0;
    for _ in 0..size.of(20, 5) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
        )
        .fetch_one(&mut postgres.connect("postgres").await)
        .await
        .expect("a count");
        most = most.max(open);
    }
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.expect("a worker"));
    }
    times(&format!("a query in one of {} busy organisations, Zipf", busy.len()), &Times::new(all));
    let resident = memory_kib();
    say(&format!(
        "  {} queries; {} organisations known cost {known:.0} KiB ({:.2} KiB each)",
        done.load(Ordering::Relaxed),
        ids.len(),
        known / ids.len() as f64
    ));
    at_most("H3  PostgreSQL connections in all", most as f64, CONNECTIONS as f64, "")
        + at_most("H3  our memory (this process)", resident / 1024.0, 300.0, "MiB")
}

async fn put_back(databases: &Databases, fleet: &Fleet, id: TenantId, size: Size) -> usize {
    let rows = size.of(330_000, 20_000);
    let mut conn = databases.tenant(id, "school").await.expect("a connection");
    sqlx::query("insert into school.guardian (id, name, email, created_at, updated_at)
        select gen_random_uuid(), 'Guardian number ' || n, 'guardian' || n || '@people.example', now(), now() from generate_series(1, $1) n")
        .bind(i64::try_from(rows).expect("small"))
        .execute(&mut *conn)
        .await
        .expect("guardians");
    let bytes: i64 =
        sqlx::query_scalar("select pg_database_size(current_database())").fetch_one(&mut *conn).await.expect("a size");
    conn.release();
    let megabytes = bytes as f64 / 1e6;
    let timed = |what: &str, since: Instant| {
        let took = since.elapsed().as_secs_f64();
        say(&format!("  {what:<52} {took:>8.2} s"));
        took
    };
    let since = Instant::now();
    fleet.backup(id, KEEP, "bench").await.expect("a backup");
    timed(&format!("backup of a tenant of {megabytes:.0} MB"), since);
    let stored = fleet.backups(id).await.expect("a list")[0].bytes;
    say(&format!("  stored, compressed and encrypted: {:.1} MB", stored as f64 / 1e6));
    let since = Instant::now();
    fleet.restore(id, None, "bench").await.expect("restored");
    let stream = timed("restore from the encrypted stream, compared, switched", since);
    let since = Instant::now();
    fleet.prove_keeping(id, "bench").await.expect("a copy at hand");
    timed("proof, which leaves a copy at hand", since);
    let since = Instant::now();
    fleet.restore(id, None, "bench").await.expect("restored");
    let local = timed("restore from the copy at hand, switched", since);
    fleet.journal_on(id, KEEP, "bench").await.expect("journaled");
    let mut conn = databases.tenant(id, "school").await.expect("a connection");
    let since = Instant::now();
    sqlx::query(
        "update school.guardian set name = name || '!' where id in (select id from school.guardian limit 20000)",
    )
    .execute(&mut *conn)
    .await
    .expect("changes");
    timed("20,000 changed rows, journaled", since);
    conn.release();
    let since = Instant::now();
    fleet.restore_to(id, Clock::system().now(), "bench").await.expect("restored");
    let any = timed("restore to this second, with the backup after it", since);
    at_most("H10  from the encrypted stream", stream, 15.0, "s")
        + at_most("H10  from a local copy", local, 1.5, "s")
        + at_most("H10  to any second", any, 15.0, "s")
}

async fn rotate(databases: &Databases, fleet: &Fleet, ids: &[TenantId]) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let (working, stopped, some) = (databases.clone(), stop.clone(), ids[..ids.len().min(20)].to_vec());
    let load = tokio::spawn(async move {
        let (mut done, mut failed) = (0, 0);
        while !stopped.load(Ordering::Relaxed) {
            for id in &some {
                let answered = async {
                    let mut conn = working.tenant(*id, "school").await.ok()?;
                    sqlx::query("select 1").execute(&mut *conn).await.ok()?;
                    conn.release();
                    Some(())
                };
                if answered.await.is_none() { failed += 1 } else { done += 1 }
            }
        }
        (done, failed)
    });
    let since = Instant::now();
    let (rotated, failed) = fleet.rotate_all_passwords().await.expect("rotated");
    let passwords = since.elapsed().as_secs_f64();
    let old = databases.master().to_base64();
    let new = MasterKey::generate().to_base64();
    databases.master().replace(&MasterKey::from_base64(&format!("{new}\n{old}")).expect("keys"));
    let since = Instant::now();
    let rewrapped = fleet.rewrap().await.expect("rewrapped");
    let wrap = since.elapsed().as_secs_f64();
    stop.store(true, Ordering::Relaxed);
    let (done, broken) = load.await.expect("the load");
    say(&format!(
        "  {rotated} passwords turned ({} failed), {} keys wrapped anew; {done} requests meanwhile, {broken} failed",
        failed.len(),
        rewrapped.data_keys
    ));
    let thousand = |seconds: f64| seconds * 1e3 / ids.len() as f64;
    at_most("H17  1,000 passwords at this rate", thousand(passwords), 60.0, "s")
        + at_most("H17  1,000 keys wrapped anew at this rate", thousand(wrap), 5.0, "s")
        + at_most("H17  failed requests", f64::from(broken), 0.0, "")
}

async fn erase(fleet: &Fleet, ids: &[TenantId]) -> usize {
    let mut keys_gone = Vec::new();
    let mut all = Vec::new();
    for id in ids.iter().skip(1).take(10) {
        fleet.backup(*id, KEEP, "bench").await.expect("a backup");
        let since = Instant::now();
        let asked = Clock::system().now();
        let signed = fleet.erase(*id, TimeDelta::days(14), "bench").await.expect("erased");
        all.push(since.elapsed());
        let certificate = hitaji_fleet::leaving::read_certificate(&signed, &fleet.public_keys().await.expect("keys"));
        let gone = certificate.expect("a certificate").keys_destroyed_at - asked;
        keys_gone.push(gone.to_std().unwrap_or_default());
    }
    let gone = Times::new(keys_gone);
    times("H11  until the keys are gone", &gone);
    times("H11  until all is gone and certified", &Times::new(all));
    at_most("H11  keys gone, worst of ten", gone.ms(100.0), 100.0, "ms")
}
