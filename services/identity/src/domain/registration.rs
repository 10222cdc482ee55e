//! What a client says of itself when it registers (RFC 7591 section 2), read strictly.
use crate::domain::account::normalise_name;
use crate::domain::client::{Client, ClientAuth, GrantType};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

/// Grant types that a client may register for by itself. To act for itself it must be somebody's.
const GRANTS: [GrantType; 3] = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];
const URIS_MAX: usize = 20;

/// As it is sent. What we do not know is left out (section 2).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    scope: Option<String>,
    subject_type: Option<String>,
    id_token_signed_response_alg: Option<String>,
    require_pushed_authorization_requests: bool,
    software_statement: Option<String>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    pub name: String,
    /// `none`, `client_secret_basic` or `client_secret_post`.
    pub auth_method: String,
    pub grants: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    /// Permissions it may ever get.
    pub scopes: Vec<String>,
    /// As it is answered: standard scopes and permissions.
    pub scope: String,
    pub require_par: bool,
}

/// Code (section 3.2.2) and what a developer should read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw(pub &'static str, pub &'static str);

fn flaw(what: &'static str) -> Flaw {
    Flaw("invalid_client_metadata", what)
}

impl Registration {
    /// `known` says whether a scope exists; others are left out, as the answer tells.
    pub fn read(said: Metadata, known: impl Fn(&str) -> bool) -> Result<Registration, Flaw> {
        if said.software_statement.is_some() {
            return Err(Flaw("invalid_software_statement", "software statements are not taken"));
        }
        let auth_method = said.token_endpoint_auth_method.unwrap_or_else(|| "client_secret_basic".into());
        if !["none", "client_secret_basic", "client_secret_post"].contains(&auth_method.as_str()) {
            return Err(flaw("token_endpoint_auth_method is none, client_secret_basic or client_secret_post"));
        }
        if said.subject_type.is_some_and(|kind| kind != "public") {
            return Err(flaw("subject_type is public"));
        }
        if said.id_token_signed_response_alg.is_some_and(|algorithm| algorithm != "RS256") {
            return Err(flaw("id_token_signed_response_alg is RS256"));
        }
        let grants = grants(said.grant_types)?;
        let by_code = grants.contains(&GrantType::AuthorizationCode);
        let types = said.response_types.unwrap_or_else(|| if by_code { vec!["code".into()] } else { Vec::new() });
        if types.iter().any(|kind| kind != "code") || by_code == types.is_empty() {
            return Err(flaw("response_types is code, with the grant type authorization_code"));
        }
        let name = match &said.client_name {
            Some(name) => normalise_name(name).ok_or(flaw("client_name is 1 to 120 characters"))?,
            None if by_code => host(&said.redirect_uris).unwrap_or_default(),
            None => return Err(flaw("client_name is missing")),
        };
        let scopes: Vec<&str> =
            said.scope.as_deref().unwrap_or("openid").split_ascii_whitespace().filter(|scope| known(scope)).collect();
        let registration = Registration {
            name,
            auth_method,
            grants,
            redirect_uris: said.redirect_uris,
            post_logout_redirect_uris: said.post_logout_redirect_uris,
            scopes: scopes.iter().filter(|scope| scope.contains(':')).map(|scope| (*scope).to_owned()).collect(),
            scope: scopes.join(" "),
            require_par: said.require_pushed_authorization_requests,
        };
        registration.check_addresses()?;
        Ok(registration)
    }

    fn check_addresses(&self) -> Result<(), Flaw> {
        let wrong =
            Flaw("invalid_redirect_uri", "redirect URIs are https, http on loopback, or a reversed domain name");
        if self.redirect_uris.len() > URIS_MAX || self.post_logout_redirect_uris.len() > URIS_MAX {
            return Err(Flaw("invalid_redirect_uri", "at most 20 redirect URIs"));
        }
        let client = Client {
            id: "new".into(),
            auth: if self.is_public() { ClientAuth::Public } else { ClientAuth::Secret(Vec::new()) },
            grants: self.grants.clone(),
            redirect_uris: self.redirect_uris.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            ..Client::web("")
        };
        client.check().map_err(|_| wrong)
    }

    pub fn is_public(&self) -> bool {
        self.auth_method == "none"
    }

    /// As it is answered, now and when it is read again.
    pub fn metadata(&self) -> Value {
        let by_code = self.grants.contains(&GrantType::AuthorizationCode);
        json!({
            "client_name": self.name,
            "token_endpoint_auth_method": self.auth_method,
            "grant_types": self.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
            "response_types": if by_code { vec!["code"] } else { Vec::new() },
            "redirect_uris": self.redirect_uris,
            "post_logout_redirect_uris": self.post_logout_redirect_uris,
            "scope": self.scope,
            "subject_type": "public",
            "id_token_signed_response_alg": "RS256",
            "require_pushed_authorization_requests": self.require_par,
        })
    }
}

fn grants(named: Option<Vec<String>>) -> Result<Vec<GrantType>, Flaw> {
    let named = named.unwrap_or_else(|| vec![GrantType::AuthorizationCode.as_str().to_owned()]);
    let mut grants = Vec::new();
    for name in &named {
        let grant = GrantType::parse(name).filter(|grant| GRANTS.contains(grant));
        let grant = grant.ok_or(flaw("grant_types may hold authorization_code, refresh_token and the device code"))?;
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    }
    if grants.iter().all(|grant| *grant == GrantType::RefreshToken) {
        return Err(flaw("grant_types needs authorization_code or the device code"));
    }
    Ok(grants)
}

fn host(uris: &[String]) -> Option<String> {
    let url = Url::parse(uris.first()?).ok()?;
    Some(url.host_str().unwrap_or(url.scheme()).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Value) -> Result<Registration, &'static str> {
        let known = |scope: &str| ["openid", "school.student:read"].contains(&scope);
        Registration::read(serde_json::from_value(text).unwrap(), known).map_err(|flaw| flaw.0)
    }

    #[test]
    fn the_least_that_a_client_says_is_enough() {
        let read =
            read(json!({"redirect_uris": ["https://app.example/cb"], "logo_uri": "https://app.example/x"})).unwrap();
        assert_eq!((read.name.as_str(), read.auth_method.as_str()), ("app.example", "client_secret_basic"));
        assert_eq!((read.grants.len(), read.scope.as_str(), read.scopes.len()), (1, "openid", 0));
    }

    #[test]
    fn doubtful_clients_are_refused() {
        let uris = json!(["https://app.example/cb"]);
        for (said, error) in [
            (json!({}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["http://app.example/cb"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["https://app.example/cb#x"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": ["javascript:alert(1)"]}), "invalid_redirect_uri"),
            (json!({"redirect_uris": uris, "grant_types": ["client_credentials"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "grant_types": ["refresh_token"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "response_types": ["token"]}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "token_endpoint_auth_method": "x"}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "subject_type": "pairwise"}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "client_name": "a\u{0}b"}), "invalid_client_metadata"),
            (json!({"redirect_uris": uris, "software_statement": "eyJ"}), "invalid_software_statement"),
        ] {
            assert_eq!(read(said.clone()), Err(error), "{said}");
        }
    }

    #[test]
    fn only_scopes_that_exist_are_registered() {
        let said =
            json!({"redirect_uris": ["https://app.example/cb"], "scope": "openid hitaji school.* school.student:read"});
        let read = read(said).unwrap();
        assert_eq!(
            (read.scope.as_str(), read.scopes),
            ("openid school.student:read", vec!["school.student:read".into()])
        );
    }
}
