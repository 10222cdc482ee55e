//! SQL of identity, on the control database.
pub mod account;
pub mod api_key;
pub mod client;
pub mod event;
pub mod grant;
pub mod invitation;
pub mod one_time_code;
pub mod operator;
pub mod organisation;
pub mod own_client;
pub mod reset;
pub mod session;
pub mod sign_out;
pub mod signing_key;
pub mod used_jti;
