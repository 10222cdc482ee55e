//! SQL of identity, on the control database.
pub mod account;
pub mod client;
pub mod dpop;
pub mod grant;
pub mod invitation;
pub mod logout_notice;
pub mod operator;
pub mod organisation;
pub mod reset;
pub mod session;
pub mod signing_key;
