//! Signing keys: made on first start, sealed in the control database, parsed once, and their public part as a JWK set.
use crate::domain::signing::ALGORITHMS;
use crate::store::signing_key::{self, StoredKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::secrets::{MasterKey, sha256};
use hitaji_db::{Databases, DbError};
use jsonwebtoken::jwk::JwkSet;
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const OWNER: &str = "identity";
const PURPOSE: &str = "signing-key";
/// Another process may have changed the keys.
const RELOAD_AFTER: Duration = Duration::from_secs(60);

/// The keys of this process.
#[derive(Default)]
pub struct Keys {
    loaded: RwLock<Option<(Arc<KeySet>, Instant)>>,
    loading: Mutex<()>,
}

/// All keys at one moment.
pub struct KeySet {
    /// ES256: access tokens.
    pub access: SigningKey,
    /// RS256: ID tokens, because every client knows it.
    pub id: SigningKey,
    public: Vec<Value>,
}

pub struct SigningKey {
    pub id: String,
    pair: Pair,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl Keys {
    /// The keys, read again now and then. Old ones go on when they cannot be read.
    pub async fn get(&self, databases: &Databases) -> Result<Arc<KeySet>, DbError> {
        if let Some(set) = self.fresh() {
            return Ok(set);
        }
        let _one_at_a_time = self.loading.lock().await;
        if let Some(set) = self.fresh() {
            return Ok(set);
        }
        let set = match load(databases).await {
            Ok(set) => Arc::new(set),
            Err(error) => {
                let kept = self.loaded.read().expect("cannot be poisoned: nothing panics while it is held").clone();
                let Some((set, _)) = kept else { return Err(error) };
                tracing::warn!(%error, "signing keys could not be read again; the known ones are used on");
                set
            }
        };
        *self.loaded.write().expect("cannot be poisoned: nothing panics while it is held") =
            Some((set.clone(), Instant::now()));
        Ok(set)
    }

    /// Reads them anew when they are wanted next: they have just changed.
    pub fn forget(&self) {
        *self.loaded.write().expect("cannot be poisoned: nothing panics while it is held") = None;
    }

    fn fresh(&self) -> Option<Arc<KeySet>> {
        let loaded = self.loaded.read().expect("cannot be poisoned: nothing panics while it is held");
        loaded.as_ref().filter(|(_, at)| at.elapsed() < RELOAD_AFTER).map(|(set, _)| set.clone())
    }
}

impl KeySet {
    /// `{"keys": […]}`: next, active and retired ones, public parts only.
    pub fn document(&self) -> Value {
        json!({"keys": self.public})
    }

    /// The same for verifying what we signed ourselves.
    pub fn jwks(&self) -> JwkSet {
        serde_json::from_value(self.document()).unwrap_or(JwkSet { keys: Vec::new() })
    }
}

impl SigningKey {
    /// A JWS in compact form (RFC 7515). jsonwebtoken would parse and check the private key for every signature,
    /// which costs more than the signature itself.
    pub fn sign<T: Serialize>(&self, kind: &str, claims: &T) -> Result<String, String> {
        let algorithm = match &self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
        };
        let header = json!({"typ": kind, "alg": algorithm, "kid": self.id}).to_string();
        let claims = serde_json::to_vec(claims).map_err(|error| error.to_string())?;
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Es256(pair) => pair.sign(&random, message.as_bytes()).map(|signature| signature.as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).map(|()| signature)
            }
        };
        let signature = signature.map_err(|_| "the signature could not be made")?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn public(&self) -> Value {
        match &self.pair {
            Pair::Es256(pair) => {
                // SEC 1 uncompressed: 0x04, then the two coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
                    "kid": self.id, "use": "sig", "alg": "ES256"})
            }
            Pair::Rs256(pair) => {
                let public = pair.public_key();
                json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                    "kid": self.id, "use": "sig", "alg": "RS256"})
            }
        }
    }

    fn open(stored: &StoredKey, master: &MasterKey) -> Result<SigningKey, DbError> {
        let refused = |_| DbError::Secret("a signing key cannot be parsed");
        let der = master.open(OWNER, PURPOSE, &stored.sealed)?;
        let pair = match stored.algorithm.as_str() {
            "ES256" => Pair::Es256(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).map_err(refused)?),
            _ => Pair::Rs256(Box::new(RsaKeyPair::from_pkcs8(&der).map_err(refused)?)),
        };
        Ok(SigningKey { id: stored.id.clone(), pair })
    }
}

async fn load(databases: &Databases) -> Result<KeySet, DbError> {
    let master = databases.master();
    let mut stored = signing_key::all(&mut *databases.control().await?).await?;
    for algorithm in ALGORITHMS {
        if !stored.iter().any(|key| key.algorithm == algorithm && key.state == "active") {
            let made = make(databases, algorithm, "active").await?;
            signing_key::insert(&mut *databases.control().await?, &made).await?;
            stored = signing_key::all(&mut *databases.control().await?).await?;
        }
    }
    let active = |algorithm: &str| {
        let key = stored.iter().find(|key| key.algorithm == algorithm && key.state == "active");
        SigningKey::open(key.ok_or(DbError::Secret("there is no active signing key"))?, master)
    };
    let public =
        stored.iter().map(|key| Ok(SigningKey::open(key, master)?.public())).collect::<Result<_, DbError>>()?;
    Ok(KeySet { access: active("ES256")?, id: active("RS256")?, public })
}

/// Seals anew, by today's master key, what an earlier one sealed; returns how many keys.
pub async fn rewrap(databases: &Databases) -> Result<usize, DbError> {
    let master = databases.master();
    let mut conn = databases.control().await?;
    let mut changed = 0;
    for key in signing_key::all(&mut conn).await?.iter().filter(|key| !master.is_current(&key.sealed)) {
        let anew = master.seal(OWNER, PURPOSE, &master.open(OWNER, PURPOSE, &key.sealed)?);
        signing_key::replace_seal(&mut conn, key, &anew).await?;
        changed += 1;
    }
    conn.release();
    Ok(changed)
}

/// Makes a key pair off the executor: an RSA key takes a tenth of a second.
pub async fn make(databases: &Databases, algorithm: &'static str, state: &str) -> Result<StoredKey, DbError> {
    let failed = |_| DbError::Secret("a signing key cannot be made");
    let der = tokio::task::spawn_blocking(move || match algorithm {
        "ES256" => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
            pair.to_pkcs8v1().map(|document| document.as_ref().to_vec())
        }
        _ => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            let der: Pkcs8V1Der = pair.as_der()?;
            Ok(der.as_ref().to_vec())
        }
    })
    .await
    .map_err(|_| DbError::Secret("a signing key cannot be made"))?
    .map_err(|_: aws_lc_rs::error::Unspecified| failed(()))?;
    let now = databases.clock().now();
    Ok(StoredKey {
        id: URL_SAFE_NO_PAD.encode(&sha256(&der)[..12]),
        algorithm: algorithm.to_owned(),
        state: state.to_owned(),
        sealed: databases.master().seal(OWNER, PURPOSE, &der),
        created_at: now,
        activated_at: (state == "active").then_some(now),
        retired_at: None,
    })
}
