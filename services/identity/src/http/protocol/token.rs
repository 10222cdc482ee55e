//! `/oauth/token`: codes and refresh tokens become access tokens.
use crate::domain::client::{Client, GrantType};
use crate::domain::refresh::{Decision, Presented, decide};
use crate::domain::request::Parameters;
use crate::domain::{pkce, scope};
use crate::http::browser::Form;
use crate::http::event::{Action, Event, note};
use crate::http::federation::entry::{self, Visit};
use crate::http::membership;
use crate::http::mint::{ACCESS_LIFETIME_S, Bearer, Identity, Proof};
use crate::http::policy::{self, Entry};
use crate::http::protocol::client_auth::admitted_client;
use crate::http::protocol::device::by_device_code;
use crate::http::protocol::dpop::proven_key;
use crate::http::protocol::reply::{OauthError, OauthResult, answer, json_body};
use crate::http::protocol::switching::{self, Departure};
use crate::http::protocol::{client_credentials, token_exchange};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::store::grant::{self, Code, Grant};
use crate::store::{account, dpop, session};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_db::secrets::{random_token, sha256};
use hitaji_db::{Tx, denials};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

/// A refresh token that nobody uses is worth nothing after this.
const REFRESH_IDLE: TimeDelta = TimeDelta::days(14);

/// What this endpoint answers.
pub const GRANTS: [GrantType; 5] = GrantType::ALL;

pub async fn post(ctx: PlatformCtx, form: Result<Form, Problem>) -> Response {
    answer(token(&ctx, form).await)
}

async fn token(ctx: &PlatformCtx, form: Result<Form, Problem>) -> OauthResult {
    let (provider, form, client) = admitted_client(ctx, form).await?;
    let named = one(&form, "grant_type")?.ok_or(OauthError::new("invalid_request", "grant_type is missing"))?;
    let unsupported = OauthError::new("unsupported_grant_type", "see grant_types_supported in the discovery document");
    let grant = GrantType::parse(named).ok_or(unsupported)?;
    if !client.may_use(grant) {
        return Err(OauthError::new("unauthorized_client", "the client is not registered for this grant type"));
    }
    let jkt = proven_key(ctx, &client).await?;
    match grant {
        GrantType::AuthorizationCode => by_code(ctx, &provider, &client, &form, jkt.as_deref()).await,
        GrantType::RefreshToken => by_refresh(ctx, &provider, &client, &form, jkt.as_deref()).await,
        GrantType::ClientCredentials => client_credentials::grant(ctx, &provider, &client, &form, jkt.as_deref()).await,
        GrantType::TokenExchange => token_exchange::grant(ctx, &provider, &client, &form, jkt.as_deref()).await,
        GrantType::DeviceCode => by_device_code(ctx, &provider, &client, &form, jkt.as_deref()).await,
    }
}

pub fn one<'a>(form: &'a Parameters, name: &str) -> Result<Option<&'a str>, OauthError> {
    form.get(name).map_err(|_| OauthError::new("invalid_request", "a parameter is repeated"))
}

pub fn needed<'a>(form: &'a Parameters, name: &str) -> Result<&'a str, OauthError> {
    one(form, name)?.ok_or(OauthError::new("invalid_request", "a parameter is missing"))
}

async fn by_code(
    ctx: &PlatformCtx,
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    jkt: Option<&str>,
) -> OauthResult {
    let refused = || OauthError::invalid_grant("the code is not valid, not yours, or was used");
    let hash = sha256(needed(form, "code")?.as_bytes());
    let verifier = one(form, "code_verifier")?.unwrap_or_default();
    let (now, mut tx) = (ctx.now(), begin(ctx, format!("client:{}", client.id)).await?);
    let grant_id = grant::grant_of_code(&mut tx, &hash).await?.ok_or_else(refused)?;
    let grant =
        grant::lock(&mut tx, grant_id).await?.filter(|grant| grant.client_id == client.id).ok_or_else(refused)?;
    let code = grant::code(&mut tx, &hash).await?.ok_or_else(refused)?;
    if code.used_at.is_some() {
        // Two hold this code: what the first one got is taken back (RFC 9700 section 4.5).
        end_family(ctx, tx, &grant, "code used twice", now).await?;
        return Err(refused());
    }
    let same_address = one(form, "redirect_uri")?.is_none_or(|uri| uri == code.redirect_uri);
    if code.expires_at <= now
        || !same_address
        || !pkce::fits(&code.code_challenge, verifier)
        || grant.revoked_at.is_some()
    {
        return Err(refused());
    }
    if code.dpop_jkt.is_some() && code.dpop_jkt.as_deref() != jkt {
        return Err(OauthError::invalid_grant("the code is bound to another key"));
    }
    let place = alive(ctx, &mut tx, &grant).await?.ok_or_else(refused)?;
    admitted(ctx, &mut tx, client, &grant, &place, now).await?;
    if !grant::use_code(&mut tx, &hash, now).await? {
        return Err(refused());
    }
    if let Some(jkt) = jkt.filter(|_| client.is_public()) {
        dpop::bind(&mut tx, grant.id, jkt).await?;
    }
    let refresh =
        if client.may_use(GrantType::RefreshToken) { Some(give_refresh(&mut tx, &grant, now).await?) } else { None };
    let issue = Issue { client, grant: &grant, place: &place, scope: &grant.scope, code: Some(&code), refresh, jkt };
    issue_tokens(ctx, provider, tx, issue).await
}

async fn by_refresh(
    ctx: &PlatformCtx,
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    jkt: Option<&str>,
) -> OauthResult {
    let refused = || OauthError::invalid_grant("the refresh token is not valid, not yours, or was used");
    let hash = sha256(needed(form, "refresh_token")?.as_bytes());
    let (now, mut tx) = (ctx.now(), begin(ctx, format!("client:{}", client.id)).await?);
    let grant_id = grant::grant_of_refresh(&mut tx, &hash).await?.ok_or_else(refused)?;
    let grant =
        grant::lock(&mut tx, grant_id).await?.filter(|grant| grant.client_id == client.id).ok_or_else(refused)?;
    // Whoever stole the token has not the key; its owner's family goes on.
    if grant.dpop_jkt.is_some() && grant.dpop_jkt.as_deref() != jkt {
        return Err(OauthError::invalid_grant("the refresh token is bound to another key"));
    }
    let token = grant::refresh(&mut tx, &hash).await?.ok_or_else(refused)?;
    let place = alive(ctx, &mut tx, &grant).await?;
    let presented = Presented {
        family_dead: grant.revoked_at.is_some() || grant.expires_at <= now || place.is_none(),
        expires_at: token.expires_at,
        consumed_at: token.consumed_at,
        revoked: token.revoked_at.is_some(),
        successor_used: token.successor_used,
    };
    let decision = decide(&presented, now, TimeDelta::seconds(provider.settings.refresh_repeat_window_s));
    let Some(place) = place else { return Err(refused()) };
    let elsewhere = one(form, "organization_id")?.filter(|hint| !names(&place.standing, hint));
    match decision {
        Decision::Refuse => return Err(refused()),
        Decision::EndFamily => {
            end_family(ctx, tx, &grant, "refresh token used twice", now).await?;
            return Err(refused());
        }
        Decision::Repeat if elsewhere.is_none() => {
            if let Some(successor) = &token.successor_hash {
                grant::revoke_refresh(&mut tx, successor, now).await?;
            }
        }
        Decision::Repeat | Decision::Rotate => {}
    }
    let narrowed = one(form, "scope")?.unwrap_or(&grant.scope);
    if !scope::is_subset(narrowed, &grant.scope) {
        return Err(OauthError::new("invalid_scope", "a refresh may only ask for less"));
    }
    if let Some(hint) = elsewhere {
        let from = Departure { grant: &grant, repeated: decision == Decision::Repeat, last_use: token.issued_at };
        let arrived = switching::switch(ctx, &mut tx, client, &from, hint).await?;
        let place = Place { account: place.account, standing: Standing::Member(arrived.belonging) };
        let refresh = Some(give_refresh(&mut tx, &arrived.grant, now).await?);
        let issue = Issue { client, grant: &arrived.grant, place: &place, scope: narrowed, code: None, refresh, jkt };
        return issue_tokens(ctx, provider, tx, issue).await;
    }
    admitted(ctx, &mut tx, client, &grant, &place, token.issued_at).await?;
    let refresh = give_refresh(&mut tx, &grant, now).await?;
    grant::consume_refresh(&mut tx, &hash, &sha256(refresh.as_bytes()), now).await?;
    let issue =
        Issue { client, grant: &grant, place: &place, scope: narrowed, code: None, refresh: Some(refresh), jkt };
    issue_tokens(ctx, provider, tx, issue).await
}

/// In what standing the person is, while all that the grant hangs on is there: the session, the membership, the account.
pub async fn alive(ctx: &PlatformCtx, tx: &mut Tx, grant: &Grant) -> Result<Option<Place>, Problem> {
    if !grant.offline && !session::is_alive(tx, grant.session_id, ctx.now()).await? {
        return Ok(None);
    }
    let Some(account) = account::find(tx, grant.account_id).await?.filter(|account| account.disabled_at.is_none())
    else {
        return Ok(None);
    };
    let standing = match grant.organisation_id {
        Some(id) => membership::at(ctx, tx, grant.account_id, id).await?.map(Standing::Member),
        None => Standing::operator(tx, grant.account_id).await?,
    };
    Ok(standing.map(|standing| Place { account, standing }))
}

/// Whether a token is for the organisation that a slug or id names.
fn names(standing: &Standing, hint: &str) -> bool {
    standing.tenant().is_some_and(|tenant| tenant.slug == hint || tenant.id.to_string() == hint)
}

/// The organisation's rules, asked again for every token.
pub async fn admitted(
    ctx: &PlatformCtx,
    tx: &mut Tx,
    client: &Client,
    grant: &Grant,
    place: &Place,
    last_use: DateTime<Utc>,
) -> Result<(), OauthError> {
    let Standing::Member(belonging) = &place.standing else { return Ok(()) };
    let mut proof = Proof { at: grant.auth_time, amr: grant.amr.clone() };
    let visit = Visit {
        belonging,
        session_id: grant.session_id,
        email: place.account.email.as_deref(),
        proven_at: grant.auth_time,
    };
    if !matches!(entry::enter(tx, &visit, &mut proof.amr).await?, entry::Entry::Free) {
        return Err(OauthError::invalid_grant("login_required: the organisation wants another sign-in"));
    }
    let entry = Entry { proof: &proof, last_use: Some(last_use), client: Some(client) };
    switching::let_in(policy::admit(ctx, tx, belonging, &entry).await?)
}

pub struct Place {
    pub account: account::Account,
    pub standing: Standing,
}

pub async fn give_refresh(tx: &mut Tx, grant: &Grant, now: DateTime<Utc>) -> Result<String, Problem> {
    let token = random_token();
    let expires_at = (now + REFRESH_IDLE).min(grant.expires_at);
    grant::insert_refresh(tx, &sha256(token.as_bytes()), grant.id, now, expires_at).await?;
    Ok(token)
}

async fn end_family(
    ctx: &PlatformCtx,
    mut tx: Tx,
    grant: &Grant,
    reason: &'static str,
    now: DateTime<Utc>,
) -> Result<(), Problem> {
    if grant::revoke(&mut tx, grant.id, reason, now).await? {
        tracing::warn!(grant = %grant.id, reason, "a token or code was used twice; its family was ended");
        let what = json!({"reason": reason, "client_id": grant.client_id, "account_id": grant.account_id});
        audit(&mut tx, "end_family", "identity.grant", Some(grant.id), what);
        tx.deny_issued(denials::in_session(&grant.client_id, grant.session_id));
        let event = Event {
            organisation_id: grant.organisation_id,
            client_id: Some(&grant.client_id),
            detail: json!({"reason": reason}),
            ..Event::refused(Action::TokenReuse, Some(grant.account_id))
        };
        note(ctx.request(), &mut tx, event).await?;
    }
    Ok(tx.commit(None).await?)
}

/// How the token is sent (RFC 6750, RFC 9449).
pub fn token_type(jkt: Option<&str>) -> &'static str {
    if jkt.is_some() { "DPoP" } else { "Bearer" }
}

/// All that goes into one answer.
pub struct Issue<'a> {
    pub client: &'a Client,
    pub grant: &'a Grant,
    pub place: &'a Place,
    pub scope: &'a str,
    /// Where there is one, its nonce goes into the ID token.
    pub code: Option<&'a Code>,
    pub refresh: Option<String>,
    /// The key that the client proved; the access token is bound to it.
    pub jkt: Option<&'a str>,
}

pub async fn issue_tokens(ctx: &PlatformCtx, provider: &Provider, tx: Tx, issue: Issue<'_>) -> OauthResult {
    tx.commit(None).await.map_err(Problem::from)?;
    let (now, keys) = (ctx.now(), provider.keys.get(ctx.databases()).await.map_err(Problem::from)?);
    let bearer = Bearer {
        subject: issue.grant.account_id,
        standing: &issue.place.standing,
        client: issue.client,
        scope: issue.scope,
        session_id: Some(issue.grant.session_id),
        proof: Some(Proof { at: issue.grant.auth_time, amr: issue.grant.amr.clone() }),
        jkt: issue.jkt,
        act: None,
    };
    let minted = provider.access_token(&keys, &bearer, now).map_err(OauthError::internal)?;
    let mut body = json!({
        "access_token": minted.access_token,
        "token_type": token_type(issue.jkt),
        "expires_in": ACCESS_LIFETIME_S,
        "scope": minted.scope,
    });
    if minted.granted.standard.contains(&"openid") {
        let identity = Identity::of(&issue.place.account, issue.code.and_then(|code| code.nonce.as_deref()));
        let id_token = provider.id_token(&keys, &bearer, &minted, &identity, now).map_err(OauthError::internal)?;
        body["id_token"] = json!(id_token);
    }
    if let Some(refresh) = issue.refresh {
        body["refresh_token"] = json!(refresh);
    }
    Ok(json_body(StatusCode::OK, &body))
}
