//! The whole program, tested from outside.
mod browser;
mod clients;
mod conformance;
mod declared;
mod isolation;
mod kill9;
mod limits;
mod operations;
mod polling;
mod process;
mod realtime;
mod samples;
mod schema;
mod split;
