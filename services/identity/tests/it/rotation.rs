//! Signing keys change while requests run.
use crate::flow::start;
use hitaji_bus::JobContext;
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest, RotateSigningKeys, SigningKeysRotated};
use hitaji_core::{Clock, Config};
use hitaji_testkit::{TestApp, at, beside, moment, send};
use hitaji_web::Platform;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

async fn key_ids(app: &TestApp) -> Vec<Value> {
    let keys = app.anybody().get("/oauth/jwks").await.ok();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect()
}

async fn rotate(app: &TestApp, step: &str) -> usize {
    let asked = RotateSigningKeys { step: step.into() };
    let path = "/identity/v1/signing-keys/rotations";
    let done = app.platform.peers().ask("test", "identity", reqwest::Method::POST, path, &asked).await;
    done.map(|done: SigningKeysRotated| done.changed).unwrap()
}

/// A process that runs the product and knows identity by its address only.
async fn second_process(mut config: Config, clock: Clock, identity: &str) -> String {
    config.set("peers", "identity", identity);
    config.set("peers", "tenancy", identity);
    beside(&config, &["school"], clock).await
}

async fn minted(platform: &Platform) -> String {
    let (organisation, account) = ("uhuru-academy".to_owned(), "owner@uhuru-academy.example".to_owned());
    let request = OperatorTokenRequest { organisation, account, scope: String::new() };
    let path = "/identity/v1/operator-tokens";
    let asked = platform.peers().ask("test", "identity", reqwest::Method::POST, path, &request).await;
    asked.map(|token: OperatorToken| token.access_token).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn oidcc_server_rotate_keys() {
    let mut kept = None;
    let clock = Clock::fixed(at("2026-05-12T05:00:00Z"));
    let app = TestApp::start_with(clock.clone(), |config| {
        config.set("limits", "subject_burst", 1_000_000);
        config.set("limits", "organisation_burst", 1_000_000);
        kept = Some(config.clone());
    })
    .await;
    app.organisation("Uhuru Academy").await;
    let second = second_process(kept.unwrap(), clock, &app.address).await;
    let addresses = [app.address.clone(), second];
    let early = minted(&app.platform).await;
    let before = key_ids(&app).await;

    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load = (0..3).map(|_| {
        let (platform, http, addresses) = (app.platform.clone(), app.http.clone(), addresses.clone());
        let (stop, served) = (stop.clone(), served.clone());
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let token = minted(&platform).await;
                for address in &addresses {
                    let url = format!("{address}/school/v1/academic-years");
                    let reply = send(http.get(url).bearer_auth(&token)).await;
                    assert_eq!(reply.status, 200, "{address}: {}", reply.body);
                    served.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    });
    let load: Vec<_> = load.collect();
    for _ in 0..3 {
        assert_eq!(rotate(&app, "publish").await, 2);
        // The command waits a minute; what matters is that every process may look for keys again.
        moment(2_100).await;
        let before_use = served.load(Ordering::SeqCst);
        assert_eq!(rotate(&app, "use").await, 2);
        hitaji_testkit::until("requests are served by the new keys", async || {
            (served.load(Ordering::SeqCst) > before_use + 12).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.expect("every request was served");
    }
    assert!(served.load(Ordering::SeqCst) > 60, "{served:?}");
    let after = key_ids(&app).await;
    assert_eq!(after.len(), 8, "the six that came, and the two that there were");
    assert!(before.iter().all(|id| after.contains(id)));
    for address in &addresses {
        let url = format!("{address}/school/v1/academic-years");
        send(app.http.get(url).bearer_auth(&early)).await.ok();
    }
}

#[tokio::test]
async fn keys_change_by_themselves_in_one_process_at_a_time() {
    let app = start().await;
    assert_eq!(key_ids(&app).await.len(), 2);
    let first = key_ids(&app).await;
    let services = app.platform.registry().services();
    let job = *services.iter().flat_map(|service| service.jobs).find(|job| job.name == "identity.rotate").unwrap();
    let context = JobContext { databases: app.platform.databases().clone(), parts: app.platform.parts().clone() };
    let both = async || {
        let (one, other) = tokio::join!((job.run)(context.clone()), (job.run)(context.clone()));
        one.unwrap();
        other.unwrap();
    };
    let states = async || {
        let sql = "select state, count(*) from identity.signing_key group by state order by state";
        app.control_rows(sql).await.iter().map(|row| (row["state"].clone(), row["count"].clone())).collect::<Vec<_>>()
    };
    app.clock.set(at("2026-08-09T04:59:59Z"));
    both().await;
    assert_eq!(states().await, [(json!("active"), json!(2))], "88 days and a bit");
    app.clock.set(at("2026-08-09T05:00:01Z"));
    both().await;
    assert_eq!(states().await, [(json!("active"), json!(2)), (json!("next"), json!(2))]);
    assert_eq!(key_ids(&app).await.len(), 4, "published");
    app.clock.set(at("2026-08-10T05:00:00Z"));
    both().await;
    assert_eq!(states().await, [(json!("active"), json!(2)), (json!("next"), json!(2))], "not yet a day");
    app.clock.set(at("2026-08-10T05:00:02Z"));
    both().await;
    assert_eq!(states().await, [(json!("active"), json!(2)), (json!("retired"), json!(2))]);
    assert!(first.iter().all(|id| !id.is_null()));
    let known = key_ids(&app).await;
    assert!(first.iter().all(|id| known.contains(id)), "old ones stay known");
    app.clock.set(at("2026-09-09T05:00:03Z"));
    both().await;
    let known = key_ids(&app).await;
    assert!(known.len() == 2 && !first.iter().any(|id| known.contains(id)), "{known:?}");
}
