//! The Socket.IO side: connect with a token, subscribe, unsubscribe, renew.
use crate::config::Settings;
use crate::events::{Hub, Refusal};
use axum::Router;
use hitaji_bus::Offset;
use hitaji_db::TenantState;
use hitaji_web::Verified;
use serde::Deserialize;
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, SocketRef, State, TryData};
use socketioxide::handler::ConnectHandler as _;
use std::sync::Arc;
use std::time::Duration;

const MAX_PAYLOAD: u64 = 64 << 10;

#[derive(Clone, Deserialize)]
struct Auth {
    token: String,
}

#[derive(Deserialize)]
struct Subscribe {
    topic: String,
    #[serde(default)]
    after: Option<Offset>,
}

#[derive(Deserialize)]
struct Unsubscribe {
    topic: String,
}

/// Puts `/socket.io` in front of the router and starts the pump.
pub fn attach(router: Router, hub: Arc<Hub>, settings: Settings) -> Router {
    let (layer, io) = SocketIo::builder()
        .with_state(hub.clone())
        .max_buffer_size(settings.buffer)
        .max_payload(MAX_PAYLOAD)
        .ws_max_message_size(MAX_PAYLOAD as usize)
        .ws_read_buffer_size(1024)
        .connect_timeout(Duration::from_secs(15))
        .build_layer();
    io.ns("/", connected.with(authenticated));
    tokio::spawn(hub.run());
    router.layer(layer)
}

async fn verify(hub: &Hub, token: &str) -> Result<Arc<Verified>, Refusal> {
    let refused = |message| Refusal { code: "unauthenticated", message };
    let verified = hub.platform().verify(token).await.map_err(|_| refused("The token is not valid. Sign in again."))?;
    let tenant = verified.tenant.ok_or_else(|| refused("The token names no organisation."))?;
    let tenant = hub.platform().databases().describe(tenant).await.map_err(|_| refused("Try again in a moment."))?;
    if tenant.state != TenantState::Active {
        return Err(refused("The organisation is not active."));
    }
    Ok(verified)
}

/// Before the connection is made: a good token, and room for one more.
async fn authenticated(
    socket: SocketRef,
    TryData(auth): TryData<Auth>,
    State(hub): State<Arc<Hub>>,
) -> Result<(), String> {
    let Ok(auth) = auth else { return Err("unauthenticated: connect with auth {token}".to_owned()) };
    let verified =
        verify(&hub, &auth.token).await.map_err(|refusal| format!("{}: {}", refusal.code, refusal.message))?;
    let full = verified.tenant.is_none_or(|tenant| hub.count(tenant) >= hub.settings().sockets_per_organisation);
    if full {
        return Err("too_many: your organisation has too many connections open".to_owned());
    }
    listen(&socket);
    if let Some(tenant) = verified.tenant {
        hub.join(socket, tenant, verified);
    }
    Ok(())
}

/// The connection needs nothing more: everything was set up before it was confirmed.
async fn connected() {}

/// Sets up what the client may say. Before the connection is confirmed, because a client may speak at once, and a
/// message that nobody listens for is lost.
fn listen(socket: &SocketRef) {
    socket.on(
        "subscribe",
        async |socket: SocketRef, TryData(ask): TryData<Subscribe>, ack: AckSender, State(hub): State<Arc<Hub>>| {
            let answer = match ask {
                Ok(ask) => match hub.subscribe(socket.id, &ask.topic, ask.after).await {
                    Ok(done) => json!({"ok": true, "offset": done.offset, "recovered": done.recovered}),
                    Err(refusal) => refused(&refusal),
                },
                Err(_) => malformed(),
            };
            reply(ack, &answer);
        },
    );
    socket.on(
        "unsubscribe",
        async |socket: SocketRef, TryData(ask): TryData<Unsubscribe>, ack: AckSender, State(hub): State<Arc<Hub>>| {
            let answer = match ask {
                Ok(ask) => {
                    hub.unsubscribe(socket.id, &ask.topic).await;
                    json!({"ok": true})
                }
                Err(_) => malformed(),
            };
            reply(ack, &answer);
        },
    );
    socket.on(
        "authenticate",
        async |socket: SocketRef, TryData(auth): TryData<Auth>, ack: AckSender, State(hub): State<Arc<Hub>>| {
            let answer = match auth {
                Ok(auth) => match renew(&hub, &socket, &auth.token).await {
                    Ok(()) => json!({"ok": true}),
                    Err(refusal) => refused(&refusal),
                },
                Err(_) => malformed(),
            };
            reply(ack, &answer);
        },
    );
    socket.on_disconnect(async |socket: SocketRef, State(hub): State<Arc<Hub>>| hub.leave(socket.id).await);
}

async fn renew(hub: &Hub, socket: &SocketRef, token: &str) -> Result<(), Refusal> {
    hub.renew(socket.id, verify(hub, token).await?).await
}

fn refused(refusal: &Refusal) -> Value {
    json!({"ok": false, "error": refusal})
}

fn malformed() -> Value {
    json!({"ok": false, "error": {"code": "malformed", "message": "The message is not what this event takes."}})
}

fn reply(ack: AckSender, answer: &Value) {
    // A client that left meanwhile needs no answer.
    let _ = ack.send(answer);
}
