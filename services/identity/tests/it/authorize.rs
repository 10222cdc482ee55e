//! The authorization endpoint: whom it asks, what it refuses, and where it never sends anybody.
use crate::browser::{Browser, query};
use crate::flow::{App, portal, start, text, web};
use hitaji_testkit::{PASSWORD, TestApp, at};
use serde_json::json;

/// A person with two organisations: the first one's owner, a teacher of the second.
async fn with_two_schools(app: &TestApp) -> (String, String, String) {
    let (first, second) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota School").await);
    let owner = app.owner(&second).await;
    let invitation = json!({"email": first.owner_email, "name": "Wanjiku", "roles": ["teacher"]});
    owner.post("/identity/v1/invitations", &invitation).await.ok();
    let mut browser = Browser::new(&app.address);
    app.settle().await;
    browser.open(&app.mailed_link(&first.owner_email).await).await;
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    (first.owner_email, first.slug, second.slug)
}

fn error(browser: &Browser) -> String {
    query(&browser.leads(), "error").unwrap_or_default()
}

#[tokio::test]
async fn nobody_is_redirected_to_an_address_that_is_not_registered() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let client = web(&app);
    for redirect in [
        "https://evil.example/",
        "//evil.example/callback",
        &format!("{}/callback?x", app.address),
        "javascript:alert(1)",
    ] {
        browser.open(&client.authorize(&[("redirect_uri", redirect)])).await;
        assert_eq!((browser.status, browser.location()), (400, None), "{redirect}");
        assert!(browser.html.contains("<h1>"));
    }
    browser.open(&client.authorize(&[("redirect_uri", "")])).await;
    assert_eq!(browser.status, 400);
    browser.open(&client.authorize(&[("client_id", "nobody")])).await;
    assert_eq!(browser.status, 400);
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example%2F", client.authorize(&[]));
    assert_eq!(browser.open(&twice).await.status, 400);
    // A sign-in sends people on to our own pages only.
    for target in ["https://evil.example/", "//evil.example/", "/\\evil.example", "/oauth/logout"] {
        let mut stranger = Browser::new(&app.address);
        let page = reqwest::Url::parse_with_params("http://x/sign-in", [("continue", target)]).unwrap();
        stranger.open(&format!("/sign-in?{}", page.query().unwrap())).await;
        stranger.submit(&[("email", &school.owner_email), ("password", PASSWORD), ("continue", target)]).await;
        assert_eq!(stranger.leads(), "/", "{target}");
    }
}

#[tokio::test]
async fn a_wrong_request_is_answered_to_its_client() {
    let app = start().await;
    let (client, mut browser) = (portal(), Browser::new(&app.address));
    for (more, expected) in [
        (vec![("response_type", "token")], "unsupported_response_type"),
        (vec![("response_type", "code id_token")], "unsupported_response_type"),
        (vec![("code_challenge", "")], "invalid_request"),
        (vec![("code_challenge_method", "plain")], "invalid_request"),
        (vec![("code_challenge_method", "")], "invalid_request"),
        (vec![("request", "e30.e30.")], "request_not_supported"),
        (vec![("request_uri", "https://evil.example/r")], "request_uri_not_supported"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("scope", "")], "invalid_scope"),
    ] {
        browser.open(&client.authorize(&more)).await;
        assert_eq!(error(&browser), expected, "{more:?}");
        assert!(browser.leads().starts_with("https://portal.example/cb?"));
        assert_eq!(query(&browser.leads(), "state").as_deref(), Some("st&te"));
        assert_eq!(query(&browser.leads(), "iss").as_deref(), Some(app.address.as_str()));
    }
}

#[tokio::test]
async fn prompt_none_never_shows_a_page() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let client = App { redirect_uri: format!("{}/silent-callback", app.address), ..web(&app) };
    let mut browser = Browser::new(&app.address);
    browser.open(&client.authorize(&[("prompt", "none")])).await;
    assert_eq!(error(&browser), "login_required");
    assert_eq!(browser.headers["x-frame-options"], "SAMEORIGIN");
    browser.sign_in(&school.owner_email, PASSWORD).await;
    client.code(&mut browser, &[("prompt", "none")]).await;
    assert_eq!(browser.headers["x-frame-options"], "SAMEORIGIN");
    assert!(browser.headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'self'"));
    client.code(&mut browser, &[]).await;
    assert_eq!(browser.headers["x-frame-options"], "DENY", "only silent answers may be framed");
    app.clock.set(at("2026-05-27T05:00:00Z"));
    browser.open(&client.authorize(&[("prompt", "none")])).await;
    assert_eq!(error(&browser), "login_required", "two idle weeks end a session");
}

#[tokio::test]
async fn a_client_can_ask_for_a_fresh_sign_in() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (client, mut browser) = (web(&app), Browser::new(&app.address));
    browser.sign_in(&school.owner_email, PASSWORD).await;
    app.clock.set(at("2026-05-12T05:10:00Z"));
    client.code(&mut browser, &[("max_age", "3600")]).await;
    browser.open(&client.authorize(&[("max_age", "60"), ("prompt", "none")])).await;
    assert_eq!(error(&browser), "login_required");
    for more in [[("prompt", "login")], [("max_age", "60")], [("max_age", "0")]] {
        browser.open(&client.authorize(&more)).await.follow().await;
        assert!(browser.url.contains("/sign-in?"), "{more:?}");
        assert!(browser.html.contains(&school.owner_email), "the form knows the address");
        browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
        assert!(query(&browser.leads(), "code").is_some(), "{more:?}");
        app.clock.set(app.clock.now() + std::time::Duration::from_secs(600));
    }
}

#[tokio::test]
async fn a_person_with_two_organisations_says_which() {
    let app = start().await;
    let (email, first, second) = with_two_schools(&app).await;
    let (client, mut browser) = (web(&app), Browser::new(&app.address));
    browser.sign_in(&email, PASSWORD).await;
    browser.open(&client.authorize(&[("prompt", "none")])).await;
    assert_eq!(error(&browser), "account_selection_required");
    browser.open(&client.authorize(&[])).await.follow().await;
    assert!(browser.url.contains("/sign-in/organisation?"));
    assert!(browser.html.contains("Uhuru Academy") && browser.html.contains("Nyota School"));
    let chosen = app.platform.databases().find_by_slug(&second).await.unwrap().unwrap().id.to_string();
    browser.submit(&[("organisation", &chosen)]).await.follow().await;
    assert!(query(&browser.leads(), "code").is_some());
    let remembered = client.tokens(&app, &mut browser, &[("prompt", "none")]).await;
    assert_eq!(crate::flow::claims(&remembered["access_token"])["org_id"], json!(chosen));
    for more in [[("organization", first.as_str())], [("scope", &*format!("openid hitaji org:{first}"))]] {
        let tokens = client.tokens(&app, &mut browser, &more).await;
        let me = app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.ok();
        assert_eq!((&me["organisation"]["slug"], &me["roles"]), (&json!(first), &json!(["owner"])));
    }
    let other = app.organisation("Jirani School").await;
    browser.open(&client.authorize(&[("organization", &other.slug)])).await;
    assert_eq!(error(&browser), "access_denied", "not a member there");
    browser.open(&client.authorize(&[("prompt", "select_account")])).await.follow().await;
    assert!(browser.url.contains("/sign-in/organisation?"));
    browser.submit(&[("organisation", &other.id.to_string())]).await;
    assert_eq!(browser.status, 422);
}

#[tokio::test]
async fn a_posted_request_is_as_good_and_a_hint_must_fit() {
    let app = start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota School").await);
    let (client, mut browser) = (web(&app), Browser::new(&app.address));
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let address = client.authorize(&[]);
    let fields: Vec<(String, String)> =
        reqwest::Url::parse(&format!("http://x{address}")).unwrap().query_pairs().into_owned().collect();
    browser.post("/oauth/authorize", &fields).await;
    assert!(query(&browser.leads(), "code").is_some());
    let mut stranger = Browser::new(&app.address);
    stranger.sign_in(&other.owner_email, PASSWORD).await;
    let theirs = client.tokens(&app, &mut stranger, &[]).await;
    let hint = text(&theirs, "id_token");
    browser.open(&client.authorize(&[("id_token_hint", hint), ("prompt", "none")])).await;
    assert_eq!(error(&browser), "login_required", "somebody else is signed in");
    stranger.open(&client.authorize(&[("id_token_hint", hint), ("prompt", "none")])).await;
    assert!(query(&stranger.leads(), "code").is_some());
    let bent = format!("{}x", &hint[..hint.len() - 1]);
    stranger.open(&client.authorize(&[("id_token_hint", &bent)])).await;
    assert_eq!(error(&stranger), "invalid_request");
    let native = App { id: "native", secret: None, redirect_uri: "http://127.0.0.1:49152/cb".into() };
    native.tokens(&app, &mut stranger, &[]).await;
}
