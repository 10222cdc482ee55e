//! Rules of the school; pure.
pub mod attendance;
pub mod class_list;
