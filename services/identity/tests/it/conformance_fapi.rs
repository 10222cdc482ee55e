//! Modules of fapi2-security-profile-final-test-plan about codes, PKCE, PAR, state and nonce, by their names.
use crate::browser::query;
use crate::flow::{App, VERIFIER, part, portal, text, web};
use crate::front::{Mode, NO_PKCE, PLAIN_PKCE, World, by_reference, parameters, partner, push, push_raw, redeem};
use hitaji_testkit::send;
use reqwest::Method;

#[tokio::test]
async fn fapi2_security_profile_final_ensure_authorization_code_is_bound_to_client() {
    let mut world = World::new().await;
    let code = portal().code(&mut world.browser, &[]).await;
    assert_eq!(partner().exchange(&world.app, &code, VERIFIER).await.refused(400)["error"], "invalid_grant");
    portal().exchange(&world.app, &code, VERIFIER).await.ok();
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_token_endpoint_fails_with_expired_auth_code() {
    let mut world = World::new().await;
    let code = portal().code(&mut world.browser, &[]).await;
    world.later(61);
    assert_eq!(portal().exchange(&world.app, &code, VERIFIER).await.refused(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn fapi2_security_profile_final_attempt_reuse_authorization_code_after_one_second() {
    let mut world = World::new().await;
    let code = portal().code(&mut world.browser, &[]).await;
    portal().exchange(&world.app, &code, VERIFIER).await.ok();
    world.later(1);
    assert_eq!(portal().exchange(&world.app, &code, VERIFIER).await.refused(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_pkce_code_verifier_required() {
    let mut world = World::new().await;
    assert_eq!(redeem(&mut world, &[("code_verifier", "")]).await.refused(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn fapi2_security_profile_final_incorrect_pkce_code_verifier_rejected() {
    let mut world = World::new().await;
    let wrong = VERIFIER.replace('d', "e");
    assert_eq!(redeem(&mut world, &[("code_verifier", &wrong)]).await.refused(400)["error"], "invalid_grant");
}

#[tokio::test]
async fn fapi2_security_profile_final_par_plain_pkce_rejected() {
    let world = World::new().await;
    let refused = push_raw(&world.app, &portal(), &parameters(&portal(), &PLAIN_PKCE)).await.refused(400);
    assert_eq!(refused["error"], "invalid_request");
}

#[tokio::test]
async fn fapi2_security_profile_final_par_ensure_pkce_required() {
    let world = World::new().await;
    let refused = push_raw(&world.app, &portal(), &parameters(&portal(), &NO_PKCE)).await.refused(400);
    assert_eq!(refused["error"], "invalid_request");
}

#[tokio::test]
async fn fapi2_security_profile_final_par_attempt_reuse_request_uri() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[]).await;
    world.browser.open(&address).await;
    assert!(query(&world.browser.leads(), "code").is_some());
    world.browser.open(&address).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None));
}

#[tokio::test]
async fn fapi2_security_profile_final_par_attempt_to_use_expired_request_uri() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[]).await;
    world.later(60);
    world.browser.open(&address).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None));
}

#[tokio::test]
async fn fapi2_security_profile_final_par_attempt_to_use_request_uri_for_different_client() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[]).await;
    let reference = query(&address, "request_uri").unwrap();
    world.browser.open(&by_reference(&partner(), &reference)).await;
    assert_eq!((world.browser.status, world.browser.location()), (400, None));
}

#[tokio::test]
async fn fapi2_security_profile_final_par_attempt_invalid_http_method() {
    let world = World::new().await;
    let address = format!("{}/oauth/par", world.app.address);
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        let asked = world.app.http.request(method.clone(), &address).form(&parameters(&portal(), &[]));
        assert_eq!(send(asked).await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn fapi2_security_profile_final_par_authorization_request_containing_request_uri() {
    let world = World::new().await;
    let uri = "urn:ietf:params:oauth:request_uri:x";
    let refused = push_raw(&world.app, &portal(), &parameters(&portal(), &[("request_uri", uri)])).await.refused(400);
    assert_eq!(refused["error"], "invalid_request");
}

/// Everything was pushed; the address names the client and the reference alone.
#[tokio::test]
async fn fapi2_security_profile_final_par_without_duplicate_parameters() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[]).await;
    assert_eq!(address.matches('=').count(), 2, "{address}");
    world.browser.open(&address).await;
    let code = query(&world.browser.leads(), "code").expect("a code");
    portal().exchange(&world.app, &code, VERIFIER).await.ok();
}

async fn response_type_fails(kind: &str) {
    let mut world = World::new().await;
    Mode::Query.refused(&mut world, &portal(), &[("response_type", kind)], "unsupported_response_type").await;
    let pushed = push_raw(&world.app, &portal(), &parameters(&portal(), &[("response_type", kind)])).await;
    assert_eq!(pushed.refused(400)["error"], "unsupported_response_type");
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_response_type_token_fails() {
    response_type_fails("token").await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_response_type_code_idtoken_fails() {
    response_type_fails("code id_token").await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_authorization_request_with_long_state() {
    let mut world = World::new().await;
    let state = "s".repeat(1000);
    let address = push(&world.app, &portal(), &[("state", &state)]).await;
    world.browser.open(&address).await;
    assert_eq!(query(&world.browser.leads(), "state"), Some(state));
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_authorization_request_with_long_nonce() {
    let mut world = World::new().await;
    let nonce = "n".repeat(1000);
    let tokens = portal().tokens(&world.app, &mut world.browser, &[("nonce", &nonce)]).await;
    assert_eq!(part(text(&tokens, "id_token"), 1)["nonce"], nonce.as_str());
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_authorization_request_without_state_success() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[("state", "")]).await;
    world.browser.open(&address).await;
    assert!(query(&world.browser.leads(), "code").is_some() && query(&world.browser.leads(), "state").is_none());
}

#[tokio::test]
async fn fapi2_security_profile_final_access_token_type_header_case_sensitivity() {
    let mut world = World::new().await;
    let tokens = portal().tokens(&world.app, &mut world.browser, &[]).await;
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let value = format!("{scheme} {}", text(&tokens, "access_token"));
        for path in ["/oauth/userinfo", "/identity/v1/me"] {
            let asked = world.app.http.get(format!("{}{path}", world.app.address)).header("authorization", &value);
            assert_eq!(send(asked).await.status, 200, "{scheme} {path}");
        }
    }
}

#[tokio::test]
async fn fapi2_security_profile_final_refresh_token() {
    let mut world = World::new().await;
    let tokens = portal().tokens(&world.app, &mut world.browser, &[]).await;
    let refresh = text(&tokens, "refresh_token");
    assert_eq!(web(&world.app).refresh(&world.app, refresh).await.refused(400)["error"], "unauthorized_client");
    let native = App { id: "native", secret: None, redirect_uri: String::new() };
    assert_eq!(native.refresh(&world.app, refresh).await.refused(400)["error"], "invalid_grant");
    portal().refresh(&world.app, refresh).await.ok();
}

#[tokio::test]
async fn fapi2_security_profile_final_user_rejects_authentication() {
    let mut world = World::new().await;
    let address = push(&world.app, &partner(), &[]).await;
    world.browser.open(&address).await.follow().await;
    world.browser.submit(&[("decision", "deny")]).await;
    assert_eq!(query(&world.browser.leads(), "error").as_deref(), Some("access_denied"));
    assert_eq!(query(&world.browser.leads(), "state").as_deref(), Some("st&te"));
    assert_eq!(query(&world.browser.leads(), "iss").as_deref(), Some(world.app.address.as_str()));
    world.browser.open(&address).await;
    assert_eq!(world.browser.status, 400, "an answered request is not answered again");
}

#[tokio::test]
async fn fapi2_security_profile_final_state_only_outside_request_object_not_used() {
    let mut world = World::new().await;
    let address = push(&world.app, &portal(), &[("state", "")]).await;
    world.browser.open(&format!("{address}&state=outside")).await;
    assert!(query(&world.browser.leads(), "code").is_some());
    assert_eq!(query(&world.browser.leads(), "state"), None);
}
