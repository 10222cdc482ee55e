//! Extractors: the ways into a handler. Each refuses with a problem that says what to mend.
use crate::{Ctx, PlatformCtx, Problem, Request};
use axum::extract::{FromRequest, FromRequestParts, Path};
use hitaji_core::{ErrorCode, FieldError};
use hitaji_db::secrets::sha256;
use http::header;
use http::request::Parts;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const BODY_LIMIT: usize = 1 << 20;
const UPLOAD_LIMIT: usize = 25 << 20;
const READ_TIMEOUT: Duration = Duration::from_secs(30);

impl<S: Sync> FromRequestParts<S> for Ctx {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Ctx, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal("a handler wants a Ctx on a route without one"))
    }
}

impl<S: Sync> FromRequestParts<S> for PlatformCtx {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<PlatformCtx, Problem> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::internal("a handler wants a PlatformCtx on a route without one"))
    }
}

/// The one `{id}` of the path. What is no UUID is no record: 404.
pub struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let Segments(id) = Segments::<Uuid>::from_request_parts(parts, state).await?;
        Ok(Id(id))
    }
}

/// Several values of the path. What does not fit is no record: 404.
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Segments<T>, Problem> {
        let Path(values) = Path::<T>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        Ok(Segments(values))
    }
}

/// Query parameters. Unknown ones are refused where `T` denies unknown fields.
pub struct Params<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Params<T>, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        serde_urlencoded::from_str(query)
            .map(Params)
            .map_err(|error| Problem::new(ErrorCode::Malformed, format!("Query parameters: {error}.")))
    }
}

/// A JSON body of at most 1 MiB, as `T`.
pub struct Body<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;
    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Body<T>, Problem> {
        let content_type = content_type(request.headers());
        if content_type != "application/json" && content_type != "application/merge-patch+json" {
            return Err(Problem::new(ErrorCode::UnsupportedMediaType, "Send the body as application/json."));
        }
        let bytes = read(request, BODY_LIMIT).await?;
        // Serde would take an array as the members of a struct in their order.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::new(ErrorCode::Malformed, "The body is a JSON object."));
        }
        let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| malformed(&error))?;
        deserializer
            .end()
            .map_err(|_| Problem::new(ErrorCode::Malformed, "There is something after the end of the JSON."))?;
        Ok(Body(value))
    }
}

/// A file of at most 25 MiB with its content type.
pub struct Upload {
    pub content_type: String,
    pub bytes: Vec<u8>,
}

impl<S: Sync> FromRequest<S> for Upload {
    type Rejection = Problem;
    async fn from_request(request: axum::extract::Request, _: &S) -> Result<Upload, Problem> {
        let content_type = content_type(request.headers());
        Ok(Upload { content_type, bytes: read(request, UPLOAD_LIMIT).await? })
    }
}

/// The media type without parameters, in lower case.
fn content_type(headers: &http::HeaderMap) -> String {
    let text = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads the body within its limit and notes its hash for the idempotency check.
async fn read(request: axum::extract::Request, limit: usize) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::new(ErrorCode::TooLarge, format!("At most {} MiB are accepted here.", limit >> 20));
    let announced =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let state = request.extensions().get::<Arc<Request>>().cloned();
    let collecting = Limited::new(request.into_body(), limit).collect();
    let collected = tokio::time::timeout(READ_TIMEOUT, collecting)
        .await
        .map_err(|_| Problem::new(ErrorCode::Malformed, "The body did not arrive in time."))?;
    let bytes = collected
        .map_err(|error| {
            let over = error.downcast_ref::<LengthLimitError>().is_some();
            if over { too_large() } else { Problem::new(ErrorCode::Malformed, "The body could not be read.") }
        })?
        .to_bytes();
    if let Some(state) = state.filter(|state| state.headers.contains_key("idempotency-key")) {
        // Only the first body of a request counts; there is no second.
        let _ = state.body_hash.set(sha256(&bytes));
    }
    Ok(bytes.to_vec())
}

fn malformed(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let path = error.path().to_string();
    let pointer =
        if path == "." { String::new() } else { format!("/{}", path.replace(['.', '['], "/").replace(']', "")) };
    let inner = error.inner().to_string();
    // serde_json appends the place in the text; people get the pointer instead.
    let message = inner.split(" at line ").next().unwrap_or_default().to_owned();
    let code = if message.starts_with("unknown field") {
        "unknown_field"
    } else if message.starts_with("missing field") {
        "required"
    } else {
        "malformed"
    };
    let mut problem =
        Problem::new(ErrorCode::Malformed, format!("The body is not what this address takes: {message}."));
    problem.errors = vec![FieldError::new(pointer, code, message)];
    problem
}
