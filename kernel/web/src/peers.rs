//! Questions from one service to another: the same HTTP whether the other runs in this process or elsewhere.
use crate::{Problem, trace};
use axum::Router;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_core::{Clock, ErrorCode};
use hitaji_db::secrets::MasterKey;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tower::ServiceExt as _;

const PURPOSE: &str = "peer-token";
const LIFETIME_S: i64 = 60;
/// A question without a deadline of its own, and any answer at all.
const LONGEST: Duration = Duration::from_secs(60);

/// Who asks: another service, on behalf of a person where there is one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Peer {
    pub service: String,
    pub exp: i64,
}

#[derive(Clone)]
pub struct Peers(Arc<Inner>);

struct Inner {
    local: OnceLock<Router>,
    hosted: Vec<&'static str>,
    addresses: HashMap<String, String>,
    http: reqwest::Client,
    master: MasterKey,
    clock: Clock,
}

impl Peers {
    pub(crate) fn new(
        hosted: Vec<&'static str>,
        addresses: HashMap<String, String>,
        master: MasterKey,
        clock: Clock,
    ) -> Result<Peers, String> {
        let http =
            reqwest::Client::builder().timeout(LONGEST).build().map_err(|error| format!("HTTP client: {error}"))?;
        Ok(Peers(Arc::new(Inner { local: OnceLock::new(), hosted, addresses, http, master, clock })))
    }

    /// Called once, when the routes of this process are assembled.
    pub(crate) fn serve_locally(&self, router: Router) {
        // A second call would be a mistake of wiring; the first router stays.
        let _ = self.0.local.set(router);
    }

    /// Asks `service` for JSON, as the service `asking`.
    pub async fn ask<B: Serialize, T: DeserializeOwned>(
        &self,
        asking: &'static str,
        service: &str,
        method: Method,
        path: &str,
        body: &B,
    ) -> Result<T, Problem> {
        let body = serde_json::to_vec(body).map_err(Problem::internal)?;
        let authorization = format!("Peer {}", self.token(asking));
        let (status, bytes) = self.send(service, method, path, Some(authorization), body).await?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(Problem::internal);
        }
        Err(forwarded(status, &bytes))
    }

    /// Reads a public document of another service.
    pub async fn fetch_public<T: DeserializeOwned>(&self, service: &str, path: &str) -> Result<T, Problem> {
        let (status, bytes) = self.send(service, Method::GET, path, None, Vec::new()).await?;
        if status != StatusCode::OK {
            return Err(Problem::internal(format!("{service} answered {status} for {path}")));
        }
        serde_json::from_slice(&bytes).map_err(Problem::internal)
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        authorization: Option<String>,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), Problem> {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(trace) = trace::current() {
            request = request.header("traceparent", trace);
        }
        let left = trace::time_left().unwrap_or(LONGEST);
        request = request.header(trace::DEADLINE_HEADER, left.as_millis().to_string());
        let request = request.body(Body::from(body.clone())).map_err(Problem::internal)?;
        if self.0.hosted.contains(&service) {
            let router = self.0.local.get().ok_or_else(|| unavailable(service))?.clone();
            // Spawned, because a route that asks its own router would otherwise be a future of infinite size.
            let asked = tokio::spawn(async move {
                let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
                let status = response.status();
                response.into_body().collect().await.map(|body| (status, body.to_bytes().to_vec()))
            });
            return asked.await.map_err(Problem::internal)?.map_err(Problem::internal);
        }
        let address = self.0.addresses.get(service).ok_or_else(|| unavailable(service))?;
        let (parts, _) = request.into_parts();
        let sent = self
            .0
            .http
            .request(parts.method, format!("{address}{path}"))
            .timeout(left)
            .headers(parts.headers)
            .body(body);
        let response = sent.send().await.map_err(|_| unavailable(service))?;
        let status = response.status();
        Ok((status, response.bytes().await.map_err(|_| unavailable(service))?.to_vec()))
    }

    fn token(&self, asking: &str) -> String {
        let peer = Peer { service: asking.to_owned(), exp: self.0.clock.now().timestamp() + LIFETIME_S };
        let claims = serde_json::to_vec(&peer).expect("cannot fail: string keys");
        let signature = self.0.master.sign(PURPOSE, &claims);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(claims), URL_SAFE_NO_PAD.encode(signature))
    }

    /// The peer that a token of [`Peers::ask`] names.
    pub(crate) fn verify(&self, token: &str) -> Option<Peer> {
        let (claims, signature) = token.split_once('.')?;
        let (claims, signature) = (URL_SAFE_NO_PAD.decode(claims).ok()?, URL_SAFE_NO_PAD.decode(signature).ok()?);
        if !self.0.master.verify(PURPOSE, &claims, &signature) {
            return None;
        }
        let peer: Peer = serde_json::from_slice(&claims).ok()?;
        (peer.exp > self.0.clock.now().timestamp()).then_some(peer)
    }
}

fn unavailable(service: &str) -> Problem {
    let mut problem =
        Problem::new(ErrorCode::Unavailable, format!("The service {service} cannot be reached just now; try again."));
    problem.retry_after_s = Some(1);
    problem
}

/// Another service's problem as our own, so that a person sees what is wrong with what they sent.
fn forwarded(status: StatusCode, bytes: &[u8]) -> Problem {
    #[derive(Deserialize)]
    struct Wire {
        code: String,
        detail: String,
        #[serde(default)]
        errors: Vec<WireError>,
    }
    #[derive(Deserialize)]
    struct WireError {
        pointer: String,
        code: String,
        message: String,
    }
    let Ok(wire) = serde_json::from_slice::<Wire>(bytes) else {
        return Problem::internal(format!("another service answered {status}"));
    };
    let Some(code) = ErrorCode::ALL.iter().find(|code| code.code() == wire.code) else {
        return Problem::internal(format!("another service answered {status} {}", wire.code));
    };
    let mut problem = Problem::new(*code, wire.detail);
    problem.errors = wire
        .errors
        .into_iter()
        .map(|error| hitaji_core::FieldError::new(error.pointer, error.code, error.message))
        .collect();
    problem
}
