//! Proof Key for Code Exchange (RFC 7636), S256 only.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::secrets::{same, sha256};

/// Whether this can be the S256 challenge of anything: 32 bytes as base64url.
pub fn is_challenge(text: &str) -> bool {
    text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
}

/// Whether `verifier` is what the challenge was made from.
pub fn fits(challenge: &str, verifier: &str) -> bool {
    let well_formed = (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    well_formed && same(URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes())).as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_fits() {
        assert!(is_challenge(CHALLENGE));
        assert!(fits(CHALLENGE, VERIFIER));
    }

    #[test]
    fn nothing_else_fits() {
        assert!(!fits(CHALLENGE, CHALLENGE));
        assert!(!fits(VERIFIER, VERIFIER), "a plain challenge is none");
        assert!(!fits(CHALLENGE, &VERIFIER[..42]));
        assert!(!fits(CHALLENGE, ""));
        assert!(!is_challenge("short") && !is_challenge(&format!("{CHALLENGE}=")));
    }
}
