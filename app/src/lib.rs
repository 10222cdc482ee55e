//! The binary's parts: which services there are, how a process is put together, and the command line.
pub mod commands;
pub mod mail_catcher;
pub mod master;
mod pages;
pub mod registry;
pub mod runtime;
