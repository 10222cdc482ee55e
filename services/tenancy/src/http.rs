//! Commands and questions about organisations.
pub mod create_organisation;
pub mod erasure;
pub mod exports;
pub mod operator;
pub mod organisation;
pub mod plans;
pub mod support_grants;
pub mod support_questions;
pub mod usage;
pub mod work;
