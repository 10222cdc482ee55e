//! The school through HTTP, against a whole platform with a real PostgreSQL.
mod register;
mod world;
