//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod api_keys;
mod authorize;
mod browser;
mod client_assertions;
mod commands;
mod conformance_basic;
mod conformance_config;
mod conformance_fapi;
mod conformance_form_post;
mod conformance_table;
mod consent;
mod denials;
mod device;
mod events;
mod exchange;
mod flow;
mod front;
mod introspection;
mod invitations;
mod limits;
mod logout;
mod modules;
mod operators;
mod pages;
mod par;
mod phone;
mod programs;
mod refresh;
mod register;
mod reset;
mod rfc9700;
mod token;
