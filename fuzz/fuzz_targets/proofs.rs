//! JWTs of strangers: proofs of possession, which bring their own key.
#![no_main]
use hitaji_web::{DpopRequest, verify_dpop};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: String| {
    let request = DpopRequest { method: "POST", url: "https://h.example/oauth/token", now: 1_800_000_000, access_token: None };
    assert!(verify_dpop(&text, &request).is_err(), "nobody guesses a signature");
});
