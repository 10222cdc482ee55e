//! Cookie headers, secret links and the tokens of forms.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| hitaji_identity::fuzzing::cookies(&text));
