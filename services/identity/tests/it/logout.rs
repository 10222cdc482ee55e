//! Signing out ends the session here and its tokens everywhere.
use crate::browser::Browser;
use crate::flow::{portal, start, text, web};
use hitaji_testkit::PASSWORD;
use reqwest::Url;

fn logout(parameters: &[(&str, &str)]) -> String {
    let url = Url::parse_with_params("http://x/oauth/logout", parameters).unwrap();
    format!("/oauth/logout?{}", url.query().unwrap())
}

#[tokio::test]
async fn a_client_with_the_persons_id_token_signs_out_at_once() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (client, mut browser) = (web(&app), Browser::new(&app.address));
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = client.tokens(&app, &mut browser, &[]).await;
    let person = app.client(text(&tokens, "access_token"));
    person.get("/identity/v1/me").await.ok();
    let home = format!("{}/", app.address);
    app.clock.set(hitaji_testkit::at("2026-05-12T05:04:00Z"));
    let parameters =
        [("id_token_hint", text(&tokens, "id_token")), ("post_logout_redirect_uri", &home), ("state", "s1")];
    browser.open(&logout(&parameters)).await;
    assert_eq!(browser.leads(), format!("{home}?state=s1"));
    person.get("/identity/v1/me").await.refused(401);
    browser.open(&client.authorize(&[("prompt", "none")])).await;
    assert!(browser.leads().contains("error=login_required"));
    app.settle().await;
}

#[tokio::test]
async fn without_a_hint_the_person_is_asked() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open(&logout(&[("client_id", "portal"), ("post_logout_redirect_uri", "https://portal.example/bye")])).await;
    assert_eq!(browser.status, 200);
    let policy = browser.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://portal.example;"), "{policy}");
    let mut stranger = Browser::new(&app.address);
    stranger.post("/oauth/logout", &[("confirmed".into(), "1".into())]).await;
    assert_eq!(stranger.status, 403, "not from our form");
    browser.submit(&[("target", "https://evil.example/")]).await;
    assert_eq!(browser.status, 200, "an address that nobody registered is left out");
    assert!(browser.location().is_none());
    browser.open(&portal().authorize(&[("prompt", "none")])).await;
    assert!(browser.leads().contains("error=login_required"));
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_registered() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let hint = text(&tokens, "id_token");
    let bent = format!("{}x", &hint[..hint.len() - 2]);
    for parameters in [
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://evil.example/")],
        vec![("id_token_hint", hint), ("post_logout_redirect_uri", "https://portal.example/bye")],
        vec![
            ("id_token_hint", hint),
            ("client_id", "portal"),
            ("post_logout_redirect_uri", "https://portal.example/bye"),
        ],
        vec![("id_token_hint", bent.as_str())],
        vec![("post_logout_redirect_uri", "https://portal.example/bye")],
    ] {
        browser.open(&logout(&parameters)).await;
        assert_eq!((browser.status, browser.location()), (400, None), "{parameters:?}");
    }
    web(&app).code(&mut browser, &[("prompt", "none")]).await;
}
