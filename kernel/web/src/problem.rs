//! RFC 9457 problem answers: what a client is told, and the cause that only the log sees.
use crate::Answer;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hitaji_bus::ConsumerError;
use hitaji_core::{ErrorCode, FieldError};
use hitaji_db::DbError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// An answer that is not a success; also a replayed success, which ends a handler early in the same way.
/// A pointer wide, because every handler's result carries room for one.
#[derive(Clone, Debug)]
pub struct Problem(Box<ProblemParts>);

#[derive(Clone, Debug)]
pub struct ProblemParts {
    pub code: ErrorCode,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Further members of the problem object.
    pub extra: Map<String, Value>,
    pub retry_after_s: Option<u64>,
    /// The scope that was missing.
    pub scope: Option<&'static str>,
    /// The error code for who proves that a key is theirs (RFC 9449 section 7.1).
    pub dpop: Option<&'static str>,
    cause: Option<Arc<str>>,
    replay: Option<Box<Answer>>,
}

impl Deref for Problem {
    type Target = ProblemParts;
    fn deref(&self) -> &ProblemParts {
        &self.0
    }
}

impl DerefMut for Problem {
    fn deref_mut(&mut self) -> &mut ProblemParts {
        &mut self.0
    }
}

impl Problem {
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Problem {
        Problem(Box::new(ProblemParts {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            extra: Map::new(),
            retry_after_s: None,
            scope: None,
            dpop: None,
            cause: None,
            replay: None,
        }))
    }

    /// 404, with one text for absent and invisible records.
    pub fn not_found() -> Problem {
        Problem::new(ErrorCode::NotFound, "There is no such record, or you may not see it.")
    }

    /// 422 with all that is wrong at once.
    pub fn validation(errors: Vec<FieldError>) -> Problem {
        let detail = errors.first().map_or_else(String::new, |error| error.message.clone());
        Problem::new(ErrorCode::Validation, detail).with_errors(errors)
    }

    /// Says when to try again, in seconds.
    pub fn retry_after(mut self, seconds: u64) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn with_errors(mut self, errors: Vec<FieldError>) -> Problem {
        self.errors = errors;
        self
    }

    pub fn field(pointer: &'static str, code: &'static str, message: impl Into<String>) -> Problem {
        Problem::validation(vec![FieldError::new(pointer, code, message)])
    }

    pub fn internal(cause: impl ToString) -> Problem {
        let mut problem = Problem::new(
            ErrorCode::Internal,
            "The request was not carried out. Try again; if it happens again, tell us the request id.",
        );
        problem.cause = Some(cause.to_string().into());
        problem
    }

    pub(crate) fn replay(answer: Answer) -> Problem {
        let mut problem = Problem::new(ErrorCode::Conflict, "");
        problem.replay = Some(Box::new(answer));
        problem
    }

    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Problem {
        self.extra.insert(name.to_owned(), value.into());
        self
    }

    /// Answers a request that came with a proof of possession, or should have.
    pub(crate) fn of_dpop(mut self, error: &'static str) -> Problem {
        self.dpop = Some(error);
        self
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The finished HTTP answer.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let mut body = json!({
            "type": format!("/docs/problems/{}", self.code.code()),
            "title": self.code.title(),
            "status": self.code.status(),
            "code": self.code.code(),
            "detail": self.detail,
            "request_id": request_id,
        });
        if let Value::Object(members) = &mut body {
            if !self.errors.is_empty() {
                members.insert("errors".into(), json!(self.errors));
            }
            members.extend(self.extra.clone());
        }
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    /// `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1).
    pub fn challenge(&self) -> Option<HeaderValue> {
        if let Some(error) = self.dpop.filter(|_| self.code == ErrorCode::Unauthenticated) {
            let algorithms = crate::DPOP_ALGORITHMS.join(" ");
            let text = format!("DPoP realm=\"hitaji\", error=\"{error}\", algs=\"{algorithms}\"");
            return HeaderValue::from_str(&text).ok();
        }
        match self.code {
            // RFC 9470 section 3.
            ErrorCode::SignInTooOld => {
                let age = self.extra.get("max_age").and_then(Value::as_i64).unwrap_or_default();
                let told = "a more recent sign-in is required";
                let text = format!(
                    "Bearer error=\"insufficient_user_authentication\", error_description=\"{told}\", max_age=\"{age}\""
                );
                HeaderValue::from_str(&text).ok()
            }
            ErrorCode::Unauthenticated if self.extra.contains_key("reason") => {
                Some(HeaderValue::from_static("Bearer realm=\"hitaji\", error=\"invalid_token\""))
            }
            ErrorCode::Unauthenticated => Some(HeaderValue::from_static("Bearer realm=\"hitaji\"")),
            ErrorCode::InsufficientScope => {
                let scope = self.scope.unwrap_or_default();
                HeaderValue::from_str(&format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")).ok()
            }
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    /// Only marks the response; the outermost layer renders it, because it knows the request id.
    fn into_response(self) -> Response {
        if let Some(answer) = self.0.replay {
            return answer.replayed().into_response();
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Problem {
        match &error {
            DbError::IdempotencyRace => {
                Problem::new(ErrorCode::IdempotencyInProgress, "Send the same request again in a moment.")
                    .retry_after(1)
            }
            DbError::InactiveTenant(state) => {
                Problem::new(ErrorCode::OrganisationInactive, format!("The organisation is {state}."))
            }
            DbError::UnknownTenant => {
                Problem::new(ErrorCode::OrganisationInactive, "The organisation does not exist any more.")
            }
            _ if error.is_unavailable() => {
                let told = "The database cannot be reached just now. Nothing was changed; try again.";
                let mut problem = Problem::new(ErrorCode::Unavailable, told).retry_after(1);
                problem.cause = Some(error.to_string().into());
                problem
            }
            _ if error.is_unstorable() => Problem::new(
                ErrorCode::Malformed,
                "A value cannot be stored: a text with a NUL character, or a number or date out of range.",
            ),
            _ => Problem::internal(error),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Problem {
        DbError::from(error).into()
    }
}

impl From<ConsumerError> for Problem {
    fn from(error: ConsumerError) -> Problem {
        Problem::internal(error)
    }
}
