//! SQL of identity, on the control database.
pub mod account;
pub mod branding;
pub mod client;
pub mod grant;
pub mod invitation;
pub mod member;
pub mod node;
pub mod operator;
pub mod organisation;
pub mod policy;
pub mod reset;
pub mod rights;
pub mod role;
pub mod session;
pub mod signing_key;
