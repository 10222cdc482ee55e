//! SQL of identity, on the control database.
pub mod account;
pub mod client;
pub mod domain;
pub mod federation;
pub mod grant;
pub mod invitation;
pub mod operator;
pub mod organisation;
pub mod reset;
pub mod scim;
pub mod session;
pub mod signing_key;
pub mod upstream;
