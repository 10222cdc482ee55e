//! H4: many organisations on few connections, and one that asks for fifty times its share.
use crate::Size;
use crate::http::{Connection, request};
use crate::people::Organisation;
use crate::platform::Platform;
use crate::report::{Times, at_most, say, times};
use std::time::{Duration, Instant};

const PATH: &str = "/school/v1/students?limit=20";
/// Each organisation asks once in this time, the hog fifty times, all at the same moment.
const PERIOD: Duration = Duration::from_millis(500);
const HOG: usize = 50;
/// HTTP connections of the others.
const CLIENTS: usize = 20;

pub async fn run(size: Size) -> usize {
    let tenants = size.of(200, 20);
    say(&format!("H4  fairness: {tenants} organisations on 64 connections, one of them with {HOG} times its share"));
    let settings = [("DATABASE__WARM", "0"), ("DATABASE__CONNECTIONS", "64"), ("DATABASE__IDLE_S", "3600")];
    let platform = Platform::start(&settings).await;
    let mut organisations = Vec::new();
    for n in 0..tenants {
        organisations.push(Organisation::make(&platform, &format!("Fair{n}")).await);
    }
    for organisation in &organisations {
        organisation.settled(&platform).await;
    }
    let bytes =
        |organisation: &Organisation| request("GET", PATH, &[("authorization", &organisation.authorization)], "");
    let others: Vec<Vec<u8>> = organisations.iter().skip(1).map(bytes).collect();
    let hog = bytes(&organisations[0]);
    let length = Duration::from_secs(size.of(20, 2) as u64);
    // Whatever the first requests of an organisation cost is not this benchmark's affair.
    everybody(&platform, &others, None, length / 4).await;
    let calm = everybody(&platform, &others, None, length).await;
    let hogged = everybody(&platform, &others, Some(&hog), length).await;
    times("the others, without the hog", &calm);
    times("the others, beside the hog", &hogged);
    platform.stop().await;
    at_most("the longest answer without the hog", calm.ms(100.0), 500.0, "ms")
        + at_most("p99 of the others beside the hog / without", hogged.ms(99.0) / calm.ms(99.0), 2.0, "")
}

/// The times of the others' requests, from when each was due.
async fn everybody(platform: &Platform, others: &[Vec<u8>], hog: Option<&Vec<u8>>, length: Duration) -> Times {
    let start = Instant::now() + Duration::from_millis(100);
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        let own = others.iter().enumerate().skip(client).step_by(CLIENTS);
        let due = |(n, bytes): (usize, &Vec<u8>)| (PERIOD.mul_f64(n as f64 / others.len() as f64), bytes.clone());
        let own: Vec<(Duration, Vec<u8>)> = own.map(due).collect();
        clients.push(tokio::spawn(client_of(Connection::open(&platform.address).await, own, start, length, true)));
    }
    let mut hogs = Vec::new();
    if let Some(bytes) = hog {
        for _ in 0..HOG {
            let own = vec![(Duration::ZERO, bytes.clone())];
            hogs.push(tokio::spawn(client_of(Connection::open(&platform.address).await, own, start, length, false)));
        }
    }
    let mut took = Vec::new();
    for client in clients {
        took.extend(client.await.expect("a client that ended in order"));
    }
    for hog in hogs {
        hog.await.expect("a hog that ended in order");
    }
    Times::new(took)
}

/// Sends each request when it is due in every period. A hog may be refused, the others may not.
async fn client_of(
    mut connection: Connection,
    requests: Vec<(Duration, Vec<u8>)>,
    start: Instant,
    length: Duration,
    must_succeed: bool,
) -> Vec<Duration> {
    let mut took = Vec::new();
    let mut period = start;
    while period < start + length {
        for (offset, bytes) in &requests {
            let due = period + *offset;
            tokio::time::sleep_until(due.into()).await;
            let reply = connection.send(bytes).await;
            took.push(due.elapsed());
            assert!(reply.status == 200 || !must_succeed, "{}\n{}", reply.head, reply.text());
        }
        period += PERIOD;
    }
    took
}
