//! The rules of identity, without I/O: who may ask for what, which tokens follow, what a person may type.
pub mod account;
pub mod assertion;
pub mod assurance;
pub mod client;
pub mod consent;
pub mod device;
pub mod link;
pub mod one_time_code;
pub mod operator;
pub mod pkce;
pub mod place;
pub mod program;
pub mod refresh;
pub mod registration;
pub mod request;
pub mod scope;
