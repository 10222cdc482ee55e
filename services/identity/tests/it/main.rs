//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod authorize;
mod browser;
mod commands;
mod domains;
mod federation;
mod flow;
mod invitations;
mod limits;
mod logout;
mod operators;
mod pages;
mod refresh;
mod reset;
mod scim;
mod token;
