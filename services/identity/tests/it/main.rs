//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod any_issuer;
mod authorize;
mod backchannel;
mod browser;
mod commands;
mod conformance_logout;
mod dpop;
mod flow;
mod invitations;
mod keys_of_tests;
mod limits;
mod logout;
mod openidconnect_crate;
mod operators;
mod pages;
mod refresh;
mod reset;
mod rotation;
mod token;
