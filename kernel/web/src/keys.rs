//! An issuer's public keys, fetched and kept; an unknown key id leads to one more look.
use crate::Peers;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use serde_json::Value;
use std::sync::RwLock;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// A forged key id must not make us fetch more often than this.
const REFETCH_AFTER: Duration = Duration::from_secs(2);
/// A key that its issuer has withdrawn is honoured for no longer than this.
const STALE_AFTER: Duration = Duration::from_secs(600);

/// Where keys come from.
pub(crate) enum Source {
    /// Our own identity service.
    Identity(Peers),
    Elsewhere(Box<crate::issuers::Remote>),
}

pub(crate) struct KeyRing {
    source: Source,
    known: RwLock<Known>,
    fetching: Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Vec<Jwk>,
    tried_at: Option<Instant>,
    fetched_at: Option<Instant>,
}

impl KeyRing {
    pub fn new(source: Source) -> KeyRing {
        KeyRing { source, known: RwLock::default(), fetching: Mutex::default() }
    }

    /// The key of this id.
    pub async fn find(&self, key_id: &str) -> Result<DecodingKey, &'static str> {
        if let Some(key) = self.known(key_id) {
            // While one looks anew, everybody else goes on with what is known.
            if self.is_stale()
                && let Ok(_alone) = self.fetching.try_lock()
                && let Err(error) = self.fetch().await
            {
                tracing::warn!(error, "an issuer's keys could not be read again; the known ones are used on");
                return Ok(key);
            }
            return self.known(key_id).ok_or("unknown key");
        }
        let _alone = self.fetching.lock().await;
        // Somebody else may have fetched meanwhile.
        if let Some(key) = self.known(key_id) {
            return Ok(key);
        }
        self.fetch().await?;
        self.known(key_id).ok_or("unknown key")
    }

    fn known(&self, key_id: &str) -> Option<DecodingKey> {
        let known = self.known.read().expect("cannot be poisoned: nothing panics while it is held");
        let found = known.keys.iter().find(|key| key.common.key_id.as_deref() == Some(key_id))?;
        DecodingKey::from_jwk(found).ok()
    }

    fn is_stale(&self) -> bool {
        let known = self.known.read().expect("cannot be poisoned: nothing panics while it is held");
        known.fetched_at.is_none_or(|at| at.elapsed() > STALE_AFTER)
            && known.tried_at.is_none_or(|at| at.elapsed() > REFETCH_AFTER)
    }

    async fn fetch(&self) -> Result<(), &'static str> {
        {
            let known = self.known.read().expect("cannot be poisoned: nothing panics while it is held");
            if known.tried_at.is_some_and(|at| at.elapsed() < REFETCH_AFTER) {
                return Err("unknown key");
            }
        }
        let fetched = match &self.source {
            Source::Identity(peers) => {
                peers.fetch_public("identity", "/oauth/jwks").await.map_err(|_| "the issuer's keys cannot be read")
            }
            Source::Elsewhere(remote) => remote.keys().await,
        };
        let mut known = self.known.write().expect("cannot be poisoned: nothing panics while it is held");
        // Our own identity may be starting just now, so a failure to reach it is tried again at once.
        if fetched.is_ok() || matches!(self.source, Source::Elsewhere(_)) {
            known.tried_at = Some(Instant::now());
        }
        known.keys = signing_keys(fetched?);
        known.fetched_at = known.tried_at;
        Ok(())
    }
}

/// Those that verify signatures; keys of kinds that we do not know are others' business.
fn signing_keys(document: Value) -> Vec<Jwk> {
    let Value::Object(mut document) = document else { return Vec::new() };
    let Some(Value::Array(keys)) = document.remove("keys") else { return Vec::new() };
    let readable = keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let set = JwkSet { keys: readable.collect() };
    set.keys.into_iter().filter(|key| key.common.public_key_use != Some(PublicKeyUse::Encryption)).collect()
}
