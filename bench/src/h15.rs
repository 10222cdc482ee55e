//! H15: from commit to handler, for a consumer in another database and for a person's open page.
use crate::http::Connection;
use crate::people::Organisation;
use crate::platform::{CONTROL, Platform};
use crate::report::{Times, at_most, say, times};
use crate::socket::Socket;
use crate::{Size, h7, school};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const POSTERS: usize = 4;
/// Registers a second; a school of 20 classes has that many in a morning.
const PACE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(10);

pub async fn run(size: Size) -> usize {
    say("H15 from commit to handler");
    let platform = Platform::start(&[("DATABASE__WARM", "0"), ("DATABASE__IDLE_S", "3600")]).await;
    let missed = consumers(&platform, size.of(100, 8)).await + sockets(&platform, size.of(2_000, 200)).await;
    platform.stop().await;
    missed
}

/// Sign-ups: each publishes two events in the control database that change the new organisation's own database.
async fn consumers(platform: &Platform, sign_ups: usize) -> usize {
    let (mut took, mut wrong) = (Vec::new(), 0);
    for n in 0..sign_ups {
        let organisation = Organisation::make(platform, &format!("Consumer{n}")).await;
        organisation.settled(platform).await;
        let mut control = platform.postgres.connect(CONTROL).await;
        let sent: HashMap<uuid::Uuid, f64> =
            sqlx::query_as("select id, extract(epoch from time)::float8 from hitaji.outbox where type = any($1)")
                .bind(["tenancy.organisation.activated.v1", "identity.membership.started.v1"])
                .fetch_all(&mut control)
                .await
                .expect("events")
                .into_iter()
                .collect();
        let mut tenant = platform.postgres.connect(&organisation.database).await;
        let handled: Vec<(uuid::Uuid, f64)> =
            sqlx::query_as("select event_id, extract(epoch from at)::float8 from hitaji.inbox")
                .fetch_all(&mut tenant)
                .await
                .expect("effects");
        let effects = "select (select count(*) from school.academic_year) + (select count(*) from school.member)";
        let effects: i64 = platform.postgres.ask(&organisation.database, effects).await;
        wrong += usize::from(handled.len() != 2 || effects != 2);
        took.extend(handled.iter().map(|(id, at)| Duration::from_secs_f64((at - sent[id]).max(0.0))));
    }
    let took = Times::new(took);
    times("consumer: emitting transaction began → handler's began", &took);
    at_most("consumer, p99", took.ms(99.0), 100.0, "ms")
        + at_most("consumer: effects lost or doubled", wrong as f64, 0.0, "")
}

/// Registers at a steady pace, and one open page that hears of them.
async fn sockets(platform: &Platform, registers: usize) -> usize {
    let organisation = Organisation::make(platform, "Uhuru").await;
    organisation.settled(platform).await;
    school::fill(platform, &organisation, registers / 2).await;
    let date = school::today(platform, &organisation).await;
    let mut socket = Socket::listen(&platform.address, &organisation.authorization, "school.attendance").await;
    let hearing = tokio::spawn(async move {
        let mut heard = Vec::new();
        while heard.len() < registers {
            let Ok(message) = tokio::time::timeout(PATIENCE, socket.event()).await else {
                break;
            };
            let register = message["event"]["data"]["register_id"].as_str().expect("an id").to_owned();
            heard.push((register, Instant::now()));
        }
        // One more would be a doubled one.
        if tokio::time::timeout(Duration::from_secs(1), socket.event()).await.is_ok() {
            heard.push((String::new(), Instant::now()));
        }
        heard
    });
    let begin = Instant::now();
    let poster = |poster: usize| {
        let (address, authorization, date) =
            (platform.address.clone(), organisation.authorization.clone(), date.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&address).await;
            let mut posted = Vec::new();
            for n in (1..=registers).filter(|n| n % POSTERS == poster) {
                tokio::time::sleep_until((begin + PACE * u32::try_from(n).unwrap_or_default()).into()).await;
                let (bytes, sent) = (h7::post(&authorization, &date, n), Instant::now());
                connection.send(&bytes).await.expect(201);
                posted.push((school::id(7, n), sent, Instant::now()));
            }
            posted
        })
    };
    let posters: Vec<_> = (0..POSTERS).map(poster).collect();
    let mut posted = Vec::new();
    for poster in posters {
        posted.extend(poster.await.expect("a poster that ended in order"));
    }
    let heard = hearing.await.expect("a listener that ended in order");
    let first: HashMap<&str, Instant> = heard.iter().rev().map(|(register, at)| (register.as_str(), *at)).collect();
    let times_of = |from: fn(&(String, Instant, Instant)) -> Instant| {
        let heard =
            posted.iter().filter_map(|post| Some(first.get(post.0.as_str())?.saturating_duration_since(from(post))));
        Times::new(heard.collect())
    };
    let (sent, answered) = (times_of(|post| post.1), times_of(|post| post.2));
    times("socket: request sent → event received", &sent);
    times("socket: answer received → event received", &answered);
    let (lost, doubled) = (posted.len() - sent.count(), heard.len() - first.len());
    at_most("socket, request sent → event received, p99", sent.ms(99.0), 100.0, "ms")
        + at_most(&format!("socket: lost of {registers}"), lost as f64, 0.0, "")
        + at_most(&format!("socket: doubled of {registers}"), doubled as f64, 0.0, "")
}
