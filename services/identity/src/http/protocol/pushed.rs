//! Pushed authorization requests (RFC 9126): a client hands its request in by itself and sends the person with a reference.
use crate::domain::request::{self, Parameters};
use crate::http::browser::{Browser, Form, PageError};
use crate::http::protocol::client_auth::admitted_client;
use crate::http::protocol::dpop::{bind_request, proven_key};
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::store::pushed::{self, Pushed};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::TimeDelta;
use hitaji_core::ErrorCode;
use hitaji_db::Tx;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";
const LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// Once a person came with it they may take so long to sign in.
const OPENED: TimeDelta = TimeDelta::minutes(15);
/// How the client proved itself is no part of the request.
const PROOFS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(push(&ctx, form).await)
}

async fn push(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let (_, form, client) = admitted_client(ctx, form.map_err(too_large)).await?;
    if form.first("request_uri").is_some() {
        return Err(OauthError::new("invalid_request", "a pushed request holds no request_uri"));
    }
    let proven = proven_key(ctx, &client).await?;
    let mut parameters = bind_request(form.with("client_id", Some(&client.id)), proven.as_deref())?;
    for name in PROOFS {
        parameters = parameters.with(name, None);
    }
    let destination = request::destination(&parameters, Some(client.clone())).map_err(|key| match key {
        "bad_client" => OauthError::new("unauthorized_client", "the client is not registered for codes"),
        _ => OauthError::new("invalid_request", "redirect_uri is missing or not registered"),
    })?;
    request::read(&parameters).map_err(|refusal| OauthError::new(refusal.error, refusal.description))?;
    let (now, reference) = (ctx.now(), random_token());
    let row = Pushed { client_id: destination.client.id.clone(), parameters: parameters.encode() };
    let mut conn = ctx.read().await?;
    pushed::insert(&mut conn, &sha256(reference.as_bytes()), &row, now, now + LIFETIME).await?;
    conn.release();
    let body = json!({"request_uri": format!("{PREFIX}{reference}"), "expires_in": LIFETIME.num_seconds()});
    Ok(json_body(StatusCode::CREATED, &body))
}

/// Section 2.3: too large a request is 413.
fn too_large(problem: Problem) -> OauthError {
    let status = (problem.code == ErrorCode::TooLarge).then_some(StatusCode::PAYLOAD_TOO_LARGE);
    let error = OauthError::from(problem);
    OauthError { status: status.unwrap_or(error.status), ..error }
}

/// An authorization request on its way, whether its parameters stand in the address or were pushed.
pub struct Journey {
    pub parameters: Parameters,
    /// Hash and whole reference.
    pushed: Option<([u8; 32], String)>,
}

impl Journey {
    /// What is asked. Beside a reference of ours nothing counts but `client_id` (RFC 9101 section 6.3). One that is unknown,
    /// expired, used or another client's is a page: where to redirect would have stood in it.
    pub async fn of(browser: &Browser, given: Parameters) -> Result<Journey, PageError> {
        let reference =
            given.get("request_uri").ok().flatten().filter(|uri| uri.starts_with(PREFIX)).map(str::to_owned);
        let Some(reference) = reference else {
            return Ok(Journey { parameters: given, pushed: None });
        };
        let bad = || PageError::Page(StatusCode::BAD_REQUEST, "bad_request_uri");
        let client_id = request::client_id(&given).ok_or_else(bad)?;
        let hash = sha256(&reference.as_bytes()[PREFIX.len()..]);
        let now = browser.ctx.now();
        let mut conn = browser.ctx.read().await?;
        let found = pushed::find(&mut conn, &hash, client_id, now).await?;
        if found.is_some() {
            pushed::opened(&mut conn, &hash, now, now + OPENED).await?;
        }
        conn.release();
        let parameters = Parameters::parse(&found.ok_or_else(bad)?.parameters);
        Ok(Journey { parameters, pushed: Some((hash, reference)) })
    }

    pub fn is_pushed(&self) -> bool {
        self.pushed.is_some()
    }

    /// The address at which it goes on, with what was settled. Of a pushed request the settled part is stored: in the
    /// address anybody could change it.
    pub async fn going_on(&self, browser: &Browser, settled: &[(&str, Option<&str>)]) -> Result<String, Problem> {
        let mut parameters = self.parameters.clone();
        for (name, value) in settled {
            parameters = parameters.with(name, *value);
        }
        let Some((hash, reference)) = &self.pushed else {
            return Ok(format!("/oauth/authorize?{}", parameters.encode()));
        };
        let mut conn = browser.ctx.read().await?;
        pushed::settle(&mut conn, hash, &parameters.encode()).await?;
        conn.release();
        let short = Parameters::default()
            .with("client_id", parameters.first("client_id"))
            .with("request_uri", Some(reference))
            // Not part of the request; the pages on the way read it.
            .with("ui_locales", parameters.first("ui_locales"));
        Ok(format!("/oauth/authorize?{}", short.encode()))
    }

    /// It is answered, and cannot be answered again.
    pub async fn use_up(&self, tx: &mut Tx, browser: &Browser) -> Result<(), PageError> {
        let Some((hash, _)) = &self.pushed else { return Ok(()) };
        if pushed::use_up(tx, hash, browser.ctx.now()).await? {
            return Ok(());
        }
        Err(PageError::Page(StatusCode::BAD_REQUEST, "bad_request_uri"))
    }
}
