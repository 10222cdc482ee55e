//! From one organisation to another without a new sign-in.
use crate::browser::{Browser, query};
use crate::flow::{App, claims, portal, text, web};
use crate::roles::{begin, member, path};
use hitaji_testkit::{Organisation, PASSWORD, Reply, TestApp, at};
use serde_json::json;

async fn switch(portal: &App, app: &TestApp, token: &str, to: &str) -> Reply {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("organization_id", to)];
    portal.post(app, "/oauth/token", &form).await
}

/// A second organisation that the first one's owner belongs to as a teacher.
async fn second(app: &TestApp, school: &Organisation) -> Organisation {
    let other = app.organisation("Nyota School").await;
    let owner = app.owner(&other).await;
    owner
        .post("/identity/v1/invitations", &json!({"email": school.owner_email, "name": "W", "roles": ["teacher"]}))
        .await
        .ok();
    app.settle().await;
    let link = app.mailed_link(&school.owner_email).await;
    let mut browser = Browser::new(&app.address);
    browser.open(&link).await;
    browser.submit(&[("password", PASSWORD)]).await;
    app.settle().await;
    other
}

#[tokio::test]
async fn a_refresh_may_name_another_organisation() {
    let (app, school, _) = begin().await;
    let (other, portal) = (second(&app, &school).await, portal());
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let first = portal.tokens(&app, &mut browser, &[("organization", &school.slug)]).await;
    let there = switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.ok();
    let said = claims(&there["access_token"]);
    assert_eq!((&said["org_id"], &said["roles"]), (&json!(other.id), &json!(["teacher"])));
    assert!(!text(&said, "scope").contains("identity.member:manage"), "rights are those of the other organisation");
    // Both go on, each for its own.
    let here = portal.refresh(&app, text(&first, "refresh_token")).await.ok();
    assert_eq!(claims(&here["access_token"])["org_id"], json!(school.id));
    let on = portal.refresh(&app, text(&there, "refresh_token")).await.ok();
    assert_eq!(claims(&on["access_token"])["org_id"], json!(other.id));
    let stranger = app.organisation("Mwezi School").await;
    assert_eq!(
        switch(&portal, &app, text(&on, "refresh_token"), &stranger.slug).await.refused(400)["error"],
        "invalid_grant"
    );
    // The first token was used already: whoever shows it again ends the whole family.
    app.clock.set(at("2026-05-12T05:05:00Z"));
    switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.refused(400);
    portal.refresh(&app, text(&on, "refresh_token")).await.refused(400);
    portal.refresh(&app, text(&here, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn the_other_organisation_keeps_its_rules() {
    let (app, school, _) = begin().await;
    let (other, portal) = (second(&app, &school).await, portal());
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let first = portal.tokens(&app, &mut browser, &[("organization", &school.slug)]).await;
    let owner = app.owner(&other).await;
    owner.patch("/identity/v1/policy", None, &json!({"mfa": "all"})).await.ok();
    let refused = switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.refused(400);
    assert!(text(&refused, "error_description").starts_with("interaction_required"), "{refused}");
    owner.patch("/identity/v1/policy", None, &json!({"mfa": "none"})).await.ok();
    let there = switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.ok();
    let gone = member(&owner, &school.owner_email).await;
    assert_eq!(owner.delete(&path("members", &gone)).await.status, 204);
    portal.refresh(&app, text(&there, "refresh_token")).await.refused(400);
    app.client(text(&there, "access_token")).get("/identity/v1/me").await.refused(401);
    switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.refused(400);
    portal.refresh(&app, text(&first, "refresh_token")).await.ok();
}

#[tokio::test]
async fn the_browser_switches_silently() {
    let (app, school, _) = begin().await;
    let (other, web) = (second(&app, &school).await, web(&app));
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    for (slug, id) in [(&school.slug, school.id), (&other.slug, other.id)] {
        browser.open(&web.authorize(&[("organization", slug), ("prompt", "none")])).await;
        let code = query(&browser.leads(), "code").unwrap();
        let tokens = web.exchange(&app, &code, crate::flow::VERIFIER).await.ok();
        assert_eq!(claims(&tokens["access_token"])["org_id"], json!(id));
    }
}

#[tokio::test]
async fn what_one_organisations_own_provider_says_opens_no_other_one() {
    let (app, school, _) = begin().await;
    let (other, portal) = (second(&app, &school).await, portal());
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let first = portal.tokens(&app, &mut browser, &[("organization", &school.slug)]).await;
    let session = claims(&first["access_token"])["sid"].as_str().unwrap().to_owned();
    let mut conn = app.platform.databases().control().await.unwrap();
    sqlx::query(
        "insert into identity.session_provider (session_id, provider, organisation_id) values ($1::uuid, 'own', $2)",
    )
    .bind(session)
    .bind(school.id.0)
    .execute(&mut *conn)
    .await
    .unwrap();
    conn.release();
    switch(&portal, &app, text(&first, "refresh_token"), &other.slug).await.refused(400);
    browser.open(&portal.authorize(&[("organization", &other.slug)])).await;
    assert!(browser.leads().starts_with("/sign-in"), "{:?}", browser.location());
    portal.refresh(&app, text(&first, "refresh_token")).await.ok();
}
