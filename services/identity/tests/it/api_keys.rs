//! API keys: shown once, worth what was given, gone when they are ended.
use crate::flow::{start, text};
use crate::programs::{codes, robot, school};
use hitaji_testkit::{Client, at};
use serde_json::{Value, json};

const KEYS: &str = "/identity/v1/api-keys";
const NEXT_YEAR: &str = "2027-05-12T05:00:00Z";

fn wanted(scopes: &[&str]) -> Value {
    json!({"name": "Gate", "scopes": scopes, "expires_at": NEXT_YEAR})
}

async fn make(owner: &Client, scopes: &[&str]) -> Value {
    owner.post(KEYS, &wanted(scopes)).await.ok()
}

#[tokio::test]
async fn a_key_opens_what_it_was_given() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let made = make(&owner, &["school.student:read", "school.everyone:read", "school.student:write"]).await;
    let key = text(&made, "key");
    assert!(key.starts_with(text(&made, "shown")) && key.starts_with("hitaji_live_") && key.len() == 62);
    let program = app.client(key);
    assert_eq!(program.get("/school/v1/students").await.ok()["data"].as_array().unwrap().len(), 1);
    program.get("/school/v1/staff").await.refused(403);
    program.get(KEYS).await.refused(403);
    let pupil = json!({"admission_number": "A2", "first_name": "Juma", "last_name": "Otieno"});
    program.post("/school/v1/students", &pupil).await.ok();
    app.settle().await;
    let audited = format!("select actor from hitaji.audit where actor = 'api_key:{}'", text(&made, "id"));
    assert_eq!(app.rows(school.id, &audited).await.len(), 1);
    let list = owner.get(KEYS).await.ok();
    assert_eq!((&list["data"][0]["last_used_on"], &list["data"][0]["key"]), (&json!("2026-05-12"), &Value::Null));
    let stored = app.control_rows("select row_to_json(k)::text as line from identity.api_key k").await;
    assert!(!stored[0].to_string().contains(&key[16..]));
    let own = make(&owner, &["school.student:read"]).await;
    let narrow = app.client(text(&own, "key"));
    assert_eq!(narrow.get("/school/v1/students").await.ok()["data"], json!([]), "no relation reaches it");
}

#[tokio::test]
async fn a_key_ends_at_once_and_nobody_is_told_why() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let made = make(&owner, &["school.staff:read"]).await;
    let program = app.client(text(&made, "key"));
    program.get("/school/v1/staff").await.ok();
    assert_eq!(owner.delete(&format!("{KEYS}/{}", text(&made, "id"))).await.status, 204);
    let revoked = program.get("/school/v1/staff").await;
    assert!(revoked.header("www-authenticate").unwrap().contains("invalid_token"));
    let revoked = revoked.refused(401);
    let soon = json!({"name": "Soon", "scopes": ["school.staff:read"], "expires_at": "2026-05-12T05:00:30Z"});
    let short = owner.post(KEYS, &soon).await.ok();
    let brief = app.client(text(&short, "key"));
    brief.get("/school/v1/staff").await.ok();
    app.clock.set(at("2026-05-12T05:00:30Z"));
    let expired = brief.get("/school/v1/staff").await.refused(401);
    let unknown = hitaji_core::api_key::assemble(&"x".repeat(43));
    let unknown = app.client(&unknown).get("/school/v1/staff").await.refused(401);
    let key = text(&made, "key");
    let typo = format!("{}{}{}", &key[..20], if &key[20..21] == "q" { "r" } else { "q" }, &key[21..]);
    let typo = app.client(&typo).get("/school/v1/staff").await.refused(401);
    for other in [expired, unknown, typo] {
        assert_eq!((&other["detail"], &other["reason"]), (&revoked["detail"], &revoked["reason"]));
    }
    assert_eq!(owner.get(&format!("{KEYS}/{}", text(&short, "id"))).await.ok()["status"], "expired");
    app.settle().await;
}

#[tokio::test]
async fn a_secret_is_followed_by_another() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let made = make(&owner, &["school.staff:read"]).await;
    let path = format!("{KEYS}/{}", text(&made, "id"));
    let rotated = owner.post(&format!("{path}/rotate"), &json!({})).await.ok();
    let (old, new) = (app.client(text(&made, "key")), app.client(text(&rotated, "key")));
    old.get("/school/v1/staff").await.ok();
    new.get("/school/v1/staff").await.ok();
    owner.post(&format!("{path}/rotate"), &json!({})).await.refused(409);
    owner.post(&format!("{path}/retire-old"), &json!({})).await.ok();
    old.get("/school/v1/staff").await.refused(401);
    new.get("/school/v1/staff").await.ok();
    let third = owner.post(&format!("{path}/rotate"), &json!({})).await.ok();
    app.clock.set(at("2026-05-19T05:00:00Z"));
    new.get("/school/v1/staff").await.refused(401);
    app.client(text(&third, "key")).get("/school/v1/staff").await.ok();
    app.settle().await;
}

#[tokio::test]
async fn nobody_makes_a_key_for_more_than_they_may() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let scope = "identity.client:manage identity.client:read school.student:read";
    let narrow = app.client(&app.token(&school.slug, &school.owner_email, scope).await);
    let refused = narrow.post(KEYS, &wanted(&["school.staff:read", "identity.client:manage"])).await.refused(422);
    assert_eq!(codes(&refused), ["/scopes/0 beyond_own", "/scopes/1 restricted"]);
    let strong = make(&owner, &["school.staff:read"]).await;
    let path = format!("{KEYS}/{}", text(&strong, "id"));
    narrow.post(&format!("{path}/rotate"), &json!({})).await.refused(422);
    for expires_at in ["2027-05-14T00:00:00Z", "2026-05-12T05:00:00Z"] {
        let body = json!({"name": "", "scopes": [], "expires_at": expires_at});
        let refused = owner.post(KEYS, &body).await.refused(422);
        assert_eq!(codes(&refused), ["/name required", "/scopes required", "/expires_at out_of_range"]);
    }
    owner.post(KEYS, &json!({"name": "For ever", "scopes": ["school.staff:read"]})).await.refused(400);
    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    stranger.get(&path).await.refused(404);
    stranger.delete(&path).await.refused(404);
    stranger.post(&format!("{path}/rotate"), &json!({})).await.refused(404);
    stranger.post(&format!("{path}/retire-old"), &json!({})).await.refused(404);
    assert_eq!(stranger.get(KEYS).await.ok()["data"], json!([]));
    app.anybody().post("/identity/v1/key-questions", &json!({"hash": "0".repeat(64)})).await.refused(404);
    app.settle().await;
}

#[tokio::test]
async fn a_leaked_key_is_ended_by_a_program_that_found_it() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let made = make(&owner, &["school.staff:read"]).await;
    let (key, finder) = (text(&made, "key"), robot(&owner, &["school.staff:read"]).await);
    let stranger = robot(&app.owner(&app.organisation("Nyota School").await).await, &["school.staff:read"]).await;
    assert_eq!(stranger.post(&app, "/oauth/introspect", &[("token", key)]).await.ok(), json!({"active": false}));
    assert_eq!(stranger.post(&app, "/oauth/revoke", &[("token", key)]).await.status, 200);
    app.client(key).get("/school/v1/staff").await.ok();
    let known = finder.post(&app, "/oauth/introspect", &[("token", key)]).await.ok();
    assert_eq!((&known["active"], &known["sub"], &known["sub_type"]), (&json!(true), &made["id"], &json!("api_key")));
    assert_eq!(finder.post(&app, "/oauth/revoke", &[("token", key)]).await.status, 200);
    app.client(key).get("/school/v1/staff").await.refused(401);
    assert_eq!(finder.post(&app, "/oauth/introspect", &[("token", key)]).await.ok(), json!({"active": false}));
    app.settle().await;
}
