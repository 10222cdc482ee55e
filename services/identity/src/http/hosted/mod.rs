//! The pages that people see: sign-up, sign-in, invitations, passwords.
pub mod fields;
pub mod forgotten;
pub mod invitation;
pub mod organisations;
pub mod sign_in;
pub mod sign_up;
