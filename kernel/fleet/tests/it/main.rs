//! Fleets of synthetic tenants on a real PostgreSQL: migrations that fail, are killed and go on, and drift.
mod drift;
mod fleet;
mod interrupted;
mod migrations;
mod program;
