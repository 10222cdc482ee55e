//! SQL of tenancy: on the control database, and where it says so on an organisation's own.
pub mod audit;
pub mod measures;
pub mod support;
