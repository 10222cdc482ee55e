//! The code flow as a client of the protocol runs it.
use crate::browser::{Browser, query};
use hitaji_core::Clock;
use hitaji_testkit::{Reply, TestApp, at, send};
use reqwest::Url;
use serde_json::Value;

// RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A client with what it registered.
#[derive(Clone)]
pub struct App {
    pub id: &'static str,
    pub secret: Option<&'static str>,
    pub redirect_uri: String,
}

pub const PORTAL_REDIRECT: &str = "https://portal.example/cb";

pub fn web(app: &TestApp) -> App {
    App { id: "hitaji-web", secret: None, redirect_uri: format!("{}/callback", app.address) }
}

pub fn portal() -> App {
    App { id: "portal", secret: Some("portal-secret"), redirect_uri: PORTAL_REDIRECT.into() }
}

/// A platform with a confidential client, a native one, and one that may only read pupils.
pub async fn start() -> TestApp {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut toml::Table)) -> TestApp {
    let text = r#"
        attempts_per_address_per_minute = 1000
        clients = [
            { id = "portal", secret = "portal-secret", redirect_uris = ["https://portal.example/cb"], post_logout_redirect_uris = ["https://portal.example/bye"], refresh = true },
            { id = "native", redirect_uris = ["http://127.0.0.1/cb"], refresh = true },
            { id = "reader", secret = "reader-secret", redirect_uris = ["https://reader.example/cb?x=1"], scopes = ["school.student:read"] },
        ]
    "#;
    let mut settings: toml::Table = text.parse().unwrap();
    change(&mut settings);
    TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        for (key, value) in settings {
            config.set("identity", &key, value);
        }
    })
    .await
}

impl App {
    pub fn authorize(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.id),
            ("redirect_uri", &self.redirect_uri),
            ("scope", "openid profile email hitaji"),
            ("state", "st&te"),
            ("nonce", "n1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        parameters.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
        parameters.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        let url = Url::parse_with_params("http://x/oauth/authorize", &parameters).unwrap();
        format!("/oauth/authorize?{}", url.query().unwrap())
    }

    /// The code that a signed-in browser gets at once.
    pub async fn code(&self, browser: &mut Browser, more: &[(&str, &str)]) -> String {
        browser.open(&self.authorize(more)).await;
        query(&browser.leads(), "code").unwrap_or_else(|| panic!("no code: {}", browser.leads()))
    }

    pub async fn post(&self, app: &TestApp, path: &str, form: &[(&str, &str)]) -> Reply {
        let mut form = form.to_vec();
        let mut request = app.http.post(format!("{}{path}", app.address));
        match self.secret {
            Some(secret) => request = request.basic_auth(self.id, Some(secret)),
            None => form.push(("client_id", self.id)),
        }
        send(request.form(&form)).await
    }

    pub async fn exchange(&self, app: &TestApp, code: &str, verifier: &str) -> Reply {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier),
        ];
        self.post(app, "/oauth/token", &form).await
    }

    pub async fn refresh(&self, app: &TestApp, token: &str) -> Reply {
        self.post(app, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Tokens for a signed-in browser.
    pub async fn tokens(&self, app: &TestApp, browser: &mut Browser, more: &[(&str, &str)]) -> Value {
        let code = self.code(browser, more).await;
        self.exchange(app, &code, VERIFIER).await.ok()
    }
}

/// The claims of a JWT; the signature is somebody else's to check.
pub fn claims(token: &Value) -> Value {
    part(token.as_str().expect("a token"), 1)
}

pub fn part(token: &str, index: usize) -> Value {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(index).unwrap()).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}
