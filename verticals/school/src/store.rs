//! SQL of the school's commands and questions.
pub mod attendance;
pub mod attendance_day;
pub mod class_list;
pub mod class_list_apply;
pub mod members;
