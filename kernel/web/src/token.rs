//! Access tokens (RFC 9068): checked once per token, then known by their hash until they expire.
use crate::presented::refused;
use crate::{Platform, Problem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::{AccountId, ErrorCode, PermissionSet, TenantId, api_key};
use hitaji_db::secrets::sha256;
use hitaji_db::{Denylist, denials};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The `aud` of tokens for our services.
pub const TOKEN_AUDIENCE: &str = "hitaji";

/// Clocks of two machines may differ by this much.
const LEEWAY_S: i64 = 10;

/// A token of an issuer that gives longer ones is looked at anew after this: its key may be withdrawn, the
/// organisation's products changed.
const CHECKED_FOR: Duration = Duration::from_secs(300);

/// The claims we write and read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub aud: String,
    pub sub: Uuid,
    #[serde(default, skip_serializing_if = "SubjectType::is_user")]
    pub sub_type: SubjectType,
    pub client_id: String,
    pub jti: Uuid,
    pub iat: i64,
    pub exp: i64,
    pub scope: String,
    /// The permissions as a bit set (base64url), where their names would not fit into a header.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub perm: Option<String>,
    /// The one organisation that the token is for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub org_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sid: Option<Uuid>,
    /// Role keys, for people who read tokens; nothing is decided by them.
    #[serde(default)]
    pub roles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth_time: Option<i64>,
    /// How strongly the person proved who they are, and by what (RFC 8176).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub amr: Vec<String>,
    /// The membership that the person's rights rest on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mbr_id: Option<Uuid>,
    /// What the person may do in places of the organisation, beyond `scope`; a right in a place holds below it too, and
    /// those places stand here by themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub nodes: Vec<NodeClaim>,
    /// The organisation's permission version: raised by every change of what its people may do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pv: Option<i64>,
    /// Who acts for the subject (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<Actor>,
    /// The key that the token is bound to (RFC 7800).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnf: Option<Confirmation>,
    /// The consent of the organisation by which an operator works in it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub support: Option<Uuid>,
}

/// What somebody may do in one place of the organisation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeClaim {
    pub id: Uuid,
    /// A bit set (base64url).
    pub perm: String,
}

/// Who or what a token's subject is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectType {
    #[default]
    User,
    /// A program that acts for itself, by client credentials.
    Client,
    ApiKey,
}

impl SubjectType {
    fn is_user(&self) -> bool {
        *self == SubjectType::User
    }
}

/// A service or client that acts for the subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub sub: String,
    /// For whom that one acted in turn.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub act: Option<Box<Actor>>,
}

/// The thumbprint of a key (RFC 7638).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    pub jkt: String,
}

impl Claims {
    /// All that may end before the token does.
    fn hangs_on(&self) -> Vec<Uuid> {
        let family = self.sid.map(|session| denials::in_session(&self.client_id, session));
        let client = denials::client(&self.client_id);
        let ids = [self.sid, self.support, self.mbr_id, Some(self.sub), Some(self.jti), Some(client), family];
        ids.into_iter().flatten().collect()
    }
}

/// What a good token says.
#[derive(Clone, Debug)]
pub struct Verified {
    /// An account; for programs the program's own id, which is nobody's account.
    pub subject: AccountId,
    pub subject_type: SubjectType,
    pub tenant: Option<TenantId>,
    pub session: Option<Uuid>,
    pub client_id: String,
    pub scope: String,
    /// What holds in the whole organisation.
    pub permissions: PermissionSet,
    /// What holds in single places of it.
    pub nodes: Vec<(Uuid, PermissionSet)>,
    pub permission_version: Option<i64>,
    /// When the person proved who they are; seconds since 1970.
    pub auth_time: Option<i64>,
    pub acr: Option<String>,
    pub amr: Vec<String>,
    pub membership: Option<Uuid>,
    pub act: Option<Actor>,
    /// Thumbprint of the key it is bound to; who sends it must prove that they hold the key.
    pub jkt: Option<String>,
    /// The consent of the organisation by which an operator works in it.
    pub support: Option<Uuid>,
    /// `jti`, by which this one token is denied.
    pub id: Uuid,
    /// Seconds since 1970.
    pub issued_at: i64,
    /// Seconds since 1970.
    pub expires_at: i64,
    /// What it hangs on: when one of these is denied, so is the token.
    pub hangs_on: Vec<Uuid>,
}

impl Verified {
    /// Whether what it hangs on has ended: the session, the consent, the membership, the application, or its subject altogether.
    pub fn is_denied(&self, denylist: &Denylist) -> bool {
        denylist.denies(&self.hangs_on, self.issued_at)
    }

    /// Whether it carries the permission for any place at all.
    pub fn has_in_a_node(&self, number: u16) -> bool {
        self.nodes.iter().any(|(_, permissions)| permissions.contains(number))
    }

    /// Who stands in audit lines and events: somebody of the organisation, or somebody who runs the platform.
    pub fn actor(&self) -> String {
        match (self.tenant, self.support, self.subject_type) {
            (None, ..) | (_, Some(_), _) => format!("operator:{}", self.subject),
            (Some(_), None, SubjectType::User) => self.subject.to_string(),
            (Some(_), None, SubjectType::Client) => format!("client:{}", self.client_id),
            (Some(_), None, SubjectType::ApiKey) => format!("api_key:{}", self.subject),
        }
    }
}

pub(crate) type TokenCache = Cache<[u8; 32], Arc<Verified>>;

pub(crate) fn token_cache() -> TokenCache {
    Cache::builder().max_capacity(50_000).time_to_live(CHECKED_FOR).build()
}

pub(crate) fn invalid(reason: &str) -> Problem {
    Problem::new(ErrorCode::Unauthenticated, "The access token is not valid. Sign in again.").with("reason", reason)
}

fn permission_set(perm: &str) -> Result<PermissionSet, Problem> {
    let bytes = URL_SAFE_NO_PAD.decode(perm).ok();
    bytes.and_then(|bytes| PermissionSet::from_bytes(&bytes)).ok_or_else(|| invalid("permissions"))
}

impl Platform {
    /// A token that whoever bears it may use: checks signature, issuer, audience, expiry, the denylist, and that it is not
    /// bound to a key.
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, Problem> {
        let verified = self.examine(token).await?;
        if verified.jkt.is_some() {
            return Err(refused("invalid_token", "the token is bound to a key; send a proof"));
        }
        Ok(verified)
    }

    /// What a token says, whoever holds it: for those who check the holder themselves. Of an API key, what identity knows of it.
    pub async fn examine(&self, token: &str) -> Result<Arc<Verified>, Problem> {
        if api_key::is_meant(token) {
            return self.verify_key(token).await;
        }
        let hash = sha256(token.as_bytes());
        let now = self.clock().now().timestamp();
        let verified = match self.0.tokens.get(&hash) {
            Some(verified) => verified,
            None => {
                self.databases().know_denials().await?;
                let verified = Arc::new(self.verify_signature(token).await?);
                self.0.tokens.insert(hash, verified.clone());
                verified
            }
        };
        if verified.expires_at + LEEWAY_S <= now {
            self.0.tokens.invalidate(&hash);
            return Err(invalid("expired"));
        }
        if verified.is_denied(self.databases().denylist()) {
            return Err(invalid("signed out"));
        }
        Ok(verified)
    }

    async fn verify_signature(&self, token: &str) -> Result<Verified, Problem> {
        let issuer = issuer_of(token).ok_or_else(|| invalid("not a token"))?;
        if issuer != self.0.origin {
            return self.0.issuers.read(token, &issuer, self.databases(), self.registry()).await;
        }
        let claims = self.own_claims(token).await.map_err(invalid)?;
        let permissions = match &claims.perm {
            Some(perm) => permission_set(perm)?,
            None => {
                let mut set = PermissionSet::default();
                claims.scope.split(' ').filter_map(|scope| self.registry().number(scope)).for_each(|n| set.insert(n));
                set
            }
        };
        let hangs_on = claims.hangs_on();
        Ok(Verified {
            subject: AccountId(claims.sub),
            subject_type: claims.sub_type,
            tenant: claims.org_id,
            session: claims.sid,
            client_id: claims.client_id,
            scope: claims.scope,
            permissions,
            nodes: claims
                .nodes
                .iter()
                .map(|node| Ok((node.id, permission_set(&node.perm)?)))
                .collect::<Result<_, Problem>>()?,
            permission_version: claims.pv,
            auth_time: claims.auth_time,
            acr: claims.acr,
            amr: claims.amr,
            membership: claims.mbr_id,
            act: claims.act,
            jkt: claims.cnf.map(|cnf| cnf.jkt),
            support: claims.support,
            id: claims.jti,
            issued_at: claims.iat,
            expires_at: claims.exp,
            hangs_on,
        })
    }

    /// The claims of a token of our own with a good signature, issuer and audience; expiry is checked by our clock.
    async fn own_claims(&self, token: &str) -> Result<Claims, &'static str> {
        let header = decode_header(token).map_err(|_| "not a token")?;
        if header.typ.as_deref() != Some("at+jwt") || header.alg != Algorithm::ES256 {
            return Err("not an access token");
        }
        let key = self.0.keys.find(&header.kid.ok_or("no key id")?).await?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_audience(&[TOKEN_AUDIENCE]);
        validation.set_issuer(&[&self.0.origin]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        decode::<Claims>(token, &key, &validation)
            .map(|token| token.claims)
            .map_err(|_| "bad signature, issuer or audience")
    }
}

/// Whom a token says it is of; nothing is believed yet.
fn issuer_of(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issued {
        iss: String,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Issued>(&claims).ok().map(|issued| issued.iss)
}
