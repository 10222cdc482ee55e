//! SCIM 2.0 (RFC 7644) under `/scim/v2`: an organisation's directory says who its people are and what their roles.
pub mod documents;
pub mod groups;
pub mod people;
pub mod users;

use crate::domain::scim::Fault;
use crate::http::provider::Provider;
use crate::http::session::begin;
use crate::http::throttle::Try;
use crate::store::scim::{self, Token};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hitaji_core::{ErrorCode, TenantId};
use hitaji_db::secrets::sha256;
use hitaji_db::{Tenant, TenantState, Tx};
use hitaji_web::{Access, PlatformCtx, Problem, Route};
use serde_json::{Value, json};
use std::sync::Arc;

const BODY_BYTES_MAX: usize = 256 << 10;
pub const PAGE_MAX: i64 = 200;
const ACCESS: Access = Access::Public("a SCIM token of an organisation is checked by the protocol itself");

pub fn routes() -> Vec<Route> {
    let routes = [
        Route::get("/scim/v2/ServiceProviderConfig", ACCESS, documents::config),
        Route::get("/scim/v2/ResourceTypes", ACCESS, documents::resource_types),
        Route::get("/scim/v2/Schemas", ACCESS, documents::schemas),
        Route::get("/scim/v2/Users", ACCESS, users::list),
        Route::post("/scim/v2/Users", ACCESS, users::create),
        Route::get("/scim/v2/Users/{id}", ACCESS, users::read),
        Route::new(Method::PUT, "/scim/v2/Users/{id}", ACCESS, users::replace),
        Route::patch("/scim/v2/Users/{id}", ACCESS, users::patch),
        Route::delete("/scim/v2/Users/{id}", ACCESS, users::remove),
        Route::get("/scim/v2/Groups", ACCESS, groups::list),
        Route::post("/scim/v2/Groups", ACCESS, groups::create),
        Route::get("/scim/v2/Groups/{id}", ACCESS, groups::read),
        Route::new(Method::PUT, "/scim/v2/Groups/{id}", ACCESS, groups::replace),
        Route::patch("/scim/v2/Groups/{id}", ACCESS, groups::patch),
        Route::delete("/scim/v2/Groups/{id}", ACCESS, groups::create),
    ];
    routes.into_iter().map(Route::protocol).collect()
}

/// A directory that has shown its token.
pub struct Directory {
    pub ctx: PlatformCtx,
    pub provider: Arc<Provider>,
    pub token: Token,
    pub tenant: Arc<Tenant>,
}

/// A refusal in SCIM's words.
#[derive(Debug)]
pub enum ScimError {
    Fault(Fault),
    Problem(Box<Problem>),
}

pub type ScimResult = Result<Response, ScimError>;

impl From<Fault> for ScimError {
    fn from(fault: Fault) -> ScimError {
        ScimError::Fault(fault)
    }
}

impl From<Problem> for ScimError {
    fn from(problem: Problem) -> ScimError {
        ScimError::Problem(Box::new(problem))
    }
}

impl From<hitaji_db::DbError> for ScimError {
    fn from(error: hitaji_db::DbError) -> ScimError {
        Problem::from(error).into()
    }
}

pub const UNAUTHORISED: Fault =
    Fault { status: 401, scim_type: None, detail: "Send a SCIM token of the organisation." };
pub const NOT_FOUND: Fault = Fault { status: 404, scim_type: None, detail: "There is no such resource." };
pub const STALE: Fault =
    Fault { status: 412, scim_type: None, detail: "The resource was changed meanwhile; read it again." };
pub const UNIQUENESS: Fault =
    Fault { status: 409, scim_type: Some("uniqueness"), detail: "There is a user of this userName already." };
pub const PROTECTED: Fault =
    Fault { status: 403, scim_type: None, detail: "This person has a role that the token may neither give nor take." };

impl<S: Sync> FromRequestParts<S> for Directory {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Directory, Response> {
        let ctx = PlatformCtx::from_request_parts(parts, state).await.map_err(|problem| problem.into_response())?;
        directory(ctx).await.map_err(|error| answer(Err(error)))
    }
}

async fn directory(ctx: PlatformCtx) -> Result<Directory, ScimError> {
    let provider = ctx.parts().get::<Provider>();
    provider
        .throttle
        .address(Try::Token, ctx.request().client_ip)
        .map_err(|wait| Problem::new(ErrorCode::RateLimited, "Too many requests.").retry_after(wait.0))?;
    let shown = ctx.request().header(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let shown = shown.filter(|token| token.len() <= 200).ok_or(UNAUTHORISED)?;
    let mut conn = ctx.read().await?;
    let token = scim::use_token(&mut conn, &sha256(shown.as_bytes()), ctx.now()).await?;
    conn.release();
    let token = token.ok_or(UNAUTHORISED)?;
    let tenant = ctx.databases().describe(TenantId(token.organisation_id)).await?;
    if tenant.state != TenantState::Active {
        return Err(UNAUTHORISED.into());
    }
    Ok(Directory { ctx, provider, token, tenant })
}

impl Directory {
    /// A transaction in the token's name, in which every member has their row.
    pub async fn tx(&self) -> Result<Tx, ScimError> {
        let mut tx = begin(&self.ctx, format!("scim:{}", self.token.id)).await?;
        scim::follow_members(&mut tx, self.token.organisation_id, self.ctx.now()).await?;
        Ok(tx)
    }

    pub fn if_match(&self, version: i64) -> Result<(), Fault> {
        let sent = self.ctx.request().header(header::IF_MATCH).map(str::trim);
        if sent.is_none_or(|sent| sent == "*" || sent == etag(version)) { Ok(()) } else { Err(STALE) }
    }

    pub fn address(&self, kind: &str, id: impl std::fmt::Display) -> String {
        format!("{}/scim/v2/{kind}/{id}", self.provider.origin)
    }
}

pub fn etag(version: i64) -> String {
    format!("W/\"{version}\"")
}

/// A JSON body, as `application/scim+json` or plain.
pub struct ScimBody(pub Value);

impl<S: Send + Sync> FromRequest<S> for ScimBody {
    type Rejection = Response;
    async fn from_request(request: Request, _: &S) -> Result<ScimBody, Response> {
        let refuse = |status, scim_type, detail| answer(Err(Fault { status, scim_type, detail }.into()));
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind != "application/scim+json" && kind != "application/json" {
            return Err(refuse(415, None, "Send application/scim+json."));
        }
        let read = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        let bytes = read.map_err(|_| refuse(413, None, "At most 256 KiB."))?;
        let body: Value =
            serde_json::from_slice(&bytes).map_err(|_| refuse(400, Some("invalidSyntax"), "The body is no JSON."))?;
        if body.is_object() {
            Ok(ScimBody(body))
        } else {
            Err(refuse(400, Some("invalidSyntax"), "The body is no object."))
        }
    }
}

/// The answer, whichever it is.
pub fn answer(result: ScimResult) -> Response {
    let (fault, retry) = match result {
        Ok(response) => return response,
        Err(ScimError::Fault(fault)) => (fault, None),
        Err(ScimError::Problem(problem)) => {
            if problem.code == ErrorCode::Internal {
                tracing::error!(?problem, "a SCIM request failed on our side");
            }
            let detail = match problem.code {
                ErrorCode::Validation => "The plan of the organisation has no room for this.",
                _ => "The request was not carried out. Try again.",
            };
            let status = if problem.code == ErrorCode::Validation { 403 } else { problem.code.status() };
            (Fault { status, scim_type: None, detail }, problem.retry_after_s)
        }
    };
    let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
        "status": fault.status.to_string(), "detail": fault.detail});
    if let Some(scim_type) = fault.scim_type {
        body["scimType"] = json!(scim_type);
    }
    let mut response = resource(StatusCode::from_u16(fault.status).unwrap_or(StatusCode::BAD_REQUEST), &body);
    if fault.status == 401 {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
    }
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// A resource or a list, with the headers that its `meta` asks for.
pub fn resource(status: StatusCode, body: &Value) -> Response {
    let mut response = (status, Body::from(body.to_string())).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/scim+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [(header::ETAG, &body["meta"]["version"]), (header::LOCATION, &body["meta"]["location"])] {
        if let Some(value) = value.as_str().and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// A list (RFC 7644 section 3.4.2).
pub fn list(total: i64, start: i64, resources: &[Value]) -> Response {
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": total,
        "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources});
    resource(StatusCode::OK, &body)
}
