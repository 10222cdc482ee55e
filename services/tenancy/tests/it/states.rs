//! Suspend, resume, archive: what holds at once, and what is written down.
use hitaji_contracts::tenancy::{ChangeState, StateAction, StateChanged};
use hitaji_testkit::{Client, TestApp};
use serde_json::{Value, json};

async fn act(client: &Client, id: impl std::fmt::Display, action: &str) -> hitaji_testkit::Reply {
    let path = format!("/tenancy/v1/organisations/{id}/{action}");
    client.post(&path, &json!({"reason": format!("{action}, because of a test")})).await
}

#[tokio::test]
async fn a_suspension_holds_for_the_very_next_request() {
    let app = TestApp::start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota Primary").await);
    let (owner, neighbour) = (app.owner(&school).await, app.owner(&other).await);
    let operator = app.operator("operator", "amina@hitaji.example").await;
    owner.get("/identity/v1/me").await.ok();
    let suspended = act(&operator, school.id, "suspend").await;
    assert_eq!(suspended.header("etag").map(str::to_owned), Some(format!("\"{}\"", suspended.body["version"])));
    assert_eq!(suspended.ok()["state"], "suspended");
    for path in ["/identity/v1/me", "/school/v1/students", "/tenancy/v1/organisation"] {
        let refused = owner.get(path).await.refused(403);
        assert_eq!(refused["code"], "organisation_inactive", "{path}");
        assert!(refused["detail"].as_str().unwrap().contains("Its data is kept"), "{refused}");
    }
    neighbour.get("/identity/v1/me").await.ok();
    // No new token either.
    let asked = hitaji_contracts::identity::OperatorTokenRequest {
        organisation: school.slug.clone(),
        account: school.owner_email.clone(),
        scope: String::new(),
    };
    let token = app.platform.peers().ask::<_, Value>(
        "test",
        "identity",
        reqwest::Method::POST,
        "/identity/v1/operator-tokens",
        &asked,
    );
    assert_eq!(token.await.unwrap_err().code.status(), 422);
    assert_eq!(act(&operator, school.id, "resume").await.ok()["state"], "active");
    owner.get("/identity/v1/me").await.ok();
    app.settle().await;
}

#[tokio::test]
async fn only_legal_ways_lead_on_and_versions_are_honoured() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let operator = app.operator("operator", "amina@hitaji.example").await;
    let refused = act(&operator, school.id, "resume").await.refused(409);
    assert!(refused["detail"].as_str().unwrap().contains("active already"), "{refused}");
    for (action, state) in
        [("suspend", "suspended"), ("archive", "archived"), ("resume", "active"), ("archive", "archived")]
    {
        assert_eq!(act(&operator, school.id, action).await.ok()["state"], state);
    }
    act(&operator, school.id, "suspend").await.refused(409);
    act(&operator, "0199f1c8-0000-7000-8000-000000000001", "suspend").await.refused(404);
    act(&operator, "nonsense", "suspend").await.refused(404);
    let path = format!("/tenancy/v1/organisations/{}/resume", school.id);
    assert_eq!(operator.post(&path, &json!({"reason": " x "})).await.refused(422)["errors"][0]["pointer"], "/reason");
    operator.post(&path, &json!({})).await.refused(400);
    let stale = operator.request(reqwest::Method::POST, &path).header("if-match", "\"1\"");
    hitaji_testkit::send(stale.json(&json!({"reason": "too late"}))).await.refused(412);
    let first = operator.post_once(&path, "resume-once", &json!({"reason": "paid"})).await;
    let again = operator.post_once(&path, "resume-once", &json!({"reason": "paid"})).await;
    assert_eq!((first.status, again.header("idempotent-replayed")), (200, Some("true")));
    app.settle().await;
}

#[tokio::test]
async fn everything_is_written_down_and_told() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let operator = app.operator("operator", "amina@hitaji.example").await;
    for action in ["suspend", "resume", "archive"] {
        act(&operator, school.id, action).await.ok();
    }
    let peers = app.platform.peers();
    let asked = ChangeState { slug: school.slug.clone(), action: StateAction::Resume, reason: "by hand".to_owned() };
    let path = "/tenancy/v1/organisation-states";
    let changed: StateChanged = peers.ask("test", "tenancy", reqwest::Method::POST, path, &asked).await.unwrap();
    assert_eq!(changed.state, "active");
    let audit = operator.get(&format!("/tenancy/v1/operator-audit?organisation={}", school.id)).await.ok();
    let lines = audit["data"].as_array().unwrap();
    let actions: Vec<_> = lines.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["resume", "archive", "resume", "suspend"], "newest first");
    assert_eq!(lines[0]["actor"], "operator:command-line");
    assert_eq!(lines[1]["operator_name"], "amina");
    assert_eq!(lines[1]["details"], json!({"state": "archived", "reason": "archive, because of a test"}));
    let page = operator.get(&format!("/tenancy/v1/operator-audit?organisation={}&limit=3", school.id)).await.ok();
    let next = page["page"]["next"].as_str().unwrap();
    let rest =
        operator.get(&format!("/tenancy/v1/operator-audit?organisation={}&limit=3&cursor={next}", school.id)).await;
    assert_eq!(rest.ok()["data"][0]["action"], "suspend");
    let all = operator.get("/tenancy/v1/operator-audit").await.ok();
    assert!(all["data"].as_array().unwrap().len() >= 4);
    app.settle().await;
    let events = app
        .control_rows("select type from hitaji.outbox where service = 'tenancy' and type like '%organisation.%' order by position")
        .await;
    let types: Vec<_> = events.iter().map(|row| row["type"].as_str().unwrap()).collect();
    let told = ["activated", "suspended", "resumed", "archived", "resumed"];
    assert_eq!(types, told.map(|what| format!("tenancy.organisation.{what}.v1")));
}
