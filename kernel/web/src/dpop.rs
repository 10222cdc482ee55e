//! Proofs of possession (RFC 9449): with every request its sender shows that they hold the key a token is bound to.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::secrets::sha256;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::Url;
use serde::Deserialize;
use serde_json::Value;

/// Algorithms that proofs may be signed with.
pub const DPOP_ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "RS256", "PS256"];
/// A proof is good for so long after it was made; seconds.
const AGE_MAX_S: i64 = 60;
/// The sender's clock may be ahead by this much; seconds.
const AHEAD_MAX_S: i64 = 15;
const PROOF_BYTES_MAX: usize = 8192;
const JTI_BYTES_MAX: usize = 256;
/// Members that only private or symmetric keys have (RFC 7518 section 6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The request that a proof must be of.
pub struct DpopRequest<'a> {
    pub method: &'a str,
    /// As the public sees it; query and fragment do not count.
    pub url: &'a str,
    /// Seconds since 1970.
    pub now: i64,
    /// At resources: the token sent with it.
    pub access_token: Option<&'a str>,
}

/// A good proof. That it is used once is the caller's to see to, by `id` until `expires_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpopProof {
    /// SHA-256 thumbprint of the key (RFC 7638).
    pub jkt: String,
    /// Hash of the key with the proof's `jti`.
    pub id: [u8; 32],
    /// Seconds since 1970; from then on it is refused for its age.
    pub expires_at: i64,
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    nbf: Option<f64>,
    exp: Option<f64>,
    ath: Option<String>,
}

/// The checks of RFC 9449 section 4.3, but for replays. The error says which one failed, for the caller's developer.
pub fn verify_dpop(proof: &str, request: &DpopRequest<'_>) -> Result<DpopProof, &'static str> {
    let (algorithm, jwk) = header(proof)?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| "the jwk of the proof is no key")?;
    let mut validation = Validation::new(algorithm);
    // Times are checked below, by our clock.
    validation.set_required_spec_claims::<&str>(&[]);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims: ProofClaims =
        decode(proof, &key, &validation).map_err(|_| "the proof is not signed by its key, or lacks a claim")?.claims;
    if claims.htm != request.method {
        return Err("htm is not the method of the request");
    }
    if target(&claims.htu).is_none() || target(&claims.htu) != target(request.url) {
        return Err("htu is not the address of the request");
    }
    let issued_at = claims.iat as i64;
    let too_early = |at: i64| at > request.now + AHEAD_MAX_S;
    if too_early(issued_at) || issued_at < request.now - AGE_MAX_S {
        return Err("iat is not within the last minute");
    }
    if claims.nbf.is_some_and(|at| too_early(at as i64)) || claims.exp.is_some_and(|at| at as i64 <= request.now) {
        return Err("the proof is not good yet, or any more");
    }
    if claims.jti.is_empty() || claims.jti.len() > JTI_BYTES_MAX {
        return Err("jti has 1 to 256 bytes");
    }
    if let Some(token) = request.access_token
        && claims.ath.as_deref() != Some(URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())).as_str())
    {
        return Err("ath is not the hash of the access token");
    }
    let jkt = jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| "the jwk of the proof has no thumbprint")?;
    let id = sha256(format!("{jkt}\n{}", claims.jti).as_bytes());
    Ok(DpopProof { jkt, id, expires_at: issued_at + AGE_MAX_S + 1 })
}

/// Algorithm and public key, from a header that is read as strictly as it is trusted: not at all until it is checked.
fn header(proof: &str) -> Result<(Algorithm, Jwk), &'static str> {
    if proof.len() > PROOF_BYTES_MAX {
        return Err("the proof is too long");
    }
    let encoded = proof.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| "the proof is no JWT")?;
    let header: Value = serde_json::from_slice(&bytes).map_err(|_| "the proof is no JWT")?;
    if !header["typ"].as_str().is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt")) {
        return Err("typ is dpop+jwt");
    }
    if header.get("crit").is_some() {
        return Err("the proof has critical headers that nobody here knows");
    }
    let algorithm = header["alg"].as_str().filter(|alg| DPOP_ALGORITHMS.contains(alg));
    let algorithm = algorithm.and_then(|alg| alg.parse().ok()).ok_or("alg is none of those announced")?;
    let jwk = header["jwk"].as_object().ok_or("the proof names no key")?;
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err("the jwk of the proof is not a public one");
    }
    let jwk: Jwk = serde_json::from_value(header["jwk"].clone()).map_err(|_| "the jwk of the proof is no key")?;
    match jwk.algorithm {
        AlgorithmParameters::EllipticCurve(_) | AlgorithmParameters::RSA(_) | AlgorithmParameters::OctetKeyPair(_) => {
            Ok((algorithm, jwk))
        }
        _ => Err("the jwk of the proof is no public key"),
    }
}

/// An address in its normal form (RFC 3986 section 6.2), without query and fragment.
fn target(url: &str) -> Option<Url> {
    let mut url = Url::parse(url).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair};
    use serde_json::json;

    #[test]
    fn addresses_are_compared_in_their_normal_form() {
        let same = |other: &str| target(other) == target("https://hitaji.example/oauth/token");
        for good in [
            "https://hitaji.example/oauth/token",
            "HTTPS://Hitaji.Example:443/oauth/token?x=1#y",
            "https://hitaji.example/x/../oauth/token",
        ] {
            assert!(same(good), "{good}");
        }
        for bad in ["http://hitaji.example/oauth/token", "https://hitaji.example/oauth/token/", "/oauth/token", ""] {
            assert!(!same(bad), "{bad}");
        }
    }

    fn proof(header: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let claims = json!({"jti": "1", "htm": "POST", "htu": "https://a.example/token", "iat": 1_800_000_000});
        let message =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    #[test]
    fn every_announced_algorithm_is_verified() {
        let request =
            DpopRequest { method: "POST", url: "https://a.example/token", now: 1_800_000_000, access_token: None };
        let edwards = Ed25519KeyPair::generate().unwrap();
        let x = URL_SAFE_NO_PAD.encode(edwards.public_key());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk});
        let good = proof(&header, |message| edwards.sign(message).as_ref().to_vec());
        let jkt = URL_SAFE_NO_PAD.encode(sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#).as_bytes()));
        assert_eq!(verify_dpop(&good, &request).map(|proof| proof.jkt), Ok(jkt));
        assert!(verify_dpop(&proof(&header, |_| vec![0; 64]), &request).is_err());

        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = rsa.public_key();
        let n = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB"});
        for (algorithm, padding) in [("RS256", &RSA_PKCS1_SHA256), ("PS256", &RSA_PSS_SHA256)] {
            let sign = |message: &[u8]| {
                let mut signature = vec![0; rsa.public_modulus_len()];
                rsa.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            };
            let of = |algorithm: &str| proof(&json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": jwk}), sign);
            let jkt = URL_SAFE_NO_PAD.encode(sha256(format!(r#"{{"e":"AQAB","kty":"RSA","n":"{n}"}}"#).as_bytes()));
            assert_eq!(verify_dpop(&of(algorithm), &request).map(|proof| proof.jkt), Ok(jkt), "{algorithm}");
            let other = if algorithm == "RS256" { "PS256" } else { "RS256" };
            assert!(verify_dpop(&of(other), &request).is_err(), "{algorithm} as {other}");
        }
    }

    #[test]
    fn headers_that_are_not_a_proofs_are_refused() {
        let ec = r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
        let of = |json: &str| header(&format!("{}.e30.x", URL_SAFE_NO_PAD.encode(json))).err();
        assert_eq!(of(&format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{ec}}}"#)), None);
        for bad in [
            format!(r#"{{"typ":"JWT","alg":"ES256","jwk":{ec}}}"#),
            format!(r#"{{"typ":"dpop+jwt","alg":"none","jwk":{ec}}}"#),
            format!(r#"{{"typ":"dpop+jwt","alg":"HS256","jwk":{ec}}}"#),
            format!(r#"{{"typ":"dpop+jwt","alg":"ES384","jwk":{ec}}}"#),
            format!(r#"{{"typ":"dpop+jwt","alg":"ES256","crit":["b64"],"jwk":{ec}}}"#),
            format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, ec.replace("\"x\"", "\"d\":\"AQ\",\"x\"")),
            r#"{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"oct","k":"AQ"}}"#.to_owned(),
            r#"{"typ":"dpop+jwt","alg":"ES256"}"#.to_owned(),
            "[]".to_owned(),
        ] {
            assert!(of(&bad).is_some(), "{bad}");
        }
    }
}
