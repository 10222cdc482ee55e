//! The whole program, tested from outside.
mod bad_input;
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
mod provisioning;
mod realtime;
mod relay;
mod samples;
mod schema;
mod split;
