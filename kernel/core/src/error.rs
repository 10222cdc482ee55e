//! The closed set of error codes, each with its HTTP status and title (RFC 9457 `type`, `status` and `title`).
use serde::Serialize;
use std::borrow::Cow;

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, for programs. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($name),* }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];
            pub fn code(self) -> &'static str { match self { $(ErrorCode::$name => $code),* } }
            pub fn status(self) -> u16 { match self { $(ErrorCode::$name => $status),* } }
            pub fn title(self) -> &'static str { match self { $(ErrorCode::$name => $title),* } }
        }
    };
}

codes! {
    Malformed = "malformed", 400, "The request cannot be read";
    InvalidCursor = "invalid_cursor", 400, "The cursor is not one that this list gave";
    IdempotencyKeyMissing = "idempotency_key_missing", 400, "This request needs an Idempotency-Key";
    Unauthenticated = "unauthenticated", 401, "Sign in first";
    SignInTooOld = "insufficient_user_authentication", 401, "Sign in again";
    InsufficientScope = "insufficient_scope", 403, "You may not do this";
    OrganisationMismatch = "organisation_mismatch", 403, "The token is for another organisation";
    OrganisationInactive = "organisation_inactive", 403, "The organisation is not active";
    PlanLimit = "plan_limit", 403, "The organisation's plan does not allow more";
    NotFound = "not_found", 404, "There is no such record";
    MethodNotAllowed = "method_not_allowed", 405, "The address does not know this method";
    Conflict = "conflict", 409, "The request conflicts with what is stored";
    IdempotencyInProgress = "idempotency_in_progress", 409, "The same request is still running";
    Stale = "stale", 412, "The record was changed meanwhile";
    TooLarge = "too_large", 413, "The request is too large";
    UnsupportedMediaType = "unsupported_media_type", 415, "The content type is not accepted here";
    Validation = "validation", 422, "Some values are not accepted";
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The Idempotency-Key was used for another request";
    PreconditionRequired = "precondition_required", 428, "Say which version you are changing";
    RateLimited = "rate_limited", 429, "Too many requests";
    Internal = "internal", 500, "Something went wrong on our side";
    Unavailable = "unavailable", 503, "Not available just now";
    DeadlineExceeded = "deadline_exceeded", 503, "The request took too long";
}

/// One thing wrong with one value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// RFC 6901 JSON pointer into the request body, e.g. `/records/3/status`.
    pub pointer: Cow<'static, str>,
    /// For programs, e.g. `required`, `unknown_value`, `too_long`.
    pub code: Cow<'static, str>,
    /// For people: says what to do.
    pub message: String,
}

impl FieldError {
    pub fn new(
        pointer: impl Into<Cow<'static, str>>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> FieldError {
        FieldError { pointer: pointer.into(), code: code.into(), message: message.into() }
    }
}
