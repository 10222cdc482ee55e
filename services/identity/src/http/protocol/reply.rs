//! Answers of protocol endpoints: JSON errors of RFC 6749 section 5.2, and cross-origin headers.
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_core::ErrorCode;
use hitaji_web::Problem;
use serde_json::{Value, json};

/// An error of a protocol endpoint.
#[derive(Debug)]
pub struct OauthError {
    pub status: StatusCode,
    pub error: &'static str,
    pub description: &'static str,
    pub retry_after_s: Option<u64>,
    /// The client tried HTTP Basic, so it is challenged.
    pub challenge: bool,
}

pub type OauthResult = Result<Response, OauthError>;

impl OauthError {
    pub fn new(error: &'static str, description: &'static str) -> OauthError {
        OauthError { status: StatusCode::BAD_REQUEST, error, description, retry_after_s: None, challenge: false }
    }

    pub fn invalid_grant(description: &'static str) -> OauthError {
        OauthError::new("invalid_grant", description)
    }

    pub fn invalid_client(challenge: bool) -> OauthError {
        let error = OauthError::new("invalid_client", "the client is unknown or did not prove itself");
        OauthError { status: StatusCode::UNAUTHORIZED, challenge, ..error }
    }

    pub fn internal(cause: impl std::fmt::Display) -> OauthError {
        tracing::error!(%cause, "a protocol endpoint failed on our side");
        OauthError { status: StatusCode::INTERNAL_SERVER_ERROR, ..OauthError::new("server_error", "try again") }
    }

    pub fn unavailable(status: StatusCode, seconds: u64) -> OauthError {
        let error = OauthError::new("temporarily_unavailable", "try again later");
        OauthError { status, retry_after_s: Some(seconds), ..error }
    }
}

impl<E: Into<Problem>> From<E> for OauthError {
    fn from(error: E) -> OauthError {
        let problem: Problem = error.into();
        match problem.code {
            ErrorCode::Internal => OauthError::internal(format!("{problem:?}")),
            ErrorCode::TooLarge | ErrorCode::Malformed | ErrorCode::UnsupportedMediaType => {
                OauthError::new("invalid_request", "send a small form")
            }
            _ => OauthError::unavailable(StatusCode::SERVICE_UNAVAILABLE, problem.retry_after_s.unwrap_or(1)),
        }
    }
}

/// The answer, whichever it is, for scripts of any origin: no cookie is looked at here.
pub fn answer(result: OauthResult) -> Response {
    let mut response = result.unwrap_or_else(|error| {
        let mut response =
            json_body(error.status, &json!({"error": error.error, "error_description": error.description}));
        let headers = response.headers_mut();
        if let Some(seconds) = error.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if error.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"hitaji\""));
        }
        response
    });
    allow_origins(&mut response);
    response
}

pub fn json_body(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, Body::from(body.to_string())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// What a browser asks before a script of another origin may.
pub async fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    allow_origins(&mut response);
    response
}

fn allow_origins(response: &mut Response) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, dpop"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "www-authenticate, retry-after, dpop-nonce"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
