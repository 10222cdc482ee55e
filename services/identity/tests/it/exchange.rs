//! A service goes on in the name of the person who asked it (RFC 8693), with less and never with more.
use crate::flow::{claims, start, text};
use crate::programs::{Robot, robot, school};
use hitaji_testkit::{Client, Reply, TestApp, at};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

async fn exchanger(owner: &Client, scopes: &[&str]) -> Robot {
    let body = json!({"name": "Billing", "kind": "service", "scopes": scopes, "token_exchange": true});
    let made = owner.post("/identity/v1/clients", &body).await.ok();
    Robot { id: text(&made, "id").into(), secret: text(&made, "client_secret").into() }
}

async fn exchange(app: &TestApp, robot: &Robot, token: &str, more: &[(&str, &str)]) -> Reply {
    let mut form = vec![("grant_type", GRANT), ("subject_token", token), ("subject_token_type", ACCESS_TOKEN)];
    form.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    form.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    robot.post(app, "/oauth/token", &form).await
}

#[tokio::test]
async fn the_person_stays_and_the_service_is_named() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let billing = exchanger(&owner, &["school.student:read", "school.everyone:read", "school.staff:read"]).await;
    let scope = "openid school.student:read school.student:write school.everyone:read";
    let person = app.token(&school.slug, &school.owner_email, scope).await;
    let answer = exchange(&app, &billing, &person, &[]).await.ok();
    assert_eq!((&answer["issued_token_type"], &answer["token_type"]), (&json!(ACCESS_TOKEN), &json!("Bearer")));
    assert!(answer.get("refresh_token").is_none());
    assert_eq!(answer["scope"], "openid school.everyone:read school.student:read", "no write, and no staff");
    let (before, after) = (claims(&json!(person)), claims(&answer["access_token"]));
    for claim in ["sub", "org_id", "mbr_id", "sid", "auth_time", "exp"] {
        assert_eq!(before[claim], after[claim], "{claim}");
    }
    assert_eq!((&after["act"], &after["client_id"]), (&json!({"sub": billing.id}), &json!(billing.id)));
    assert_ne!(before["jti"], after["jti"]);
    let service = app.client(text(&answer, "access_token"));
    assert_eq!(service.get("/school/v1/students").await.ok()["data"].as_array().unwrap().len(), 1);
    service.get("/school/v1/staff").await.refused(403);

    let second = exchanger(&owner, &["school.student:read"]).await;
    let chained = exchange(&app, &second, text(&answer, "access_token"), &[]).await.ok();
    let act = &claims(&chained["access_token"])["act"];
    assert_eq!(act, &json!({"sub": second.id, "act": {"sub": billing.id}}));
    assert_eq!(chained["scope"], "openid school.student:read");
    let audited = app.control_rows("select after from hitaji.audit where action = 'exchange'").await;
    assert_eq!(audited.len(), 2);
    app.settle().await;
}

#[tokio::test]
async fn scope_and_lifetime_only_shrink() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let billing = exchanger(&owner, &["school.student:read", "school.staff:read", "school.student:write"]).await;
    let person = app.token(&school.slug, &school.owner_email, "school.student:read school.staff:read").await;
    let less = exchange(&app, &billing, &person, &[("scope", "school.staff:read school.student:write")]).await.ok();
    assert_eq!(less["scope"], "school.staff:read");
    for scope in ["school.student:write", "profile", "identity.member:manage", "hitaji"] {
        let refused = exchange(&app, &billing, &person, &[("scope", scope)]).await.refused(400);
        assert_eq!(refused["error"], "invalid_scope", "{scope}");
    }
    app.clock.set(at("2026-05-12T05:04:00Z"));
    let late = exchange(&app, &billing, &person, &[]).await.ok();
    assert_eq!(late["expires_in"], 60);
    assert_eq!(claims(&late["access_token"])["exp"], claims(&json!(person))["exp"]);
    app.clock.set(at("2026-05-12T05:05:00Z"));
    assert_eq!(exchange(&app, &billing, &person, &[]).await.refused(400)["error"], "invalid_request");
    // All that a person may is not for programs.
    let whole = app.token(&school.slug, &school.owner_email, "").await;
    let every = exchanger(&owner_of(&app, &school).await, &["school.student:read"]).await;
    let answer = exchange(&app, &every, &whole, &[]).await.ok();
    let names: Vec<&str> = text(&answer, "scope").split(' ').filter(|scope| scope.contains(':')).collect();
    assert_eq!(names, ["school.student:read"]);
    app.settle().await;
}

async fn owner_of(app: &TestApp, school: &hitaji_testkit::Organisation) -> Client {
    app.owner(school).await
}

#[tokio::test]
async fn only_living_tokens_of_members_at_home_are_exchanged() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let billing = exchanger(&owner, &["school.student:read"]).await;
    let other = app.organisation("Nyota School").await;
    let foreign = app.token(&other.slug, &other.owner_email, "").await;
    let program = robot(&owner, &["school.student:read"]).await.token(&app, &[]).await.ok();
    let operator = app.operator("owner", "op@platform.example").await.token.unwrap();
    let key = json!({"name": "K", "scopes": ["school.student:read"], "expires_at": "2026-06-01T00:00:00Z"});
    let key = owner.post("/identity/v1/api-keys", &key).await.ok();
    let person = app.token(&school.slug, &school.owner_email, "").await;
    let mut forged = person.clone();
    forged.truncate(forged.len() - 4);
    for token in [&foreign, text(&program, "access_token"), &operator, text(&key, "key"), &forged, "nonsense"] {
        let refused = exchange(&app, &billing, token, &[]).await.refused(400);
        assert_eq!(refused["error"], "invalid_request", "{token}");
    }
    exchange(&app, &billing, &person, &[]).await.ok();
    let operator = app.client(&operator);
    let account = claims(&json!(person))["sub"].as_str().unwrap().to_owned();
    let exchanged = exchange(&app, &billing, &person, &[]).await.ok();
    let out = format!("/identity/v1/accounts/{account}/sign-out");
    operator.post(&out, &json!({"reason": "lost telephone"})).await.ok();
    assert_eq!(exchange(&app, &billing, &person, &[]).await.refused(400)["error"], "invalid_request");
    app.client(text(&exchanged, "access_token")).get("/school/v1/students").await.refused(401);
    app.settle().await;
}

#[tokio::test]
async fn a_request_that_is_not_one_is_refused() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let billing = exchanger(&owner, &["school.student:read"]).await;
    let person = app.token(&school.slug, &school.owner_email, "").await;
    for (change, error) in [
        (("subject_token", ""), "invalid_request"),
        (("subject_token_type", ""), "invalid_request"),
        (("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), "invalid_request"),
        (("requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request"),
        (("actor_token", "x"), "invalid_request"),
        (("audience", "https://elsewhere.example"), "invalid_target"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
    ] {
        assert_eq!(exchange(&app, &billing, &person, &[change]).await.refused(400)["error"], error, "{change:?}");
    }
    exchange(&app, &billing, &person, &[("audience", "hitaji"), ("requested_token_type", ACCESS_TOKEN)]).await.ok();
    let plain = robot(&owner, &["school.student:read"]).await;
    assert_eq!(exchange(&app, &plain, &person, &[]).await.refused(400)["error"], "unauthorized_client");
    let native: Value =
        exchange(&app, &Robot { id: "native".into(), secret: "x".into() }, &person, &[]).await.refused(401);
    assert_eq!(native["error"], "invalid_client");
    app.settle().await;
}
