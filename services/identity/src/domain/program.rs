//! Programs of an organisation: which permissions they may be given, and which public keys they may prove themselves by.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use serde_json::Value;

/// One for now, one for tomorrow, and some for mistakes.
const KEYS_MAX: usize = 10;
/// 2048 bits.
const RSA_BYTES_MIN: usize = 256;

/// Whether no program may ever have it: whoever manages people, roles and programs is a person.
pub fn is_restricted(scope: &str) -> bool {
    scope.starts_with("identity.") && scope.ends_with(":manage")
}

/// Public keys by which a client signs (RFC 7517): P-256, Ed25519, or RSA of at least 2048 bits.
pub fn public_keys(value: &Value) -> Result<JwkSet, &'static str> {
    let keys = value["keys"].as_array().ok_or("Give a JWK set: an object with the member keys.")?;
    if keys.is_empty() || keys.len() > KEYS_MAX {
        return Err("Give 1 to 10 keys.");
    }
    let secret = ["d", "p", "q", "dp", "dq", "qi", "k"];
    if keys.iter().any(|key| secret.iter().any(|member| !key[*member].is_null())) {
        return Err(
            "This key has a secret part. Give public keys only, and make a new pair: this one is no secret any more.",
        );
    }
    let set: JwkSet = serde_json::from_value(value.clone()).map_err(|_| "One of the keys cannot be read.")?;
    if set.keys.iter().all(is_strong) { Ok(set) } else { Err("Use P-256, Ed25519, or RSA with 2048 bits and more.") }
}

fn is_strong(key: &Jwk) -> bool {
    match &key.algorithm {
        AlgorithmParameters::EllipticCurve(key) => key.curve == EllipticCurve::P256,
        AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519,
        AlgorithmParameters::RSA(key) => URL_SAFE_NO_PAD.decode(&key.n).is_ok_and(|n| n.len() >= RSA_BYTES_MIN),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn people_and_programs_are_managed_by_people() {
        for scope in ["identity.member:manage", "identity.client:manage"] {
            assert!(is_restricted(scope), "{scope}");
        }
        for scope in ["identity.member:read", "school.student:write", "tenancy.organisation:manage"] {
            assert!(!is_restricted(scope), "{scope}");
        }
    }

    #[test]
    fn only_strong_public_keys_are_taken() {
        let (x, y) = (URL_SAFE_NO_PAD.encode([1; 32]), URL_SAFE_NO_PAD.encode([2; 32]));
        let ec = |curve: &str| json!({"keys": [{"kty": "EC", "crv": curve, "x": x, "y": y, "kid": "1"}]});
        let rsa =
            |bytes: usize| json!({"keys": [{"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(vec![9; bytes]), "e": "AQAB"}]});
        assert!(public_keys(&ec("P-256")).is_ok() && public_keys(&rsa(256)).is_ok());
        assert!(public_keys(&json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]})).is_ok());
        let mut private = ec("P-256");
        private["keys"][0]["d"] = json!(x);
        for bad in [
            private,
            ec("P-384"),
            rsa(128),
            json!({"keys": [{"kty": "oct", "k": x}]}),
            json!({"keys": []}),
            json!({}),
            json!([]),
            json!({"keys": ["x"]}),
        ] {
            assert!(public_keys(&bad).is_err(), "{bad}");
        }
    }
}
