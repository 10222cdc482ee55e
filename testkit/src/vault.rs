//! A simulator of HashiCorp Vault's transit engine, from its published interface: encrypt and decrypt under a named key, by a
//! token. <https://developer.hashicorp.com/vault/api-docs/secret/transit>
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use hitaji_db::secrets::MasterKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub const VAULT_TOKEN: &str = "s.simulated-token";

/// Starts one; its address.
pub async fn vault() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new()
        .route("/v1/transit/encrypt/{key}", post(encrypt))
        .route("/v1/transit/decrypt/{key}", post(decrypt))
        .with_state(MasterKey::generate());
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

type Reply = (StatusCode, Json<Value>);

fn refused(status: StatusCode, why: &str) -> Reply {
    (status, Json(json!({"errors": [why]})))
}

fn known(headers: &HeaderMap) -> bool {
    headers.get("x-vault-token").is_some_and(|token| token == VAULT_TOKEN)
}

async fn encrypt(
    State(engine): State<MasterKey>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Reply {
    if !known(&headers) {
        return refused(StatusCode::FORBIDDEN, "permission denied");
    }
    // As there, the plaintext is base64.
    let Some(plain) = body["plaintext"].as_str() else { return refused(StatusCode::BAD_REQUEST, "missing plaintext") };
    let sealed: String =
        engine.seal(&key, "transit", plain.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    (StatusCode::OK, Json(json!({"data": {"ciphertext": format!("vault:v1:{sealed}"), "key_version": 1}})))
}

async fn decrypt(
    State(engine): State<MasterKey>,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Reply {
    if !known(&headers) {
        return refused(StatusCode::FORBIDDEN, "permission denied");
    }
    let hex = body["ciphertext"].as_str().and_then(|text| text.strip_prefix("vault:v1:")).unwrap_or_default();
    let byte = |at: usize| hex.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..hex.len()).step_by(2).map(byte).collect();
    let plain = bytes.and_then(|sealed| engine.open(&key, "transit", &sealed).ok());
    match plain.and_then(|plain| String::from_utf8(plain).ok()) {
        Some(plaintext) => (StatusCode::OK, Json(json!({"data": {"plaintext": plaintext}}))),
        None => refused(StatusCode::BAD_REQUEST, "cipher: message authentication failed"),
    }
}
