//! What a provider publishes of itself (OpenID Connect Discovery), its keys, and ID tokens checked by them.
use crate::domain::federation::{Expected, IdToken, algorithm, discovered_fits, judge};
use crate::http::federation::Upstream;
use crate::http::outgoing::{Failed, Outgoing};
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// For so long a document is believed without asking again.
const KEPT: Duration = Duration::from_secs(3600);
/// For a key that is not known keys are fetched again, but no more often than this.
const KEYS_AGAIN_AFTER: Duration = Duration::from_secs(60);
const KEYS_MAX: usize = 50;

/// The parts of the document that we use.
#[derive(Clone, Debug, Deserialize)]
pub struct Metadata {
    pub issuer: String,
    pub authorization_endpoint: String,
    pub token_endpoint: String,
    pub jwks_uri: String,
    #[serde(default)]
    pub id_token_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// One provider as it published itself.
pub struct Discovered {
    pub metadata: Metadata,
    keys: RwLock<(Arc<Vec<Jwk>>, Instant)>,
}

/// By issuer and kind: what one organisation's provider published serves another's of the same issuer.
pub struct Discoveries(Cache<(String, &'static str), Arc<Discovered>>);

impl Default for Discoveries {
    fn default() -> Discoveries {
        Discoveries(Cache::builder().max_capacity(1000).time_to_live(KEPT).build())
    }
}

impl Discoveries {
    pub async fn get(&self, outgoing: &Outgoing, upstream: &Upstream) -> Result<Arc<Discovered>, Failed> {
        let key = (upstream.issuer.clone(), upstream.kind.as_str());
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let fetched = Arc::new(fetch(outgoing, upstream).await?);
        self.0.insert(key, fetched.clone());
        Ok(fetched)
    }

    /// The same without what is known, for an administrator's test.
    pub async fn anew(&self, outgoing: &Outgoing, upstream: &Upstream) -> Result<Arc<Discovered>, Failed> {
        self.0.invalidate(&(upstream.issuer.clone(), upstream.kind.as_str()));
        self.get(outgoing, upstream).await
    }
}

async fn fetch(outgoing: &Outgoing, upstream: &Upstream) -> Result<Discovered, Failed> {
    let address = format!("{}/.well-known/openid-configuration", upstream.issuer.trim_end_matches('/'));
    let mut metadata: Metadata = outgoing.get(&address).await?;
    if !discovered_fits(upstream.kind, &upstream.issuer, &metadata.issuer) {
        return Err(Failed::Malformed);
    }
    let endpoints = [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri];
    if !endpoints.iter().all(|endpoint| outgoing.may_ask(endpoint)) {
        return Err(Failed::Forbidden);
    }
    if metadata.id_token_signing_alg_values_supported.is_empty() {
        metadata.id_token_signing_alg_values_supported = vec!["RS256".into()];
    }
    let keys = fetch_keys(outgoing, &metadata.jwks_uri).await?;
    Ok(Discovered { metadata, keys: RwLock::new((Arc::new(keys), Instant::now())) })
}

/// The signing keys of a set; kinds that we do not know are left out (RFC 7517 section 5).
async fn fetch_keys(outgoing: &Outgoing, address: &str) -> Result<Vec<Jwk>, Failed> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = outgoing.get(address).await?;
    let known = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let signs = |key: &Jwk| matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature));
    Ok(known.filter(signs).collect())
}

impl Discovered {
    /// The token's claims, where signature and claims are good. The text says what is not.
    pub async fn verify(
        &self,
        outgoing: &Outgoing,
        upstream: &Upstream,
        token: &str,
        nonce: &str,
        now: i64,
    ) -> Result<IdToken, &'static str> {
        let header = decode_header(token).map_err(|_| "header")?;
        let published = &self.metadata.id_token_signing_alg_values_supported;
        if !published.iter().filter_map(|name| algorithm(name)).any(|known| known == header.alg) {
            return Err("alg");
        }
        let key = match self.key(&header) {
            Some(key) => key,
            None => {
                self.renew_keys(outgoing).await;
                self.key(&header).ok_or("kid")?
            }
        };
        let key = DecodingKey::from_jwk(&key).map_err(|_| "key")?;
        let mut validation = Validation::new(header.alg);
        // Times are judged below by our own clock, and the audience with all that belongs to it.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = decode::<IdToken>(token, &key, &validation).map_err(|_| "signature")?.claims;
        let expected = Expected { issuer: &self.metadata.issuer, client_id: &upstream.client_id, nonce, now };
        judge(&claims, &expected)?;
        Ok(claims)
    }

    /// The key that the header names; without a name the only one of its algorithm.
    fn key(&self, header: &Header) -> Option<Jwk> {
        let keys = self.keys.read().expect("cannot be poisoned: nothing panics while it is held").0.clone();
        let fits = |key: &&Jwk| {
            key.common.key_algorithm.is_none_or(|known| known.to_string() == format!("{:?}", header.alg))
                && is_of(key, header.alg)
        };
        match &header.kid {
            Some(id) => keys.iter().filter(fits).find(|key| key.common.key_id.as_ref() == Some(id)).cloned(),
            None => {
                let mut fitting = keys.iter().filter(fits);
                let only = fitting.next().cloned();
                only.filter(|_| fitting.next().is_none())
            }
        }
    }

    async fn renew_keys(&self, outgoing: &Outgoing) {
        let read_at = self.keys.read().expect("cannot be poisoned: nothing panics while it is held").1;
        if read_at.elapsed() < KEYS_AGAIN_AFTER {
            return;
        }
        if let Ok(keys) = fetch_keys(outgoing, &self.metadata.jwks_uri).await {
            *self.keys.write().expect("cannot be poisoned: nothing panics while it is held") =
                (Arc::new(keys), Instant::now());
        }
    }
}

/// Whether a key is of the family that the algorithm needs.
fn is_of(key: &Jwk, wanted: Algorithm) -> bool {
    use jsonwebtoken::jwk::AlgorithmParameters as Parameters;
    match wanted {
        Algorithm::ES256 | Algorithm::ES384 => matches!(key.algorithm, Parameters::EllipticCurve(_)),
        Algorithm::EdDSA => matches!(key.algorithm, Parameters::OctetKeyPair(_)),
        _ => matches!(key.algorithm, Parameters::RSA(_)),
    }
}
