//! The school through HTTP, against a whole platform with a real PostgreSQL.
mod class_list;
mod lists;
mod records;
mod register;
mod visibility;
mod world;
