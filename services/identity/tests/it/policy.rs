//! An organisation's rules of signing in: at the authorization request, at the switch, and at every refresh.
use crate::browser::{Browser, query};
use crate::flow::{App, portal, text, web};
use crate::roles::begin;
use hitaji_testkit::{Client, PASSWORD, TestApp, at};
use serde_json::{Value, json};

const POLICY: &str = "/identity/v1/policy";

async fn set(owner: &Client, rules: &Value) -> Value {
    owner.patch(&format!("{POLICY}?force=true"), None, rules).await.ok()
}

async fn signed_in(app: &TestApp, email: &str) -> Browser {
    let mut browser = Browser::new(&app.address);
    browser.sign_in(email, PASSWORD).await;
    browser
}

async fn asks(app: &App, browser: &mut Browser, more: &[(&str, &str)]) -> String {
    browser.open(&app.authorize(more)).await;
    browser.leads()
}

#[tokio::test]
async fn rules_are_checked_before_they_hold() {
    let (app, school, owner) = begin().await;
    let rules = owner.get(POLICY).await.ok();
    assert_eq!((&rules["mfa"], &rules["version"]), (&json!("none"), &json!(1)));
    for bad in [
        json!({"mfa": "some"}),
        json!({"mfa": "roles"}),
        json!({"mfa": "roles", "mfa_roles": ["nonsense"]}),
        json!({"session_max_minutes": 4}),
        json!({"session_idle_minutes": 99999}),
        json!({"networks": ["10.0.0.1/8"]}),
        json!({"networks": ["localhost"]}),
        json!({"invitation_domains": ["*"]}),
    ] {
        owner.patch(POLICY, None, &bad).await.refused(422);
    }
    let locked = owner.patch(POLICY, None, &json!({"networks": ["203.0.113.0/24"]})).await.refused(422);
    assert_eq!(locked["errors"][0]["code"], "locks_out");
    let kept = owner
        .patch(POLICY, Some(1), &json!({"networks": ["127.0.0.0/8", "::1"], "session_max_minutes": 60}))
        .await
        .ok();
    assert_eq!(kept["version"], json!(2));
    owner.patch(POLICY, Some(1), &json!({"mfa": "all"})).await.refused(412);
    let cleared = owner.patch(POLICY, Some(2), &json!({"session_max_minutes": null})).await.ok();
    assert_eq!((&cleared["session_max_minutes"], &cleared["networks"]), (&Value::Null, &json!(["127.0.0.0/8", "::1"])));
    let head = app.join(&school, "head_teacher", "Grace", "grace@uhuru.example").await;
    head.get(POLICY).await.refused(403);
    let other = app.owner(&app.organisation("Nyota School").await).await;
    assert_eq!(other.get(POLICY).await.ok()["version"], json!(1), "each has its own");
}

#[tokio::test]
async fn two_factors_are_asked_for() {
    let (app, school, owner) = begin().await;
    app.join(&school, "teacher", "Juma", "juma@uhuru.example").await;
    let (mut boss, mut juma) =
        (signed_in(&app, &school.owner_email).await, signed_in(&app, "juma@uhuru.example").await);
    let portal = portal();
    let tokens = portal.tokens(&app, &mut boss, &[]).await;
    set(&owner, &json!({"mfa": "roles", "mfa_roles": ["owner"]})).await;
    let leads = asks(&portal, &mut boss, &[]).await;
    assert!(leads.starts_with("/sign-in/factor?level=urn:hitaji:acr:two&continue="), "{leads}");
    let leads = asks(&portal, &mut boss, &[("prompt", "none")]).await;
    assert_eq!(query(&leads, "error").as_deref(), Some("interaction_required"));
    assert!(query(&asks(&portal, &mut juma, &[]).await, "code").is_some());
    let refused = portal.refresh(&app, text(&tokens, "refresh_token")).await.refused(400);
    assert_eq!(refused["error"], "invalid_grant");
    set(&owner, &json!({"mfa": "none"})).await;
    portal.refresh(&app, text(&tokens, "refresh_token")).await.ok();
}

#[tokio::test]
async fn a_sign_in_gets_old() {
    let (app, school, owner) = begin().await;
    let (web, portal) = (web(&app), portal());
    let mut browser = signed_in(&app, &school.owner_email).await;
    let tokens = portal.tokens(&app, &mut browser, &[]).await;
    set(&owner, &json!({"session_max_minutes": 60, "session_idle_minutes": 20})).await;
    app.clock.set(at("2026-05-12T05:15:00Z"));
    assert!(query(&asks(&web, &mut browser, &[("prompt", "none")]).await, "code").is_some());
    app.clock.set(at("2026-05-12T05:36:00Z"));
    let leads = asks(&web, &mut browser, &[("prompt", "none")]).await;
    assert_eq!(query(&leads, "error").as_deref(), Some("login_required"), "idle");
    let again = asks(&web, &mut browser, &[("prompt", "none")]).await;
    assert_eq!(query(&again, "error").as_deref(), Some("login_required"), "asking is no use");
    portal.refresh(&app, text(&tokens, "refresh_token")).await.refused(400);
    let leads = asks(&web, &mut browser, &[]).await;
    assert!(leads.starts_with("/sign-in?continue="), "{leads}");
    browser.follow().await;
    browser.submit(&[("email", &school.owner_email), ("password", PASSWORD)]).await;
    browser.follow().await;
    assert!(query(&browser.leads(), "code").is_some(), "{}", browser.leads());
    let tokens = portal.tokens(&app, &mut browser, &[]).await;
    let mut refresh = text(&tokens, "refresh_token").to_owned();
    for minute in ["05:50", "06:05", "06:20", "06:35"] {
        app.clock.set(at(&format!("2026-05-12T{minute}:00Z")));
        refresh = text(&portal.refresh(&app, &refresh).await.ok(), "refresh_token").to_owned();
    }
    app.clock.set(at("2026-05-12T06:40:00Z"));
    let refused = portal.refresh(&app, &refresh).await.refused(400);
    assert!(text(&refused, "error_description").starts_with("login_required"), "{refused}");
}

#[tokio::test]
async fn only_its_own_networks_get_in() {
    let (app, school, owner) = begin().await;
    let web = web(&app);
    let mut browser = signed_in(&app, &school.owner_email).await;
    let code = web.code(&mut browser, &[]).await;
    set(&owner, &json!({"networks": ["203.0.113.0/24"]})).await;
    assert_eq!(query(&asks(&web, &mut browser, &[]).await, "error").as_deref(), Some("access_denied"));
    assert_eq!(web.exchange(&app, &code, crate::flow::VERIFIER).await.refused(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn only_its_own_domains_are_invited() {
    let (_app, _, owner) = begin().await;
    set(&owner, &json!({"invitation_domains": ["Uhuru.example"]})).await;
    let invite = |email: &str| json!({"email": email, "name": "X", "roles": ["teacher"]});
    let refused = owner.post("/identity/v1/invitations", &invite("x@gmail.example")).await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "domain_not_allowed");
    owner.post("/identity/v1/invitations", &invite("x@UHURU.example")).await.ok();
    let sheet = "email,name,roles\ny@gmail.example,Y,teacher\n";
    owner.post_csv("/identity/v1/invitations/import", sheet).await.refused(422);
}
