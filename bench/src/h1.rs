//! H1: from the sign-up to the first record of the new organisation's own, as a browser does it.
use crate::Size;
use crate::http::Connection;
use crate::people::{Newcomer, hidden, refused_sign_in};
use crate::platform::{CONTROL, Platform};
use crate::report::{Times, at_most, say, times};
use std::time::{Duration, Instant};

const TOGETHER: usize = 8;

/// Sign-up, code flow, first write, and all of it.
#[derive(Clone, Copy)]
struct Steps([Duration; 4]);

pub async fn run(size: Size) -> usize {
    say(
        "H1  an organisation is ready: sign-up sent → first write answered (sign-up form, authorize, token, POST), HTTP kept alive",
    );
    let one_by_one = size.of(60, 5);
    let warm = (one_by_one + TOGETHER).to_string();
    let mut platform = Platform::start(&[("DATABASE__WARM", &warm)]).await;
    let ready = format!("select count(*) >= {warm} from directory.database where state = 'ready'");
    platform.postgres.wait_for(CONTROL, &ready).await;
    // Without refilling beside it: what a refill costs is the difference to the cold ones.
    platform.serve(&[("DATABASE__WARM", "0")]).await;
    let hash = password_hash(&mut Connection::open(&platform.address).await, one_by_one).await;
    Newcomer::arrive(&platform, "Unmeasured").await;
    let quick = series(&platform, "warm", one_by_one).await;
    together(&platform, "warm").await;
    let slow = series(&platform, "cold", one_by_one).await;
    together(&platform, "cold").await;
    say(&format!(
        "  {:<52} p50 {:>8.2} ms of each sign-up",
        "of which one argon2id password hash (19 MiB, 2 passes)", hash
    ));
    platform.stop().await;
    let without = quick.ms(95.0) - hash;
    say(&format!("  {:<52} p95 {without:>8.2} ms", "warm, without the password hash"));
    at_most("from the warm pool, p95", quick.ms(95.0), 50.0, "ms")
        + at_most("without a ready database, p50", slow.ms(50.0), 400.0, "ms")
        + at_most("without a ready database, p99", slow.ms(99.0), 1_500.0, "ms")
}

async fn series(platform: &Platform, name: &str, count: usize) -> Times {
    let before = platform.served("/tenancy/v1/organisations").await;
    let mut steps = Vec::new();
    for n in 0..count {
        steps.push(one(platform, &format!("{name}{n}")).await);
    }
    let after = platform.served("/tenancy/v1/organisations").await;
    let of = |step: usize| Times::new(steps.iter().map(|steps| steps.0[step]).collect());
    times(&format!("{name}: sign-up → first write"), &of(3));
    for (step, what) in ["the sign-up", "authorize and token", "the first write"].iter().enumerate() {
        times(&format!("{name}:   {what}"), &of(step));
    }
    let provisioning = 1e3 * (after.0 - before.0) / (after.1 - before.1);
    say(&format!(
        "  {:<52} mean {provisioning:>7.2} ms (the server's histogram)",
        format!("{name}:   of the sign-up, tenancy's part")
    ));
    of(3)
}

async fn one(platform: &Platform, name: &str) -> Steps {
    let mut newcomer = Newcomer::arrive(platform, name).await;
    let begin = Instant::now();
    newcomer.sign_up().await;
    let signed_up = begin.elapsed();
    let token = newcomer.token(&platform.origin()).await;
    let token_there = begin.elapsed();
    newcomer.write(&token).await;
    let written = begin.elapsed();
    Steps([signed_up, token_there - signed_up, written - token_there, written])
}

async fn together(platform: &Platform, name: &str) {
    let names: Vec<String> = (0..TOGETHER).map(|n| format!("{name}-together{n}")).collect();
    let all = futures::future::join_all(names.iter().map(|name| one(platform, name))).await;
    times(&format!("{name}: {TOGETHER} at once"), &Times::new(all.iter().map(|steps| steps.0[3]).collect()));
}

/// What one hash takes: a sign-in with a wrong password, less its page.
async fn password_hash(connection: &mut Connection, count: usize) -> f64 {
    let (mut pages, mut tries) = (Vec::new(), Vec::new());
    for n in 0..count {
        let begin = Instant::now();
        let form = hidden(&connection.visit("GET", "/sign-in", &[]).await.expect(200).text());
        pages.push(begin.elapsed());
        let begin = Instant::now();
        refused_sign_in(connection, &form, &format!("nobody{n}@example.org")).await;
        tries.push(begin.elapsed());
    }
    Times::new(tries).ms(50.0) - Times::new(pages).ms(50.0)
}
