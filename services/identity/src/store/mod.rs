//! SQL of identity, on the control database.
pub mod account;
pub mod client;
pub mod consent;
pub mod device;
pub mod grant;
pub mod invitation;
pub mod operator;
pub mod organisation;
pub mod pushed;
pub mod registration;
pub mod reset;
pub mod session;
pub mod signing_key;
