//! `/oauth/authorize`: who is it, for which organisation, and then a code for the client.
use crate::domain::assurance;
use crate::domain::client::{Client, GrantType};
use crate::domain::consent::{covers, wanted};
use crate::domain::policy::Verdict;
use crate::domain::request::{self, AuthorizationRequest, Destination, Parameters, Refusal, SIGNED_IN_AFTER};
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::federation::entry::{self, Entry, Visit};
use crate::http::membership;
use crate::http::mint::{Bearer, Proof};
use crate::http::policy;
use crate::http::protocol::pushed::Journey;
use crate::http::protocol::respond::{back, refused};
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::store;
use crate::store::consent;
use crate::store::grant::{self, Code, Grant};
use crate::store::session::{self, Session};
use axum::http::StatusCode;
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
pub enum Next {
    /// The person must sign in; then the same request again.
    SignIn,
    /// The person must say which organisation.
    Choose,
    /// The person must sign in with this other provider.
    With(String),
    /// The person must prove more of who they are, up to this level of `domain::assurance`.
    Prove(&'static str),
    /// The person must allow the client what it wants.
    Consent(Box<Granting>),
    Refuse(Refusal),
    Grant(Box<Granting>),
}

/// What a client is to get, and from whom.
pub struct Granting {
    pub session: Session,
    pub standing: Standing,
    /// Scopes by name, as people allow them.
    pub wanted: Vec<String>,
}

pub async fn get(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    browser.answer(authorize(&browser, query).await)
}

pub async fn post(browser: Browser, form: Form) -> Response {
    browser.answer(authorize(&browser, form.0).await)
}

async fn authorize(browser: &Browser, given: Parameters) -> PageResult {
    let journey = Journey::of(browser, given).await?;
    let destination = destination_of(browser, &journey).await?;
    let asked = match request::read(&journey.parameters) {
        _ if destination.client.require_par && !journey.is_pushed() => {
            let refusal = Refusal::new("invalid_request", "the client must push its requests");
            return back(browser, &destination, &refused(&refusal), false);
        }
        Ok(asked) => asked,
        Err(refusal) => return back(browser, &destination, &refused(&refusal), false),
    };
    let silent = asked.prompt.none;
    let next = decide(browser, &destination, &asked).await?;
    if let Some(refusal) = next.unanswered().filter(|_| silent) {
        return back(browser, &destination, &refused(&refusal), true);
    }
    let left = ("prompt", asked.prompt.left());
    match next {
        Next::Grant(granted) => {
            let code = issue(browser, &journey, &destination, &asked, &granted).await?;
            back(browser, &destination, &[("code", &code)], silent)
        }
        Next::Refuse(refusal) => back(browser, &destination, &refused(&refusal), silent),
        Next::Prove(level) => {
            person_first(browser, &format!("/sign-in/factor?level={level}"), &journey.going_on(browser, &[]).await?)
        }
        // What was asked of the sign-in is answered by it; the same request then goes on without asking again.
        Next::SignIn => {
            let after = browser.ctx.now().timestamp().to_string();
            let again = journey.going_on(browser, &[left, (SIGNED_IN_AFTER, Some(&after))]).await?;
            person_first(browser, "/sign-in", &again)
        }
        Next::With(provider) => {
            person_first(browser, &format!("/sign-in/with/{provider}"), &journey.going_on(browser, &[left]).await?)
        }
        Next::Choose => person_first(browser, "/sign-in/organisation", &journey.going_on(browser, &[left]).await?),
        Next::Consent(_) => person_first(browser, "/consent", &journey.going_on(browser, &[]).await?),
    }
}

impl Next {
    /// What a client is told that wants no page to be shown (OpenID Connect Core 3.1.2.6).
    fn unanswered(&self) -> Option<Refusal> {
        let (error, description) = match self {
            Next::SignIn | Next::With(_) => ("login_required", "the person must sign in"),
            Next::Prove(_) => ("interaction_required", "the person must prove more of who they are"),
            Next::Choose => ("account_selection_required", "the person must choose an organisation"),
            Next::Consent(_) => ("consent_required", "the person must allow this"),
            Next::Refuse(_) | Next::Grant(_) => return None,
        };
        Some(Refusal::new(error, description))
    }
}

/// Who asked and where they may be answered; else a page, for nobody is redirected on a doubt.
pub async fn destination_of(browser: &Browser, journey: &Journey) -> Result<Destination, PageError> {
    let client = match request::client_id(&journey.parameters) {
        Some(id) => browser.provider.client(id).await?,
        None => None,
    };
    request::destination(&journey.parameters, client).map_err(|key| PageError::Page(StatusCode::BAD_REQUEST, key))
}

fn person_first(browser: &Browser, page: &str, target: &str) -> PageResult {
    let query = Parameters::default().with("continue", Some(target)).encode();
    let glue = if page.contains('?') { '&' } else { '?' };
    browser.redirect(&format!("{page}{glue}{query}"))
}

pub async fn decide(
    browser: &Browser,
    destination: &Destination,
    asked: &AuthorizationRequest,
) -> Result<Next, Problem> {
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
    if let Some(level) = assurance::missing(&asked.acr, &session.amr) {
        return Ok(Next::Prove(level));
    }
    if destination.client.operators {
        // Whoever runs a provider of an organisation's own must not open the platform by it.
        if session.own_provider {
            return Ok(Next::SignIn);
        }
        let mut conn = browser.ctx.read().await?;
        let standing = Standing::operator(&mut conn, session.account_id).await?;
        conn.release();
        let stranger = || Next::Refuse(Refusal::new("access_denied", "the person does not run this platform"));
        let grant = |standing| Next::Grant(Box::new(Granting { session, standing, wanted: Vec::new() }));
        return Ok(standing.map_or_else(stranger, grant));
    }
    member(browser, destination, asked, session).await
}

/// In which of their organisations the person will work.
async fn member(
    browser: &Browser,
    destination: &Destination,
    asked: &AuthorizationRequest,
    session: Session,
) -> Result<Next, Problem> {
    let mut belongings = membership::of(&browser.ctx, session.account_id).await?;
    // A client of one organisation serves that organisation alone.
    belongings.retain(|belonging| destination.client.serves(belonging.tenant.id.0));
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
    let mut conn = browser.ctx.read().await?;
    let mut session = session;
    let visit =
        Visit { belonging, session_id: session.id, email: session.email.as_deref(), proven_at: session.auth_time };
    match entry::enter(&mut conn, &visit, &mut session.amr).await? {
        Entry::Free => {}
        Entry::Only(provider) => return Ok(Next::With(provider)),
        Entry::Otherwise => return Ok(Next::SignIn),
    }
    let last_use = store::policy::last_use(&mut conn, session.id, belonging.tenant.id.0).await?;
    let visit = policy::Entry { proof: &Proof::of(&session), last_use, client: None };
    let verdict = policy::admit(&browser.ctx, &mut conn, belonging, &visit).await?;
    conn.release();
    match verdict {
        Verdict::Admit => consented(browser, destination, asked, session, Standing::Member(belonging.clone())).await,
        Verdict::Prove(level) => Ok(Next::Prove(level)),
        Verdict::SignIn => Ok(Next::SignIn),
        Verdict::Refuse(why) => Ok(Next::Refuse(Refusal::new("access_denied", why))),
    }
}

/// The person is asked where the client is somebody else's and gets more than they have allowed.
async fn consented(
    browser: &Browser,
    destination: &Destination,
    asked: &AuthorizationRequest,
    session: Session,
    standing: Standing,
) -> Result<Next, Problem> {
    let client = &destination.client;
    let wanted = wanted_by(browser, client, &asked.scope, &session, &standing);
    let organisation_id = standing.tenant().map_or(Uuid::nil(), |tenant| tenant.id.0);
    let granting = Box::new(Granting { session, standing, wanted });
    if asked.prompt.consent {
        return Ok(Next::Consent(granting));
    }
    if !client.consent {
        return Ok(Next::Grant(granting));
    }
    let mut conn = browser.ctx.read().await?;
    let allowed = consent::scopes(&mut conn, granting.session.account_id, &client.id, organisation_id).await?;
    conn.release();
    let covered = allowed.is_some_and(|allowed| covers(&allowed, &granting.wanted));
    Ok(if covered { Next::Grant(granting) } else { Next::Consent(granting) })
}

/// What the client would get in this standing, by name.
pub fn wanted_by(
    browser: &Browser,
    client: &Client,
    scope: &str,
    session: &Session,
    standing: &Standing,
) -> Vec<String> {
    let bearer = bearer(client, scope, session, standing);
    wanted(&browser.provider.catalogue, &browser.provider.granted(&bearer))
}

fn bearer<'a>(client: &'a Client, scope: &'a str, session: &'a Session, standing: &'a Standing) -> Bearer<'a> {
    Bearer {
        subject: session.account_id,
        standing,
        client,
        scope,
        session_id: Some(session.id),
        proof: Some(Proof::of(session)),
        jkt: None,
        act: None,
    }
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
    journey: &Journey,
    destination: &Destination,
    asked: &AuthorizationRequest,
    granting: &Granting,
) -> Result<String, PageError> {
    let (now, code, session) = (browser.ctx.now(), random_token(), &granting.session);
    let new = grant_of(browser, &destination.client, &asked.scope, granting);
    let row = Code {
        grant_id: new.id,
        redirect_uri: destination.redirect_uri.clone(),
        nonce: asked.nonce.clone(),
        code_challenge: asked.code_challenge.clone(),
        dpop_jkt: asked.dpop_jkt.clone(),
        expires_at: now + CODE_LIFETIME,
        used_at: None,
    };
    let mut tx = begin(&browser.ctx, session.account_id).await?;
    journey.use_up(&mut tx, browser).await?;
    grant::insert(&mut tx, &new, now).await?;
    grant::insert_code(&mut tx, &sha256(code.as_bytes()), &row).await?;
    if new.organisation_id.is_some() && session.organisation_id != new.organisation_id {
        session::touch(&mut tx, session.id, new.organisation_id, now).await?;
    }
    if !asked.prompt.none {
        let what = json!({"client_id": new.client_id, "organisation_id": new.organisation_id, "scope": new.scope});
        audit(&mut tx, "authorize", "identity.session", Some(session.id), what);
        let event = Event {
            organisation_id: new.organisation_id,
            client_id: Some(&new.client_id),
            session_id: Some(session.id),
            ..Event::done(Action::Authorization, session.account_id)
        };
        note(browser.ctx.request(), &mut tx, event).await?;
    }
    tx.commit(None).await?;
    Ok(code)
}

/// The grant that a client gets. One that people are asked about gets what they saw, by name; what their roles gain later
/// is not in it.
pub fn grant_of(browser: &Browser, client: &Client, scope: &str, granting: &Granting) -> Grant {
    let (now, session, standing) = (browser.ctx.now(), &granting.session, &granting.standing);
    let scope = if client.consent { granting.wanted.join(" ") } else { scope.to_owned() };
    let granted = browser.provider.granted(&bearer(client, &scope, session, standing));
    Grant {
        id: new_id(),
        client_id: client.id.clone(),
        account_id: session.account_id,
        organisation_id: standing.tenant().map(|tenant| tenant.id.0),
        session_id: session.id,
        offline: granted.standard.contains(&"offline_access"),
        auth_time: session.auth_time,
        amr: session.amr.clone(),
        expires_at: now + if client.may_use(GrantType::RefreshToken) { GRANT_LIFETIME } else { TimeDelta::hours(1) },
        revoked_at: None,
        dpop_jkt: None,
        scope,
    }
}
