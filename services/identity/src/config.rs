//! Section `[identity]` of the configuration.
use crate::domain::client::Client;
use serde::Deserialize;

/// Where mail goes, how fast anybody may try, and which applications may ask for tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// `smtp://host:port`, or `smtps://user:password@host:port`.
    pub smtp_url: String,
    /// The sender of invitations and links: `Hitaji <no-reply@example.org>`.
    pub mail_from: String,
    /// Attempts to sign in, to reset or to take an invitation, from one network address.
    pub attempts_per_address_per_minute: u32,
    /// New organisations from one network address.
    pub sign_ups_per_address_per_minute: u32,
    /// Requests to the token endpoint from one network address.
    pub token_requests_per_address_per_second: u32,
    /// After a refresh token was used, for how long a repeat counts as a lost answer and not as theft. 0 is strict.
    pub refresh_repeat_window_s: i64,
    /// Applications besides our own web client.
    pub clients: Vec<ConfiguredClient>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            smtp_url: "smtp://127.0.0.1:1025".into(),
            mail_from: "Hitaji <no-reply@hitaji.localhost>".into(),
            attempts_per_address_per_minute: 60,
            sign_ups_per_address_per_minute: 60,
            token_requests_per_address_per_second: 200,
            refresh_repeat_window_s: 10,
            clients: Vec::new(),
        }
    }
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
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Whether it gets refresh tokens.
    #[serde(default)]
    pub refresh: bool,
    /// Permissions it may ever get, `*` at the end of one for all below; everything where absent.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
}

impl std::fmt::Debug for ConfiguredClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConfiguredClient({})", self.id)
    }
}

impl Settings {
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
            let client = Client {
                id: configured.id.clone(),
                secret_hash: secret.map(|secret| hitaji_db::secrets::sha256(secret.as_bytes())),
                redirect_uris: configured.redirect_uris.clone(),
                post_logout_redirect_uris: configured.post_logout_redirect_uris.clone(),
                refresh: configured.refresh,
                operators: false,
                scopes: configured.scopes.clone(),
            };
            client.check().map_err(|reason| format!("client {}: {reason}", client.id))?;
            if clients.iter().any(|other| other.id == client.id) {
                return Err(format!("two clients are called {}", client.id));
            }
            clients.push(client);
        }
        Ok(clients)
    }
}
