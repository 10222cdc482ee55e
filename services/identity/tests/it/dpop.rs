//! Tokens bound to a key (RFC 9449), under the names of the conformance suite's modules.
use crate::browser::{Browser, query};
use crate::flow::{App, VERIFIER, claims, start_with, text};
use crate::keys_of_tests::{TestKey, encoded, hashed};
use hitaji_testkit::{PASSWORD, Reply, TestApp, at, send};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

static NUMBER: AtomicU64 = AtomicU64::new(0);

fn now() -> i64 {
    at("2026-05-12T05:00:00Z").timestamp()
}

/// Confidential, and registered to have its tokens bound.
fn holder() -> App {
    App { id: "holder", secret: Some("holder-secret"), redirect_uri: "https://holder.example/cb".into() }
}

/// Public, with refresh tokens.
fn native() -> App {
    App { id: "native", secret: None, redirect_uri: "http://127.0.0.1:5000/cb".into() }
}

async fn start() -> (TestApp, Browser) {
    let app = start_with(|settings| {
        let client = toml::toml! {
            id = "holder"
            secret = "holder-secret"
            redirect_uris = ["https://holder.example/cb"]
            refresh = true
            dpop = true
        };
        settings["clients"].as_array_mut().unwrap().push(client.into());
    })
    .await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    (app, browser)
}

fn header(key: &TestKey) -> Value {
    json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": key.jwk()})
}

fn body(method: &str, url: &str) -> Value {
    let jti = format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    json!({"jti": jti, "htm": method, "htu": url, "iat": now()})
}

/// A good proof for the token endpoint.
fn at_token(app: &TestApp, key: &TestKey) -> String {
    key.sign(&header(key), &body("POST", &format!("{}/oauth/token", app.address)))
}

async fn post(app: &TestApp, client: &App, form: &[(&str, &str)], proof: Option<&str>) -> Reply {
    let mut form = form.to_vec();
    let mut request = app.http.post(format!("{}/oauth/token", app.address));
    match client.secret {
        Some(secret) => request = request.basic_auth(client.id, Some(secret)),
        None => form.push(("client_id", client.id)),
    }
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    send(request.form(&form)).await
}

async fn exchange(app: &TestApp, client: &App, code: &str, proof: Option<&str>) -> Reply {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &client.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    post(app, client, &form, proof).await
}

async fn refresh(app: &TestApp, client: &App, token: &str, proof: Option<&str>) -> Reply {
    post(app, client, &[("grant_type", "refresh_token"), ("refresh_token", token)], proof).await
}

async fn bound_token(app: &TestApp, browser: &mut Browser, key: &TestKey) -> String {
    let code = holder().code(browser, &[]).await;
    let tokens = exchange(app, &holder(), &code, Some(&at_token(app, key))).await.ok();
    assert_eq!(tokens["token_type"], "DPoP");
    assert_eq!(claims(&tokens["access_token"])["cnf"]["jkt"], json!(key.thumbprint()));
    text(&tokens, "access_token").to_owned()
}

/// A proof for `GET /identity/v1/me`, changed as a test wants it.
fn at_me(app: &TestApp, key: &TestKey, token: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let (mut header, mut body) = (header(key), body("GET", &format!("{}/identity/v1/me", app.address)));
    body["ath"] = json!(hashed(token));
    change(&mut header, &mut body);
    key.sign(&header, &body)
}

async fn me(app: &TestApp, scheme: &str, token: &str, proofs: &[&str]) -> Reply {
    let mut request = app.http.get(format!("{}/identity/v1/me", app.address));
    request = request.header("authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    send(request).await
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_holder_of_key_required() {
    let (app, mut browser) = start().await;
    let key = TestKey::new();
    let code = holder().code(&mut browser, &[]).await;
    let none = exchange(&app, &holder(), &code, None).await.refused(400);
    assert_eq!(none["error"], "invalid_dpop_proof", "the client is registered to prove its key");
    let tokens = exchange(&app, &holder(), &code, Some(&at_token(&app, &key))).await.ok();
    let token = text(&tokens, "access_token");
    me(&app, "DPoP", token, &[&at_me(&app, &key, token, |_, _| {})]).await.ok();

    let as_bearer = me(&app, "Bearer", token, &[&at_me(&app, &key, token, |_, _| {})]).await;
    let challenge = as_bearer.header("www-authenticate").unwrap().to_owned();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("error=\"invalid_token\""), "{challenge}");
    assert!(challenge.contains("algs=\"ES256 EdDSA RS256 PS256\""), "{challenge}");
    as_bearer.refused(401);
    let without = me(&app, "DPoP", token, &[]).await;
    assert!(without.header("www-authenticate").unwrap().contains("error=\"invalid_dpop_proof\""));
    without.refused(401);
    app.client(token).get("/oauth/userinfo").await.refused(401);
    let posted = app.http.post(format!("{}/oauth/userinfo", app.address)).form(&[("access_token", token)]);
    assert_eq!(send(posted).await.refused(401)["error"], "invalid_token");

    // A token that nobody bound is not made better by a proof.
    let free = app.token("uhuru-academy", "owner@uhuru-academy.example", "").await;
    me(&app, "Bearer", &free, &[]).await.ok();
    me(&app, "DPoP", &free, &[&at_me(&app, &key, &free, |_, _| {})]).await.refused(401);

    let url = format!("{}/oauth/userinfo", app.address);
    let mut body = body("GET", &url);
    body["ath"] = json!(hashed(token));
    let request = app.http.get(&url).header("authorization", format!("DPoP {token}"));
    send(request.header("dpop", key.sign(&header(&key), &body))).await.ok();
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case() {
    let (app, mut browser) = start().await;
    let key = TestKey::new();
    let token = bound_token(&app, &mut browser, &key).await;
    for scheme in ["DPoP", "dpop", "DPOP"] {
        me(&app, scheme, &token, &[&at_me(&app, &key, &token, |_, _| {})]).await.ok();
    }
}

#[tokio::test]
async fn fapi2_security_profile_final_dpop_negative_tests() {
    let (app, mut browser) = start().await;
    let (key, other) = (TestKey::new(), TestKey::new());
    let token = bound_token(&app, &mut browser, &key).await;
    type Change = fn(&mut Value, &mut Value);
    let wrong: [(&str, Change); 17] = [
        ("typ", |header, _| header["typ"] = json!("JWT")),
        ("alg none", |header, _| header["alg"] = json!("none")),
        ("alg of a secret", |header, _| header["alg"] = json!("HS256")),
        ("alg of another kind of key", |header, _| header["alg"] = json!("RS256")),
        ("private key", |header, _| header["jwk"]["d"] = json!("AQAB")),
        ("no key", |header, _| header["jwk"] = json!(null)),
        ("symmetric key", |header, _| header["jwk"] = json!({"kty": "oct", "k": "AQAB"})),
        ("method", |_, body| body["htm"] = json!("POST")),
        ("path", |_, body| body["htu"] = json!("http://localhost/identity/v1/me")),
        ("no address", |_, body| body["htu"] = json!(null)),
        ("too old", |_, body| body["iat"] = json!(now() - 61)),
        ("too new", |_, body| body["iat"] = json!(now() + 60)),
        ("no time", |_, body| body["iat"] = json!(null)),
        ("no id", |_, body| body["jti"] = json!(null)),
        ("empty id", |_, body| body["jti"] = json!("")),
        ("no token hash", |_, body| body["ath"] = json!(null)),
        ("another's token hash", |_, body| body["ath"] = json!(hashed("x"))),
    ];
    for (name, change) in wrong {
        let refused = me(&app, "DPoP", &token, &[&at_me(&app, &key, &token, change)]).await;
        let challenge = refused.header("www-authenticate").unwrap_or_default().to_owned();
        assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{name}: {challenge}");
        refused.refused(401);
    }
    let good = at_me(&app, &key, &token, |_, _| {});
    let (message, _) = good.rsplit_once('.').unwrap();
    for bent in ["x", message, &format!("{message}.{}", encoded([0; 64]))] {
        me(&app, "DPoP", &token, &[bent]).await.refused(401);
    }
    let another = at_me(&app, &key, &token, |_, _| {});
    me(&app, "DPoP", &token, &[&good, &another]).await.refused(401);
    let theirs = me(&app, "DPoP", &token, &[&at_me(&app, &other, &token, |_, _| {})]).await;
    assert!(theirs.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));
    theirs.refused(401);
    let spelt = at_me(&app, &key, &token, |_, body| {
        body["htu"] = json!(format!("{}/x/../identity/v1/me?a=1#b", app.address.to_uppercase()));
    });
    me(&app, "DPoP", &token, &[&spelt]).await.ok();
    me(&app, "DPoP", &token, &[&good]).await.ok();
    me(&app, "DPoP", &token, &[&good]).await.refused(401);

    let code = holder().code(&mut browser, &[]).await;
    let proof = at_token(&app, &key);
    let elsewhere = at_me(&app, &key, &token, |_, _| {});
    let refused = exchange(&app, &holder(), &code, Some(&elsewhere)).await.refused(400);
    assert_eq!(refused["error"], "invalid_dpop_proof");
    exchange(&app, &holder(), &code, Some(&proof)).await.ok();
    let again = exchange(&app, &holder(), &code, Some(&proof)).await.refused(400);
    assert_eq!(again["error"], "invalid_dpop_proof", "a proof is good once, in every process");
}

#[tokio::test]
async fn fapi2_security_profile_final_check_dpop_proof_nbf_exp() {
    let (app, mut browser) = start().await;
    let key = TestKey::new();
    let token = bound_token(&app, &mut browser, &key).await;
    for (nbf, exp, status) in [(-10, 60, 200), (10, 60, 200), (60, 120, 401), (-60, -1, 401), (-60, 0, 401)] {
        let proof = at_me(&app, &key, &token, |_, body| {
            body["nbf"] = json!(now() + nbf);
            body["exp"] = json!(now() + exp);
        });
        assert_eq!(me(&app, "DPoP", &token, &[&proof]).await.status, status, "nbf {nbf}, exp {exp}");
    }
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_before_succeeds() {
    issued_at(-10).await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_after_succeeds() {
    issued_at(10).await;
}

async fn issued_at(seconds: i64) {
    let (app, mut browser) = start().await;
    let key = TestKey::new();
    let code = holder().code(&mut browser, &[]).await;
    let mut body = body("POST", &format!("{}/oauth/token", app.address));
    body["iat"] = json!(now() + seconds);
    let tokens = exchange(&app, &holder(), &code, Some(&key.sign(&header(&key), &body))).await.ok();
    let token = text(&tokens, "access_token");
    let proof = at_me(&app, &key, token, |_, body| body["iat"] = json!(now() + seconds));
    me(&app, "DPoP", token, &[&proof]).await.ok();
}

/// The pushed request's own part of this module is a unit test of `protocol/dpop.rs`.
#[tokio::test]
async fn fapi2_security_profile_final_ensure_mismatched_dpop_jkt_fails() {
    let (_app, mut browser) = start().await;
    for bad in ["x", &"a".repeat(44), &format!("{}=", "a".repeat(42))] {
        browser.open(&holder().authorize(&[("dpop_jkt", bad)])).await;
        assert_eq!(query(&browser.leads(), "error").as_deref(), Some("invalid_request"), "{bad}");
    }
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_token_endpoint_fails_with_mismatched_dpop_jkt() {
    let (app, mut browser) = start().await;
    let (key, other) = (TestKey::new(), TestKey::new());
    for client in [holder(), native()] {
        let code = client.code(&mut browser, &[("dpop_jkt", &key.thumbprint())]).await;
        let theirs = exchange(&app, &client, &code, Some(&at_token(&app, &other))).await.refused(400);
        assert_eq!(theirs["error"], "invalid_grant");
        exchange(&app, &client, &code, None).await.refused(400);
        exchange(&app, &client, &code, Some(&at_token(&app, &key))).await.ok();
    }
}

#[tokio::test]
async fn refresh_tokens_of_public_clients_are_bound_to_their_key() {
    let (app, mut browser) = start().await;
    let (key, other) = (TestKey::new(), TestKey::new());
    let code = native().code(&mut browser, &[]).await;
    let tokens = exchange(&app, &native(), &code, Some(&at_token(&app, &key))).await.ok();
    let first = text(&tokens, "refresh_token");
    for proof in [None, Some(at_token(&app, &other))] {
        let stolen = refresh(&app, &native(), first, proof.as_deref()).await.refused(400);
        assert_eq!(stolen["error"], "invalid_grant");
    }
    let second = refresh(&app, &native(), first, Some(&at_token(&app, &key))).await.ok();
    assert_eq!(second["token_type"], "DPoP", "whoever has not the key ended nothing");
    assert_eq!(claims(&second["access_token"])["cnf"]["jkt"], json!(key.thumbprint()));

    // A confidential client proves itself, and may change its key.
    let code = holder().code(&mut browser, &[]).await;
    let tokens = exchange(&app, &holder(), &code, Some(&at_token(&app, &key))).await.ok();
    let changed = refresh(&app, &holder(), text(&tokens, "refresh_token"), Some(&at_token(&app, &other))).await.ok();
    assert_eq!(claims(&changed["access_token"])["cnf"]["jkt"], json!(other.thumbprint()));
    let metadata = app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "RS256", "PS256"]));
    let preflight = app.http.request(reqwest::Method::OPTIONS, format!("{}/oauth/token", app.address));
    let preflight = send(preflight.header("origin", "https://spa.example")).await;
    assert!(preflight.header("access-control-allow-headers").unwrap().contains("dpop"));
}
