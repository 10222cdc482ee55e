//! `private_key_jwt` (RFC 7523 section 2.2): a client proves itself by signing, and each signature is good once.
use crate::domain::assertion::judge;
use crate::domain::client::{Client, ClientAuth};
use crate::http::protocol::reply::OauthError;
use crate::http::provider::Provider;
use crate::store::used_jti;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};
use hitaji_db::secrets::sha256;
use hitaji_web::{PlatformCtx, Problem};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;
use std::sync::Arc;

/// The one `client_assertion_type` that there is.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How a client may sign.
pub const ALGORITHMS: [&str; 4] = ["ES256", "EdDSA", "PS256", "RS256"];

const BYTES_MAX: usize = 8 << 10;
/// So many of a client's keys are tried where the assertion does not name one.
const KEYS_TRIED_MAX: usize = 10;

/// The client that signed. Whatever is wrong, it is told the same: it is unknown or did not prove itself.
pub async fn authenticate(
    ctx: &PlatformCtx,
    provider: &Provider,
    named: Option<&str>,
    assertion: &str,
) -> Result<Arc<Client>, OauthError> {
    let refused = || OauthError::invalid_client(true);
    let unproven = Unproven::read(assertion).ok_or_else(refused)?;
    let id = unproven.claims["sub"].as_str().ok_or_else(refused)?;
    if named.is_some_and(|named| named != id) {
        return Err(refused());
    }
    let client = provider.client(id).await.map_err(Problem::from)?.ok_or_else(refused)?;
    let ClientAuth::Key(keys) = &client.auth else { return Err(refused()) };
    let claims = unproven.verify(assertion, keys).ok_or_else(refused)?;
    let good = judge(&claims, &client.id, &provider.origin, ctx.now().timestamp()).map_err(|reason| {
        tracing::info!(client_id = client.id, reason, "a client's assertion was refused");
        refused()
    })?;
    let hash = sha256(format!("{}\n{}", client.id, good.jti).as_bytes());
    // Past its leeway it is refused by its time.
    let expires_at = DateTime::from_timestamp(good.expires_at, 0).ok_or_else(refused)? + TimeDelta::minutes(1);
    let mut conn = ctx.read().await?;
    let first = used_jti::insert(&mut conn, &hash, expires_at).await.map_err(Problem::from)?;
    conn.release();
    if first { Ok(client) } else { Err(refused()) }
}

/// What an assertion says of itself before anybody has checked the signature.
struct Unproven {
    algorithm: Algorithm,
    key_id: Option<String>,
    claims: Value,
}

impl Unproven {
    fn read(assertion: &str) -> Option<Unproven> {
        let mut parts = assertion.split('.');
        let (header, claims) = (part(parts.next()?)?, part(parts.next()?)?);
        if assertion.len() > BYTES_MAX || parts.count() != 1 || !header["crit"].is_null() {
            return None;
        }
        // Whatever else we or others sign is no proof of a client.
        let kind = header["typ"].as_str().unwrap_or("JWT").to_ascii_lowercase();
        if kind != "jwt" && kind != "client-authentication+jwt" {
            return None;
        }
        let algorithm = match header["alg"].as_str()? {
            "ES256" => Algorithm::ES256,
            "EdDSA" => Algorithm::EdDSA,
            "PS256" => Algorithm::PS256,
            "RS256" => Algorithm::RS256,
            _ => return None,
        };
        Some(Unproven { algorithm, key_id: header["kid"].as_str().map(str::to_owned), claims })
    }

    /// The claims, if one of these keys made the signature.
    fn verify(&self, assertion: &str, keys: &JwkSet) -> Option<Value> {
        let mut validation = Validation::new(self.algorithm);
        // All claims are judged by our own clock and rules.
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_aud) = (false, false);
        let named = |key: &&Jwk| self.key_id.is_none() || key.common.key_id == self.key_id;
        let fitting = keys.keys.iter().filter(named).filter(|key| fits(key, self.algorithm));
        fitting.take(KEYS_TRIED_MAX).find_map(|key| {
            let key = DecodingKey::from_jwk(key).ok()?;
            decode::<Value>(assertion, &key, &validation).ok().map(|token| token.claims)
        })
    }
}

fn part(encoded: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()
}

/// Whether the key is for this algorithm, and for signing.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let kind = match &key.algorithm {
        AlgorithmParameters::EllipticCurve(key) => key.curve == EllipticCurve::P256 && algorithm == Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519 && algorithm == Algorithm::EdDSA,
        AlgorithmParameters::RSA(_) => matches!(algorithm, Algorithm::RS256 | Algorithm::PS256),
        _ => false,
    };
    let declared = match key.common.key_algorithm {
        None => true,
        Some(KeyAlgorithm::ES256) => algorithm == Algorithm::ES256,
        Some(KeyAlgorithm::EdDSA) => algorithm == Algorithm::EdDSA,
        Some(KeyAlgorithm::PS256) => algorithm == Algorithm::PS256,
        Some(KeyAlgorithm::RS256) => algorithm == Algorithm::RS256,
        Some(_) => false,
    };
    kind && declared && !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption))
}
