//! Plan oidcc-formpost-basic-certification-test-plan: the basic plan again, answered by forms, and what a form needs.
use crate::flow::portal;
use crate::front::{Mode, World, partner};
use crate::modules;

#[tokio::test]
async fn oidcc_formpost_basic_certification_test_plan() {
    let (mut world, mode) = (World::new().await, Mode::FormPost);
    modules::oidcc_server(&mut world, mode).await;
    modules::oidcc_response_type_missing(&mut world, mode).await;
    modules::oidcc_idtoken_signature(&mut world, mode).await;
    modules::oidcc_userinfo_get(&mut world, mode).await;
    modules::oidcc_userinfo_post_header(&mut world, mode).await;
    modules::oidcc_userinfo_post_body(&mut world, mode).await;
    modules::oidcc_ensure_request_without_nonce_succeeds_for_code_flow(&mut world, mode).await;
    modules::oidcc_scope_profile(&mut world, mode).await;
    modules::oidcc_scope_email(&mut world, mode).await;
    modules::oidcc_scope_address(&mut world, mode).await;
    modules::oidcc_scope_phone(&mut world, mode).await;
    modules::oidcc_scope_all(&mut world, mode).await;
    modules::oidcc_alternate_happy_flow(&mut world, mode).await;
    modules::oidcc_display_page(&mut world, mode).await;
    modules::oidcc_display_popup(&mut world, mode).await;
    modules::oidcc_prompt_login(&mut world, mode).await;
    modules::oidcc_prompt_none_not_logged_in(&mut world, mode).await;
    modules::oidcc_prompt_none_logged_in(&mut world, mode).await;
    modules::oidcc_max_age_1(&mut world, mode).await;
    modules::oidcc_max_age_10000(&mut world, mode).await;
    modules::oidcc_ensure_request_with_unknown_parameter_succeeds(&mut world, mode).await;
    modules::oidcc_id_token_hint(&mut world, mode).await;
    modules::oidcc_login_hint(&mut world, mode).await;
    modules::oidcc_ui_locales(&mut world, mode).await;
    modules::oidcc_claims_locales(&mut world, mode).await;
    modules::oidcc_ensure_request_with_acr_values_succeeds(&mut world, mode).await;
    modules::oidcc_codereuse(&mut world, mode).await;
    modules::oidcc_codereuse_30seconds(&mut world, mode).await;
    modules::oidcc_ensure_registered_redirect_uri(&mut world, mode).await;
    modules::oidcc_ensure_post_request_succeeds(&mut world, mode).await;
    modules::oidcc_server_client_secret_post(&mut world, mode).await;
    modules::oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(&mut world, mode).await;
    modules::oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(&mut world, mode).await;
    modules::oidcc_claims_essential(&mut world, mode).await;
    modules::oidcc_ensure_request_object_with_redirect_uri(&mut world, mode).await;
    modules::oidcc_refresh_token(&mut world, mode).await;
    modules::oidcc_ensure_request_with_valid_pkce_succeeds(&mut world, mode).await;
}

#[tokio::test]
async fn the_form_goes_to_the_client_with_and_without_script() {
    let mut world = World::new().await;
    world.browser.open(&Mode::FormPost.address(&portal(), &[])).await;
    let policy = world.browser.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self';") && policy.contains("form-action 'self' https://portal.example;"));
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(world.browser.html.contains("<button"), "people without script press it");
    assert_eq!(world.browser.headers["cache-control"], "no-store");
    let html = world.browser.html.replace("&#x2f;", "/");
    let script = html.split("<script src=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    world.browser.open(&script).await;
    assert_eq!((world.browser.status, world.browser.html.trim()), (200, "document.querySelector('form').submit();"));
    let policy = |world: &World| world.browser.headers["content-security-policy"].to_str().unwrap().to_owned();
    world.browser.open("/sign-in").await;
    assert!(!policy(&world).contains("script-src"), "no other page runs a script");
    let client = partner();
    world.browser.open(&Mode::FormPost.address(&client, &[("prompt", "none")])).await;
    assert_eq!(Mode::FormPost.answered(&world.browser, &client, "error").as_deref(), Some("consent_required"));
    assert!(policy(&world).contains("frame-ancestors 'self'"));
    assert_eq!(world.browser.headers["x-frame-options"], "SAMEORIGIN");
}

#[tokio::test]
async fn what_a_client_sends_is_never_markup() {
    let mut world = World::new().await;
    let state = "\"><script>alert(1)</script>";
    world.browser.open(&Mode::FormPost.address(&portal(), &[("state", state)])).await;
    assert!(!world.browser.html.contains("<script>alert"), "{}", world.browser.html);
}
