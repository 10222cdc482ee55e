//! The whole program, tested from outside.
mod browser;
mod clients;
mod kill9;
mod polling;
mod process;
mod realtime;
mod split;
