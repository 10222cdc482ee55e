//! Applications that may ask for tokens, and which addresses they may be answered at (RFC 9700 section 2.1).
use hitaji_db::secrets::{same, sha256};
use jsonwebtoken::jwk::JwkSet;
use url::{Host, Url};
use uuid::Uuid;

/// Our own browser application: public, with PKCE, without refresh tokens.
pub const WEB_CLIENT: &str = "hitaji-web";
/// Our own page for the people who run the platform: the one client whose tokens name no organisation.
pub const CONSOLE_CLIENT: &str = "hitaji-console";

/// What a client may do at the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    DeviceCode,
    TokenExchange,
}

impl GrantType {
    pub const ALL: [GrantType; 5] = [
        GrantType::AuthorizationCode,
        GrantType::RefreshToken,
        GrantType::ClientCredentials,
        GrantType::DeviceCode,
        GrantType::TokenExchange,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            GrantType::AuthorizationCode => "authorization_code",
            GrantType::RefreshToken => "refresh_token",
            GrantType::ClientCredentials => "client_credentials",
            GrantType::DeviceCode => "urn:ietf:params:oauth:grant-type:device_code",
            GrantType::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
        }
    }

    pub fn parse(text: &str) -> Option<GrantType> {
        GrantType::ALL.into_iter().find(|grant| grant.as_str() == text)
    }
}

/// How a client proves itself.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// Not at all: everybody can read what it is made of.
    Public,
    /// SHA-256 of each secret that is good. A secret has full entropy, so a slow hash adds nothing.
    Secret(Vec<[u8; 32]>),
    /// By signing with one of these keys (RFC 7523).
    Key(JwkSet),
}

/// An application.
#[derive(Clone, Debug)]
pub struct Client {
    pub id: String,
    /// What people call it; the id where it has no name.
    pub name: String,
    /// The organisation it belongs to; none for the platform's own.
    pub organisation_id: Option<Uuid>,
    pub auth: ClientAuth,
    pub grants: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub backchannel_logout_uri: Option<String>,
    /// Only operators get its tokens, and in no organisation.
    pub operators: bool,
    /// Permissions it may ever get; none means all.
    pub scopes: Option<Vec<String>>,
    /// Its tokens are bound to a key of its own (RFC 9449).
    pub dpop: bool,
    /// People are asked before it gets anything.
    pub consent: bool,
    /// Its requests must come by PAR (RFC 9126 section 6).
    pub require_par: bool,
    /// It registered itself (RFC 7591): nobody here knows whose it is.
    pub registered: bool,
}

impl Client {
    /// `hitaji-web` of this platform.
    pub fn web(origin: &str) -> Client {
        Client {
            id: WEB_CLIENT.into(),
            name: "Hitaji".into(),
            organisation_id: None,
            auth: ClientAuth::Public,
            grants: vec![GrantType::AuthorizationCode],
            redirect_uris: vec![format!("{origin}/callback"), format!("{origin}/silent-callback")],
            post_logout_redirect_uris: vec![format!("{origin}/")],
            backchannel_logout_uri: None,
            operators: false,
            scopes: None,
            dpop: false,
            consent: false,
            require_par: false,
            registered: false,
        }
    }

    /// `hitaji-console` of this platform.
    pub fn console(origin: &str) -> Client {
        Client {
            id: CONSOLE_CLIENT.into(),
            redirect_uris: vec![format!("{origin}/console/callback"), format!("{origin}/silent-callback")],
            post_logout_redirect_uris: vec![format!("{origin}/console")],
            operators: true,
            ..Client::web(origin)
        }
    }

    pub fn may_use(&self, grant: GrantType) -> bool {
        self.grants.contains(&grant)
    }

    /// Whether people of this organisation may use it: one that belongs to an organisation serves that one alone.
    pub fn serves(&self, organisation_id: Uuid) -> bool {
        self.organisation_id.is_none_or(|only| only == organisation_id)
    }

    pub fn is_public(&self) -> bool {
        matches!(self.auth, ClientAuth::Public)
    }

    /// Why this client cannot be registered.
    pub fn check(&self) -> Result<(), String> {
        if self.id.is_empty() || self.id.len() > 100 || !self.id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the id is 1 to 100 visible ASCII characters".into());
        }
        if self.may_use(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err("it needs at least one redirect URI".into());
        }
        if self.is_public() && [GrantType::ClientCredentials, GrantType::TokenExchange].iter().any(|g| self.may_use(*g))
        {
            return Err("a client without a secret or key cannot act for itself".into());
        }
        if let Some(uri) = &self.backchannel_logout_uri {
            let url = Url::parse(uri).map_err(|_| format!("{uri} is not an absolute URI"))?;
            if url.fragment().is_some() || !(url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url)) {
                return Err(format!("{uri} is not https"));
            }
        }
        for uri in self.redirect_uris.iter().chain(&self.post_logout_redirect_uris) {
            let url = Url::parse(uri).map_err(|_| format!("{uri} is not an absolute URI"))?;
            if url.fragment().is_some() {
                return Err(format!("{uri} has a fragment"));
            }
            match url.scheme() {
                "https" => {}
                "http" if is_loopback(&url) => {}
                "http" => return Err(format!("{uri} uses http, which only loopback addresses may")),
                // RFC 8252 section 7.1: a private scheme is a reversed domain name.
                scheme if scheme.contains('.') => {}
                _ => return Err(format!("{uri} has a scheme that is not allowed")),
            }
        }
        Ok(())
    }

    /// Whether this is exactly a registered address. Only the port of a loopback address may differ (RFC 8252 7.3).
    pub fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris.iter().any(|registered| registered == uri || same_but_port(registered, uri))
    }

    pub fn may_leave_to(&self, uri: &str) -> bool {
        self.post_logout_redirect_uris.iter().any(|registered| registered == uri)
    }

    pub fn has_secret(&self, secret: &str) -> bool {
        let ClientAuth::Secret(hashes) = &self.auth else { return false };
        let hash = sha256(secret.as_bytes());
        // All are compared, so that time does not tell which of two it was.
        hashes.iter().fold(false, |found, known| same(known, &hash) | found)
    }

    /// Whether the client may get this permission.
    pub fn may_have(&self, scope: &str) -> bool {
        let Some(scopes) = &self.scopes else { return true };
        scopes.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => scope.starts_with(prefix),
            None => pattern == scope,
        })
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Native applications open any free port, so the port alone may differ, and only on a loopback IP address.
fn same_but_port(registered: &str, given: &str) -> bool {
    let (Ok(mut registered), Ok(mut given)) = (Url::parse(registered), Url::parse(given)) else {
        return false;
    };
    let is_native =
        |url: &Url| url.scheme() == "http" && is_loopback(url) && !matches!(url.host(), Some(Host::Domain(_)));
    if !is_native(&registered) || !is_native(&given) || given.fragment().is_some() {
        return false;
    }
    if !given.username().is_empty() || given.password().is_some() {
        return false;
    }
    registered.set_port(None).is_ok() && given.set_port(None).is_ok() && registered == given
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(uris: &[&str]) -> Client {
        Client {
            redirect_uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
            ..Client::web("https://hitaji.example")
        }
    }

    #[test]
    fn only_the_exact_address_is_redirected_to() {
        let web = Client::web("https://hitaji.example");
        assert!(web.may_redirect_to("https://hitaji.example/callback"));
        for other in [
            "https://hitaji.example/callback/",
            "https://hitaji.example/callback?x=1",
            "https://hitaji.example/callback#x",
            "https://hitaji.example:443/callback",
            "https://HITAJI.example/callback",
            "https://hitaji.example/Callback",
            "https://hitaji.example/callback/../callback",
            "https://hitaji.example.evil.test/callback",
            "https://hitaji.example@evil.test/callback",
            "http://hitaji.example/callback",
            "//hitaji.example/callback",
            "/callback",
            "",
        ] {
            assert!(!web.may_redirect_to(other), "{other}");
        }
    }

    #[test]
    fn a_native_client_may_listen_on_any_loopback_port() {
        let native = client(&["http://127.0.0.1/cb", "http://localhost:3000/cb"]);
        assert!(native.may_redirect_to("http://127.0.0.1:51234/cb"));
        assert!(native.may_redirect_to("http://localhost:3000/cb"));
        for other in [
            "http://localhost:3001/cb",
            "http://127.0.0.1:51234/other",
            "http://user@127.0.0.1:51234/cb",
            "http://127.0.0.1.evil.test:51234/cb",
            "https://127.0.0.1:51234/cb",
            "http://127.0.0.1:51234/cb#x",
            "http://127.0.0.1:51234/cb?x=1",
        ] {
            assert!(!native.may_redirect_to(other), "{other}");
        }
    }

    #[test]
    fn unsafe_registrations_are_refused() {
        for uri in ["http://app.example/cb", "javascript:alert(1)", "data:text/html,x", "/cb", "https://a.example/cb#x"]
        {
            assert!(client(&[uri]).check().is_err(), "{uri}");
        }
        assert!(client(&["https://a.example/cb", "org.example.app:/cb", "http://[::1]/cb"]).check().is_ok());
    }

    #[test]
    fn a_client_gets_at_most_its_scopes() {
        let limited = Client {
            scopes: Some(vec!["school.*".into(), "identity.member:read".into()]),
            ..client(&["https://a.example/"])
        };
        assert!(limited.may_have("school.attendance:read") && limited.may_have("identity.member:read"));
        assert!(!limited.may_have("identity.member:manage"));
    }
}
