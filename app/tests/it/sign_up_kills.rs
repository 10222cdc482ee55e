//! Sign-ups while the process is killed at any moment: each organisation is there once and whole, or not at all, and nothing
//! half-made stays (F11 of the reference).
use crate::process::{Process, Setting};
use hitaji_core::{Clock, TenantId, new_id};
use hitaji_testkit::{PASSWORD, moment};
use serde_json::json;

const KILLS: u64 = 12;

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// Signs up again and again with the same id until it is answered; what the answer was.
async fn insist(address: String, id: TenantId, n: usize) -> serde_json::Value {
    let body = json!({"organisation_id": id, "organisation": format!("House {n}"), "country": "KE", "currency": "KES",
        "time_zone": "Africa/Nairobi", "products": ["school"], "name": "Some Body", "email": format!("owner{n}@founders.example"), "password": PASSWORD});
    let client = reqwest::Client::new();
    loop {
        let sent = client.post(format!("{address}/identity/v1/sign-ups")).json(&body).send().await;
        if let Ok(response) = sent
            && response.status().is_success()
            && let Ok(answer) = response.json().await
        {
            return answer;
        }
        moment(50).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ups_survive_kills_at_any_moment() {
    let port = free_port();
    let setting = Setting::new(format!("http://localhost:{port}")).await.with("DATABASE__WARM", "1");
    let address = format!("http://127.0.0.1:{port}");
    let mut process = Process::serve(&setting, port, &[]).await;
    let wishes: Vec<_> = (0..8).map(|n| (TenantId(new_id()), n)).collect();
    let asking: Vec<_> = wishes.iter().map(|(id, n)| tokio::spawn(insist(address.clone(), *id, *n))).collect();
    for kill in 0..KILLS {
        // Somewhere between two steps; a later one reaches later steps.
        moment(20 + kill * 37 % 450).await;
        process.kill();
        process = Process::serve(&setting, port, &[]).await;
    }
    let mut slugs = Vec::new();
    for answer in asking {
        slugs.push(answer.await.expect("it is answered in the end")["slug"].as_str().expect("a slug").to_owned());
    }
    slugs.sort();
    slugs.dedup();
    assert_eq!(slugs.len(), wishes.len(), "each has a name of its own");
    process.kill();

    let (_, databases) = hitaji::runtime::databases(&setting.config(), Clock::system()).expect("the databases");
    let mut conn = databases.control().await.expect("the control database");
    let (organisations, owners, active): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from directory.tenant), (select count(*) from identity.membership),
                (select count(*) from directory.tenant where state = 'active')",
    )
    .fetch_one(&mut *conn)
    .await
    .expect("counts");
    assert_eq!((organisations, owners, active), (8, 8, 8), "each is there once and whole");
    conn.release();
    // The janitor, with its patience at nothing: only what somebody uses, and what is ready for the next, is left.
    databases.reap(chrono::TimeDelta::zero()).await.expect("the reaper");
    let mut conn = databases.control().await.expect("the control database");
    let (known, there, roles): (i64, i64, i64) = sqlx::query_as(
        "select (select count(*) from directory.database), (select count(*) from pg_database where datname ~ (current_database() || '_t_')),
                (select count(*) from pg_roles where rolname ~ (current_database() || '_r_'))",
    )
    .fetch_one(&mut *conn)
    .await
    .expect("counts");
    assert_eq!((there, roles), (known, known), "no database and no role that nobody knows of");
    conn.release();
    for (id, _) in &wishes {
        let mut conn = databases.tenant(*id, "school").await.expect("its database");
        let answered: i64 = sqlx::query_scalar("select count(*) from hitaji.schema_version")
            .fetch_one(&mut *conn)
            .await
            .expect("it answers");
        assert!(answered > 1);
        conn.release();
    }
}
