//! A simulator of Africa's Talking's bulk SMS service, from its published interface: an account with a key, a form with a number
//! and a text, an answer with a status for each number. <https://developers.africastalking.com/docs/sms/sending/bulk>
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Form, Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub const TEXTS_KEY: &str = "atsk_simulated";
/// A number that the network does not know.
pub const UNREACHABLE: &str = "+254700000404";

/// A running gateway.
#[derive(Clone)]
pub struct TextGateway {
    pub address: String,
    sent: Arc<Mutex<Vec<(String, String)>>>,
}

impl TextGateway {
    pub async fn start() -> TextGateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}/version1/messaging", listener.local_addr().expect("an address"));
        let gateway = TextGateway { address, sent: Arc::default() };
        let router = Router::new().route("/version1/messaging", post(send)).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        gateway
    }

    /// What was sent to a number, oldest first.
    pub fn texts(&self, number: &str) -> Vec<String> {
        let sent = self.sent.lock().expect("cannot be poisoned: nothing panics while it is held");
        sent.iter().filter(|(to, _)| to == number).map(|(_, text)| text.clone()).collect()
    }
}

async fn send(
    State(gateway): State<TextGateway>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> (StatusCode, Json<Value>) {
    if headers.get("apikey").is_none_or(|key| key != TEXTS_KEY)
        || form.get("username").is_none_or(|name| name != "sandbox")
    {
        return (StatusCode::UNAUTHORIZED, Json(json!("The supplied authentication is invalid")));
    }
    let (Some(to), Some(text)) = (form.get("to"), form.get("message")) else {
        return (StatusCode::BAD_REQUEST, Json(json!("Request is missing required form field")));
    };
    let known = to != UNREACHABLE;
    if known {
        let mut sent = gateway.sent.lock().expect("cannot be poisoned: nothing panics while it is held");
        sent.push((to.clone(), text.clone()));
    }
    let (code, status) = if known { (101, "Success") } else { (403, "InvalidPhoneNumber") };
    let recipient =
        json!({"statusCode": code, "number": to, "status": status, "cost": "KES 0.8000", "messageId": "ATXid_1"});
    let answer =
        json!({"SMSMessageData": {"Message": "Sent to 1/1 Total Cost: KES 0.8000", "Recipients": [recipient]}});
    (StatusCode::CREATED, Json(answer))
}
