//! The rules of identity, without I/O: who may ask for what, which tokens follow, what a person may type.
pub mod account;
pub mod assurance;
pub mod client;
pub mod federation;
pub mod link;
pub mod operator;
pub mod pkce;
pub mod place;
pub mod refresh;
pub mod request;
pub mod scim;
pub mod scope;
