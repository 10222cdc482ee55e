//! Plan oidcc-basic-certification-test-plan of the OpenID conformance suite: a test for each module, by its name.
use crate::front::{Mode, World};
use crate::modules;

#[tokio::test]
async fn oidcc_server() {
    modules::oidcc_server(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_response_type_missing() {
    modules::oidcc_response_type_missing(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_idtoken_signature() {
    modules::oidcc_idtoken_signature(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_get() {
    modules::oidcc_userinfo_get(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_post_header() {
    modules::oidcc_userinfo_post_header(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_userinfo_post_body() {
    modules::oidcc_userinfo_post_body(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_without_nonce_succeeds_for_code_flow() {
    modules::oidcc_ensure_request_without_nonce_succeeds_for_code_flow(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_profile() {
    modules::oidcc_scope_profile(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_email() {
    modules::oidcc_scope_email(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_address() {
    modules::oidcc_scope_address(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_phone() {
    modules::oidcc_scope_phone(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_scope_all() {
    modules::oidcc_scope_all(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_alternate_happy_flow() {
    modules::oidcc_alternate_happy_flow(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_display_page() {
    modules::oidcc_display_page(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_display_popup() {
    modules::oidcc_display_popup(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_login() {
    modules::oidcc_prompt_login(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_none_not_logged_in() {
    modules::oidcc_prompt_none_not_logged_in(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_prompt_none_logged_in() {
    modules::oidcc_prompt_none_logged_in(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_max_age_1() {
    modules::oidcc_max_age_1(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_max_age_10000() {
    modules::oidcc_max_age_10000(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_unknown_parameter_succeeds() {
    modules::oidcc_ensure_request_with_unknown_parameter_succeeds(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_id_token_hint() {
    modules::oidcc_id_token_hint(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_login_hint() {
    modules::oidcc_login_hint(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ui_locales() {
    modules::oidcc_ui_locales(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_claims_locales() {
    modules::oidcc_claims_locales(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_acr_values_succeeds() {
    modules::oidcc_ensure_request_with_acr_values_succeeds(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_codereuse() {
    modules::oidcc_codereuse(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_codereuse_30seconds() {
    modules::oidcc_codereuse_30seconds(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_registered_redirect_uri() {
    modules::oidcc_ensure_registered_redirect_uri(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_post_request_succeeds() {
    modules::oidcc_ensure_post_request_succeeds(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_server_client_secret_post() {
    modules::oidcc_server_client_secret_post(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported() {
    let mut world = World::new().await;
    modules::oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(&mut world, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let mut world = World::new().await;
    modules::oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(&mut world, Mode::Query)
        .await;
}

#[tokio::test]
async fn oidcc_claims_essential() {
    modules::oidcc_claims_essential(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_object_with_redirect_uri() {
    modules::oidcc_ensure_request_object_with_redirect_uri(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_refresh_token() {
    modules::oidcc_refresh_token(&mut World::new().await, Mode::Query).await;
}

#[tokio::test]
async fn oidcc_ensure_request_with_valid_pkce_succeeds() {
    modules::oidcc_ensure_request_with_valid_pkce_succeeds(&mut World::new().await, Mode::Query).await;
}
