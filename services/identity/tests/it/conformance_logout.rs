//! RP-initiated logout under the names of the conformance suite's modules.
use crate::browser::Browser;
use crate::flow::{portal, start, text, web};
use hitaji_testkit::{PASSWORD, TestApp, at};
use reqwest::Url;

const BYE: &str = "https://portal.example/bye";

fn logout(parameters: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("http://x/oauth/logout", parameters).unwrap();
    format!("/oauth/logout?{}", url.query().unwrap_or_default())
}

/// A person who is signed in, with an ID token of the portal.
async fn signed_in() -> (TestApp, Browser, String) {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = portal().tokens(&app, &mut browser, &[]).await;
    (app, browser, text(&tokens, "id_token").to_owned())
}

async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.open(&portal().authorize(&[("prompt", "none")])).await;
    !browser.leads().contains("error=login_required")
}

/// An error page: nobody is sent anywhere, and nobody is signed out.
async fn refused(browser: &mut Browser, parameters: &[(&str, &str)]) {
    browser.open(&logout(parameters)).await;
    assert_eq!((browser.status, browser.location()), (400, None), "{parameters:?}");
    assert!(is_signed_in(browser).await, "{parameters:?}");
}

/// The page that asks; after the answer the person is signed out and sent to `target`.
async fn asked(browser: &mut Browser, parameters: &[(&str, &str)], target: Option<&str>) {
    browser.open(&logout(parameters)).await;
    assert_eq!((browser.status, browser.location()), (200, None), "{parameters:?}");
    assert!(browser.html.contains("<form"), "{parameters:?}");
    browser.submit(&[]).await;
    assert_eq!(browser.location(), target, "{parameters:?}");
    assert!(!is_signed_in(browser).await, "{parameters:?}");
}

#[tokio::test]
async fn oidcc_rp_initiated_logout() {
    let (_app, mut browser, hint) = signed_in().await;
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("state", "s&1")];
    browser.open(&logout(&parameters)).await;
    assert_eq!(browser.leads(), format!("{BYE}?state=s%261"));
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_discovery_endpoint_verification() {
    let app = start().await;
    let metadata = app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert_eq!(text(&metadata, "end_session_endpoint"), format!("{}/oauth/logout", app.address));
    assert_eq!(metadata["backchannel_logout_supported"], true);
    assert_eq!(metadata["backchannel_logout_session_supported"], true);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_id_token_hint() {
    let (app, mut browser, _) = signed_in().await;
    let access = app.token("uhuru-academy", "owner@uhuru-academy.example", "").await;
    for bad in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", &access] {
        refused(&mut browser, &[("id_token_hint", bad), ("post_logout_redirect_uri", BYE)]).await;
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_modified_id_token_hint() {
    let (_app, mut browser, hint) = signed_in().await;
    let (message, signature) = hint.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let bent_claims =
        crate::keys_of_tests::encoded(crate::flow::part(&hint, 1).to_string().replace("portal", "native"));
    let first = if signature.starts_with('A') { "B" } else { "A" };
    for bent in [
        format!("{message}.{first}{}", &signature[1..]),
        format!("{header}.{bent_claims}.{signature}"),
        format!("{header}.{claims}."),
    ] {
        refused(&mut browser, &[("id_token_hint", &bent), ("post_logout_redirect_uri", BYE)]).await;
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_id_token_hint() {
    let (_app, mut browser, _) = signed_in().await;
    refused(&mut browser, &[("post_logout_redirect_uri", BYE), ("state", "s")]).await;
    let target = format!("{BYE}?state=s");
    let parameters = [("client_id", "portal"), ("post_logout_redirect_uri", BYE), ("state", "s")];
    asked(&mut browser, &parameters, Some(&target)).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_bad_post_logout_redirect_uri() {
    let (_app, mut browser, hint) = signed_in().await;
    for bad in
        ["https://evil.example/", "https://portal.example/cb", "https://portal.example/bye/", "javascript:x", "/"]
    {
        refused(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", bad)]).await;
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri() {
    let (_app, mut browser, hint) = signed_in().await;
    for added in ["?foo=bar", "?", "#x"] {
        let uri = format!("{BYE}{added}");
        refused(&mut browser, &[("id_token_hint", &hint), ("post_logout_redirect_uri", &uri)]).await;
    }
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_post_logout_redirect_uri() {
    let (_app, mut browser, hint) = signed_in().await;
    browser.open(&logout(&[("id_token_hint", &hint), ("state", "s")])).await;
    assert_eq!((browser.status, browser.location()), (200, None));
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_params() {
    let (_app, mut browser, _) = signed_in().await;
    asked(&mut browser, &[], None).await;
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_no_state() {
    let (_app, mut browser, hint) = signed_in().await;
    browser.open(&logout(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)])).await;
    assert_eq!(browser.leads(), BYE);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn oidcc_rp_initiated_logout_only_state() {
    let (_app, mut browser, _) = signed_in().await;
    asked(&mut browser, &[("state", "s")], None).await;
}

#[tokio::test]
async fn a_request_may_be_posted_in_the_clients_language() {
    let (app, mut browser, hint) = signed_in().await;
    let fields = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let hints = [("logout_hint", "somebody@else.example"), ("ui_locales", "de sw en"), ("state", "s")];
    browser.post("/oauth/logout", &fields(&hints)).await;
    assert_eq!((browser.status, browser.location()), (200, None), "a hint of nobody ends nothing unasked");
    assert!(browser.html.contains("lang=\"sw\""), "{}", browser.html);
    assert!(is_signed_in(&mut browser).await);
    browser.open(&logout(&[("ui_locales", "fr")])).await;
    assert!(browser.html.contains("lang=\"fr\""));
    // Hours after it expired, an ID token still says whose it was.
    app.clock.set(at("2026-05-12T11:00:00Z"));
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE), ("client_id", "portal")];
    browser.post("/oauth/logout", &fields(&parameters)).await;
    assert_eq!(browser.leads(), BYE);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn a_hint_of_another_client_or_person_does_not_sign_out() {
    let (app, mut browser, hint) = signed_in().await;
    let other = web(&app).tokens(&app, &mut browser, &[]).await;
    let other = text(&other, "id_token");
    refused(&mut browser, &[("id_token_hint", other), ("post_logout_redirect_uri", BYE)]).await;
    refused(&mut browser, &[("id_token_hint", other), ("client_id", "portal"), ("post_logout_redirect_uri", BYE)])
        .await;
    refused(&mut browser, &[("id_token_hint", &hint), ("client_id", "nobody"), ("post_logout_redirect_uri", BYE)])
        .await;
    let second = app.organisation("Tumaini School").await;
    let mut stranger = Browser::new(&app.address);
    stranger.sign_in(&second.owner_email, PASSWORD).await;
    let parameters = [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", BYE)];
    asked(&mut stranger, &parameters, Some(BYE)).await;
    assert!(is_signed_in(&mut browser).await);
}
