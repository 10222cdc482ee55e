//! Pushed requests: what the person's browser cannot change (RFC 9126).
use crate::browser::{Browser, query};
use crate::flow::{VERIFIER, portal, text, web};
use crate::front::{World, by_reference, parameters, push, push_raw, pushy};
use hitaji_testkit::{PASSWORD, send};

#[tokio::test]
async fn a_pushed_request_survives_the_sign_in_and_is_used_once() {
    let world = World::new().await;
    let (app, client) = (&world.app, portal());
    let address = push(app, &client, &[("login_hint", &world.school.owner_email), ("ui_locales", "sw")]).await;
    let mut browser = Browser::new(&app.address);
    browser.open(&address).await;
    assert!(!browser.leads().contains("portal.example"), "nothing of the request stands in the address");
    browser.follow().await;
    assert!(
        browser.html.contains("Karibu tena")
            && browser.html.contains(&format!("value=\"{}\"", world.school.owner_email))
    );
    assert!(browser.headers["content-security-policy"].to_str().unwrap().contains("https://portal.example"));
    // Signing in may take longer than the minute in which the person must have come.
    world.later(300);
    browser.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await.follow().await;
    let code = query(&browser.leads(), "code").expect("a code");
    assert_eq!(query(&browser.leads(), "state").as_deref(), Some("st&te"));
    client.exchange(app, &code, VERIFIER).await.ok();
    browser.open(&address).await;
    assert_eq!((browser.status, browser.location()), (400, None), "used");
}

#[tokio::test]
async fn what_stands_beside_the_reference_does_not_count() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[("state", ""), ("prompt", "consent")]).await;
    let more = "&state=outside&redirect_uri=https%3A%2F%2Fevil.example%2F&prompt=none&organization=nobody&scope=openid";
    world.browser.open(&format!("{address}{more}")).await.follow().await;
    assert!(world.browser.url.contains("/consent?"), "prompt=none outside is not looked at: {}", world.browser.url);
    world.browser.submit(&[]).await.follow().await;
    assert!(world.browser.leads().starts_with("https://portal.example/cb?code="));
    assert_eq!(query(&world.browser.leads(), "state"), None);
}

#[tokio::test]
async fn a_client_that_must_push_is_not_served_otherwise() {
    let mut world = World::new().await;
    world.browser.open(&pushy().authorize(&[])).await;
    assert_eq!(query(&world.browser.leads(), "error").as_deref(), Some("invalid_request"));
    let address = push(&world.app, &pushy(), &[]).await;
    world.browser.open(&address).await;
    assert!(query(&world.browser.leads(), "code").is_some());
}

#[tokio::test]
async fn a_bad_reference_is_a_page() {
    let mut world = World::new().await;
    let good = push(&world.app, &portal(), &[]).await;
    let reference = query(&good, "request_uri").unwrap();
    let app = &world.app;
    let bad = [
        by_reference(&portal(), "urn:ietf:params:oauth:request_uri:unknown"),
        by_reference(&web(app), &reference),
        good.replace("client_id=portal&", ""),
        format!("{good}&client_id=portal"),
    ];
    for address in bad {
        world.browser.open(&address).await;
        assert_eq!((world.browser.status, world.browser.location()), (400, None), "{address}");
    }
    world.later(61);
    world.browser.open(&good).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None), "expired");
}

#[tokio::test]
async fn pushing_is_for_clients_that_prove_themselves() {
    let world = World::new().await;
    let (app, client) = (&world.app, portal());
    let wrong = crate::flow::App { secret: Some("guess"), ..portal() };
    let refused = push_raw(app, &wrong, &parameters(&wrong, &[])).await.refused(401);
    assert_eq!(refused["error"], "invalid_client");
    for (more, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("redirect_uri", "https://evil.example/"), "invalid_request"),
        (("redirect_uri", ""), "invalid_request"),
        (("request", "e30.e30."), "request_not_supported"),
        (("scope", ""), "invalid_scope"),
    ] {
        let refused = push_raw(app, &client, &parameters(&client, &[more])).await.refused(400);
        assert_eq!(refused["error"], error, "{more:?}");
    }
    let long = "x".repeat(70_000);
    let large = push_raw(app, &client, &parameters(&client, &[("login_hint", &long)])).await;
    assert_eq!(large.refused(413)["error"], "invalid_request");
    let native = crate::flow::App { id: "native", secret: None, redirect_uri: "http://127.0.0.1:5000/cb".into() };
    let pushed = push_raw(app, &native, &parameters(&native, &[])).await;
    assert_eq!((pushed.status, &pushed.body["expires_in"]), (201, &60.into()), "public clients push too");
    assert_eq!(pushed.header("cache-control"), Some("no-store"));
    assert!(text(&pushed.body, "request_uri").starts_with("urn:ietf:params:oauth:request_uri:"));
    let get = send(app.http.get(format!("{}/oauth/par", app.address))).await;
    assert_eq!(get.status, 405);
}
