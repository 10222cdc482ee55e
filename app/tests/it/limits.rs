//! Rate limits: per organisation and per subject, told in every answer.
use hitaji_core::Clock;
use hitaji_testkit::{Client, Reply, TestApp, at};

const ME: &str = "/identity/v1/me";

async fn app(subject_burst: i64, organisation_burst: i64) -> TestApp {
    TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        config.set("limits", "subject_per_s", 1);
        config.set("limits", "subject_burst", subject_burst);
        config.set("limits", "organisation_per_s", 1);
        config.set("limits", "organisation_burst", organisation_burst);
    })
    .await
}

/// Asks until it is refused, and gives the refusal and how many were answered.
async fn exhaust(client: &Client, path: &str) -> (Reply, usize) {
    for answered in 0..200 {
        let reply = client.get(path).await;
        if reply.status == 429 {
            return (reply, answered);
        }
        assert!(reply.header("ratelimit").is_some(), "{} without RateLimit", reply.status);
    }
    panic!("200 requests were not too many");
}

fn check_refusal(reply: &Reply, policy: &str) {
    let wait: u64 = reply.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After in seconds");
    assert!((1..=5).contains(&wait), "{wait}");
    assert_eq!(reply.header("ratelimit"), Some(format!("\"{policy}\";r=0;t={wait}").as_str()));
    assert!(reply.header("ratelimit-policy").is_some_and(|text| text.starts_with(&format!("\"{policy}\";q="))));
    assert_eq!(
        (reply.header("content-type"), &reply.body["code"]),
        (Some("application/problem+json"), &"rate_limited".into())
    );
}

#[tokio::test]
async fn a_subject_that_asks_too_much_waits_alone() {
    let app = app(6, 60).await;
    let (first, second) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let owner = app.owner(&first).await;
    let reply = owner.get(ME).await;
    assert_eq!(
        (reply.header("ratelimit-policy"), reply.header("ratelimit")),
        (Some("\"subject\";q=6;w=6"), Some("\"subject\";r=5;t=6"))
    );
    let (refusal, answered) = exhaust(&owner, ME).await;
    check_refusal(&refusal, "subject");
    assert!(answered >= 5, "{answered}");
    // The token does not matter, the subject does.
    assert_eq!(app.owner(&first).await.get(ME).await.status, 429);
    assert_eq!(app.owner(&second).await.get(ME).await.status, 200, "another organisation is not slowed down");
    app.settle().await;
}

#[tokio::test]
async fn an_organisation_shares_one_limit_and_refusals_count() {
    let app = app(30, 12).await;
    let (first, second) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let narrow = app.client(&app.token(&first.slug, &first.owner_email, "tenancy.organisation:read").await);
    let (refusal, answered) = exhaust(&narrow, "/school/v1/students").await;
    check_refusal(&refusal, "organisation");
    assert!(answered >= 11, "guessing at what one may not read is counted: {answered}");
    assert_eq!(app.owner(&second).await.get(ME).await.status, 200);
    app.settle().await;
}
