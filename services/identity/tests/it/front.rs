//! What the tests of the front channel share: more clients, both ways to be answered, pushed requests.
use crate::browser::{Browser, attribute, query};
use crate::flow::{App, VERIFIER, portal, start_with, text};
use chrono::TimeDelta;
use hitaji_testkit::{Organisation, PASSWORD, Reply, TestApp, send};
use reqwest::Url;
use serde_json::{Value, json};

pub const INITIAL_TOKEN: &str = "the tests may register clients here";
/// SHA-256 of the initial access token.
const INITIAL_HASH: &str = "8791421111ed0722212df281ecd52e7ca65c6a613e9a6166bf644999b3c4b82f";

const CLIENTS: &str = r#"clients = [
    { id = "partner", name = "Partner App", secret = "partner-secret", redirect_uris = ["https://partner.example/cb"], refresh = true, consent = true },
    { id = "tv", name = "Class screen", grants = ["urn:ietf:params:oauth:grant-type:device_code"], refresh = true, consent = true },
    { id = "pushy", secret = "pushy-secret", redirect_uris = ["https://pushy.example/cb"], require_par = true },
]"#;

/// The platform of `flow` with a client of somebody else, a device, one that must push, and registration.
pub async fn start() -> TestApp {
    start_with(|settings| {
        let more: toml::Table = CLIENTS.parse().unwrap();
        let clients = settings["clients"].as_array_mut().unwrap();
        clients.extend(more["clients"].as_array().unwrap().iter().cloned());
        settings.insert("registration".into(), "token".into());
        settings.insert("registration_token_sha256".into(), INITIAL_HASH.into());
    })
    .await
}

pub fn partner() -> App {
    App { id: "partner", secret: Some("partner-secret"), redirect_uri: "https://partner.example/cb".into() }
}

pub fn pushy() -> App {
    App { id: "pushy", secret: Some("pushy-secret"), redirect_uri: "https://pushy.example/cb".into() }
}

pub fn tv() -> App {
    App { id: "tv", secret: None, redirect_uri: String::new() }
}

/// A platform with a school and a browser in which its owner is signed in.
pub struct World {
    pub app: TestApp,
    pub school: Organisation,
    pub browser: Browser,
}

impl World {
    pub async fn new() -> World {
        let app = start().await;
        let school = app.organisation("Uhuru Academy").await;
        let browser = signed_in(&app, &school.owner_email).await;
        World { app, school, browser }
    }

    pub fn later(&self, seconds: i64) {
        self.app.clock.set(self.app.clock.now() + TimeDelta::seconds(seconds));
    }
}

pub async fn signed_in(app: &TestApp, email: &str) -> Browser {
    let mut browser = Browser::new(&app.address);
    browser.sign_in(email, PASSWORD).await;
    browser
}

/// How the client wants to be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Query,
    FormPost,
}

impl Mode {
    pub fn address(self, client: &App, more: &[(&str, &str)]) -> String {
        let mut more = more.to_vec();
        if self == Mode::FormPost {
            more.push(("response_mode", "form_post"));
        }
        client.authorize(&more)
    }

    /// A value of the answer that the browser brings to this client.
    #[track_caller]
    pub fn answered(self, browser: &Browser, client: &App, name: &str) -> Option<String> {
        if self == Mode::Query {
            let leads = browser.leads();
            assert!(leads.starts_with(&client.redirect_uri), "{leads}");
            return query(&leads, name);
        }
        assert_eq!(browser.status, 200, "{}", browser.html);
        let form = browser.html.split("<form").nth(1).expect("a form").split("</form>").next().unwrap();
        let head = form.split('>').next().unwrap();
        assert_eq!(attribute(head, "action").as_deref(), Some(client.redirect_uri.as_str()));
        assert_eq!(attribute(head, "method").as_deref(), Some("post"));
        let mut inputs = form.split("<input").skip(1);
        inputs
            .find(|input| attribute(input, "name").as_deref() == Some(name))
            .and_then(|input| attribute(input, "value"))
    }

    /// Opens the request and expects a code.
    pub async fn code(self, browser: &mut Browser, client: &App, more: &[(&str, &str)]) -> String {
        browser.open(&self.address(client, more)).await;
        self.answered(browser, client, "code").unwrap_or_else(|| panic!("no code: {:?}", browser.location()))
    }

    pub async fn tokens(self, world: &mut World, client: &App, more: &[(&str, &str)]) -> Value {
        let code = self.code(&mut world.browser, client, more).await;
        client.exchange(&world.app, &code, VERIFIER).await.ok()
    }

    /// Opens the request and expects this error, with `state` and `iss`.
    pub async fn refused(self, world: &mut World, client: &App, more: &[(&str, &str)], error: &str) {
        world.browser.open(&self.address(client, more)).await;
        let said = |name: &str| self.answered(&world.browser, client, name);
        assert_eq!(said("error").as_deref(), Some(error), "{more:?}");
        assert_eq!((said("state").as_deref(), said("code")), (Some("st&te"), None));
        assert_eq!(said("iss").as_deref(), Some(world.app.address.as_str()));
    }
}

/// Parameters of a good request, changed by `more`; an empty value leaves one out.
pub fn parameters(client: &App, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let url = Url::parse(&format!("http://x{}", client.authorize(more))).unwrap();
    url.query_pairs().into_owned().filter(|(name, _)| name != "client_id" || client.secret.is_none()).collect()
}

pub async fn push_raw(app: &TestApp, client: &App, form: &[(String, String)]) -> Reply {
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    // `post` names a public client by itself.
    let form: Vec<_> = form.into_iter().filter(|(name, _)| *name != "client_id").collect();
    client.post(app, "/oauth/par", &form).await
}

/// Pushes a request; where to send the person.
pub async fn push(app: &TestApp, client: &App, more: &[(&str, &str)]) -> String {
    let pushed = push_raw(app, client, &parameters(client, more)).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    by_reference(client, text(&pushed.body, "request_uri"))
}

pub fn by_reference(client: &App, request_uri: &str) -> String {
    let pairs = [("client_id", client.id), ("request_uri", request_uri)];
    let url = Url::parse_with_params("http://x/oauth/authorize", pairs).unwrap();
    format!("/oauth/authorize?{}", url.query().unwrap())
}

/// Registers a client with the initial access token.
pub async fn register(app: &TestApp, metadata: &Value) -> Reply {
    send(app.http.post(format!("{}/oauth/register", app.address)).bearer_auth(INITIAL_TOKEN).json(metadata)).await
}

/// A code for the portal, and what a client sends for it.
pub async fn redeem(world: &mut World, change: &[(&str, &str)]) -> Reply {
    let client = portal();
    let code = client.code(&mut world.browser, &[]).await;
    let good = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", client.redirect_uri.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let mut form: Vec<(&str, &str)> =
        good.into_iter().filter(|(name, _)| !change.iter().any(|(other, _)| other == name)).collect();
    form.extend(change.iter().filter(|(_, value)| !value.is_empty()));
    client.post(&world.app, "/oauth/token", &form).await
}

/// The claims of an ID token whose signature is good by the published keys.
pub async fn verified(app: &TestApp, token: &str) -> Value {
    let keys = app.anybody().get("/oauth/jwks").await.ok();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_aud = false;
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims
}

/// A request without PKCE has no challenge and no method.
pub const NO_PKCE: [(&str, &str); 2] = [("code_challenge", ""), ("code_challenge_method", "")];
pub const PLAIN_PKCE: [(&str, &str); 2] = [("code_challenge", VERIFIER), ("code_challenge_method", "plain")];

/// What a client needs to register, changed by `more`.
pub fn metadata(more: &Value) -> Value {
    let mut metadata = json!({"client_name": "Fees Helper", "redirect_uris": ["https://helper.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid email school.student:read"});
    for (name, value) in more.as_object().unwrap() {
        metadata[name] = value.clone();
    }
    metadata
}
