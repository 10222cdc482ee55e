//! OpenID Connect Back-Channel Logout 1.0, our side: clients are told that a session of theirs has ended. The event writes
//! down who is to be told; a job tells them, so that one who does not listen holds nobody up.
use crate::domain::client::Client;
use crate::domain::outbound::is_public;
use crate::http::keys::KeySet;
use crate::http::provider::Provider;
use crate::store::client;
use crate::store::logout_notice::{self, Notice};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_bus::{ConsumerError, Delivery};
use hitaji_contracts::identity::SessionEnded;
use hitaji_core::new_id;
use hitaji_db::{Databases, DbError};
use reqwest::redirect::Policy;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use url::Url;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
const TOKEN_LIFETIME_S: i64 = 120;
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const ATTEMPTS_MAX: i32 = 5;
const FIRST_RETRY: TimeDelta = TimeDelta::seconds(10);
const BATCH: i64 = 64;
const BATCH_OF_ONE_CLIENT: i64 = 8;

/// Writes down every client that got tokens in the session and wants to be told.
pub async fn note(delivery: Delivery<'_>) -> Result<(), ConsumerError> {
    let Some(event) = delivery.event.decode::<SessionEnded>() else { return Ok(()) };
    let event = event?;
    let provider = delivery.parts.get::<Provider>();
    let now = delivery.tx.scope().at;
    for client_id in logout_notice::clients_of(delivery.tx, event.session_id).await? {
        let wants = match provider.clients.iter().find(|client| client.id == client_id) {
            Some(client) => client.backchannel_logout_uri.is_some(),
            None => {
                client::find(delivery.tx, &client_id, now).await?.is_some_and(|c| c.backchannel_logout_uri.is_some())
            }
        };
        if wants {
            let notice =
                Notice { client_id, session_id: event.session_id, account_id: event.account_id.0, attempts: 0 };
            logout_notice::insert(delivery.tx, &notice, now).await?;
        }
    }
    Ok(())
}

/// Tells those who are due, all at once; who does not listen is tried again later and later, then given up.
pub async fn tell_all(databases: &Databases, provider: &Arc<Provider>) -> Result<(), DbError> {
    let now = databases.clock().now();
    let mut conn = databases.control().await?;
    let due = logout_notice::due(&mut conn, now, BATCH_OF_ONE_CLIENT, BATCH).await?;
    conn.release();
    if due.is_empty() {
        return Ok(());
    }
    let keys = provider.keys.get(databases).await?;
    let mut tasks = JoinSet::new();
    for notice in due {
        let (provider, keys) = (provider.clone(), keys.clone());
        tasks.spawn(async move {
            let outcome = tell(&provider, &keys, &notice, now).await;
            (notice, outcome)
        });
    }
    while let Some(done) = tasks.join_next().await {
        // One that panicked stays due.
        let Ok((notice, outcome)) = done else { continue };
        let mut conn = databases.control().await?;
        settle(&mut conn, &notice, outcome, now).await?;
        conn.release();
    }
    Ok(())
}

async fn settle(
    conn: &mut sqlx::PgConnection,
    notice: &Notice,
    outcome: Result<(), String>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    let (client, session) = (&notice.client_id, notice.session_id);
    match outcome {
        Ok(()) => logout_notice::delete(conn, notice).await,
        Err(reason) if notice.attempts + 1 >= ATTEMPTS_MAX => {
            tracing::warn!(client, %session, reason, "a client was not told that a session ended, and is not tried again");
            logout_notice::delete(conn, notice).await
        }
        Err(reason) => {
            tracing::info!(client, %session, reason, "a client could not be told that a session ended; it is tried again");
            let wait = FIRST_RETRY * 4_i32.pow(notice.attempts.clamp(0, 8).unsigned_abs());
            logout_notice::postpone(conn, notice, now + wait).await
        }
    }
}

async fn tell(provider: &Provider, keys: &KeySet, notice: &Notice, now: DateTime<Utc>) -> Result<(), String> {
    let client = provider.client(&notice.client_id).await.map_err(|error| error.to_string())?;
    // Whoever was removed meanwhile, or wants it no more, has nothing to be told.
    let Some(client) = client else { return Ok(()) };
    let Some(uri) = &client.backchannel_logout_uri else { return Ok(()) };
    let token = logout_token(provider, keys, notice, now)?;
    let http = sender(provider, &client, uri).await?;
    let sent = http.post(uri).form(&[("logout_token", &token)]).send().await;
    // What it says besides is of no interest, so the body is not read.
    match sent {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("it answered {}", answer.status())),
        Err(error) if error.is_timeout() => Err("it did not answer in time".into()),
        Err(_) => Err("it cannot be reached".into()),
    }
}

/// Section 2.4; without a nonce, so that it is never taken for an ID token.
fn logout_token(provider: &Provider, keys: &KeySet, notice: &Notice, now: DateTime<Utc>) -> Result<String, String> {
    let claims = json!({
        "iss": provider.origin,
        "aud": notice.client_id,
        "iat": now.timestamp(),
        "exp": now.timestamp() + TOKEN_LIFETIME_S,
        "jti": new_id(),
        "sub": notice.account_id,
        "sid": notice.session_id,
        "events": { EVENT: {} },
    });
    keys.id.sign("logout+jwt", &claims)
}

/// What asks the client: never a redirect, never http outside of development, and for an organisation's client, whose
/// address we did not choose, only the public internet.
async fn sender(provider: &Provider, client: &Client, uri: &str) -> Result<reqwest::Client, String> {
    let url = Url::parse(uri).map_err(|_| "its address is none")?;
    let development = provider.origin.starts_with("http:");
    if url.scheme() != "https" && !development {
        return Err("its address is not https".into());
    }
    let mut builder = reqwest::Client::builder().redirect(Policy::none()).timeout(ANSWER_WITHIN).no_proxy();
    if client.organisation_id.is_some() && !development {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|_| "its name is not known")?.collect();
        if addresses.is_empty() || !addresses.iter().all(|address| is_public(address.ip())) {
            return Err("its address is not public".into());
        }
        // The name is not looked up a second time, when it might say something else.
        builder = builder.resolve_to_addrs(host, &addresses);
    }
    builder.build().map_err(|error| error.to_string())
}
