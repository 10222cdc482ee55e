//! Invitations from the command to the new member.
use crate::browser::Browser;
use crate::flow::{start, text};
use hitaji_testkit::{Client, Organisation, PASSWORD, TestApp, at};
use serde_json::{Value, json};

const TEACHER: &str = "juma@uhuru.example";

async fn invite(app: &TestApp, owner: &Client, email: &str, role: &str) -> (Value, String) {
    let body = json!({"email": email, "name": "Juma Ali", "roles": [role]});
    let invitation = owner.post("/identity/v1/invitations", &body).await.ok();
    app.settle().await;
    (invitation, app.mailed_link(&email.trim().to_lowercase()).await)
}

async fn begin() -> (TestApp, Organisation, Client) {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    (app, school, owner)
}

#[tokio::test]
async fn an_invited_person_becomes_a_member() {
    let (app, school, owner) = begin().await;
    let (invitation, link) = invite(&app, &owner, "  Juma@Uhuru.example ", "teacher").await;
    assert_eq!((&invitation["status"], &invitation["email"]), (&json!("pending"), &json!(TEACHER)));
    let mails = app.mails().await.to_string();
    assert!(mails.contains("Wanjiku Kamau invites you to Uhuru Academy"), "{mails}");
    let mut browser = Browser::new(&app.address);
    browser.open(&link).await;
    assert!(
        browser.html.contains("Uhuru Academy") && browser.html.contains("Teacher") && browser.html.contains(TEACHER)
    );
    browser.submit(&[("name", "Juma Ali"), ("password", "uhuru123")]).await;
    assert_eq!(browser.status, 422);
    assert!(browser.html.contains("field-error") && browser.html.contains("value=\"Juma Ali\""));
    browser.submit(&[("name", "Juma Ali"), ("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    let members = owner.get("/identity/v1/members").await.ok();
    assert_eq!(members["data"][1]["email"], TEACHER);
    assert_eq!(members["data"][1]["roles"], json!(["teacher"]));
    let tokens = crate::flow::web(&app).tokens(&app, &mut browser, &[]).await;
    let person = app.client(text(&tokens, "access_token"));
    assert_eq!(person.get("/oauth/userinfo").await.ok()["email_verified"], json!(true));
    person
        .post("/identity/v1/invitations", &json!({"email": "x@y.example", "name": "X", "roles": ["teacher"]}))
        .await
        .refused(403);
    assert_eq!(Browser::new(&app.address).open(&link).await.status, 410, "a link is taken once");
    let list = owner.get("/identity/v1/invitations").await.ok();
    assert_eq!(list["data"][0]["status"], "accepted");
    let again = json!({"email": TEACHER, "name": "Juma", "roles": ["teacher"]});
    owner.post("/identity/v1/invitations", &again).await.refused(409);
    assert_eq!(app.member(&school, TEACHER).await.get("/identity/v1/me").await.ok()["roles"], json!(["teacher"]));
}

#[tokio::test]
async fn sending_again_kills_the_earlier_link_and_withdrawing_kills_all() {
    let (app, _, owner) = begin().await;
    let (invitation, first) = invite(&app, &owner, TEACHER, "teacher").await;
    let path = format!("/identity/v1/invitations/{}", text(&invitation, "id"));
    let same = json!({"email": TEACHER, "name": "Juma", "roles": ["teacher"]});
    assert_eq!(owner.post("/identity/v1/invitations", &same).await.refused(409)["code"], "conflict");
    let renewed = owner.post(&format!("{path}/resend"), &json!({})).await.ok();
    assert_eq!(renewed["version"], json!(2));
    app.settle().await;
    let second = app.mailed_link(TEACHER).await;
    assert_ne!(first, second);
    let mut browser = Browser::new(&app.address);
    assert_eq!(browser.open(&first).await.status, 410);
    assert_eq!(browser.open(&second).await.status, 200);
    app.clock.set(at("2026-05-19T05:00:00Z"));
    assert_eq!(browser.open(&second).await.status, 410, "seven days");
    let owner = app.client(&app.token("uhuru-academy", "owner@uhuru-academy.example", "").await);
    assert_eq!(owner.get("/identity/v1/invitations").await.ok()["data"][0]["status"], "expired");
    owner.post(&format!("{path}/resend"), &json!({})).await.ok();
    app.settle().await;
    let third = app.mailed_link(TEACHER).await;
    assert_eq!(browser.open(&third).await.status, 200);
    assert_eq!(owner.delete(&path).await.status, 204);
    assert_eq!(browser.open(&third).await.status, 410);
    owner.post(&format!("{path}/resend"), &json!({})).await.refused(409);
    owner.post("/identity/v1/invitations", &same).await.ok();
}

#[tokio::test]
async fn somebody_with_an_account_confirms_with_its_password() {
    let (app, _, _) = begin().await;
    let other = app.organisation("Nyota School").await;
    let (_, link) = invite(&app, &app.owner(&other).await, "owner@uhuru-academy.example", "head_teacher").await;
    let mut browser = Browser::new(&app.address);
    browser.open(&link).await;
    assert!(!browser.html.contains("name=\"name\""), "the name is known");
    browser.submit(&[("password", "something else entirely")]).await;
    assert_eq!(browser.status, 422);
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    let me = app.member(&other, "owner@uhuru-academy.example").await.get("/identity/v1/me").await.ok();
    assert_eq!(me["roles"], json!(["head_teacher"]));
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let (app, school, owner) = begin().await;
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    let as_owner = json!({"email": "x@uhuru.example", "name": "X", "roles": ["owner"]});
    let refused = head.post("/identity/v1/invitations", &as_owner).await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "beyond_own");
    owner.post("/identity/v1/invitations", &as_owner).await.ok();
    let id = text(&owner.get("/identity/v1/invitations").await.ok()["data"][0], "id").to_owned();
    head.post(&format!("/identity/v1/invitations/{id}/resend"), &json!({})).await.refused(422);
    let wrong = json!({"email": "nobody", "name": " ", "roles": ["teacher", "wizard", "teacher"]});
    let refused = owner.post("/identity/v1/invitations", &wrong).await.refused(422);
    let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| text(error, "pointer")).collect();
    assert_eq!(pointers, ["/email", "/name", "/roles/1", "/roles/2"]);
}

#[tokio::test]
async fn another_organisation_sees_nothing_and_pages_fit_together() {
    let (app, _, owner) = begin().await;
    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    let mut ids = Vec::new();
    for index in 0..5 {
        let body = json!({"email": format!("p{index}@uhuru.example"), "name": "P", "roles": ["teacher"]});
        let key = format!("invitation-key-{index}");
        let made = owner.post_once("/identity/v1/invitations", &key, &body).await.ok();
        assert_eq!(owner.post_once("/identity/v1/invitations", &key, &body).await.ok(), made, "the same key again");
        ids.insert(0, text(&made, "id").to_owned());
    }
    let (mut seen, mut next) = (Vec::new(), Some("/identity/v1/invitations?limit=2".to_owned()));
    while let Some(path) = next {
        let page = owner.get(&path).await.ok();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| text(row, "id").to_owned()));
        next = page["page"]["next"].as_str().map(|cursor| format!("/identity/v1/invitations?limit=2&cursor={cursor}"));
    }
    assert_eq!(seen, ids);
    let cursor = text(&owner.get("/identity/v1/invitations?limit=2").await.ok()["page"], "next").to_owned();
    stranger.get(&format!("/identity/v1/invitations?limit=2&cursor={cursor}")).await.refused(400);
    owner.get(&format!("/identity/v1/members?limit=2&cursor={cursor}")).await.refused(400);
    owner.get("/identity/v1/members?limit=0").await.refused(400);
    owner.get("/identity/v1/members?nonsense=1").await.refused(400);
    assert_eq!(stranger.get("/identity/v1/invitations").await.ok()["data"], json!([]));
    stranger.post(&format!("/identity/v1/invitations/{}/resend", ids[0]), &json!({})).await.refused(404);
    stranger.delete(&format!("/identity/v1/invitations/{}", ids[0])).await.refused(404);
}

#[tokio::test]
async fn whoever_is_signed_in_already_only_confirms() {
    let (app, school, _) = begin().await;
    let other = app.organisation("Nyota School").await;
    let (_, link) = invite(&app, &app.owner(&other).await, &school.owner_email, "teacher").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open(&link).await;
    assert!(!browser.html.contains("name=\"password\""));
    browser.submit(&[]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
}
