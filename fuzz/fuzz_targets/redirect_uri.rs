//! An address that is registered and one that is given: nobody is redirected but to the first.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|pair: (String, String)| {
    let (registered, given) = pair;
    hitaji_identity::fuzzing::redirect_uri(&registered, &given);
});
