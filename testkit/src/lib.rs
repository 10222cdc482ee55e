//! The whole platform for a test: real PostgreSQL, real HTTP on a free port, real mail to a local page, a clock that
//! the test moves.
mod app;
mod client;
mod dns;
mod openid_provider;
mod postgres;
mod texts;
mod vault;
mod wait;

pub use app::{Organisation, PASSWORD, TestApp, at, beside};
pub use client::{Client, Reply, send};
pub use dns::NameServer;
pub use openid_provider::{CLIENT_ID, CLIENT_SECRET, OpenidProvider, Script};
pub use postgres::{POSTGRES_VARIABLE, another_postgres, test_postgres};
pub use texts::{TEXTS_KEY, TextGateway, UNREACHABLE};
pub use vault::{VAULT_TOKEN, vault};
pub use wait::{moment, until};
