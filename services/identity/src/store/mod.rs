//! SQL of identity, on the control database.
pub mod account;
pub mod client;
pub mod email_proof;
pub mod factor;
pub mod grant;
pub mod invitation;
pub mod operator;
pub mod organisation;
pub mod passkey;
pub mod pending;
pub mod profile;
pub mod reset;
pub mod session;
pub mod signing_key;
