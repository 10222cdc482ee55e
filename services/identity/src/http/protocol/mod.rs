//! The endpoints of OAuth 2 and OpenID Connect. They answer as their own specifications say.
pub mod assertion;
pub mod authorize;
pub mod client_auth;
pub mod client_credentials;
pub mod device;
pub mod dpop;
pub mod introspect;
pub mod logout;
pub mod metadata;
pub mod pushed;
pub mod register;
pub mod reply;
pub mod respond;
pub mod revoke;
pub mod switching;
pub mod token;
pub mod token_exchange;
pub mod userinfo;

use axum::http::Method;
use hitaji_web::{Access, Route};

const PROTOCOL: Access = Access::Public("the protocol authenticates clients and people itself");

pub fn routes() -> Vec<Route> {
    use reply::preflight;
    let mut routes = vec![
        Route::get("/.well-known/openid-configuration", PROTOCOL, metadata::discovery),
        Route::get("/.well-known/oauth-authorization-server", PROTOCOL, metadata::discovery),
        Route::get("/oauth/jwks", PROTOCOL, metadata::jwks),
        Route::get("/oauth/authorize", PROTOCOL, authorize::get),
        Route::post("/oauth/authorize", PROTOCOL, authorize::post),
        Route::post("/oauth/par", PROTOCOL, pushed::post),
        Route::post("/oauth/token", PROTOCOL, token::post),
        Route::post("/oauth/device_authorization", PROTOCOL, device::post),
        Route::post("/oauth/register", PROTOCOL, register::create),
        Route::get("/oauth/register/{id}", PROTOCOL, register::read),
        Route::delete("/oauth/register/{id}", PROTOCOL, register::remove),
        Route::get("/oauth/userinfo", PROTOCOL, userinfo::get),
        Route::post("/oauth/userinfo", PROTOCOL, userinfo::post),
        Route::post("/oauth/revoke", PROTOCOL, revoke::post),
        Route::post("/oauth/introspect", PROTOCOL, introspect::post),
        Route::get("/oauth/logout", PROTOCOL, logout::get),
        Route::post("/oauth/logout", PROTOCOL, logout::post),
    ];
    let open = [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/oauth/jwks",
        "/oauth/par",
        "/oauth/token",
        "/oauth/device_authorization",
        "/oauth/userinfo",
        "/oauth/revoke",
    ];
    routes.extend(open.map(|path| Route::new(Method::OPTIONS, path, PROTOCOL, preflight)));
    routes.into_iter().map(Route::protocol).collect()
}
