//! H5: the first request to an organisation that nobody worked in for a while.
use crate::Size;
use crate::http::Connection;
use crate::people::Organisation;
use crate::platform::Platform;
use crate::report::{Times, at_most, say, times};
use std::time::{Duration, Instant};

const PATH: &str = "/school/v1/students?limit=20";

pub async fn run(size: Size) -> usize {
    let tenants = size.of(60, 6);
    say(&format!("H5  first request to a cold organisation, {tenants} of them, one after the other"));
    let settings = [("DATABASE__WARM", "0"), ("DATABASE__IDLE_S", "1")];
    let mut platform = Platform::start(&settings).await;
    let mut organisations = Vec::new();
    for n in 0..tenants {
        organisations.push(Organisation::make(&platform, &format!("Cold{n}")).await);
    }
    for organisation in &organisations {
        organisation.settled(&platform).await;
    }
    platform.serve(&settings).await;
    let mut connection = Connection::open(&platform.address).await;
    // The first sweep of a new process visits every database, and this organisation stands for signing keys and the like.
    closed(&platform).await;
    connection.get(PATH, &Organisation::make(&platform, "First").await.authorization).await.expect(200);
    closed(&platform).await;
    let (unknown, warm) = round(&mut connection, &organisations).await;
    closed(&platform).await;
    let (idle, _) = round(&mut connection, &organisations).await;
    times("never asked since the start of the process", &unknown);
    times("known, its connections closed", &idle);
    times("warm: the requests after those", &warm);
    platform.stop().await;
    let worst = unknown.ms(95.0).max(idle.ms(95.0));
    at_most("p95 cold above p95 warm", worst - warm.ms(95.0), 25.0, "ms")
}

/// Waits until no connection to an organisation's database is open.
async fn closed(platform: &Platform) {
    tokio::time::sleep(Duration::from_secs(2)).await;
    let none = "select not exists (select from pg_stat_activity where datname like 'bench\\_t\\_%' and usename <> current_user)";
    platform.postgres.wait_for("postgres", none).await;
}

/// For each organisation one cold request, then five warm ones.
async fn round(connection: &mut Connection, organisations: &[Organisation]) -> (Times, Times) {
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for organisation in organisations {
        for n in 0..6 {
            let sent = Instant::now();
            connection.get(PATH, &organisation.authorization).await.expect(200);
            if n == 0 { cold.push(sent.elapsed()) } else { warm.push(sent.elapsed()) }
        }
    }
    (Times::new(cold), Times::new(warm))
}
