//! Everything that identity answers: protocol endpoints, hosted pages and JSON commands.
pub mod api;
pub mod browser;
pub mod hosted;
pub mod keys;
pub mod membership;
pub mod mint;
pub mod passwords;
pub mod protocol;
pub mod provider;
pub mod session;
pub mod sign_up;
pub mod standing;
pub mod throttle;

use axum::http::Method;
use hitaji_contracts::identity::{
    Adopt, EndOperator, MakeOperator, OperatorMade, OperatorToken, OperatorTokenRequest, Operators, SignUp, SignedUp,
    SupportToken, SupportTokenRequest,
};
use hitaji_web::{Access, Idempotency, Route, Schema};
use schemars::JsonSchema;
use std::time::Duration;

const PROTOCOL: Access = Access::Public("the protocol authenticates clients and people itself");
const PAGE: Access = Access::Public("people are not signed in yet, or end being so");
const MEMBER_READ: Access = Access::Scope("identity.member:read");
const MEMBER_MANAGE: Access = Access::Scope("identity.member:manage");

pub fn routes() -> Vec<Route> {
    let mut routes = protocol_routes();
    routes.extend(page_routes());
    routes.extend(api_routes());
    routes.extend(operator_routes());
    routes
}

fn protocol_routes() -> Vec<Route> {
    use protocol::{authorize, logout, metadata, reply::preflight, revoke, token, userinfo};
    let mut routes = vec![
        Route::get("/.well-known/openid-configuration", PROTOCOL, metadata::discovery),
        Route::get("/.well-known/oauth-authorization-server", PROTOCOL, metadata::discovery),
        Route::get("/oauth/jwks", PROTOCOL, metadata::jwks),
        Route::get("/oauth/authorize", PROTOCOL, authorize::get),
        Route::post("/oauth/authorize", PROTOCOL, authorize::post),
        Route::post("/oauth/token", PROTOCOL, token::post),
        Route::get("/oauth/userinfo", PROTOCOL, userinfo::get),
        Route::post("/oauth/userinfo", PROTOCOL, userinfo::post),
        Route::post("/oauth/revoke", PROTOCOL, revoke::post),
        Route::get("/oauth/logout", PROTOCOL, logout::get),
        Route::post("/oauth/logout", PROTOCOL, logout::post),
    ];
    let open = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/oauth/jwks",
        "/oauth/token",
        "/oauth/userinfo",
        "/oauth/revoke",
    ];
    routes.extend(open.map(|path| Route::new(Method::OPTIONS, path, PROTOCOL, preflight)));
    routes.into_iter().map(Route::protocol).collect()
}

fn page_routes() -> Vec<Route> {
    use hosted::{forgotten, invitation, organisations, sign_in, sign_up};
    let routes = [
        Route::get("/sign-up", PAGE, sign_up::show),
        Route::post("/sign-up", PAGE, sign_up::submit),
        Route::get("/sign-in", PAGE, sign_in::show),
        Route::post("/sign-in", PAGE, sign_in::submit),
        Route::get("/sign-in/organisation", PAGE, organisations::show),
        Route::post("/sign-in/organisation", PAGE, organisations::submit),
        Route::get("/invitations/{token}", PAGE, invitation::show),
        Route::post("/invitations/{token}", PAGE, invitation::submit),
        Route::get("/forgot-password", PAGE, forgotten::show),
        Route::post("/forgot-password", PAGE, forgotten::submit),
        Route::get("/reset-password/{token}", PAGE, forgotten::show_reset),
        Route::post("/reset-password/{token}", PAGE, forgotten::submit_reset),
        Route::get("/assets-id/{file}", PAGE, crate::pages::stylesheet),
    ];
    routes.into_iter().map(Route::protocol).collect()
}

fn api_routes() -> Vec<Route> {
    use api::{invitations, me, members, roles, sign_ups};
    let member = Access::Member("everybody may know who they are and which roles there are");
    vec![
        Route::post("/sign-ups", Access::Public("a sign-up comes before any account"), sign_ups::create)
            .summary("Sign up a person with an organisation; safe to repeat with the same organisation_id")
            // The answer to a repeated request comes from the organisation's id; a stored request hash would be a
            // fast hash of a password.
            .idempotency(Idempotency::None)
            .body::<SignUp>()
            .answers::<SignedUp>(201),
        Route::get("/me", member, me::show).summary("Who I am, where, and what I may do").answers::<me::Me>(200),
        paged::<roles::RoleOut>(Route::get("/roles", member, roles::list).summary("Roles that members can have")),
        paged::<members::MemberOut>(
            Route::get("/members", MEMBER_READ, members::list).summary("People of the organisation"),
        ),
        paged::<invitations::InvitationOut>(
            Route::get("/invitations", MEMBER_READ, invitations::list).summary("Invitations, newest first"),
        ),
        Route::get("/invitations/{id}", MEMBER_READ, invitations::read)
            .summary("One invitation")
            .answers::<invitations::InvitationOut>(200),
        Route::post("/invitations", MEMBER_MANAGE, invitations::create)
            .summary("Invite a person by e-mail")
            .body::<invitations::NewInvitation>()
            .answers::<invitations::InvitationOut>(201),
        Route::post("/invitations/{id}/resend", MEMBER_MANAGE, invitations::resend)
            .summary("Send an invitation again, with a new link")
            .if_match()
            .answers::<invitations::InvitationOut>(200),
        Route::delete("/invitations/{id}", MEMBER_MANAGE, invitations::revoke)
            .summary("Withdraw an invitation")
            .if_match()
            .answers_schema(204, None),
    ]
}

/// Tokens are never stored, so no answer with one is kept for a repeated request.
fn operator_routes() -> Vec<Route> {
    use api::{adoptions, operator_tokens, operators, support_tokens};
    let command_line = Access::Peer("hitaji operator");
    vec![
        Route::post("/adoptions", Access::Peer("hitaji tenant"), adoptions::create)
            .summary("Give an organisation that was taken in its owner")
            .idempotency(Idempotency::None)
            .body::<Adopt>()
            .answers::<SignedUp>(200)
            .deadline(Duration::from_secs(60)),
        Route::post("/operator-tokens", Access::Peer("hitaji token"), operator_tokens::create)
            .summary("A short-lived access token for the operator")
            .idempotency(Idempotency::None)
            .body::<OperatorTokenRequest>()
            .answers::<OperatorToken>(200),
        Route::post("/support-tokens", Access::Operator("tenancy.support:use"), support_tokens::create)
            .summary("A token for an organisation that let the operator in, for at most five minutes")
            .idempotency(Idempotency::None)
            .body::<SupportTokenRequest>()
            .answers::<SupportToken>(200),
        Route::get("/operators", command_line, operators::list).summary("Operators").answers::<Operators>(200),
        Route::post("/operators", command_line, operators::create)
            .summary("Make somebody an operator")
            .idempotency(Idempotency::None)
            .body::<MakeOperator>()
            .answers::<OperatorMade>(200),
        Route::post("/operators/end", command_line, operators::end)
            .summary("Somebody is an operator no more")
            .idempotency(Idempotency::None)
            .body::<EndOperator>()
            .answers::<OperatorMade>(200),
    ]
}

/// A list by the conventions of all lists.
fn paged<T: JsonSchema>(route: Route) -> Route {
    route.answers_schema(200, Some(Schema::page_of::<T>())).list()
}
