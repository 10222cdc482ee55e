//! Plan oidcc-config-certification-test-plan and the modules about redirect URIs.
use crate::flow::{App, portal};
use crate::front::{World, metadata, register, start};
use hitaji_testkit::send;
use serde_json::{Value, json};

#[tokio::test]
async fn oidcc_discovery_endpoint_verification() {
    let app = start().await;
    let found = app.anybody().get("/.well-known/openid-configuration").await;
    assert!(found.header("content-type").is_some_and(|kind| kind.starts_with("application/json")));
    let found = found.ok();
    assert_eq!(found["issuer"], json!(app.address), "the address that it was read below");
    for (name, value) in found.as_object().unwrap() {
        let is_address = name.ends_with("_endpoint") || name.ends_with("_uri") || name == "service_documentation";
        if is_address {
            assert!(value.as_str().unwrap().starts_with(&app.address), "{name}");
        }
        if name.ends_with("_supported") && !value.is_boolean() {
            let list: Vec<&str> = value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
            assert!(!list.is_empty() && list.iter().all(|text| !text.contains([' ', '"', '\\'])), "{name}");
            assert!((1..list.len()).all(|at| !list[..at].contains(&list[at])), "{name} repeats itself");
        }
        assert!(!value.is_null(), "{name}");
    }
    let has = |name: &str, value: &str| found[name].as_array().unwrap().contains(&json!(value));
    assert!(has("id_token_signing_alg_values_supported", "RS256") && has("response_types_supported", "code"));
    assert!(has("scopes_supported", "openid") && has("subject_types_supported", "public"));
    assert!(has("response_modes_supported", "form_post") && has("grant_types_supported", "authorization_code"));
    for name in ["claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"] {
        assert_eq!(found[name], json!(false), "{name}");
    }
    for name in ["frontchannel_logout_supported", "check_session_iframe", "op_policy_uri", "op_tos_uri"] {
        assert!(found.get(name).is_none(), "{name} is not there, so it is not said");
    }
    assert_eq!(app.anybody().get("/.well-known/oauth-authorization-server").await.ok(), found);
}

/// Whatever discovery names is there: no endpoint answers that it is unknown.
#[tokio::test]
async fn every_endpoint_that_is_published_answers() {
    let app = start().await;
    let found = app.anybody().get("/.well-known/openid-configuration").await.ok();
    for (name, value) in found.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
        let get = send(app.http.get(value.as_str().unwrap())).await;
        let post = send(app.http.post(value.as_str().unwrap()).form(&[("x", "y")])).await;
        assert!(get.status != 404 && post.status != 404, "{name}: {} {}", get.status, post.status);
        assert!(post.status < 500, "{name}: {}", post.body);
    }
    for grant in found["grant_types_supported"].as_array().unwrap() {
        let form = [("grant_type", grant.as_str().unwrap())];
        let said: Value = portal().post(&app, "/oauth/token", &form).await.refused(400);
        assert_ne!(said["error"], json!("unsupported_grant_type"), "{grant}");
    }
}

fn reader(redirect_uri: &str) -> App {
    App { id: "reader", secret: Some("reader-secret"), redirect_uri: redirect_uri.into() }
}

/// Opens a request with this address; where it leads, if anywhere.
async fn led(world: &mut World, client: &App) -> Option<String> {
    world.browser.open(&client.authorize(&[])).await;
    world.browser.location().map(str::to_owned)
}

#[tokio::test]
async fn oidcc_redirect_uri_query_ok() {
    let mut world = World::new().await;
    let to = led(&mut world, &reader("https://reader.example/cb?x=1")).await.expect("a redirect");
    assert!(to.starts_with("https://reader.example/cb?x=1&code="), "{to}");
}

#[tokio::test]
async fn oidcc_redirect_uri_query_added() {
    let mut world = World::new().await;
    for uri in ["https://reader.example/cb?x=1&y=2", "https://reader.example/cb?x=1&"] {
        assert_eq!(led(&mut world, &reader(uri)).await, None, "{uri}");
        assert_eq!(world.browser.status, 400);
    }
}

#[tokio::test]
async fn oidcc_redirect_uri_query_mismatch() {
    let mut world = World::new().await;
    for uri in ["https://reader.example/cb?x=2", "https://reader.example/cb", "https://reader.example/cb?x=1#y"] {
        assert_eq!(led(&mut world, &reader(uri)).await, None, "{uri}");
    }
}

#[tokio::test]
async fn oidcc_redirect_uri_regfrag() {
    let app = start().await;
    let said = metadata(&json!({"redirect_uris": ["https://helper.example/cb#fragment"]}));
    assert_eq!(register(&app, &said).await.refused(400)["error"], "invalid_redirect_uri");
}

#[tokio::test]
async fn oidcc_ensure_redirect_uri_in_authorization_request() {
    let mut world = World::new().await;
    world.browser.open(&portal().authorize(&[("redirect_uri", "")])).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None));
}
