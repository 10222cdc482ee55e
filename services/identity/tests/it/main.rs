//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod api_keys;
mod authorize;
mod browser;
mod client_assertions;
mod commands;
mod denials;
mod events;
mod exchange;
mod flow;
mod introspection;
mod invitations;
mod limits;
mod logout;
mod operators;
mod pages;
mod phone;
mod programs;
mod refresh;
mod reset;
mod token;
