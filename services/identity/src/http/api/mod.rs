//! The JSON commands and questions of identity.
pub mod adoptions;
pub mod invitations;
pub mod me;
pub mod members;
pub mod operator_tokens;
pub mod operators;
pub mod roles;
pub mod sign_ups;
pub mod support_tokens;
