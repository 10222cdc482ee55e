//! Tenancy through HTTP, against real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails here, and says where")]

mod exports;
mod operators;
mod states;
mod storage;
mod support;
