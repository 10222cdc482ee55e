//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod account;
mod authorize;
mod browser;
mod commands;
mod enumeration;
mod factors;
mod flow;
mod invitations;
mod limits;
mod logout;
mod operators;
mod pages;
mod passkeys;
mod refresh;
mod reset;
mod token;
