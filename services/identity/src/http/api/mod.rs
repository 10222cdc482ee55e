//! The JSON commands and questions of identity.
pub mod invitations;
pub mod me;
pub mod members;
pub mod operator_tokens;
pub mod roles;
pub mod sign_ups;
