//! What the modules of the OpenID conformance suite check of the basic profile, for both ways to be answered. Each has the
//! name of its module.
use crate::browser::Browser;
use crate::flow::{App, VERIFIER, part, portal, text};
use crate::front::{Mode, World, redeem, verified};
use hitaji_testkit::{PASSWORD, send};
use serde_json::{Value, json};

const SCOPE_ALL: &str = "openid profile email phone offline_access";

/// The whole flow: an ID token that is right in all parts, and the same person at userinfo.
pub async fn oidcc_server(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    let id = verified(&world.app, text(&tokens, "id_token")).await;
    assert_eq!(mode.answered(&world.browser, &portal(), "state").as_deref(), Some("st&te"));
    assert_eq!(mode.answered(&world.browser, &portal(), "iss").as_deref(), Some(world.app.address.as_str()));
    assert_eq!((&id["iss"], &id["aud"], &id["nonce"]), (&json!(world.app.address), &json!("portal"), &json!("n1")));
    let now = world.app.clock.now().timestamp();
    assert!(id["iat"].as_i64().unwrap() <= now && id["exp"].as_i64().unwrap() > now);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(300)));
    assert_eq!(userinfo(world, &tokens).await["sub"], id["sub"]);
}

pub async fn oidcc_response_type_missing(world: &mut World, mode: Mode) {
    mode.refused(world, &portal(), &[("response_type", "")], "invalid_request").await;
}

pub async fn oidcc_idtoken_signature(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    let token = text(&tokens, "id_token");
    assert_eq!(part(token, 0)["alg"], json!("RS256"));
    assert!(part(token, 0)["kid"].is_string());
    verified(&world.app, token).await;
}

pub async fn oidcc_userinfo_get(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    assert_eq!(userinfo(world, &tokens).await["email"], json!(world.school.owner_email));
}

pub async fn oidcc_userinfo_post_header(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    let asked = world.app.http.post(format!("{}/oauth/userinfo", world.app.address));
    let said = send(asked.bearer_auth(text(&tokens, "access_token"))).await.ok();
    assert_eq!(said["email"], json!(world.school.owner_email));
}

pub async fn oidcc_userinfo_post_body(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    let asked = world.app.http.post(format!("{}/oauth/userinfo", world.app.address));
    let said = send(asked.form(&[("access_token", text(&tokens, "access_token"))])).await.ok();
    assert_eq!(said["email"], json!(world.school.owner_email));
}

pub async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[("nonce", "")]).await;
    assert!(part(text(&tokens, "id_token"), 1).get("nonce").is_none());
}

pub async fn oidcc_scope_profile(world: &mut World, mode: Mode) {
    assert_eq!(opened(world, mode, "openid profile").await, ["locale", "name"]);
}

pub async fn oidcc_scope_email(world: &mut World, mode: Mode) {
    assert_eq!(opened(world, mode, "openid email").await, ["email", "email_verified"]);
}

/// The scope is not offered; asking for it is no error.
pub async fn oidcc_scope_address(world: &mut World, mode: Mode) {
    assert!(opened(world, mode, "openid address").await.is_empty());
}

/// The person has no phone number, so there is nothing to say.
pub async fn oidcc_scope_phone(world: &mut World, mode: Mode) {
    assert!(opened(world, mode, "openid phone").await.is_empty());
}

pub async fn oidcc_scope_all(world: &mut World, mode: Mode) {
    let found = opened(world, mode, SCOPE_ALL).await;
    assert_eq!(found, ["email", "email_verified", "locale", "name"]);
}

/// Another redirect URI, with a query of its own, and another client authentication.
pub async fn oidcc_alternate_happy_flow(world: &mut World, mode: Mode) {
    let secret = Some("reader-secret");
    let reader = App { id: "reader", secret, redirect_uri: "https://reader.example/cb?x=1".into() };
    let code = mode.code(&mut world.browser, &reader, &[]).await;
    let posted = App { secret: None, ..reader.clone() };
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &reader.redirect_uri),
        ("code_verifier", VERIFIER),
        ("client_secret", "reader-secret"),
    ];
    let tokens = posted.post(&world.app, "/oauth/token", &form).await.ok();
    assert_eq!(verified(&world.app, text(&tokens, "id_token")).await["aud"], json!("reader"));
}

pub async fn oidcc_display_page(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[("display", "page")]).await;
}

pub async fn oidcc_display_popup(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[("display", "popup")]).await;
}

/// The person signs in once more, and `auth_time` says so.
pub async fn oidcc_prompt_login(world: &mut World, mode: Mode) {
    let first = part(text(&mode.tokens(world, &portal(), &[]).await, "id_token"), 1);
    world.later(2);
    let second = after_sign_in(world, mode, &[("prompt", "login")]).await;
    assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
    assert_eq!(second["sub"], first["sub"]);
}

pub async fn oidcc_prompt_none_not_logged_in(world: &mut World, mode: Mode) {
    let stranger = Browser::new(&world.app.address);
    let known = std::mem::replace(&mut world.browser, stranger);
    mode.refused(world, &portal(), &[("prompt", "none")], "login_required").await;
    world.browser = known;
}

pub async fn oidcc_prompt_none_logged_in(world: &mut World, mode: Mode) {
    let first = part(text(&mode.tokens(world, &portal(), &[]).await, "id_token"), 1);
    let second = part(text(&mode.tokens(world, &portal(), &[("prompt", "none")]).await, "id_token"), 1);
    assert_eq!((&first["sub"], &first["auth_time"]), (&second["sub"], &second["auth_time"]));
}

pub async fn oidcc_max_age_1(world: &mut World, mode: Mode) {
    let first = part(text(&mode.tokens(world, &portal(), &[]).await, "id_token"), 1);
    world.later(2);
    let second = after_sign_in(world, mode, &[("max_age", "1")]).await;
    assert!(second["auth_time"].as_i64() > first["auth_time"].as_i64());
}

pub async fn oidcc_max_age_10000(world: &mut World, mode: Mode) {
    let first = part(text(&mode.tokens(world, &portal(), &[]).await, "id_token"), 1);
    world.later(2);
    let second = part(text(&mode.tokens(world, &portal(), &[("max_age", "10000")]).await, "id_token"), 1);
    assert_eq!(first["auth_time"], second["auth_time"]);
}

pub async fn oidcc_ensure_request_with_unknown_parameter_succeeds(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[("extra", "foobar")]).await;
}

pub async fn oidcc_id_token_hint(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[]).await;
    let more = [("prompt", "none"), ("id_token_hint", text(&tokens, "id_token"))];
    let again = mode.tokens(world, &portal(), &more).await;
    assert_eq!(part(text(&again, "id_token"), 1)["sub"], part(text(&tokens, "id_token"), 1)["sub"]);
}

pub async fn oidcc_login_hint(world: &mut World, mode: Mode) {
    let mut stranger = Browser::new(&world.app.address);
    stranger.open(&mode.address(&portal(), &[("login_hint", "buffy@example.org")])).await.follow().await;
    assert!(stranger.html.contains("value=\"buffy@example.org\""));
    mode.tokens(world, &portal(), &[("login_hint", "buffy@example.org")]).await;
}

pub async fn oidcc_ui_locales(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[("ui_locales", "se sw")]).await;
    let mut stranger = Browser::new(&world.app.address);
    stranger.open(&mode.address(&portal(), &[("ui_locales", "se sw")])).await.follow().await;
    assert!(stranger.html.contains("<html lang=\"sw\">"));
}

pub async fn oidcc_claims_locales(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[("claims_locales", "se")]).await;
}

pub async fn oidcc_ensure_request_with_acr_values_succeeds(world: &mut World, mode: Mode) {
    let tokens = mode.tokens(world, &portal(), &[("acr_values", "urn:hitaji:acr:single 2")]).await;
    assert_eq!(part(text(&tokens, "id_token"), 1)["acr"], json!("urn:hitaji:acr:single"));
}

pub async fn oidcc_codereuse(world: &mut World, mode: Mode) {
    let code = mode.code(&mut world.browser, &portal(), &[]).await;
    portal().exchange(&world.app, &code, VERIFIER).await.ok();
    let again = portal().exchange(&world.app, &code, VERIFIER).await;
    assert_eq!(again.refused(400)["error"], "invalid_grant");
}

/// After half a minute the code is as used, and what it gave ends with the second try.
pub async fn oidcc_codereuse_30seconds(world: &mut World, mode: Mode) {
    let code = mode.code(&mut world.browser, &portal(), &[]).await;
    let tokens = portal().exchange(&world.app, &code, VERIFIER).await.ok();
    world.later(30);
    assert_eq!(portal().exchange(&world.app, &code, VERIFIER).await.refused(400)["error"], "invalid_grant");
    let dead = portal().refresh(&world.app, text(&tokens, "refresh_token")).await.refused(400);
    assert_eq!(dead["error"], "invalid_grant");
}

/// An address that is not registered is a page, and no redirect.
pub async fn oidcc_ensure_registered_redirect_uri(world: &mut World, mode: Mode) {
    world.browser.open(&mode.address(&portal(), &[("redirect_uri", "https://portal.example/cb/other")])).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None));
}

pub async fn oidcc_ensure_post_request_succeeds(world: &mut World, mode: Mode) {
    let address = mode.address(&portal(), &[]);
    let url = reqwest::Url::parse(&format!("http://x{address}")).unwrap();
    let fields: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    world.browser.post("/oauth/authorize", &fields).await;
    assert!(mode.answered(&world.browser, &portal(), "code").is_some());
}

pub async fn oidcc_server_client_secret_post(world: &mut World, mode: Mode) {
    let code = mode.code(&mut world.browser, &portal(), &[]).await;
    let posted = App { secret: None, ..portal() };
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &posted.redirect_uri),
        ("code_verifier", VERIFIER),
        ("client_secret", "portal-secret"),
    ];
    posted.post(&world.app, "/oauth/token", &form).await.ok();
}

pub async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(world: &mut World, mode: Mode) {
    let more = [("request_uri", "https://portal.example/request.jwt")];
    mode.refused(world, &portal(), &more, "request_uri_not_supported").await;
}

pub async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    world: &mut World,
    mode: Mode,
) {
    mode.refused(world, &portal(), &[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported").await;
}

/// `claims` is not supported, and said so; a request with it goes on without.
pub async fn oidcc_claims_essential(world: &mut World, mode: Mode) {
    let claims = ("claims", "{\"userinfo\":{\"name\":{\"essential\":true}}}");
    mode.tokens(world, &portal(), &[claims]).await;
}

/// Nobody reads an address out of an object that is refused.
pub async fn oidcc_ensure_request_object_with_redirect_uri(world: &mut World, mode: Mode) {
    mode.refused(world, &portal(), &[("request", "eyJhbGciOiJub25lIn0.e30.")], "request_not_supported").await;
}

pub async fn oidcc_refresh_token(world: &mut World, mode: Mode) {
    let client = portal();
    let more = [("scope", "openid offline_access"), ("prompt", "consent")];
    world.browser.open(&mode.address(&client, &more)).await.follow().await;
    world.browser.submit(&[]).await.follow().await;
    let code = mode.answered(&world.browser, &client, "code").expect("a code");
    let tokens = client.exchange(&world.app, &code, VERIFIER).await.ok();
    let again = client.refresh(&world.app, text(&tokens, "refresh_token")).await.ok();
    let (first, second) = (part(text(&tokens, "id_token"), 1), part(text(&again, "id_token"), 1));
    for claim in ["iss", "sub", "aud", "auth_time"] {
        assert_eq!(first[claim], second[claim], "{claim}");
    }
    let other = App { id: "native", secret: None, redirect_uri: String::new() };
    other.refresh(&world.app, text(&again, "refresh_token")).await.refused(400);
}

pub async fn oidcc_ensure_request_with_valid_pkce_succeeds(world: &mut World, mode: Mode) {
    mode.tokens(world, &portal(), &[]).await;
    redeem(world, &[]).await.ok();
}

async fn userinfo(world: &World, tokens: &Value) -> Value {
    world.app.client(text(tokens, "access_token")).get("/oauth/userinfo").await.ok()
}

/// Which claims of the person userinfo tells for these scopes.
async fn opened(world: &mut World, mode: Mode, scope: &str) -> Vec<String> {
    let tokens = mode.tokens(world, &portal(), &[("scope", scope)]).await;
    let said = userinfo(world, &tokens).await;
    let own = |name: &&String| !["sub", "org_id"].contains(&name.as_str());
    let mut names: Vec<String> = said.as_object().unwrap().keys().filter(own).cloned().collect();
    names.sort_unstable();
    names
}

/// The claims of the ID token after the person was sent to sign in.
async fn after_sign_in(world: &mut World, mode: Mode, more: &[(&str, &str)]) -> Value {
    let client = portal();
    world.browser.open(&mode.address(&client, more)).await;
    assert!(world.browser.leads().starts_with("/sign-in?"), "{more:?}");
    world.browser.follow().await.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await;
    world.browser.follow().await;
    let code = mode.answered(&world.browser, &client, "code").expect("a code");
    part(text(&client.exchange(&world.app, &code, VERIFIER).await.ok(), "id_token"), 1)
}
