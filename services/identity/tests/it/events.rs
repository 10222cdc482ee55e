//! What happens at the door is written down with where it came from, and those see it whom it concerns.
use crate::browser::Browser;
use crate::denials::join_also;
use crate::flow::{start, start_with, text, web};
use hitaji_core::Clock;
use hitaji_testkit::{Client, PASSWORD, TestApp, at};
use serde_json::Value;

const TEACHER: &str = "baraka@uhuru.example";

async fn listed(client: &Client, query: &str) -> Vec<Value> {
    let page = client.get(&format!("/identity/v1/sign-in-events{query}")).await.ok();
    page["data"].as_array().unwrap().clone()
}

fn actions(events: &[Value]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (text(event, "action"), text(event, "outcome"))).collect()
}

#[tokio::test]
async fn owners_see_who_came_and_who_was_refused() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    app.join(&school, "teacher", "Baraka", TEACHER).await;
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in").await.submit(&[("email", TEACHER), ("password", "a wild guess")]).await;
    browser.sign_in(TEACHER, PASSWORD).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let logout = format!("/oauth/logout?id_token_hint={}", text(&tokens, "id_token"));
    browser.open(&logout).await;
    let owner = app.owner(&school).await;
    let found = listed(&owner, "").await;
    let expected = [
        ("operator_token", "done"),
        ("sign_out", "done"),
        ("authorization", "done"),
        ("sign_in", "done"),
        ("sign_in", "refused"),
    ];
    assert_eq!(actions(&found)[..5], expected);
    assert_eq!((&found[2]["client_id"], &found[4]["name"]), (&Value::from("hitaji-web"), &Value::from("Baraka")));
    assert_eq!(text(&found[4], "address"), "127.0.0.1");
    assert_eq!(text(&found[4], "at"), "2026-05-12T05:00:00Z");
    let all = actions(&found);
    assert!(all.contains(&("sign_up", "done")) && all.contains(&("invitation_accepted", "done")), "{all:?}");
    for (query, count) in [
        ("?outcome=refused", 1),
        // Taking an invitation is a sign-in too.
        ("?action=sign_in,sign_out&outcome=done", 3),
        ("?address=127.0.0.0/8&action=sign_out", 1),
        ("?address=192.0.2.1", 0),
        ("?from=2026-05-12T05:00:01Z", 0),
        ("?to=2026-05-12T05:00:00Z", 0),
    ] {
        assert_eq!(listed(&owner, query).await.len(), count, "{query}");
    }
    let teacher = format!("?account_id={}&action=sign_in", text(&found[4], "account_id"));
    let expected = [("sign_in", "done"), ("sign_in", "refused"), ("sign_in", "done")];
    assert_eq!(actions(&listed(&owner, &teacher).await), expected);
    for bad in ["?action=dance", "?outcome=perhaps", "?address=x", "?from=yesterday", "?shoe_size=41", "?cursor=x"] {
        owner.get(&format!("/identity/v1/sign-in-events{bad}")).await.refused(400);
    }
    let first = owner.get("/identity/v1/sign-in-events?limit=2").await.ok();
    let rest =
        owner.get(&format!("/identity/v1/sign-in-events?limit=200&cursor={}", text(&first["page"], "next"))).await.ok();
    assert_eq!(rest["data"].as_array().unwrap().len() + 2, listed(&owner, "?limit=200").await.len());
    app.settle().await;
}

#[tokio::test]
async fn nobody_sees_what_is_not_theirs() {
    let app = start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota School").await);
    let teacher = app.join(&school, "teacher", "Baraka", TEACHER).await;
    join_also(&app, &other, TEACHER).await;
    teacher.get("/identity/v1/sign-in-events").await.refused(403);
    let mut browser = Browser::new(&app.address);
    browser.sign_in(TEACHER, PASSWORD).await;
    // Of somebody who belongs to two organisations, only they themselves see the bare sign-in.
    for organisation in [&school, &other] {
        let owner = app.owner(organisation).await;
        let seen = listed(&owner, "?action=sign_in").await;
        assert_eq!(seen.iter().filter(|event| event["email"] == TEACHER).count(), 1, "the one with the invitation");
    }
    let own = teacher.get("/identity/v1/me/events?action=sign_in&outcome=done").await.ok();
    assert_eq!(own["data"].as_array().unwrap().len(), 3);
    let everything = teacher.get("/identity/v1/me/events").await.ok();
    assert!(everything["data"].as_array().unwrap().iter().all(|event| event["email"] == TEACHER));
}

#[tokio::test]
async fn a_lock_out_is_one_event_however_many_knock() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    for _ in 0..9 {
        browser.open("/sign-in").await.submit(&[("email", &school.owner_email), ("password", "a wild guess")]).await;
    }
    assert_eq!(browser.status, 429);
    let owner = app.owner(&school).await;
    assert_eq!(listed(&owner, "?action=lock_out").await.len(), 1);
    assert_eq!(listed(&owner, "?action=sign_in&outcome=refused").await.len(), 5);
}

#[tokio::test]
async fn events_are_only_ever_added_to_and_go_after_400_days() {
    let app = TestApp::start_with(Clock::fixed(at("2020-05-12T05:00:00Z")), |_| {}).await;
    app.organisation("Uhuru Academy").await;
    let count = async || app.control_rows("select count(*) from identity.event").await[0]["count"].as_i64().unwrap();
    assert!(count().await > 0);
    let mut conn = app.platform.databases().control().await.unwrap();
    for change in ["update identity.event set outcome = 'done'", "delete from identity.event"] {
        let error = sqlx::query(change).execute(&mut *conn).await.unwrap_err();
        assert!(error.to_string().contains("permission denied"), "{error}");
    }
    let forget = "select identity.forget_events($1, 1000)";
    let gone: i64 = sqlx::query_scalar(forget).bind(at("2020-05-12T05:00:00Z")).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(gone, 0, "those of that very moment stay");
    let gone: i64 = sqlx::query_scalar(forget).bind(at("2020-05-13T00:00:00Z")).fetch_one(&mut *conn).await.unwrap();
    assert!(gone > 0 && count().await == 0);
    let young = start().await;
    young.organisation("Uhuru Academy").await;
    let mut conn = young.platform.databases().control().await.unwrap();
    let gone: i64 = sqlx::query_scalar(forget).bind(at("2199-01-01T00:00:00Z")).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(gone, 0, "nobody removes what is younger than 400 days");
}

#[tokio::test]
async fn a_recipient_gets_so_many_links() {
    let app = start_with(|settings| {
        settings.insert("codes_per_recipient_per_hour".into(), 2.into());
    })
    .await;
    let mut browser = Browser::new(&app.address);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        browser.open("/forgot-password").await.submit(&[("email", "nobody@uhuru.example")]).await;
        statuses.push(browser.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
    assert!(browser.headers.contains_key("retry-after"));
}
