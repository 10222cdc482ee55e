//! The whole program, tested from outside.
mod kill9;
mod process;
mod split;
