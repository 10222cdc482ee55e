//! Section `[identity]` of the configuration.
use crate::domain::client::{Client, ClientAuth, GrantType};
use crate::domain::federation::Kind;
use crate::http::federation::Upstream;
use hitaji_db::secrets::sha256;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use uuid::Uuid;

/// What is asked of another provider where nothing else is said.
pub const DEFAULT_SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// Where mail goes, how fast anybody may try, and which applications may ask for tokens.
#[derive(Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `smtp://host:port`, or `smtps://user:password@host:port`.
    pub smtp_url: String,
    /// The sender of invitations and links: `Hitaji <no-reply@example.org>`.
    pub mail_from: String,
    /// Where texts to phones go: `africastalking:<address>` of an Africa's Talking account, `mail:` to have them as mails to
    /// `<number>@sms.localhost` in development, or nothing: then nobody signs in by phone.
    pub texts_url: String,
    /// Of that account.
    pub texts_username: String,
    /// The environment variable that holds its API key.
    pub texts_key_env: String,
    /// The key itself, for tests.
    pub texts_key: Option<String>,
    /// A short code or sender id; the gateway's own where empty.
    pub texts_sender: String,
    /// Attempts to sign in, to reset or to take an invitation, from one network address.
    pub attempts_per_address_per_minute: u32,
    /// The same from a whole network: IPv4 /24, IPv6 /48.
    pub attempts_per_network_per_minute: u32,
    /// New organisations from one network address.
    pub sign_ups_per_address_per_minute: u32,
    pub sign_ups_per_network_per_minute: u32,
    /// Mails and messages with a code or a link that are asked for from one network address.
    pub codes_per_address_per_minute: u32,
    pub codes_per_network_per_minute: u32,
    /// Such mails and messages to one address or number.
    pub codes_per_recipient_per_hour: u32,
    /// Requests to the token endpoint from one network address.
    pub token_requests_per_address_per_second: u32,
    /// After a refresh token was used, for how long a repeat counts as a lost answer and not as theft. 0 is strict.
    pub refresh_repeat_window_s: i64,
    /// Whether applications may register themselves (RFC 7591): `off`, or `token` for those who hold the initial access token.
    pub registration: String,
    /// The environment variable that holds the initial access token.
    pub registration_token_env: Option<String>,
    /// Or its SHA-256 as 64 hexadecimal digits.
    pub registration_token_sha256: Option<String>,
    /// A signing key is used for so many days.
    pub key_days: u32,
    /// Where people sign in.
    pub sign_in: SignIn,
    /// Applications besides our own web client.
    pub clients: Vec<ConfiguredClient>,
    /// The name server that is asked whether a domain is an organisation's own, with its port; empty for the machine's own.
    pub dns_server: String,
    /// OpenID providers that everybody may sign in with.
    pub providers: Vec<ConfiguredProvider>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            smtp_url: "smtp://127.0.0.1:1025".into(),
            mail_from: "Hitaji <no-reply@hitaji.localhost>".into(),
            texts_url: String::new(),
            texts_username: String::new(),
            texts_key_env: "HITAJI_TEXTS_KEY".into(),
            texts_key: None,
            texts_sender: String::new(),
            attempts_per_address_per_minute: 60,
            attempts_per_network_per_minute: 600,
            sign_ups_per_address_per_minute: 60,
            sign_ups_per_network_per_minute: 300,
            codes_per_address_per_minute: 60,
            codes_per_network_per_minute: 300,
            codes_per_recipient_per_hour: 6,
            token_requests_per_address_per_second: 200,
            refresh_repeat_window_s: 10,
            registration: "off".into(),
            registration_token_env: None,
            registration_token_sha256: None,
            key_days: 90,
            sign_in: SignIn::Own,
            clients: Vec::new(),
            dns_server: String::new(),
            providers: Vec::new(),
        }
    }
}

/// Where people sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignIn {
    /// At our own pages.
    Own,
    /// With another issuer of section `[auth]`; our own pages are not there.
    External,
}

/// One application. With a secret it is confidential, without one it is public.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredClient {
    pub id: String,
    #[serde(default)]
    pub secret: Option<String>,
    /// The environment variable that holds the secret.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Public keys by which it proves itself, instead of a secret.
    #[serde(default)]
    pub jwks: Option<JwkSet>,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// Grant types by their names in RFC 6749, 8628 and 8693; `authorization_code` where absent.
    #[serde(default)]
    pub grants: Option<Vec<String>>,
    /// Whether it gets refresh tokens, besides what `grants` says.
    #[serde(default)]
    pub refresh: bool,
    /// Permissions it may ever get, `*` at the end of one for all below; everything where absent.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The organisation, by its id, in which it acts for itself.
    #[serde(default)]
    pub organisation: Option<Uuid>,
    /// Whether its tokens are bound to a key of its own (RFC 9449).
    #[serde(default)]
    pub dpop: bool,
    /// Whether people are asked before it gets anything.
    #[serde(default)]
    pub consent: bool,
    /// Whether its authorization requests must be pushed (RFC 9126).
    #[serde(default)]
    pub require_par: bool,
}

/// One OpenID provider of the platform.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfiguredProvider {
    /// In addresses: `google`.
    pub id: String,
    /// `google`, `microsoft` or `oidc`.
    pub kind: String,
    /// On its button.
    pub label: String,
    /// Of the kind `oidc`.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Of the kind `microsoft`: a tenant's id, `organizations` or `common`.
    #[serde(default)]
    pub tenant: Option<String>,
    pub client_id: String,
    #[serde(default)]
    pub client_secret: Option<String>,
    /// The environment variable that holds the secret.
    #[serde(default)]
    pub client_secret_env: Option<String>,
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Whether it is believed when it says that somebody proved two factors.
    #[serde(default)]
    pub trust_mfa: bool,
}

impl std::fmt::Debug for ConfiguredProvider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfiguredProvider({})", self.id)
    }
}

impl ConfiguredProvider {
    fn upstream(&self) -> Result<Upstream, String> {
        let wrong = |what: &str| format!("identity.providers: {} {what}", self.id);
        let name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=30).contains(&self.id.len()) || !self.id.bytes().all(name) {
            return Err(wrong("is no id: lower case letters, digits and hyphens, at most 30"));
        }
        let kind = Kind::parse(&self.kind).ok_or_else(|| wrong("is of no kind google, microsoft or oidc"))?;
        let issuer = kind.issuer(self.issuer.as_deref(), self.tenant.as_deref());
        let secret = match (&self.client_secret, &self.client_secret_env) {
            (Some(secret), _) => Some(secret.clone()),
            (None, Some(variable)) => {
                Some(std::env::var(variable).map_err(|_| wrong(&format!("needs {variable}, which is not set")))?)
            }
            (None, None) => None,
        };
        Ok(Upstream {
            key: self.id.clone(),
            organisation_id: None,
            kind,
            label: self.label.clone(),
            issuer: issuer.ok_or_else(|| wrong("needs an issuer (oidc) or a tenant (microsoft), and no other"))?,
            client_id: self.client_id.clone(),
            secret,
            scopes: self.scopes.clone().unwrap_or_else(|| DEFAULT_SCOPES.map(str::to_owned).to_vec()),
            trust_mfa: self.trust_mfa,
        })
    }
}

impl std::fmt::Debug for ConfiguredClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfiguredClient({})", self.id)
    }
}

impl Settings {
    /// The API key of the account that texts are sent by.
    pub fn texts_key(&self) -> Result<String, String> {
        let variable = &self.texts_key_env;
        let missing = |_| format!("{variable} is not set; identity.texts_url needs the API key there");
        self.texts_key.clone().map_or_else(|| std::env::var(variable).map_err(missing), Ok)
    }

    /// SHA-256 of the initial access token by which applications register themselves; none where they may not.
    pub fn registration_token(&self) -> Result<Option<[u8; 32]>, String> {
        match (self.registration.as_str(), &self.registration_token_env, &self.registration_token_sha256) {
            ("off", _, _) => Ok(None),
            ("token", Some(variable), _) => match std::env::var(variable) {
                Ok(token) if token.len() >= 32 => Ok(Some(sha256(token.as_bytes()))),
                _ => Err(format!("{variable} does not hold at least 32 characters; registration needs it")),
            },
            ("token", None, Some(digits)) => {
                let bytes =
                    (0..digits.len() / 2).map_while(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok());
                let hash: Vec<u8> = bytes.collect();
                let wrong = |_| "registration_token_sha256 is 64 hexadecimal digits".to_owned();
                hash.try_into().map(Some).map_err(wrong)
            }
            ("token", None, None) => Err("registration needs registration_token_env".into()),
            _ => Err("registration is off or token".into()),
        }
    }

    /// The configured OpenID providers; the reason where one cannot be.
    pub fn upstreams(&self) -> Result<Vec<Upstream>, String> {
        self.providers.iter().map(ConfiguredProvider::upstream).collect()
    }

    /// Our own web clients and the configured ones; the reason where one cannot be.
    pub fn clients(&self, origin: &str) -> Result<Vec<Client>, String> {
        let mut clients = vec![Client::web(origin), Client::console(origin)];
        for configured in &self.clients {
            let secret = match (&configured.secret, &configured.secret_env) {
                (Some(secret), _) => Some(secret.clone()),
                (None, Some(variable)) => Some(
                    std::env::var(variable)
                        .map_err(|_| format!("{variable} is not set; client {} needs it", configured.id))?,
                ),
                (None, None) => None,
            };
            let client = configured.client(secret.as_deref())?;
            client.check().map_err(|reason| format!("client {}: {reason}", client.id))?;
            if clients.iter().any(|other| other.id == client.id) {
                return Err(format!("two clients are called {}", client.id));
            }
            clients.push(client);
        }
        Ok(clients)
    }
}

impl ConfiguredClient {
    fn client(&self, secret: Option<&str>) -> Result<Client, String> {
        let auth = match (secret, &self.jwks) {
            (Some(_), Some(_)) => return Err(format!("client {} has both a secret and keys", self.id)),
            (Some(secret), None) => ClientAuth::Secret(vec![sha256(secret.as_bytes())]),
            (None, Some(keys)) => ClientAuth::Key(keys.clone()),
            (None, None) => ClientAuth::Public,
        };
        let named = self.grants.clone().unwrap_or_else(|| vec![GrantType::AuthorizationCode.as_str().to_owned()]);
        let unknown = |name: &str| format!("client {}: there is no grant type {name}", self.id);
        let mut grants = named
            .iter()
            .map(|name| GrantType::parse(name).ok_or_else(|| unknown(name)))
            .collect::<Result<Vec<_>, _>>()?;
        if self.refresh && !grants.contains(&GrantType::RefreshToken) {
            grants.push(GrantType::RefreshToken);
        }
        Ok(Client {
            id: self.id.clone(),
            name: self.name.clone().unwrap_or_else(|| self.id.clone()),
            organisation_id: self.organisation,
            auth,
            grants,
            redirect_uris: self.redirect_uris.clone(),
            post_logout_redirect_uris: self.post_logout_redirect_uris.clone(),
            backchannel_logout_uri: self.backchannel_logout_uri.clone(),
            operators: false,
            scopes: self.scopes.clone(),
            dpop: self.dpop,
            consent: self.consent,
            require_par: self.require_par,
            registered: false,
        })
    }
}
