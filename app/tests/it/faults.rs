//! A PostgreSQL server that freezes, and a database that refuses (F3 of the reference): who is on it gets a quick 503, everybody
//! else notices nothing, and all is well soon after it is back.
use hitaji_core::Clock;
use hitaji_testkit::{Client, TestApp, another_postgres, at, until};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const PATH: &str = "/school/v1/students?limit=1";

async fn postmaster(url: &str) -> i32 {
    use sqlx::Connection as _;
    let mut conn = sqlx::PgConnection::connect(url).await.expect("the server");
    let folder: String = sqlx::query_scalar("show data_directory").fetch_one(&mut conn).await.expect("a folder");
    conn.close().await.expect("closed");
    let text = std::fs::read_to_string(format!("{folder}/postmaster.pid")).expect("the server's file");
    text.lines().next().and_then(|line| line.parse().ok()).expect("a process id")
}

/// All processes of a server, frozen or let go.
fn send_signal(pid: i32, signal: &str) {
    // Its children first: a frozen parent could not tell what became of them.
    Command::new("pkill").args([&format!("-{signal}"), "-P", &pid.to_string()]).status().expect("pkill");
    Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).status().expect("kill");
}

/// Asks again and again; the longest answer, and how many were not a success.
fn ask(client: Client, path: &'static str, stop: Arc<AtomicBool>) -> tokio::task::JoinHandle<(Duration, usize, usize)> {
    tokio::spawn(async move {
        let (mut longest, mut asked, mut refused) = (Duration::ZERO, 0, 0);
        while !stop.load(Ordering::Relaxed) {
            let since = Instant::now();
            let reply = client.get(path).await;
            longest = longest.max(since.elapsed());
            asked += 1;
            refused += usize::from(reply.status != 200);
            hitaji_testkit::moment(20).await;
        }
        (longest, asked, refused)
    })
}

async fn app() -> TestApp {
    TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        for name in ["subject_per_s", "subject_burst", "organisation_per_s", "organisation_burst"] {
            config.set("limits", name, 100_000);
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_costs_only_those_who_are_on_it() {
    let app = app().await;
    let here = app.organisation("Aardvark House").await;
    let east = another_postgres().await;
    let databases = app.platform.databases();
    databases.add_cluster("east", &east).await.expect("a second cluster");
    // The policy: whoever comes now goes where there is room.
    let mut conn = databases.control().await.expect("the control database");
    hitaji_db::directory::cluster::set(&mut conn, "home", "full", 1000).await.expect("home is full");
    conn.release();
    let there = app.organisation("Zebra House").await;
    let placed =
        app.control_rows("select cluster from directory.database where state = 'claimed' order by cluster").await;
    assert_eq!(placed, [serde_json::json!({"cluster": "east"}), serde_json::json!({"cluster": "home"})]);
    let (near, far) = (app.owner(&here).await, app.owner(&there).await);
    far.get(PATH).await.ok();
    let pid = postmaster(&east).await;
    send_signal(pid, "STOP");
    let stop = Arc::new(AtomicBool::new(false));
    let others = ask(near.clone(), PATH, stop.clone());
    let alive = ask(app.anybody(), "/livez", stop.clone());
    // The first ones find out; whoever comes after them is told at once, and when to come again.
    let mut tries = 0;
    loop {
        let asked = Instant::now();
        let reply = far.get(PATH).await;
        // Its deadline is 15 s; the rest is for a machine that is busy.
        assert!(asked.elapsed() < Duration::from_secs(25), "no request outlives its deadline");
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some());
        if asked.elapsed() < Duration::from_secs(1) {
            break;
        }
        tries += 1;
        assert!(tries < 12, "refused at once after the first few found out");
    }
    send_signal(pid, "CONT");
    let back = Instant::now();
    until("the far organisation is served again", async || (far.get(PATH).await.status == 200).then_some(())).await;
    assert!(back.elapsed() < Duration::from_secs(20), "{:?}", back.elapsed());
    stop.store(true, Ordering::Relaxed);
    let (longest, asked, refused) = others.await.expect("the others");
    assert_eq!(refused, 0, "nobody else was refused, of {asked}");
    assert!(longest < Duration::from_secs(10), "{longest:?}");
    let (_, asked, refused) = alive.await.expect("livez");
    assert!(asked > 20 && refused == 0);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusing_database_costs_only_its_organisation() {
    let app = app().await;
    let (mine, theirs) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let (near, far) = (app.owner(&mine).await, app.owner(&theirs).await);
    far.get(PATH).await.ok();
    let databases = app.platform.databases();
    let rows = hitaji_db::directory::database::of_tenant(
        &mut databases.control().await.expect("the control database"),
        theirs.id,
    )
    .await
    .expect("rows");
    let mut admin = databases.maintenance("home").await.expect("an administrator");
    hitaji_db::cluster::fence(&mut admin, &rows[0].name, 0).await.expect("closed");
    let stop = Arc::new(AtomicBool::new(false));
    let others = ask(near, PATH, stop.clone());
    for _ in 0..10 {
        let asked = Instant::now();
        let reply = far.get(PATH).await;
        assert_eq!(reply.status, 503, "{}", reply.body);
        assert!(reply.header("retry-after").is_some() && asked.elapsed() < Duration::from_secs(5));
    }
    hitaji_db::cluster::unfence(&mut admin, &rows[0].name).await.expect("open again");
    admin.close();
    until("it is served again", async || (far.get(PATH).await.status == 200).then_some(())).await;
    stop.store(true, Ordering::Relaxed);
    let (longest, asked, refused) = others.await.expect("the others");
    assert!(refused == 0 && longest < Duration::from_secs(10), "{refused} of {asked}, {longest:?}");
    app.settle().await;
}
