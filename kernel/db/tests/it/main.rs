//! The kernel's database crate against a real PostgreSQL.
mod governor;
mod server;
