//! The rules of identity, without I/O: who may ask for what, which tokens follow, what a person may type.
pub mod account;
pub mod assurance;
pub mod client;
pub mod link;
pub mod operator;
pub mod outbound;
pub mod pkce;
pub mod place;
pub mod refresh;
pub mod request;
pub mod scope;
pub mod signing;
