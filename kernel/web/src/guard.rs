//! The two layers around every handler: the outermost one (ids, log, problems) and the route's own (authority, limits).
use crate::ctx::insufficient;
use crate::limits::Remaining;
use crate::meter::Bill;
use crate::query::check_query;
use crate::trace;
use crate::{Access, Ctx, Idempotency, Platform, PlatformCtx, Problem, Request, Route, SubjectType, Verified, quota};
use axum::extract::{ConnectInfo, MatchedPath, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures::FutureExt as _;
use hitaji_core::{ErrorCode, is_operators, new_id};
use hitaji_db::meter::Meter;
use hitaji_db::{Home, TenantState};
use http::{HeaderValue, header};
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tracing::{Level, error, event, info};
use uuid::Uuid;

/// For what asks for a recent sign-in, people must have proven who they are within this time.
const RECENT_SIGN_IN_S: i64 = 15 * 60;

/// What a route's guard must know.
pub(crate) struct Rule {
    pub service: &'static str,
    pub product: bool,
    pub home: Home,
    pub access: Access,
    /// The number of the scope's permission.
    pub permission: Option<u16>,
    /// The permission in any one place is enough; the handler asks how far it reaches.
    pub by_node: bool,
    pub idempotency: Idempotency,
    /// Names of the declared query parameters; none where a specification of its own rules the route.
    pub parameters: Option<Vec<String>>,
    pub deadline: Duration,
    /// Not held back by a limit of the plan.
    pub way_out: bool,
    pub recent_sign_in: bool,
}

impl Rule {
    pub fn new(service: &crate::Service, route: &Route, platform: &Platform) -> Result<Rule, String> {
        let permission = match route.access {
            Access::Scope(scope) | Access::Operator(scope) => Some(
                platform
                    .registry()
                    .number(scope)
                    .ok_or_else(|| format!("{} {} names no permission: {scope}", route.method, route.path))?,
            ),
            _ => None,
        };
        if permission.is_some_and(|number| is_operators(number) != matches!(route.access, Access::Operator(_))) {
            return Err(format!("{} {} mixes operators and members", route.method, route.path));
        }
        Ok(Rule {
            service: service.name,
            product: service.product,
            home: service.home,
            access: route.access,
            permission,
            by_node: route.by_node,
            idempotency: route.idempotency,
            parameters: (!route.protocol)
                .then(|| route.parameters.iter().map(|parameter| parameter.name.clone()).collect()),
            deadline: route.deadline,
            way_out: route.way_out,
            recent_sign_in: route.recent_sign_in,
        })
    }
}

/// The outermost layer.
pub(crate) async fn finish(
    State((meter, behind_proxy)): State<(Meter, bool)>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let client_ip = client_ip(&request, behind_proxy);
    let state = Arc::new(Request {
        id: request_id(&request),
        method: request.method().clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
        client_ip,
        traceparent: trace::continued(request.headers()),
        body_hash: OnceLock::new(),
        account: OnceLock::new(),
    });
    let account = || state.account.get().cloned().unwrap_or_else(|| meter.account(None));
    let work = answer(state.clone(), request, next);
    let mut response = meter.measure(work, |polled| account().spend(polled)).await;
    response.extensions_mut().insert(Bill { account: account(), meter: meter.clone() });
    response
}

async fn answer(state: Arc<Request>, mut request: axum::extract::Request, next: Next) -> Response {
    let started = Instant::now();
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    request.extensions_mut().insert(state.clone());
    let mut response = match AssertUnwindSafe(trace::within(&state.traceparent, next.run(request))).catch_unwind().await
    {
        Ok(response) => response,
        Err(_) => Problem::internal("a handler panicked").into_response(),
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        if problem.code == ErrorCode::Internal {
            error!(
                request_id = state.id,
                route,
                cause = problem.cause().unwrap_or_default(),
                "a request failed on our side"
            );
        } else if let Some(cause) = problem.cause() {
            event!(Level::WARN, request_id = state.id, route, cause, "a request could not be served just now");
        }
        let headers = std::mem::take(response.headers_mut());
        response = problem.render(&state.id);
        headers.into_iter().filter_map(|(name, value)| Some((name?, value))).for_each(|(name, value)| {
            response.headers_mut().entry(name).or_insert(value);
        });
    }
    if let Ok(value) = HeaderValue::from_str(&state.id) {
        response.headers_mut().insert("x-request-id", value);
    }
    record(&state, &route, response.status().as_u16(), started.elapsed());
    response
}

/// The caller's address; behind a proxy the last one in X-Forwarded-For, which is the one that proxy itself saw.
fn client_ip(request: &axum::extract::Request, behind_proxy: bool) -> Option<IpAddr> {
    let forwarded =
        || request.headers().get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?.rsplit(',').next();
    match forwarded().filter(|_| behind_proxy) {
        Some(address) => address.trim().parse().ok(),
        None => request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip()),
    }
}

fn record(request: &Request, route: &str, status: u16, took: Duration) {
    let labels =
        [("method", request.method.as_str().to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    metrics::histogram!("http_request_duration_seconds", &labels).record(took.as_secs_f64());
    let micros = took.as_micros() as u64;
    info!(target: "hitaji::access", request_id = request.id, method = %request.method, route, status, micros, trace_id = trace::id(request.traceparent()), "request");
}

/// The caller's `X-Request-Id` where it is a sane one, else a new one.
fn request_id(request: &axum::extract::Request) -> String {
    let given = request.headers().get("x-request-id").and_then(|value| value.to_str().ok());
    let sane =
        |id: &&str| (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    given.filter(sane).map_or_else(|| new_id().to_string(), str::to_owned)
}

/// The layer of one route.
pub(crate) async fn guard(
    State((platform, rule)): State<(Platform, Arc<Rule>)>,
    mut request: axum::extract::Request,
    next: Next,
) -> Response {
    let Some(state) = request.extensions().get::<Arc<Request>>().cloned() else {
        return Problem::internal("the outermost layer is missing").into_response();
    };
    let mut remaining = None;
    let admitted = admit(&platform, &rule, &state, &mut request, &mut remaining).await;
    let mut response = match admitted {
        Ok(()) => carry_out(&rule, &state, request, next).await,
        Err(problem) => problem.into_response(),
    };
    if let Some(remaining) = remaining {
        remaining.write(response.headers_mut());
    }
    response
}

async fn carry_out(rule: &Rule, state: &Request, request: axum::extract::Request, next: Next) -> Response {
    match trace::by_deadline(allowed(rule, state), next.run(request)).await {
        Some(response) => response,
        None => {
            let mut problem =
                Problem::new(ErrorCode::DeadlineExceeded, "The request took too long and was given up. Try again.");
            problem.retry_after_s = Some(2);
            problem.into_response()
        }
    }
}

/// The route's time; for a question of another service no more than that service has itself.
fn allowed(rule: &Rule, state: &Request) -> Duration {
    let asked = state.header(trace::DEADLINE_HEADER).filter(|_| matches!(rule.access, Access::Peer(_)));
    let left = asked.and_then(|value| value.parse().ok()).map(Duration::from_millis);
    left.map_or(rule.deadline, |left| left.min(rule.deadline))
}

/// Lets the request to its handler, with its authority. `remaining` is told as soon as the request is counted, so that
/// refusals carry it too.
async fn admit(
    platform: &Platform,
    rule: &Rule,
    state: &Arc<Request>,
    request: &mut axum::extract::Request,
    remaining: &mut Option<Remaining>,
) -> Result<(), Problem> {
    let mut operator = None;
    let peer = match rule.access {
        Access::Scope(_) | Access::Member(_) => {
            let ctx = authorise(platform, rule, state, remaining).await?;
            request.extensions_mut().insert(ctx);
            None
        }
        Access::Operator(scope) => {
            operator = Some(authorise_operator(platform, scope, rule, state, remaining).await?);
            None
        }
        Access::Public(_) => None,
        Access::Peer(_) => {
            let token = state.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Peer "));
            let peer = token.and_then(|token| platform.peers().verify(token));
            // To everybody else the route is not there.
            Some(peer.ok_or_else(Problem::not_found)?)
        }
    };
    if let Some(declared) = &rule.parameters {
        check_query(state.query(), declared)?;
    }
    if rule.idempotency == Idempotency::Required && state.idempotency_key()?.is_none() {
        return Err(Problem::new(
            ErrorCode::IdempotencyKeyMissing,
            "Send an Idempotency-Key header, for example a new UUID, and the same one when you repeat the request.",
        ));
    }
    if matches!(rule.access, Access::Public(_) | Access::Peer(_) | Access::Operator(_)) {
        let ctx =
            PlatformCtx { platform: platform.clone(), request: state.clone(), service: rule.service, peer, operator };
        request.extensions_mut().insert(ctx);
    }
    Ok(())
}

async fn authorise(
    platform: &Platform,
    rule: &Rule,
    state: &Arc<Request>,
    remaining: &mut Option<Remaining>,
) -> Result<Ctx, Problem> {
    let verified = platform.verify_request(state).await?;
    let Some(tenant_id) = verified.tenant else {
        return Err(Problem::new(ErrorCode::OrganisationMismatch, "The token names no organisation; sign in to one."));
    };
    let tenant = platform.databases().describe(tenant_id).await?;
    let (account, stands) = platform.databases().account(&tenant).await?;
    // The first to know; there is no second in one request.
    let _ = state.account.set(account.clone());
    if tenant.state != TenantState::Active {
        return Err(Problem::new(ErrorCode::OrganisationInactive, inactive(tenant.state)));
    }
    if rule.product && !tenant.products.iter().any(|product| product == rule.service) {
        return Err(Problem::new(
            ErrorCode::NotFound,
            format!("This organisation does not use the product {}.", rule.service),
        ));
    }
    // Counted before the permission is checked, so that guessing costs as much as asking.
    let (left, outcome) = platform.0.limits.check(tenant_id.0, verified.subject.0);
    *remaining = Some(left);
    outcome?;
    if let (Access::Scope(scope), Some(number)) = (rule.access, rule.permission)
        && !verified.permissions.contains(number)
        && !(rule.by_node && verified.has_in_a_node(number))
    {
        return Err(insufficient(scope));
    }
    check_recent_sign_in(platform, rule, &verified)?;
    quota::admit(platform.clock(), rule, &state.method, &tenant, &account, &stands)?;
    Ok(Ctx {
        platform: platform.clone(),
        request: state.clone(),
        tenant,
        verified,
        service: rule.service,
        home: rule.home,
    })
}

/// Somebody who runs the platform: a token without an organisation, with the permission, and for more than looking
/// from a recent sign-in.
async fn authorise_operator(
    platform: &Platform,
    scope: &'static str,
    rule: &Rule,
    state: &Request,
    remaining: &mut Option<Remaining>,
) -> Result<Arc<Verified>, Problem> {
    let verified = platform.verify_request(state).await?;
    // All operators together are one organisation to the limits.
    let (left, outcome) = platform.0.limits.check(verified.tenant.map_or(Uuid::nil(), |id| id.0), verified.subject.0);
    *remaining = Some(left);
    outcome?;
    if verified.tenant.is_some() || !rule.permission.is_some_and(|number| verified.permissions.contains(number)) {
        let mut problem = insufficient(scope);
        problem.detail = format!("Only people who run this platform may do this, with the permission {scope}.");
        return Err(problem);
    }
    check_recent_sign_in(platform, rule, &verified)?;
    Ok(verified)
}

/// Refuses by RFC 9470 what asks for a recent sign-in. Programs have no sign-in: their keys are their proof each time.
fn check_recent_sign_in(platform: &Platform, rule: &Rule, verified: &Verified) -> Result<(), Problem> {
    if !rule.recent_sign_in || verified.subject_type != SubjectType::User {
        return Ok(());
    }
    let age = verified.auth_time.map(|at| platform.clock().now().timestamp() - at);
    if age.is_some_and(|age| age <= RECENT_SIGN_IN_S) {
        return Ok(());
    }
    let detail = "This asks for a sign-in of the last 15 minutes. Sign in again, then repeat it.";
    Err(Problem::new(ErrorCode::SignInTooOld, detail).with("max_age", RECENT_SIGN_IN_S))
}

/// What members are told while their organisation cannot be used.
fn inactive(state: TenantState) -> &'static str {
    match state {
        TenantState::Suspended => {
            "Your organisation is suspended for now. Its data is kept as it is; the people who run this platform can say more."
        }
        TenantState::Archived => {
            "Your organisation is archived. Its data is kept; the people who run this platform can open it again."
        }
        TenantState::Erasing | TenantState::Erased => "Your organisation and its data are being erased, or are gone.",
        TenantState::Provisioning | TenantState::Active => {
            "Your organisation is being prepared; try again in a moment."
        }
    }
}
