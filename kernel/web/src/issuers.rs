//! Issuers besides our own identity: an organisation's Keycloak or Zitadel, say, whose tokens our services trust.
use crate::keys::{KeyRing, Source};
use crate::{Problem, Registry, SubjectType, Verified};
use hitaji_core::{AccountId, ErrorCode, PermissionSet, TenantId};
use hitaji_db::secrets::sha256;
use hitaji_db::{Databases, Tenant};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use reqwest::Url;
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const DOCUMENT_BYTES_MAX: usize = 256 << 10;
const ALGORITHMS: [&str; 4] = ["ES256", "RS256", "PS256", "EdDSA"];
const LEEWAY_S: i64 = 10;
/// What an ID token or a logout token has and an access token has not.
const FOREIGN_CLAIMS: [&str; 3] = ["at_hash", "c_hash", "events"];

/// Section `[auth]` of the configuration.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Auth {
    issuers: Vec<IssuerSettings>,
}

/// One issuer, and what its claims mean here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuerSettings {
    /// Exactly as in its tokens.
    issuer: String,
    /// What its tokens for us name as `aud`.
    audience: String,
    /// Where its keys are; from its discovery document where absent.
    jwks_uri: Option<String>,
    /// Signature algorithms that it uses, of ES256, RS256, PS256 and EdDSA; all four where absent.
    algorithms: Option<Vec<String>>,
    /// The `typ` that its access tokens have in their header (RFC 9068: `at+jwt`); not looked at where absent.
    typ: Option<String>,
    /// The claim with the one organisation, by our id or slug.
    organisation: ClaimPath,
    /// Slugs of organisations it may speak for; every one where absent.
    organisations: Option<Vec<String>>,
    /// The claim with the roles: a list, a text with spaces, or an object with roles as keys.
    roles: ClaimPath,
    /// Its roles, and the key of our role that each one is. Others count for nothing.
    role_map: BTreeMap<String, String>,
    /// A claim with scopes that narrow what the roles allow (`hitaji` in it: everything); not narrowed where absent.
    scopes: Option<ClaimPath>,
    /// A claim with the id of an account of ours; where absent, people are known by issuer and `sub`.
    account: Option<ClaimPath>,
}

/// A claim's name, or the names that lead to it in nested objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum ClaimPath {
    Name(String),
    Path(Vec<String>),
}

impl ClaimPath {
    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        match self {
            ClaimPath::Name(name) => claims.get(name),
            ClaimPath::Path(names) => {
                let (first, rest) = names.split_first()?;
                rest.iter().try_fold(claims.get(first)?, |value, name| value.get(name))
            }
        }
    }
}

/// All of them.
#[derive(Default)]
pub(crate) struct Issuers(Vec<Issuer>);

struct Issuer {
    settings: IssuerSettings,
    algorithms: Vec<Algorithm>,
    keys: KeyRing,
}

impl Issuers {
    pub fn new(auth: Auth, own: &str, registry: &Registry) -> Result<Issuers, String> {
        let mut issuers: Vec<Issuer> = Vec::new();
        for settings in auth.issuers {
            let name = settings.issuer.clone();
            if name == own || issuers.iter().any(|other| other.settings.issuer == name) {
                return Err(format!("auth.issuers: {name} is there already"));
            }
            issuers.push(Issuer::new(settings, registry).map_err(|reason| format!("auth.issuers: {name}: {reason}"))?);
        }
        Ok(Issuers(issuers))
    }

    /// What a token of one of them says, if its issuer is one; expiry is the caller's to check.
    pub async fn read(
        &self,
        token: &str,
        issuer: &str,
        databases: &Databases,
        registry: &Registry,
    ) -> Result<Verified, Problem> {
        let issuer =
            self.0.iter().find(|known| known.settings.issuer == issuer).ok_or_else(|| invalid("unknown issuer"))?;
        let claims = issuer.claims(token, databases.clock().now().timestamp()).await.map_err(invalid)?;
        let tenant = issuer.tenant(&claims, databases).await?;
        issuer.verified(&claims, &tenant, registry).map_err(invalid)
    }
}

fn invalid(reason: &'static str) -> Problem {
    let told = "The access token is not valid. Sign in again.";
    Problem::new(ErrorCode::Unauthenticated, told).with("reason", reason)
}

impl Issuer {
    fn new(settings: IssuerSettings, registry: &Registry) -> Result<Issuer, String> {
        let named = settings.algorithms.clone().unwrap_or_else(|| ALGORITHMS.map(str::to_owned).to_vec());
        let algorithms = named.iter().map(|name| {
            let known = ALGORITHMS.contains(&name.as_str()).then(|| name.parse().ok()).flatten();
            known.ok_or_else(|| format!("{name} is none of {}", ALGORITHMS.join(", ")))
        });
        let algorithms = algorithms.collect::<Result<Vec<Algorithm>, String>>()?;
        if let Some(unknown) = settings.role_map.values().find(|key| !registry.roles().any(|role| role.key == **key)) {
            return Err(format!("there is no role {unknown}"));
        }
        let remote = Remote::new(&settings.issuer, settings.jwks_uri.as_deref())?;
        Ok(Issuer { algorithms, keys: KeyRing::new(Source::Elsewhere(Box::new(remote))), settings })
    }

    /// The claims of a token with a good signature, issuer, audience and type.
    async fn claims(&self, token: &str, now: i64) -> Result<Map<String, Value>, &'static str> {
        let header = decode_header(token).map_err(|_| "not a token")?;
        if !self.algorithms.contains(&header.alg) {
            return Err("the algorithm is not allowed");
        }
        if let Some(typ) = &self.settings.typ
            && !header.typ.as_deref().is_some_and(|given| given.eq_ignore_ascii_case(typ))
        {
            return Err("not an access token");
        }
        let key = self.keys.find(&header.kid.ok_or("no key id")?).await?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false;
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|_| "bad signature, issuer or audience")?
            .claims;
        if FOREIGN_CLAIMS.iter().any(|name| claims.contains_key(*name)) {
            return Err("not an access token");
        }
        if claims.get("nbf").is_some_and(|at| at.as_f64().is_none_or(|at| at as i64 > now + LEEWAY_S)) {
            return Err("not good yet");
        }
        Ok(claims)
    }

    /// The one organisation that the token is for.
    async fn tenant(&self, claims: &Map<String, Value>, databases: &Databases) -> Result<Arc<Tenant>, Problem> {
        let named = self.settings.organisation.find(claims).and_then(only).ok_or_else(|| {
            Problem::new(ErrorCode::OrganisationMismatch, "The token does not name exactly one organisation.")
        })?;
        // The same for one that is not there and one that this issuer may not speak for: it learns nothing.
        let foreign = || Problem::new(ErrorCode::OrganisationMismatch, "The token's organisation is not known here.");
        let tenant = match Uuid::parse_str(named) {
            Ok(id) => match databases.describe(TenantId(id)).await {
                Err(hitaji_db::DbError::UnknownTenant) => None,
                found => Some(found?),
            },
            Err(_) => databases.find_by_slug(named).await?,
        };
        let allowed = |tenant: &Tenant| match &self.settings.organisations {
            Some(slugs) => slugs.contains(&tenant.slug),
            None => true,
        };
        tenant.filter(|tenant| allowed(tenant)).ok_or_else(foreign)
    }

    /// Rights: those of the mapped roles, as far as scopes and the organisation's products go; an operator's never.
    fn verified(
        &self,
        claims: &Map<String, Value>,
        tenant: &Tenant,
        registry: &Registry,
    ) -> Result<Verified, &'static str> {
        let settings = &self.settings;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").filter(|sub| !sub.is_empty()).ok_or("no subject")?;
        let account = match &settings.account {
            Some(path) => path.find(claims).and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok()),
            None => Some(account_of(&settings.issuer, subject)),
        };
        let roles = settings.roles.find(claims).map(words).unwrap_or_default();
        let scopes = settings.scopes.as_ref().map(|path| path.find(claims).map(words).unwrap_or_default());
        let wanted = |scope: &str| {
            scopes.as_ref().is_none_or(|named| named.iter().any(|word| *word == scope || *word == "hitaji"))
        };
        let mut permissions = PermissionSet::default();
        for key in roles.iter().filter_map(|role| settings.role_map.get(*role)) {
            let allowed = registry.role_permissions(key);
            for service in registry.services() {
                let open = !service.product || tenant.products.iter().any(|product| product == service.name);
                let given =
                    service.permissions.iter().filter(|p| open && allowed.contains(p.number) && wanted(p.scope));
                given.for_each(|permission| permissions.insert(permission.number));
            }
        }
        let subject = AccountId(account.ok_or("no account")?);
        let session = text("sid").and_then(|sid| Uuid::parse_str(sid).ok());
        Ok(Verified {
            subject,
            subject_type: SubjectType::User,
            tenant: Some(tenant.id),
            session,
            id: text("jti").map_or_else(Uuid::nil, |id| account_of(&settings.issuer, id)),
            issued_at: claims.get("iat").and_then(Value::as_f64).unwrap_or_default() as i64,
            hangs_on: [Some(subject.0), session].into_iter().flatten().collect(),
            client_id: text("azp").or_else(|| text("client_id")).unwrap_or_default().to_owned(),
            scope: registry.scope_names(&permissions).join(" "),
            permissions,
            auth_time: claims.get("auth_time").and_then(Value::as_i64),
            // Its words for how strongly people proved themselves are not ours.
            acr: None,
            amr: Vec::new(),
            membership: None,
            act: None,
            jkt: claims.get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str).map(str::to_owned),
            support: None,
            nodes: Vec::new(),
            permission_version: None,
            expires_at: claims.get("exp").and_then(Value::as_f64).ok_or("no expiry")? as i64,
        })
    }
}

/// A person of an issuer always has the same id here, and no other issuer's person has it.
fn account_of(issuer: &str, subject: &str) -> Uuid {
    let hash = sha256(format!("{issuer}\n{subject}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The one text: itself, alone in a list, or the only key of an object.
fn only(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(items) if items.len() == 1 => items[0].as_str(),
        Value::Object(members) if members.len() == 1 => members.keys().next().map(String::as_str),
        _ => None,
    }
}

fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split_ascii_whitespace().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        Value::Object(members) => members.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Where an issuer's keys are read.
pub(crate) struct Remote {
    http: reqwest::Client,
    issuer: String,
    jwks_uri: Option<String>,
}

impl Remote {
    fn new(issuer: &str, jwks_uri: Option<&str>) -> Result<Remote, String> {
        for address in [Some(issuer), jwks_uri].into_iter().flatten() {
            if !is_protected(address) {
                return Err(format!("{address} is not https"));
            }
        }
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(FETCH_TIMEOUT).build();
        let http = http.map_err(|error| format!("HTTP client: {error}"))?;
        Ok(Remote { http, issuer: issuer.to_owned(), jwks_uri: jwks_uri.map(str::to_owned) })
    }

    /// Its JWK set.
    pub async fn keys(&self) -> Result<Value, &'static str> {
        let unreadable = "the issuer's keys cannot be read";
        let address = match &self.jwks_uri {
            Some(address) => address.clone(),
            None => {
                let base = self.issuer.trim_end_matches('/');
                let found =
                    self.document(&format!("{base}/.well-known/openid-configuration")).await.ok_or(unreadable)?;
                // OpenID Connect Discovery 1.0 section 4.3.
                if found["issuer"].as_str() != Some(&self.issuer) {
                    return Err("the issuer's discovery document is another's");
                }
                found["jwks_uri"].as_str().filter(|uri| is_protected(uri)).ok_or(unreadable)?.to_owned()
            }
        };
        self.document(&address).await.ok_or(unreadable)
    }

    async fn document(&self, address: &str) -> Option<Value> {
        let mut response = self.http.get(address).send().await.ok().filter(|answer| answer.status() == 200)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.ok()? {
            if bytes.len() + chunk.len() > DOCUMENT_BYTES_MAX {
                return None;
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).ok()
    }
}

/// Nobody on the way can give us other keys.
fn is_protected(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let host = url.host_str().unwrap_or_default();
    url.scheme() == "https" || url.scheme() == "http" && ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_organisation_is_named_alone_or_not_at_all() {
        for one in [json!("uhuru"), json!(["uhuru"]), json!({"uhuru": {"id": "x"}})] {
            assert_eq!(only(&one), Some("uhuru"), "{one}");
        }
        for none in [json!([]), json!(["a", "b"]), json!({"a": {}, "b": {}}), json!({}), json!(1), json!(null)] {
            assert_eq!(only(&none), None, "{none}");
        }
    }

    #[test]
    fn people_of_different_issuers_are_different_people() {
        let one = account_of("https://a.example", "1");
        assert_eq!(one, account_of("https://a.example", "1"));
        assert_ne!(one, account_of("https://b.example", "1"));
        assert_ne!(one, account_of("https://a.example", "2"));
    }

    #[test]
    fn keys_come_by_https_only() {
        for good in ["https://id.example/realms/x", "http://localhost:8080", "http://127.0.0.1:1/x", "http://[::1]/x"] {
            assert!(is_protected(good), "{good}");
        }
        for bad in ["http://id.example", "http://localhost.example", "file:///etc/passwd", "id.example", ""] {
            assert!(!is_protected(bad), "{bad}");
        }
    }
}
