//! `/oauth/authorize`: who is it, for which organisation, and then a code for the client.
use crate::domain::client::GrantType;
use crate::domain::request::{self, AuthorizationRequest, Destination, Parameters, Refusal, SIGNED_IN_AFTER};
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::federation::entry::{self, Entry};
use crate::http::membership;
use crate::http::mint::{Bearer, Proof};
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::store::grant::{self, Code, Grant};
use crate::store::session::{self, Session};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use chrono::TimeDelta;
use hitaji_core::new_id;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::Problem;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::json;
use uuid::Uuid;

const CODE_LIFETIME: TimeDelta = TimeDelta::seconds(60);
/// A family of refresh tokens ends after this, used or not.
const GRANT_LIFETIME: TimeDelta = TimeDelta::days(90);

/// What follows from a well-formed request.
enum Next {
    /// The person must sign in; then the same request again.
    SignIn,
    /// The person must say which organisation.
    Choose,
    /// The person must sign in with this other provider.
    With(String),
    /// The person must prove more of who they are, up to this level of `domain::assurance`.
    Prove(&'static str),
    Refuse(Refusal),
    Grant(Box<(Session, Standing)>),
}

pub async fn get(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    browser.answer(authorize(&browser, query).await)
}

pub async fn post(browser: Browser, form: Form) -> Response {
    browser.answer(authorize(&browser, form.0).await)
}

async fn authorize(browser: &Browser, parameters: Parameters) -> PageResult {
    let client = match request::client_id(&parameters) {
        Some(id) => browser.provider.client(id).await?,
        None => None,
    };
    let destination =
        request::destination(&parameters, client).map_err(|key| PageError::Page(StatusCode::BAD_REQUEST, key))?;
    let asked = match request::read(&parameters) {
        Ok(asked) => asked,
        Err(refusal) => return back(browser, &destination, &refused(&refusal), false),
    };
    let silent = asked.prompt.none;
    match decide(browser, &destination, &asked).await? {
        Next::Grant(granted) => {
            let code = issue(browser, &destination, &asked, &granted.0, &granted.1).await?;
            back(browser, &destination, &[("code", &code)], silent)
        }
        Next::Refuse(refusal) => back(browser, &destination, &refused(&refusal), silent),
        Next::SignIn | Next::With(_) if silent => back(browser, &destination, &refused(&login_required()), true),
        Next::Prove(_) if silent => {
            let refusal = Refusal::new("interaction_required", "the person must prove more of who they are");
            back(browser, &destination, &refused(&refusal), true)
        }
        Next::Prove(level) => person_first(browser, &format!("/sign-in/factor?level={level}"), &parameters),
        Next::Choose if silent => {
            let refusal = Refusal::new("account_selection_required", "the person must choose an organisation");
            back(browser, &destination, &refused(&refusal), true)
        }
        // What was asked of the sign-in is answered by it; the same request then goes on without asking again.
        Next::SignIn => {
            let after = browser.ctx.now().timestamp().to_string();
            let again = parameters.with("prompt", None).with(SIGNED_IN_AFTER, Some(&after));
            person_first(browser, "/sign-in", &again)
        }
        Next::With(provider) => {
            let path = format!("/sign-in/with/{provider}");
            person_first(browser, &path, &parameters.with("prompt", None))
        }
        Next::Choose => person_first(browser, "/sign-in/organisation", &parameters.with("prompt", None)),
    }
}

fn login_required() -> Refusal {
    Refusal::new("login_required", "the person must sign in")
}

fn refused(refusal: &Refusal) -> [(&'static str, &'static str); 2] {
    [("error", refusal.error), ("error_description", refusal.description)]
}

fn person_first(browser: &Browser, page: &str, again: &Parameters) -> PageResult {
    let target = format!("/oauth/authorize?{}", again.encode());
    let query = Parameters::default().with("continue", Some(&target)).encode();
    let glue = if page.contains('?') { '&' } else { '?' };
    browser.redirect(&format!("{page}{glue}{query}"))
}

async fn decide(browser: &Browser, destination: &Destination, asked: &AuthorizationRequest) -> Result<Next, Problem> {
    let Some(session) = browser.session().await? else {
        return Ok(Next::SignIn);
    };
    if must_sign_in_again(asked, &session, browser.ctx.now().timestamp()) {
        return Ok(Next::SignIn);
    }
    if let Some(hint) = &asked.id_token_hint {
        match hinted_subject(browser, destination, hint).await? {
            Some(subject) if subject == session.account_id => {}
            Some(_) => return Ok(Next::SignIn),
            None => {
                return Ok(Next::Refuse(Refusal::new("invalid_request", "id_token_hint is not ours")));
            }
        }
    }
    if destination.client.operators {
        let mut conn = browser.ctx.read().await?;
        let standing = Standing::operator(&mut conn, session.account_id).await?;
        conn.release();
        let stranger = || Next::Refuse(Refusal::new("access_denied", "the person does not run this platform"));
        return Ok(standing.map_or_else(stranger, |standing| Next::Grant(Box::new((session, standing)))));
    }
    member(browser, asked, session).await
}

/// In which of their organisations the person will work.
async fn member(browser: &Browser, asked: &AuthorizationRequest, session: Session) -> Result<Next, Problem> {
    let belongings = membership::of(&browser.ctx, session.account_id).await?;
    let chosen = match (&asked.organisation, belongings.as_slice()) {
        (Some(hint), _) => membership::named(&belongings, hint),
        (None, []) => None,
        (None, _) if asked.prompt.select_account => return Ok(Next::Choose),
        (None, [only]) => Some(only),
        (None, several) => {
            let remembered = session.organisation_id.filter(|_| asked.prompt.none);
            let found = several.iter().find(|belonging| Some(belonging.tenant.id.0) == remembered);
            let Some(found) = found else {
                return Ok(Next::Choose);
            };
            Some(found)
        }
    };
    let Some(belonging) = chosen else {
        let suspended = membership::has_inactive(&browser.ctx, session.account_id).await?;
        let why = if suspended {
            "the organisation is suspended or archived; the people who run this platform can say more"
        } else {
            "the person is no member of such an organisation"
        };
        return Ok(Next::Refuse(Refusal::new("access_denied", why)));
    };
    let standing = Standing::Member(belonging.clone());
    Ok(match entry::enter(browser, belonging.tenant.id.0, session).await? {
        Entry::Free(session) => Next::Grant(Box::new((*session, standing))),
        Entry::Only(provider) => Next::With(provider),
        Entry::Otherwise => Next::SignIn,
    })
}

fn must_sign_in_again(asked: &AuthorizationRequest, session: &Session, now: i64) -> bool {
    let signed_in = session.auth_time.timestamp();
    match asked.signed_in_after {
        // Our own mark: the person was just sent to sign in, so only the order counts, not the age.
        Some(after) if signed_in >= after => false,
        Some(_) => true,
        None => asked.prompt.login || asked.max_age_s.is_some_and(|age| now - signed_in > age || age == 0),
    }
}

/// The person an ID token of ours for this client names, expired or not.
pub async fn hinted_subject(browser: &Browser, destination: &Destination, hint: &str) -> Result<Option<Uuid>, Problem> {
    let claims = hinted_claims(browser, hint).await?;
    Ok(claims.filter(|claims| claims.aud == destination.client.id).map(|claims| claims.sub))
}

/// What we once wrote into an ID token.
#[derive(serde::Deserialize)]
pub struct HintClaims {
    pub sub: Uuid,
    pub aud: String,
}

pub async fn hinted_claims(browser: &Browser, hint: &str) -> Result<Option<HintClaims>, Problem> {
    let keys = browser.provider.keys.get(browser.ctx.databases()).await?.jwks();
    let read = || {
        let key = DecodingKey::from_jwk(keys.find(&decode_header(hint).ok()?.kid?)?).ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&browser.provider.origin]);
        validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<HintClaims>(hint, &key, &validation).ok().map(|token| token.claims)
    };
    Ok(read())
}

async fn issue(
    browser: &Browser,
    destination: &Destination,
    asked: &AuthorizationRequest,
    session: &Session,
    standing: &Standing,
) -> Result<String, PageError> {
    let (now, code) = (browser.ctx.now(), random_token());
    let bearer = Bearer {
        subject: session.account_id,
        standing,
        client: &destination.client,
        scope: &asked.scope,
        session_id: Some(session.id),
        proof: Some(Proof::of(session)),
        jkt: None,
        act: None,
    };
    let granted = browser.provider.granted(&bearer);
    let new = Grant {
        id: new_id(),
        client_id: destination.client.id.clone(),
        account_id: session.account_id,
        organisation_id: standing.tenant().map(|tenant| tenant.id.0),
        session_id: session.id,
        offline: granted.standard.contains(&"offline_access"),
        scope: asked.scope.clone(),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        expires_at: if destination.client.may_use(GrantType::RefreshToken) {
            now + GRANT_LIFETIME
        } else {
            now + TimeDelta::hours(1)
        },
        revoked_at: None,
    };
    let row = Code {
        grant_id: new.id,
        redirect_uri: destination.redirect_uri.clone(),
        nonce: asked.nonce.clone(),
        code_challenge: asked.code_challenge.clone(),
        expires_at: now + CODE_LIFETIME,
        used_at: None,
    };
    let mut tx = begin(&browser.ctx, session.account_id).await?;
    grant::insert(&mut tx, &new, now).await?;
    grant::insert_code(&mut tx, &sha256(code.as_bytes()), &row).await?;
    if new.organisation_id.is_some() && session.organisation_id != new.organisation_id {
        session::touch(&mut tx, session.id, new.organisation_id, now).await?;
    }
    if !asked.prompt.none {
        let what = json!({"client_id": new.client_id, "organisation_id": new.organisation_id, "scope": new.scope});
        audit(&mut tx, "authorize", "identity.session", Some(session.id), what);
    }
    tx.commit(None).await?;
    Ok(code)
}

/// The answer to the client, with `state` and `iss` (RFC 9207). Only the answer of prompt=none may stand in a frame,
/// and only in one of our own origin.
fn back(browser: &Browser, destination: &Destination, said: &[(&str, &str)], silent: bool) -> PageResult {
    let mut answer = Parameters::default();
    for (name, value) in said {
        answer = answer.with(name, Some(value));
    }
    let answer = answer.with("state", destination.state.as_deref()).with("iss", Some(&browser.provider.origin));
    let glue = if destination.redirect_uri.contains('?') { '&' } else { '?' };
    let mut response = browser.redirect(&format!("{}{glue}{}", destination.redirect_uri, answer.encode()))?;
    if silent {
        let headers = response.headers_mut();
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'self'";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    Ok(response)
}
