//! What the platform signs for outsiders: certificates of erasure and manifests of exports, as compact JWS (RFC 7515) with Ed25519
//! (`alg` EdDSA, RFC 8037). The key is made once and kept sealed; its public half is given to whoever wants to verify.
use crate::FleetError;
use crate::fleet::Fleet;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::DbError;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::PgConnection;

const OWNER: &str = "platform";
const PURPOSE: &str = "signature-key";

impl Fleet {
    /// Signs a document.
    pub async fn sign<T: Serialize>(&self, document: &T) -> Result<String, FleetError> {
        let (id, key) = self.signing_key().await?;
        let header = json!({"alg": "EdDSA", "kid": id, "typ": "JWT"});
        let encode = |value: &Value| Ok::<_, FleetError>(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?));
        let text = format!("{}.{}", encode(&header)?, encode(&serde_json::to_value(document)?)?);
        Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(key.sign(text.as_bytes()))))
    }

    /// The public keys as a JWK set (RFC 7517).
    pub async fn public_keys(&self) -> Result<Value, FleetError> {
        self.signing_key().await?;
        let mut conn = self.databases.control().await?;
        let keys: Vec<(String, Vec<u8>)> =
            sqlx::query_as("select id, public from directory.signature_key order by created_at")
                .fetch_all(&mut *conn)
                .await?;
        conn.release();
        let jwk = |(id, public): (String, Vec<u8>)| json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": id, "x": URL_SAFE_NO_PAD.encode(public)});
        Ok(json!({"keys": keys.into_iter().map(jwk).collect::<Vec<_>>()}))
    }

    pub(crate) async fn rewrap_signature_keys(&self, conn: &mut PgConnection) -> Result<usize, FleetError> {
        let master = self.databases.master();
        let keys: Vec<(String, Vec<u8>)> =
            sqlx::query_as("select id, sealed from directory.signature_key").fetch_all(&mut *conn).await?;
        let mut changed = 0;
        for (id, sealed) in keys.iter().filter(|(_, sealed)| !master.is_current(sealed)) {
            let anew = master.seal(OWNER, PURPOSE, &master.open(OWNER, PURPOSE, sealed)?);
            sqlx::query("update directory.signature_key set sealed = $3 where id = $1 and sealed = $2")
                .bind(id)
                .bind(sealed)
                .bind(anew)
                .execute(&mut *conn)
                .await?;
            changed += 1;
        }
        Ok(changed)
    }

    async fn signing_key(&self) -> Result<(String, Ed25519KeyPair), FleetError> {
        let master = self.databases.master();
        let mut conn = self.databases.control().await?;
        // One key, also where two processes need the first one at once.
        sqlx::raw_sql("begin; select pg_advisory_xact_lock(hashtext('hitaji.signature_key'))")
            .execute(&mut *conn)
            .await?;
        let stored: Option<(String, Vec<u8>)> =
            sqlx::query_as("select id, sealed from directory.signature_key order by created_at desc limit 1")
                .fetch_optional(&mut *conn)
                .await?;
        let bad = |_| DbError::Secret("the signature key");
        let (id, pkcs8) = match stored {
            Some((id, sealed)) => (id, master.open(OWNER, PURPOSE, &sealed)?),
            None => {
                let made = Ed25519KeyPair::generate().and_then(|key| key.to_pkcs8());
                let pkcs8 = made.map_err(|_| DbError::Secret("no signature key can be made"))?.as_ref().to_vec();
                let key = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(bad)?;
                let id = hitaji_core::new_id().to_string();
                sqlx::query("insert into directory.signature_key (id, public, sealed) values ($1, $2, $3)")
                    .bind(&id)
                    .bind(key.public_key().as_ref())
                    .bind(master.seal(OWNER, PURPOSE, &pkcs8))
                    .execute(&mut *conn)
                    .await?;
                (id, pkcs8)
            }
        };
        sqlx::raw_sql("commit").execute(&mut *conn).await?;
        conn.release();
        Ok((id, Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(bad)?))
    }
}

/// The document in a signed text, if one of these keys (a JWK set) signed it. Needs no platform: this is what others do too.
pub fn verify(signed: &str, keys: &Value) -> Option<Value> {
    let (text, signature) = signed.trim().rsplit_once('.')?;
    let (header, payload) = text.split_once('.')?;
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
    if header["alg"] != "EdDSA" {
        return None;
    }
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let public = URL_SAFE_NO_PAD.decode(key["x"].as_str()?).ok()?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), &signature).ok()?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}
