//! Making tokens: the one place where access and ID tokens come from.
use crate::domain::assurance::level_of;
use crate::domain::client::Client;
use crate::domain::scope::{Asked, Granted};
use crate::http::keys::KeySet;
use crate::http::provider::Provider;
use crate::http::standing::Standing;
use crate::store::account::Account;
use crate::store::session::Session;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use hitaji_core::{PermissionSet, new_id};
use hitaji_db::secrets::sha256;
use hitaji_web::{Actor, Claims, Confirmation, NodeClaim, TOKEN_AUDIENCE};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Seconds that an access token is good for.
pub const ACCESS_LIFETIME_S: i64 = 300;

/// Whom a token is for.
pub struct Bearer<'a> {
    /// An account, or a program.
    pub subject: Uuid,
    pub standing: &'a Standing,
    pub client: &'a Client,
    /// As requested.
    pub scope: &'a str,
    pub session_id: Option<Uuid>,
    /// How and when the person proved who they are; none for programs.
    pub proof: Option<Proof>,
    /// Thumbprint of the key that the tokens are bound to (RFC 9449).
    pub jkt: Option<&'a str>,
    /// Who acts for the subject (RFC 8693).
    pub act: Option<Actor>,
}

/// A person's proof.
#[derive(Clone, Debug)]
pub struct Proof {
    pub at: DateTime<Utc>,
    pub amr: Vec<String>,
}

impl Proof {
    pub fn of(session: &Session) -> Proof {
        Proof { at: session.auth_time, amr: session.amr.clone() }
    }
}

/// An access token with what it says.
pub struct Minted {
    pub access_token: String,
    pub scope: String,
    pub granted: Granted,
    /// Seconds since 1970.
    pub expires_at: i64,
}

/// What an ID token says beyond what the access token does.
pub struct Identity<'a> {
    pub name: &'a str,
    pub email: Option<&'a str>,
    pub email_verified: bool,
    pub phone: Option<&'a str>,
    pub phone_verified: bool,
    pub locale: &'a str,
    pub nonce: Option<&'a str>,
}

impl<'a> Identity<'a> {
    pub fn of(account: &'a Account, nonce: Option<&'a str>) -> Identity<'a> {
        Identity {
            name: &account.name,
            email: account.email.as_deref(),
            email_verified: account.email_verified_at.is_some(),
            phone: account.phone.as_deref(),
            phone_verified: account.phone_verified_at.is_some(),
            locale: &account.locale,
            nonce,
        }
    }
}

impl Provider {
    pub fn granted(&self, bearer: &Bearer<'_>) -> Granted {
        self.granted_of(bearer, bearer.standing.permissions(self))
    }

    fn granted_of(&self, bearer: &Bearer<'_>, roles: PermissionSet) -> Granted {
        self.catalogue.grant(&Asked {
            requested: bearer.scope,
            client: bearer.client,
            roles,
            products: bearer.standing.tenant().map_or(&[], |tenant| &tenant.products),
        })
    }

    /// What the person gets in single places, as far as asked, client and products allow there too.
    fn node_claims(&self, bearer: &Bearer<'_>) -> Vec<NodeClaim> {
        let places =
            bearer.standing.nodes().iter().map(|(id, roles)| (*id, self.granted_of(bearer, *roles).permissions));
        let claim = |(id, set): (Uuid, PermissionSet)| NodeClaim { id, perm: URL_SAFE_NO_PAD.encode(set.to_bytes()) };
        places.filter(|(_, permissions)| !permissions.is_empty()).map(claim).collect()
    }

    /// RFC 9068.
    pub fn access_token(&self, keys: &KeySet, bearer: &Bearer<'_>, now: DateTime<Utc>) -> Result<Minted, String> {
        self.access_token_until(keys, bearer, now, i64::MAX)
    }

    /// An access token that is good no longer than `until`, in seconds since 1970.
    pub fn access_token_until(
        &self,
        keys: &KeySet,
        bearer: &Bearer<'_>,
        now: DateTime<Utc>,
        until: i64,
    ) -> Result<Minted, String> {
        let granted = self.granted(bearer);
        let claims = self.catalogue.claims(&granted);
        let support = bearer.standing.support();
        let expires_at = until.min(now.timestamp() + ACCESS_LIFETIME_S);
        let expires_at = support.map_or(expires_at, |support| expires_at.min(support.until.timestamp()));
        let claims = Claims {
            iss: self.origin.clone(),
            aud: TOKEN_AUDIENCE.to_owned(),
            sub: bearer.subject,
            sub_type: bearer.standing.kind(),
            client_id: bearer.client.id.clone(),
            jti: new_id(),
            iat: now.timestamp(),
            exp: expires_at,
            scope: claims.scope,
            perm: claims.perm,
            org_id: bearer.standing.tenant().map(|tenant| tenant.id),
            sid: bearer.session_id,
            roles: bearer.standing.roles(),
            auth_time: bearer.proof.as_ref().map(|proof| proof.at.timestamp()),
            acr: bearer.proof.as_ref().map(|proof| level_of(&proof.amr).to_owned()),
            amr: bearer.proof.as_ref().map(|proof| proof.amr.clone()).unwrap_or_default(),
            mbr_id: bearer.standing.membership_id(),
            nodes: self.node_claims(bearer),
            pv: bearer.standing.permission_version(),
            act: bearer.act.clone(),
            cnf: bearer.jkt.map(|jkt| Confirmation { jkt: jkt.to_owned() }),
            support: support.map(|support| support.grant_id),
        };
        let access_token = keys.access.sign("at+jwt", &claims)?;
        Ok(Minted { access_token, scope: claims.scope, granted, expires_at })
    }

    /// OpenID Connect Core 2, with the organisation.
    pub fn id_token(
        &self,
        keys: &KeySet,
        bearer: &Bearer<'_>,
        minted: &Minted,
        identity: &Identity<'_>,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let mut claims = Map::new();
        let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        say("iss", json!(self.origin));
        say("sub", json!(bearer.subject));
        say("aud", json!(bearer.client.id));
        say("iat", json!(now.timestamp()));
        say("exp", json!(now.timestamp() + ACCESS_LIFETIME_S));
        // The left half of the access token's hash (section 3.1.3.6).
        say("at_hash", json!(URL_SAFE_NO_PAD.encode(&sha256(minted.access_token.as_bytes())[..16])));
        if let Some(tenant) = bearer.standing.tenant() {
            say("org_id", json!(tenant.id));
            say("org_name", json!(tenant.name));
            say("org_slug", json!(tenant.slug));
        }
        if let Some(proof) = &bearer.proof {
            say("auth_time", json!(proof.at.timestamp()));
            say("acr", json!(level_of(&proof.amr)));
            say("amr", json!(proof.amr));
        }
        if let Some(session_id) = bearer.session_id {
            say("sid", json!(session_id));
        }
        if let Some(nonce) = identity.nonce {
            say("nonce", json!(nonce));
        }
        claims.extend(identity.claims(&minted.granted.standard));
        keys.id.sign("JWT", &claims)
    }
}

impl Identity<'_> {
    /// What the scopes `profile`, `email` and `phone` open.
    pub fn claims(&self, scopes: &[&str]) -> Map<String, Value> {
        let mut claims = Map::new();
        if scopes.contains(&"profile") {
            claims.insert("name".into(), json!(self.name));
            claims.insert("locale".into(), json!(self.locale));
        }
        if let Some(email) = self.email.filter(|_| scopes.contains(&"email")) {
            claims.insert("email".into(), json!(email));
            claims.insert("email_verified".into(), json!(self.email_verified));
        }
        if let Some(phone) = self.phone.filter(|_| scopes.contains(&"phone")) {
            claims.insert("phone_number".into(), json!(phone));
            claims.insert("phone_number_verified".into(), json!(self.phone_verified));
        }
        claims
    }
}
