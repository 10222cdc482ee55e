//! What people write of a program or application, and what can be wrong with it.
use crate::domain::account::normalise_name;
use crate::domain::client::{Client, ClientAuth, GrantType};
use crate::domain::program::public_keys;
use crate::store::own_client::OwnClient;
use chrono::{DateTime, SubsecRound as _, Utc};
use hitaji_core::FieldError;
use jsonwebtoken::jwk::JwkSet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

const URIS_MAX: usize = 20;
const URI_LENGTH_MAX: usize = 500;

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People sign in to it; it runs on a server and keeps a secret.
    Web,
    /// People sign in to it; it runs where everybody can read it.
    Native,
    /// It acts for itself.
    Service,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClient {
    pub name: String,
    pub kind: Kind,
    /// Where people come back to; none for a service.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Permissions that it gets at most: such as you have yourself.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Whether it may go on in the name of the people whose tokens it is sent (RFC 8693).
    #[serde(default)]
    pub token_exchange: bool,
    /// Public keys (a JWK set) by which it proves itself, instead of a secret.
    #[serde(default)]
    pub jwks: Option<Value>,
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// RFC 7396: what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientPatch {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    pub post_logout_redirect_uris: Option<Vec<String>>,
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// New public keys, for one that proves itself by them.
    #[serde(default)]
    pub jwks: Option<Value>,
    /// `null` for one that does not expire.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<DateTime<Utc>>")]
    pub expires_at: Option<Option<DateTime<Utc>>>,
}

/// Tells a `null` from what is absent.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<DateTime<Utc>>>, D::Error> {
    Option::deserialize(from).map(Some)
}

impl Kind {
    pub fn of(client: &OwnClient) -> Kind {
        let signs_people_in = client.grants.iter().any(|grant| grant == GrantType::AuthorizationCode.as_str());
        match client.auth.as_str() {
            "none" => Kind::Native,
            _ if signs_people_in => Kind::Web,
            _ => Kind::Service,
        }
    }
}

impl NewClient {
    pub fn grants(&self) -> Vec<String> {
        let mut grants = match self.kind {
            Kind::Web | Kind::Native => vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            Kind::Service => vec![GrantType::ClientCredentials],
        };
        if self.token_exchange {
            grants.push(GrantType::TokenExchange);
        }
        grants.into_iter().map(|grant| grant.as_str().to_owned()).collect()
    }
}

impl ClientPatch {
    pub fn apply(self, client: &mut OwnClient, errors: &mut Vec<FieldError>) {
        if let Some(name) = self.name {
            client.name = normalise_name(&name).unwrap_or_default();
        }
        if let Some(keys) = self.jwks {
            if client.auth != "private_key_jwt" {
                errors.push(FieldError::new("/jwks", "unknown_value", "This program does not prove itself by keys."));
            } else if let Some(keys) = keys_of(&keys, errors) {
                client.jwks = Some(sqlx::types::Json(keys));
            }
        }
        client.redirect_uris = self.redirect_uris.unwrap_or_else(|| std::mem::take(&mut client.redirect_uris));
        client.post_logout_redirect_uris =
            self.post_logout_redirect_uris.unwrap_or_else(|| std::mem::take(&mut client.post_logout_redirect_uris));
        client.scopes = self.scopes.or_else(|| client.scopes.take());
        client.expires_at = self.expires_at.map_or(client.expires_at, |at| at.map(|at| at.trunc_subsecs(6)));
    }
}

/// How it proves itself, with its keys where it does so by keys.
pub fn auth(asked: &NewClient, errors: &mut Vec<FieldError>) -> (&'static str, Option<JwkSet>) {
    match (asked.kind, &asked.jwks) {
        (Kind::Native, Some(_)) => {
            errors.push(FieldError::new("/jwks", "unknown_value", "What everybody can read keeps no private key."));
            ("none", None)
        }
        (Kind::Native, None) => ("none", None),
        (_, Some(keys)) => ("private_key_jwt", keys_of(keys, errors)),
        (_, None) => ("client_secret", None),
    }
}

fn keys_of(value: &Value, errors: &mut Vec<FieldError>) -> Option<JwkSet> {
    public_keys(value).map_err(|reason| errors.push(FieldError::new("/jwks", "malformed", reason))).ok()
}

/// What must hold of every client, new or changed.
pub fn check(client: &OwnClient, now: DateTime<Utc>, errors: &mut Vec<FieldError>) {
    if client.name.is_empty() {
        errors.push(FieldError::new("/name", "required", "Write a name of 1 to 120 characters."));
    }
    if client.expires_at.is_some_and(|at| at <= now) {
        errors.push(FieldError::new("/expires_at", "past", "Choose a time that is to come."));
    }
    if Kind::of(client) == Kind::Service {
        if client.scopes.as_ref().is_none_or(Vec::is_empty) {
            errors.push(FieldError::new("/scopes", "required", "Choose at least one permission."));
        }
        if !client.redirect_uris.is_empty() || !client.post_logout_redirect_uris.is_empty() {
            let told = "Nobody signs in to a service, so nobody comes back to it.";
            errors.push(FieldError::new("/redirect_uris", "unknown_value", told));
        }
        return;
    }
    for (pointer, uris) in
        [("/redirect_uris", &client.redirect_uris), ("/post_logout_redirect_uris", &client.post_logout_redirect_uris)]
    {
        if uris.len() > URIS_MAX || uris.iter().any(|uri| uri.len() > URI_LENGTH_MAX) {
            let told = "At most 20 addresses of at most 500 characters.";
            errors.push(FieldError::new(pointer, "too_long", told));
        }
    }
    let registered = |redirect_uris: &[String], leave: &[String]| Client {
        id: client.id.clone(),
        auth: if client.auth == "none" { ClientAuth::Public } else { ClientAuth::Secret(Vec::new()) },
        grants: client.grants.iter().filter_map(|grant| GrantType::parse(grant)).collect(),
        redirect_uris: redirect_uris.to_vec(),
        post_logout_redirect_uris: leave.to_vec(),
        ..Client::web("https://unused.example")
    };
    if let Err(reason) = registered(&client.redirect_uris, &[]).check() {
        let pointer = if reason.contains("act for itself") { "/token_exchange" } else { "/redirect_uris" };
        errors.push(FieldError::new(pointer, "not_allowed", format!("Not possible: {reason}.")));
    }
    if let Err(reason) = registered(&["https://unused.example/".to_owned()], &client.post_logout_redirect_uris).check()
        && !reason.contains("act for itself")
    {
        errors.push(FieldError::new("/post_logout_redirect_uris", "not_allowed", format!("Not possible: {reason}.")));
    }
}
