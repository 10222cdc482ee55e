//! The issuer's public keys, fetched from identity and kept; an unknown key id leads to one more look.
use crate::{Claims, Peers, TOKEN_AUDIENCE};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

/// A forged key id must not make us fetch more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(2);

#[derive(Clone, Default)]
pub(crate) struct KeyRing(Arc<RwLock<Known>>);

#[derive(Default)]
struct Known {
    keys: JwkSetOrEmpty,
    fetched_at: Option<Instant>,
}

type JwkSetOrEmpty = Option<JwkSet>;

impl KeyRing {
    /// The claims of a token with a good signature, issuer and audience. Expiry is the caller's to check, by our clock.
    pub async fn decode(&self, token: &str, issuer: &str, peers: &Peers) -> Result<Claims, &'static str> {
        let header = decode_header(token).map_err(|_| "not a token")?;
        if header.typ.as_deref() != Some("at+jwt") || header.alg != Algorithm::ES256 {
            return Err("not an access token");
        }
        let key_id = header.kid.ok_or("no key id")?;
        let key = match self.find(&key_id) {
            Some(key) => key,
            None => {
                self.fetch(peers).await?;
                self.find(&key_id).ok_or("unknown key")?
            }
        };
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[TOKEN_AUDIENCE]);
        validation.set_issuer(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        decode::<Claims>(token, &key, &validation)
            .map(|token| token.claims)
            .map_err(|_| "bad signature, issuer or audience")
    }

    fn find(&self, key_id: &str) -> Option<DecodingKey> {
        let known = self.0.read().expect("cannot be poisoned: nothing panics while it is held");
        known.keys.as_ref()?.find(key_id).and_then(|jwk| DecodingKey::from_jwk(jwk).ok())
    }

    async fn fetch(&self, peers: &Peers) -> Result<(), &'static str> {
        {
            let known = self.0.read().expect("cannot be poisoned: nothing panics while it is held");
            if known.fetched_at.is_some_and(|at| at.elapsed() < REFETCH_AFTER) {
                return Err("unknown key");
            }
        }
        let keys: JwkSet =
            peers.fetch_public("identity", "/oauth/jwks").await.map_err(|_| "the issuer's keys cannot be read")?;
        let mut known = self.0.write().expect("cannot be poisoned: nothing panics while it is held");
        *known = Known { keys: Some(keys), fetched_at: Some(Instant::now()) };
        Ok(())
    }
}
