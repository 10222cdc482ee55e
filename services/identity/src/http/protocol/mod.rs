//! The endpoints of OAuth 2 and OpenID Connect. They answer as their own specifications say.
pub mod authorize;
pub mod logout;
pub mod metadata;
pub mod reply;
pub mod revoke;
pub mod token;
pub mod userinfo;
