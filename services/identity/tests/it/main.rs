//! Identity through HTTP, against real PostgreSQL and a real mail catcher.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod authorize;
mod branding;
mod browser;
mod commands;
mod flow;
mod invitations;
mod limits;
mod logout;
mod members;
mod nodes;
mod operators;
mod pages;
mod policy;
mod refresh;
mod reset;
mod roles;
mod switching;
mod token;
