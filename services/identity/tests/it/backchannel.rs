//! Back-channel logout: clients hear of sessions that ended, whoever else does not listen.
use crate::browser::Browser;
use crate::flow::{App, claims, part, start_with, text};
use axum::Form;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::post;
use hitaji_testkit::{PASSWORD, TestApp, at, until};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

type Heard = Arc<Mutex<Vec<(&'static str, String)>>>;
type Sent = Form<HashMap<String, String>>;

/// Listens as four clients: one that hears, one that never answers, one that sends on, one that refuses.
async fn clients() -> (String, Heard) {
    let heard = Heard::default();
    let router = Router::new()
        .route(
            "/hears",
            post(async |State(heard): State<Heard>, Form(sent): Sent| {
                heard.lock().unwrap().push(("hears", sent["logout_token"].clone()));
            }),
        )
        .route("/sleeps", post(async || std::future::pending::<()>().await))
        .route(
            "/sends-on",
            post(async |State(heard): State<Heard>| {
                heard.lock().unwrap().push(("sends-on", String::new()));
                Redirect::temporary("/secret")
            }),
        )
        .route(
            "/secret",
            post(async |State(heard): State<Heard>| heard.lock().unwrap().push(("secret", String::new()))),
        )
        .route("/refuses", post(async || StatusCode::BAD_REQUEST))
        .with_state(heard.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, heard)
}

fn client(id: &'static str) -> App {
    App { id, secret: Some("secret"), redirect_uri: "https://rp.example/cb".into() }
}

const IDS: [&str; 4] = ["hears", "sleeps", "sends-on", "refuses"];

async fn start() -> (TestApp, Heard) {
    let (address, heard) = clients().await;
    let app = start_with(|settings| {
        let list = settings["clients"].as_array_mut().unwrap();
        for id in IDS.into_iter().chain(["gone", "deaf"]) {
            let mut table: toml::Table =
                format!("id = \"{id}\"\nsecret = \"secret\"\nredirect_uris = [\"https://rp.example/cb\"]")
                    .parse()
                    .unwrap();
            let uri = match id {
                "gone" => Some("http://127.0.0.1:1/logout".to_owned()),
                "deaf" => None,
                _ => Some(format!("{address}/{id}")),
            };
            table.extend(uri.map(|uri| ("backchannel_logout_uri".to_owned(), uri.into())));
            list.push(table.into());
        }
    })
    .await;
    (app, heard)
}

async fn notices(app: &TestApp) -> Vec<Value> {
    app.control_rows("select client_id, attempts from identity.logout_notice order by client_id").await
}

fn tokens_of(heard: &Heard, id: &str) -> Vec<String> {
    heard.lock().unwrap().iter().filter(|(client, _)| *client == id).map(|(_, token)| token.clone()).collect()
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout() {
    let (app, heard) = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let mut tokens = Value::Null;
    for id in ["gone", "sleeps", "sends-on", "refuses", "deaf", "hears"] {
        tokens = client(id).tokens(&app, &mut browser, &[]).await;
    }
    browser.open("/oauth/logout").await.submit(&[]).await;
    app.settle().await;
    let token = until("the client hears of it", async || tokens_of(&heard, "hears").into_iter().next()).await;
    assert_eq!((part(&token, 0)["typ"].clone(), part(&token, 0)["alg"].clone()), (json!("logout+jwt"), json!("RS256")));
    let keys: JwkSet = serde_json::from_value(app.anybody().get("/oauth/jwks").await.ok()).unwrap();
    let key = DecodingKey::from_jwk(keys.find(part(&token, 0)["kid"].as_str().unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["hears"]);
    validation.set_issuer(&[&app.address]);
    validation.validate_exp = false;
    let said = decode::<Value>(&token, &key, &validation).unwrap().claims;
    let id_token = claims(&tokens["id_token"]);
    assert_eq!((&said["sub"], &said["sid"]), (&id_token["sub"], &id_token["sid"]));
    assert_eq!(said["events"], json!({"http://schemas.openid.net/event/backchannel-logout": {}}));
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 120);
    assert!(said["jti"].is_string() && said.get("nonce").is_none());
    // It is no ID token, and opens nothing.
    app.client(&token).get("/identity/v1/me").await.refused(401);

    let left = until("the others were tried", async || {
        let left = notices(&app).await;
        left.iter().all(|row| row["attempts"] == 1).then_some(left)
    })
    .await;
    let left: Vec<_> = left.iter().map(|row| text(row, "client_id")).collect();
    assert_eq!(left, ["gone", "refuses", "sends-on", "sleeps"]);
    for hour in 6..10 {
        app.clock.set(at(&format!("2026-05-12T0{hour}:00:00Z")));
        until("they were tried again", async || {
            let tried = i64::from(hour) - 4;
            notices(&app).await.iter().all(|row| row["attempts"].as_i64() == Some(tried)).then_some(())
        })
        .await;
    }
    assert!(notices(&app).await.is_empty(), "and given up");
    assert_eq!(tokens_of(&heard, "hears").len(), 1);
    assert_eq!(tokens_of(&heard, "sends-on").len(), 5);
    assert!(tokens_of(&heard, "secret").is_empty(), "no redirect is followed");
}

#[tokio::test]
async fn clients_hear_of_every_way_a_session_ends() {
    let (app, heard) = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::new(&app.address);
        browser.sign_in(&school.owner_email, PASSWORD).await;
        let tokens = client("hears").tokens(&app, &mut browser, &[]).await;
        sessions.push(claims(&tokens["id_token"])["sid"].clone());
    }
    let mut browser = Browser::new(&app.address);
    browser.open("/forgot-password").await.submit(&[("email", &school.owner_email)]).await;
    let link = app.mailed_link(&school.owner_email).await;
    browser.open(&link).await.submit(&[("password", "mawingu ya kijani kibichi")]).await;
    app.settle().await;
    let mut told = until("the client hears of both", async || {
        let told = tokens_of(&heard, "hears");
        (told.len() == 2).then(|| told.iter().map(|token| part(token, 1)["sid"].clone()).collect::<Vec<_>>())
    })
    .await;
    told.sort_by_key(Value::to_string);
    sessions.sort_by_key(Value::to_string);
    assert_eq!(told, sessions);
}

#[tokio::test]
async fn oidcc_backchannel_rp_initiated_logout_discovery_endpoint_verification() {
    let app = crate::flow::start().await;
    let discovery = app.anybody().get("/.well-known/openid-configuration").await.ok();
    for flag in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(discovery[flag], true, "{flag}");
    }
    assert!(discovery["end_session_endpoint"].as_str().is_some_and(|address| address.starts_with(&app.address)));
}
