//! Requests from several connections at once, and what they cost.
use crate::http::Connection;
use crate::pgbench::micros;
use crate::report::Times;
use std::time::{Duration, Instant};

/// Times of all requests, and their rate.
pub struct Done {
    pub times: Times,
    pub per_s: f64,
}

/// Processor time a request, in microseconds.
pub struct Cost {
    pub server_us: f64,
    pub postgres_us: f64,
    pub generator_us: f64,
}

impl Cost {
    pub fn between(before: [Duration; 3], after: [Duration; 3], requests: usize) -> Cost {
        let each = |index: usize| micros(after[index].saturating_sub(before[index])) / requests as f64;
        Cost { server_us: each(0), postgres_us: each(1), generator_us: each(2) }
    }
}

/// Each client sends the requests of its own iterator, one after the other; every answer must have `status`.
pub async fn run<I>(address: &str, status: u16, clients: Vec<I>) -> Done
where
    I: Iterator<Item = Vec<u8>> + Send + 'static,
{
    let mut connections = Vec::new();
    for requests in clients {
        connections.push((Connection::open(address).await, requests));
    }
    let started = Instant::now();
    let client = |(mut connection, requests): (Connection, I)| {
        tokio::spawn(async move {
            let mut times = Vec::new();
            for request in requests {
                let sent = Instant::now();
                connection.send(&request).await.expect(status);
                times.push(sent.elapsed());
            }
            times
        })
    };
    let running: Vec<_> = connections.into_iter().map(client).collect();
    let mut times = Vec::new();
    for client in running {
        times.extend(client.await.expect("a client that ended in order"));
    }
    Done { per_s: times.len() as f64 / started.elapsed().as_secs_f64(), times: Times::new(times) }
}
