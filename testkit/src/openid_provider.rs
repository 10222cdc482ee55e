//! An OpenID provider that a test writes the answers of: stands for Google and others, which a test cannot reach. It
//! signs with a key of its own, checks PKCE, redirect URI and client secret, and signs in whoever comes.
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub const CLIENT_ID: &str = "hitaji-at-provider";
pub const CLIENT_SECRET: &str = "provider secret: ü/+&%";

/// What the provider does for whoever comes next.
#[derive(Clone)]
pub struct Script {
    /// Written over the usual claims; null takes one away.
    pub claims: Value,
    /// `ES256`; `HS256` signs with the client secret, `none` not at all, `other` with a key that is not published.
    pub algorithm: &'static str,
    /// Of the authorization response; `None` leaves it out.
    pub iss: Option<String>,
    /// Answered instead of a code.
    pub error: Option<&'static str>,
    pub now: DateTime<Utc>,
}

pub struct OpenidProvider {
    pub issuer: String,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

struct Shared {
    issuer: String,
    key: EcdsaKeyPair,
    other: EcdsaKeyPair,
    script: Mutex<Script>,
    /// Code → what was asked.
    codes: Mutex<HashMap<String, HashMap<String, String>>>,
    asked: Mutex<Vec<HashMap<String, String>>>,
    exchanges: Mutex<u32>,
}

type Asked = Query<HashMap<String, String>>;

impl OpenidProvider {
    /// Listens on this machine. Its person is Amina Otieno of uhuru.example.
    pub async fn start(now: DateTime<Utc>) -> OpenidProvider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let issuer = format!("http://localhost:{}", listener.local_addr().expect("an address").port());
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let script = Script { claims: json!({}), algorithm: "ES256", iss: Some(issuer.clone()), error: None, now };
        let shared = Arc::new(Shared {
            issuer: issuer.clone(),
            key: key(),
            other: key(),
            script: Mutex::new(script),
            codes: Mutex::default(),
            asked: Mutex::default(),
            exchanges: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(shared.clone());
        let server = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        OpenidProvider { issuer, shared, server }
    }

    /// Writes the answers of what comes next.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().expect("no panic while it is held"));
    }

    /// The parameters of the last authorization request.
    pub fn asked(&self) -> HashMap<String, String> {
        self.shared.asked.lock().expect("no panic while it is held").last().cloned().expect("an authorization request")
    }

    /// How often a code was exchanged for tokens.
    pub fn exchanges(&self) -> u32 {
        *self.shared.exchanges.lock().expect("no panic while it is held")
    }

    /// Nobody listens there any more.
    pub fn stop(&self) {
        self.server.abort();
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> Response {
    let issuer = &shared.issuer;
    let document = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "id_token_signing_alg_values_supported": ["ES256"],
        "authorization_response_iss_parameter_supported": true,
    });
    axum::Json(document).into_response()
}

async fn jwks(State(shared): State<Arc<Shared>>) -> Response {
    let (x, y) = shared.key.public_key().as_ref()[1..].split_at(32);
    let key = json!({"kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        "kid": "one", "use": "sig", "alg": "ES256"});
    let unknown = json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "future", "pub": "AA"});
    axum::Json(json!({"keys": [unknown, key]})).into_response()
}

async fn authorize(State(shared): State<Arc<Shared>>, Query(asked): Asked) -> Response {
    let script = shared.script.lock().expect("no panic while it is held").clone();
    shared.asked.lock().expect("no panic while it is held").push(asked.clone());
    let mut said = vec![("state", asked.get("state").cloned().unwrap_or_default())];
    match script.error {
        Some(error) => said.push(("error", error.to_owned())),
        None => {
            let code = format!("code-{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, said[0].1.as_bytes())));
            shared.codes.lock().expect("no panic while it is held").insert(code.clone(), asked.clone());
            said.push(("code", code));
        }
    }
    said.extend(script.iss.map(|iss| ("iss", iss)));
    let query = serde_urlencoded::to_string(said).expect("text");
    Redirect::to(&format!("{}?{query}", asked["redirect_uri"])).into_response()
}

async fn token(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: String) -> Response {
    *shared.exchanges.lock().expect("no panic while it is held") += 1;
    let form: HashMap<String, String> = serde_urlencoded::from_str(&body).expect("a form");
    let encoded = |text: &str| serde_urlencoded::to_string([("", text)]).expect("text")[1..].to_owned();
    let basic = STANDARD.encode(format!("{}:{}", encoded(CLIENT_ID), encoded(CLIENT_SECRET)));
    let proven = headers.get("authorization").is_some_and(|value| value == &format!("Basic {basic}"));
    let asked = shared.codes.lock().expect("no panic while it is held").remove(&form["code"]);
    let Some(asked) = asked.filter(|asked| {
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes()));
        proven && asked["code_challenge"] == challenge && asked["redirect_uri"] == form["redirect_uri"]
    }) else {
        return (StatusCode::BAD_REQUEST, axum::Json(json!({"error": "invalid_grant"}))).into_response();
    };
    let id_token = shared.id_token(&asked["nonce"]);
    axum::Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": id_token})).into_response()
}

impl Shared {
    fn id_token(&self, nonce: &str) -> String {
        let script = self.script.lock().expect("no panic while it is held").clone();
        let now = script.now.timestamp();
        let usual = json!({"iss": self.issuer, "sub": "amina", "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce,
            "email": "amina@uhuru.example", "email_verified": true, "name": "Amina Otieno"});
        let mut claims: Map<String, Value> = usual.as_object().expect("an object").clone();
        for (name, value) in script.claims.as_object().expect("an object") {
            claims.insert(name.clone(), value.clone());
        }
        claims.retain(|_, value| !value.is_null());
        let algorithm = if script.algorithm == "other" { "ES256" } else { script.algorithm };
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": algorithm, "kid": "one", "typ": "JWT"});
        let message = format!("{}.{}", encode(&header), encode(&Value::Object(claims)));
        let sign = |key: &EcdsaKeyPair| {
            key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec()
        };
        let signature = match script.algorithm {
            "none" => Vec::new(),
            "HS256" => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
            }
            "other" => sign(&self.other),
            _ => sign(&self.key),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
