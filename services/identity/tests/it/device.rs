//! Devices without a browser (RFC 8628).
use crate::browser::Browser;
use crate::flow::{claims, portal, text};
use crate::front::{World, signed_in, tv};
use hitaji_testkit::{PASSWORD, Reply, TestApp};
use serde_json::{Value, json};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

async fn begin(app: &TestApp) -> Value {
    tv().post(app, "/oauth/device_authorization", &[("scope", "openid school.student:read")]).await.ok()
}

async fn poll(app: &TestApp, begun: &Value) -> Reply {
    tv().post(app, "/oauth/token", &[("grant_type", GRANT), ("device_code", text(begun, "device_code"))]).await
}

#[tokio::test]
async fn somebody_lets_a_device_in() {
    let world = World::new().await;
    let app = &world.app;
    let begun = begin(app).await;
    assert_eq!((&begun["interval"], &begun["expires_in"]), (&json!(5), &json!(600)));
    assert_eq!(poll(app, &begun).await.refused(400)["error"], "authorization_pending");
    let mut phone = Browser::new(&app.address);
    let complete = text(&begun, "verification_uri_complete").to_owned();
    phone.open(&complete).await.follow().await;
    phone.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await.follow().await;
    let code = text(&begun, "user_code");
    assert!(phone.html.contains(&format!("value=\"{code}\"")), "{}", phone.html);
    phone.submit(&[]).await;
    for said in ["Class screen", "Uhuru Academy", code, "only if you hold this device yourself", "Know that it is you"]
    {
        assert!(phone.html.contains(said), "{said}: {}", phone.html);
    }
    world.later(5);
    assert_eq!(poll(app, &begun).await.refused(400)["error"], "authorization_pending", "opened is not allowed");
    phone.submit(&[]).await;
    assert!(phone.html.contains("Class screen can go on now"), "{}", phone.html);
    let tokens = poll(app, &begun).await.ok();
    let access = claims(&tokens["access_token"]);
    assert_eq!((&access["org_id"], &access["client_id"]), (&json!(world.school.id), &json!("tv")));
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string());
    assert_eq!(poll(app, &begun).await.refused(400)["error"], "invalid_grant", "once");
}

#[tokio::test]
async fn a_device_is_told_no_slower_and_too_late() {
    let mut world = World::new().await;
    let begun = begin(&world.app).await;
    world.browser.open("/device").await.submit(&[("user_code", text(&begun, "user_code"))]).await;
    world.browser.submit(&[("decision", "deny")]).await;
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "access_denied");
    let begun = begin(&world.app).await;
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "authorization_pending");
    world.later(4);
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "slow_down");
    world.later(9);
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "slow_down", "ten seconds from now on");
    world.later(15);
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "authorization_pending");
    world.later(600);
    assert_eq!(poll(&world.app, &begun).await.refused(400)["error"], "expired_token");
    world.browser.open("/device").await.submit(&[("user_code", text(&begun, "user_code"))]).await;
    assert_eq!(world.browser.status, 422, "nobody lets in what has expired");
}

#[tokio::test]
async fn codes_are_forgiving_to_people_and_not_to_guessers() {
    let mut world = World::new().await;
    let begun = begin(&world.app).await;
    let code = text(&begun, "user_code").to_owned();
    let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
    world.browser.open("/device").await.submit(&[("user_code", &typed)]).await;
    assert!(world.browser.html.contains("Class screen"), "{}", world.browser.html);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        world.browser.open("/device").await.submit(&[("user_code", "BBBB-BBBB")]).await;
        statuses.push(world.browser.status);
    }
    assert_eq!(statuses, [422, 422, 422, 422, 422, 429, 429]);
    let mut stranger = Browser::new(&world.app.address);
    stranger.open("/device").await;
    assert!(stranger.leads().starts_with("/sign-in?"), "guesses are made in somebody's name");
    for path in ["/device", "/device/decision"] {
        stranger.post(path, &[("user_code".into(), code.clone())]).await;
        assert_eq!(stranger.status, 403, "not from our form");
    }
}

#[tokio::test]
async fn the_device_grant_is_bound_to_its_client_and_one_organisation() {
    let world = World::new().await;
    let app = &world.app;
    let refused = portal().post(app, "/oauth/device_authorization", &[("scope", "openid")]).await.refused(400);
    assert_eq!(refused["error"], "unauthorized_client");
    let begun = begin(app).await;
    let form = [("grant_type", GRANT), ("device_code", text(&begun, "device_code"))];
    assert_eq!(portal().post(app, "/oauth/token", &form).await.refused(400)["error"], "unauthorized_client");
    let second = app.organisation("Nyota School").await;
    let body = json!({"email": world.school.owner_email, "name": "Wanjiku", "roles": ["teacher"]});
    app.owner(&second).await.post("/identity/v1/invitations", &body).await.ok();
    let mut phone = Browser::new(&app.address);
    phone.open(&app.mailed_link(&world.school.owner_email).await).await.submit(&[("password", PASSWORD)]).await;
    let mut phone = signed_in(app, &world.school.owner_email).await;
    phone.open("/device").await.submit(&[("user_code", text(&begun, "user_code"))]).await;
    assert!(phone.html.contains("Uhuru Academy") && phone.html.contains("Nyota School"), "{}", phone.html);
    phone.submit(&[("organisation", &second.id.to_string())]).await;
    assert!(phone.html.contains("Nyota School") && !phone.html.contains("Uhuru Academy"));
    phone.submit(&[]).await;
    let tokens = poll(app, &begun).await.ok();
    assert_eq!(claims(&tokens["access_token"])["org_id"], json!(second.id));
}
