//! Commands and questions about organisations.
pub mod create_organisation;
pub mod organisation;
pub mod plans;
pub mod usage;
