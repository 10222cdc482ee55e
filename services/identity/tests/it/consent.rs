//! People are asked before an application of somebody else gets anything.
use crate::browser::{Browser, query};
use crate::flow::App;
use crate::flow::{VERIFIER, claims, portal, text, web};
use crate::front::{World, metadata, partner, register};
use hitaji_testkit::{TestApp, send};
use serde_json::json;

const SCOPE: (&str, &str) = ("scope", "openid email school.student:read identity.member:read");

async fn asked(browser: &mut Browser, client: &App, more: &[(&str, &str)]) -> bool {
    browser.open(&client.authorize(more)).await;
    if !browser.leads().starts_with("/consent?") {
        return false;
    }
    browser.follow().await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    true
}

#[tokio::test]
async fn the_page_says_who_wants_what_where() {
    let mut world = World::new().await;
    assert!(asked(&mut world.browser, &partner(), &[SCOPE]).await);
    let page = &world.browser.html;
    for said in [
        "Partner App",
        "partner.example",
        "Uhuru Academy",
        &world.school.owner_email,
        "See your e-mail address",
        "Set up by the people who run this platform",
        "See the people of the organisation and who is invited",
        "sensitive",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains("Invite people"), "what was not asked for is not there");
    let policy = world.browser.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self' https://partner.example;") && policy.contains("frame-ancestors 'none'")
    );
}

#[tokio::test]
async fn what_was_allowed_is_remembered_and_only_more_is_asked_again() {
    let mut world = World::new().await;
    let client = partner();
    assert!(asked(&mut world.browser, &client, &[SCOPE]).await);
    world.browser.submit(&[]).await.follow().await;
    let code = query(&world.browser.leads(), "code").expect("a code");
    let tokens = client.exchange(&world.app, &code, VERIFIER).await.ok();
    assert_eq!(text(&tokens, "scope"), "openid email identity.member:read school.student:read");
    assert!(!asked(&mut world.browser, &client, &[SCOPE]).await, "the same is not asked again");
    assert!(!asked(&mut world.browser, &client, &[("scope", "openid")]).await, "nor less");
    for more in ["openid profile", "openid email offline_access", "openid school.student:write"] {
        assert!(asked(&mut world.browser, &client, &[("scope", more)]).await, "{more}");
    }
    assert!(asked(&mut world.browser, &client, &[SCOPE, ("prompt", "consent")]).await, "when the client wants it");
    assert!(asked(&mut world.browser, &portal(), &[("prompt", "consent")]).await, "of our own, too");
    world.browser.open(&client.authorize(&[("scope", "openid profile"), ("prompt", "none")])).await;
    assert_eq!(query(&world.browser.leads(), "error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn everything_means_what_the_person_saw() {
    let mut world = World::new().await;
    let client = partner();
    assert!(asked(&mut world.browser, &client, &[("scope", "openid hitaji")]).await);
    assert!(world.browser.html.contains("See the people of the organisation"), "the set is written out");
    // Somebody allows what another page showed.
    let stale = world.browser.html.clone();
    world.browser.submit(&[("scopes", "openid")]).await;
    assert_eq!((world.browser.status, world.browser.location()), (200, None), "asked again");
    world.browser.html = stale;
    world.browser.submit(&[]).await.follow().await;
    let code = query(&world.browser.leads(), "code").expect("a code");
    let tokens = client.exchange(&world.app, &code, VERIFIER).await.ok();
    assert!(
        text(&tokens, "scope").contains("identity.member:read") || claims(&tokens["access_token"])["perm"].is_string()
    );
}

#[tokio::test]
async fn a_no_is_told_to_the_client() {
    let mut world = World::new().await;
    for mode in ["query", "form_post"] {
        assert!(asked(&mut world.browser, &partner(), &[SCOPE, ("response_mode", mode)]).await);
        world.browser.submit(&[("decision", "deny")]).await;
        if mode == "query" {
            assert_eq!(query(&world.browser.leads(), "error").as_deref(), Some("access_denied"));
            assert_eq!(query(&world.browser.leads(), "state").as_deref(), Some("st&te"));
        } else {
            assert!(world.browser.html.contains("access_denied"), "{}", world.browser.html);
        }
    }
    let mut stranger = Browser::new(&world.app.address);
    stranger.post("/consent", &[("decision".into(), "allow".into())]).await;
    assert_eq!(stranger.status, 403, "not from our form");
}

#[tokio::test]
async fn a_client_that_registered_itself_is_always_asked_about() {
    let mut world = World::new().await;
    let made = register(&world.app, &metadata(&json!({}))).await.ok();
    let id: &'static str = Box::leak(text(&made, "client_id").to_owned().into_boxed_str());
    let secret: &'static str = Box::leak(text(&made, "client_secret").to_owned().into_boxed_str());
    let client = App { id, secret: Some(secret), redirect_uri: "https://helper.example/cb".into() };
    assert!(asked(&mut world.browser, &client, &[SCOPE]).await);
    let page = &world.browser.html;
    assert!(
        page.contains("Fees Helper") && page.contains("nobody here has checked") && page.contains("helper.example")
    );
    assert!(!page.contains("See the people of the organisation"), "more than it registered for is not there");
    world.browser.submit(&[]).await.follow().await;
    let code = query(&world.browser.leads(), "code").expect("a code");
    let tokens = client.exchange(&world.app, &code, VERIFIER).await.ok();
    assert_eq!(text(&tokens, "scope"), "openid email school.student:read");
}

async fn applications(app: &TestApp, token: &str) -> Vec<serde_json::Value> {
    app.client(token).get("/identity/v1/me/applications").await.ok()["data"].as_array().unwrap().clone()
}

#[tokio::test]
async fn what_was_allowed_can_be_taken_back() {
    let mut world = World::new().await;
    let (app, client) = (&world.app, partner());
    assert!(asked(&mut world.browser, &client, &[SCOPE]).await);
    world.browser.submit(&[]).await.follow().await;
    let code = query(&world.browser.leads(), "code").expect("a code");
    let tokens = client.exchange(app, &code, VERIFIER).await.ok();
    let own = web(app).tokens(app, &mut world.browser, &[]).await;
    let found = applications(app, text(&own, "access_token")).await;
    assert_eq!((found.len(), &found[0]["name"]), (1, &json!("Partner App")));
    assert_eq!(found[0]["organisation_name"], json!("Uhuru Academy"));
    let path = format!("/identity/v1/me/applications/{}", text(&found[0], "id"));
    let theirs = app.client(text(&tokens, "access_token"));
    theirs.get("/identity/v1/me/applications").await.refused(403);
    theirs.delete(&path).await.refused(403);
    let other = app.organisation("Nyota School").await;
    app.owner(&other).await.delete(&path).await.refused(404);
    let owner = app.client(text(&own, "access_token"));
    let stale = owner.request(reqwest::Method::DELETE, &path).header("if-match", "\"9\"");
    send(stale).await.refused(412);
    assert_eq!(owner.delete(&path).await.status, 204);
    assert!(applications(app, text(&own, "access_token")).await.is_empty());
    assert_eq!(client.refresh(app, text(&tokens, "refresh_token")).await.refused(400)["error"], "invalid_grant");
    assert!(asked(&mut world.browser, &client, &[SCOPE]).await, "and the person is asked again");
}
