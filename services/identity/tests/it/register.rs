//! Clients that register themselves (RFC 7591, RFC 7592).
use crate::flow::text;
use crate::front::{metadata, register, start};
use hitaji_testkit::{TestApp, send};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn registration_is_off_unless_somebody_turns_it_on() {
    let app = crate::flow::start().await;
    assert_eq!(register(&app, &metadata(&json!({}))).await.status, 404);
    let discovery = app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert!(discovery.get("registration_endpoint").is_none());
    let app = start().await;
    let discovery = app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert_eq!(discovery["registration_endpoint"], json!(format!("{}/oauth/register", app.address)));
}

#[tokio::test]
async fn a_client_registers_reads_itself_and_leaves() {
    let app = start().await;
    let made = register(&app, &metadata(&json!({"sub": "x", "client_id": "hitaji-web"}))).await;
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")), "{}", made.body);
    let made = made.body;
    assert!(text(&made, "client_id").starts_with("dyn_"), "nobody chooses an id");
    assert_eq!(made["client_secret_expires_at"], json!(0));
    assert_eq!(made["scope"], json!("openid email school.student:read"));
    let (uri, token) = (text(&made, "registration_client_uri"), text(&made, "registration_access_token"));
    let own = async |method: Method, token: &str| send(app.http.request(method, uri).bearer_auth(token)).await;
    let read = own(Method::GET, token).await.ok();
    assert_eq!((&read["client_name"], &read["client_id"]), (&json!("Fees Helper"), &made["client_id"]));
    assert!(read.get("client_secret").is_none(), "only its hash is kept");
    assert_eq!(own(Method::GET, "guess").await.refused(401)["error"], "invalid_token");
    assert_eq!(own(Method::DELETE, "guess").await.status, 401);
    assert_eq!(own(Method::DELETE, token).await.status, 204);
    assert_eq!(own(Method::GET, token).await.status, 401);
    let basic = app.http.post(format!("{}/oauth/token", app.address));
    let basic = basic.basic_auth(text(&made, "client_id"), Some(text(&made, "client_secret")));
    assert_eq!(send(basic.form(&[("grant_type", "refresh_token")])).await.refused(401)["error"], "invalid_client");
}

async fn refused(app: &TestApp, more: serde_json::Value) -> serde_json::Value {
    register(app, &metadata(&more)).await.refused(400)["error"].clone()
}

#[tokio::test]
async fn doubtful_clients_are_refused() {
    let app = start().await;
    let post = |token: &str| app.http.post(format!("{}/oauth/register", app.address)).bearer_auth(token);
    assert_eq!(send(post("guess").json(&metadata(&json!({})))).await.refused(401)["error"], "invalid_token");
    assert_eq!(
        send(post(crate::front::INITIAL_TOKEN).body("[")).await.refused(400)["error"],
        "invalid_client_metadata"
    );
    assert_eq!(refused(&app, json!({"redirect_uris": ["http://helper.example/"]})).await, "invalid_redirect_uri");
    assert_eq!(refused(&app, json!({"grant_types": ["client_credentials"]})).await, "invalid_client_metadata");
    assert_eq!(refused(&app, json!({"software_statement": "eyJ"})).await, "invalid_software_statement");
}
