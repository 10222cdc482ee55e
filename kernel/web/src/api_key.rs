//! API keys as bearer tokens: identity says what a key may do, and the answer is good for a minute.
use crate::token::invalid;
use crate::{Platform, Problem, SubjectType, Verified};
use hitaji_core::{AccountId, ErrorCode, PermissionSet, TenantId, api_key};
use hitaji_db::secrets::{hex, sha256};
use http::Method;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

/// Seconds after which identity is asked again. A key that is revoked is denied at once all the same.
const KNOWN_FOR_S: i64 = 60;

/// `POST /identity/v1/key-questions`, asked by every process that is sent a key. The key itself does not travel.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyQuestion {
    /// SHA-256 of the key, as small hexadecimal digits.
    pub hash: String,
}

/// The answer to [`KeyQuestion`]. A key that is unknown, expired or revoked is 404, without a word on which.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KeyAnswer {
    pub key_id: Uuid,
    /// Of this one secret of the key; while a key is rotated it has two.
    pub secret_id: Uuid,
    pub organisation_id: TenantId,
    /// What it allows now.
    pub scopes: Vec<String>,
    /// Of this secret; seconds since 1970.
    pub expires_at: i64,
}

impl Platform {
    pub(crate) async fn verify_key(&self, key: &str) -> Result<Arc<Verified>, Problem> {
        if !api_key::is_well_formed(key) {
            return Err(invalid("key"));
        }
        let (hash, now) = (sha256(key.as_bytes()), self.clock().now().timestamp());
        let known = self.0.tokens.get(&hash).filter(|known| known.expires_at > now);
        let verified = match known {
            Some(known) => known,
            None => {
                self.databases().know_denials().await?;
                let verified = Arc::new(self.ask_for_key(&hash, now).await?);
                self.0.tokens.insert(hash, verified.clone());
                verified
            }
        };
        if verified.is_denied(self.databases().denylist()) {
            return Err(invalid("key"));
        }
        Ok(verified)
    }

    async fn ask_for_key(&self, hash: &[u8; 32], now: i64) -> Result<Verified, Problem> {
        let question = KeyQuestion { hash: hex(hash) };
        let asked = self.peers().ask("platform", "identity", Method::POST, "/identity/v1/key-questions", &question);
        let answer: KeyAnswer = asked.await.map_err(|problem| match problem.code {
            ErrorCode::NotFound => invalid("key"),
            _ => problem,
        })?;
        let mut permissions = PermissionSet::default();
        answer.scopes.iter().filter_map(|scope| self.registry().number(scope)).for_each(|n| permissions.insert(n));
        Ok(Verified {
            subject: AccountId(answer.key_id),
            subject_type: SubjectType::ApiKey,
            tenant: Some(answer.organisation_id),
            session: None,
            client_id: format!("api_key:{}", answer.key_id),
            scope: answer.scopes.join(" "),
            permissions,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            membership: None,
            act: None,
            jkt: None,
            support: None,
            nodes: Vec::new(),
            permission_version: None,
            id: answer.secret_id,
            issued_at: now,
            expires_at: answer.expires_at.min(now + KNOWN_FOR_S),
            hangs_on: vec![answer.key_id, answer.secret_id],
        })
    }
}
