//! The form or query of an authorization request, and where people are sent on to.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| hitaji_identity::fuzzing::authorization_request(&text));
