//! `/sign-in/callback/{provider}`: back from another provider. Who that person is here, and whether they are somebody.
use crate::domain::federation::{Arrived, Belief, domain_of, issuer_fits};
use crate::domain::link::{self, LinkKind};
use crate::domain::request::Parameters;
use crate::http::arrival::{Via, arrive_via};
use crate::http::browser::{Browser, PageError, PageResult};
use crate::http::federation::attempt::{LIFETIME, VERIFIER};
use crate::http::federation::discovery::Discovered;
use crate::http::federation::{OWNER, Upstream, down};
use crate::http::membership::{self, Joining};
use crate::http::outgoing::Failed;
use crate::http::session::{audit, begin};
use crate::http::throttle::Try;
use crate::store::account::{self, Account};
use crate::store::federation::{self, Attempt};
use crate::store::{domain, invitation};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::new_id;
use hitaji_db::Tx;
use hitaji_db::secrets::random_token;
use hitaji_web::Problem;
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

/// The answer of a token endpoint, as far as we use it.
#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

pub async fn show(browser: Browser, Path(key): Path<String>) -> Response {
    browser.answer(come_back(&browser, &key).await)
}

async fn come_back(browser: &Browser, key: &str) -> PageResult {
    let provider = &browser.provider;
    provider.throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    let said = Parameters::parse(browser.ctx.request().query());
    let expired = PageError::Page(StatusCode::BAD_REQUEST, "federation_expired");
    let state = said.get("state").ok().flatten().unwrap_or_default();
    let mut conn = browser.ctx.read().await?;
    let attempt = federation::take_attempt(&mut conn, &browser.bound(state), key, browser.ctx.now()).await?;
    conn.release();
    let attempt = attempt.ok_or(expired)?;
    let gone = PageError::Page(StatusCode::NOT_FOUND, "federation_gone");
    let upstream = provider.federation.find(&browser.ctx, key).await?.ok_or(gone)?;
    let discovered = provider.federation.discoveries.get(&provider.federation.outgoing, &upstream).await;
    let discovered = discovered.map_err(|failed| down(&upstream, failed))?;
    if !is_from(&discovered, &said) {
        return Err(refused(browser, &upstream, "iss parameter").await);
    }
    if said.first("error").is_some() {
        return Err(PageError::Page(StatusCode::FORBIDDEN, "federation_cancelled"));
    }
    let Ok(Some(code)) = said.get("code") else {
        return Err(refused(browser, &upstream, "code").await);
    };
    let token = match exchange(browser, &upstream, &discovered, &attempt, code).await {
        Ok(tokens) => tokens.id_token,
        Err(Failed::Status(400..=499)) => return Err(refused(browser, &upstream, "code refused").await),
        Err(failed) => return Err(down(&upstream, failed)),
    };
    let now = browser.ctx.now().timestamp();
    let outgoing = &provider.federation.outgoing;
    match discovered.verify(outgoing, &upstream, &token, &attempt.nonce, now).await {
        Ok(claims) => {
            let domains = proven_domains(browser, &upstream).await?;
            let belief = Belief { kind: upstream.kind, trust_mfa: upstream.trust_mfa, domains: domains.as_deref() };
            welcome(browser, &upstream, attempt, &Arrived::of(&claims, &belief)).await
        }
        Err(reason) => Err(refused(browser, &upstream, reason).await),
    }
}

/// Whether an answer names the provider that was asked (RFC 9207 section 2.4).
fn is_from(discovered: &Discovered, said: &Parameters) -> bool {
    let metadata = &discovered.metadata;
    match said.get("iss") {
        // Microsoft writes the tenant where its document has a place for it.
        Ok(Some(issuer)) => {
            let tenant = issuer.split('/').nth(3);
            issuer_fits(&metadata.issuer, issuer, tenant)
        }
        Ok(None) => !metadata.authorization_response_iss_parameter_supported,
        Err(_) => false,
    }
}

/// The page for an answer that is not to be believed, audited with what is wrong with it.
async fn refused(browser: &Browser, upstream: &Upstream, reason: &'static str) -> PageError {
    tracing::warn!(provider = upstream.key, reason, "an answer of another OpenID provider is not to be believed");
    let work = async {
        let mut tx = begin(&browser.ctx, "anonymous").await?;
        let what = json!({"provider": upstream.key, "reason": reason});
        audit(&mut tx, "sign_in_refused", "identity.account", None, what);
        tx.commit(None).await.map_err(Problem::from)
    };
    match work.await {
        Ok(()) => PageError::Page(StatusCode::BAD_REQUEST, "federation_failed"),
        Err(problem) => problem.into(),
    }
}

/// The code for tokens, with the way to prove ourselves that the provider takes (OpenID Connect Core 9).
async fn exchange(
    browser: &Browser,
    upstream: &Upstream,
    discovered: &Discovered,
    attempt: &Attempt,
    code: &str,
) -> Result<Tokens, Failed> {
    let verifier = browser.provider.master.open(OWNER, VERIFIER, &attempt.verifier).ok();
    let verifier = verifier.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Failed::Malformed)?;
    let redirect_uri = upstream.redirect_uri(&browser.provider.origin);
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", redirect_uri.as_str()),
        ("code_verifier", verifier.as_str()),
    ];
    let methods = discovered.metadata.token_endpoint_auth_methods_supported.as_deref();
    // Where it says nothing it takes Basic (OpenID Connect Discovery section 3).
    let takes_basic = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
    let encoded = |text: &str| serde_urlencoded::to_string([("", text)]).unwrap_or_default()[1..].to_owned();
    let pair = upstream.secret.as_deref().filter(|_| takes_basic);
    let pair = pair.map(|secret| (encoded(&upstream.client_id), encoded(secret)));
    if pair.is_none() {
        form.push(("client_id", &upstream.client_id));
        form.extend(upstream.secret.as_deref().map(|secret| ("client_secret", secret)));
    }
    let basic = pair.as_ref().map(|(id, secret)| (id.as_str(), secret.as_str()));
    browser.provider.federation.outgoing.form(&discovered.metadata.token_endpoint, &form, basic).await
}

/// For which domains an organisation's own provider is believed.
async fn proven_domains(browser: &Browser, upstream: &Upstream) -> Result<Option<Vec<String>>, Problem> {
    let Some(organisation_id) = upstream.organisation_id else { return Ok(None) };
    let mut conn = browser.ctx.read().await?;
    let names = domain::verified_names(&mut conn, organisation_id).await?;
    conn.release();
    Ok(Some(names))
}

async fn welcome(browser: &Browser, upstream: &Upstream, attempt: Attempt, arrived: &Arrived) -> PageResult {
    let now = browser.ctx.now();
    let page = |status, key| Err(PageError::Page(status, key));
    let mut conn = browser.ctx.read().await?;
    if let Some(id) = federation::arrive(&mut conn, arrived, now).await? {
        let known = account::find(&mut conn, id).await?.filter(|account| account.disabled_at.is_none());
        federation::finish(&mut conn, attempt.id).await?;
        conn.release();
        let Some(account) = known else { return page(StatusCode::FORBIDDEN, "federation_refused") };
        return arrive_via(browser, &account, arrived.amr(), &attempt.target, Some(&Via::of(upstream))).await;
    }
    let Some(email) = &arrived.email else {
        conn.release();
        return page(StatusCode::FORBIDDEN, "federation_unverified");
    };
    let Some(account) = account::find_by_email(&mut conn, email).await? else {
        conn.release();
        return newcomer(browser, upstream, &attempt, arrived, email).await;
    };
    if account.disabled_at.is_some() {
        return page(StatusCode::FORBIDDEN, "federation_refused");
    }
    // Somebody may have signed up with an address that is not theirs.
    if account.email_verified_at.is_none() {
        return page(StatusCode::FORBIDDEN, "federation_verify_first");
    }
    if federation::is_linked(&mut conn, account.id, &arrived.issuer).await? {
        return page(StatusCode::FORBIDDEN, "federation_other_identity");
    }
    let token = random_token();
    federation::keep_claims(&mut conn, attempt.id, &browser.bound(&token), arrived, now + LIFETIME).await?;
    conn.release();
    browser.redirect(&format!("/sign-in/connect/{token}"))
}

/// Somebody without an account gets one where they are expected: by an invitation, or by their organisation's rule.
async fn newcomer(
    browser: &Browser,
    upstream: &Upstream,
    attempt: &Attempt,
    arrived: &Arrived,
    email: &str,
) -> PageResult {
    let (ctx, now) = (&browser.ctx, browser.ctx.now());
    let mut conn = ctx.read().await?;
    let invited = invitation::newest_pending(&mut conn, email, upstream.organisation_id, now).await?;
    let rule = domain::verified(&mut conn, domain_of(email).unwrap_or_default()).await?;
    conn.release();
    let expected_here = |rule: &domain::Row| {
        let other = upstream.organisation_id.is_some_and(|own| own != rule.organisation_id);
        !other && rule.required_provider.as_ref().is_none_or(|required| *required == upstream.key)
    };
    let joins = rule.filter(expected_here).and_then(|rule| Some((rule.organisation_id, rule.auto_join_role?)));
    if invited.is_none() && joins.is_none() {
        return Err(PageError::Page(StatusCode::FORBIDDEN, "federation_uninvited"));
    }
    let name = arrived.name.clone().unwrap_or_else(|| email.split('@').next().unwrap_or("?").to_owned());
    let new = Account::new(new_id(), email, &name, browser.locale);
    let new = Account { email_verified_at: Some(now), ..new };
    let mut tx = begin(ctx, new.id).await?;
    let made = account::insert(&mut tx, &new, now).await?
        && federation::link(&mut tx, new_id(), arrived, new.id, &upstream.label, now).await?
        && federation::finish(&mut tx, attempt.id).await?;
    if !made {
        // Somebody was quicker with the address or the identity; another try finds them.
        tx.rollback().await.map_err(Problem::from)?;
        return Err(PageError::Page(StatusCode::BAD_REQUEST, "federation_expired"));
    }
    let what = json!({"email": email, "name": name, "provider": upstream.key, "issuer": arrived.issuer});
    audit(&mut tx, "create", "identity.account", Some(new.id), what);
    // An invitation is shown to its person, who accepts it; a rule of the organisation needs no answer.
    if let (None, Some((organisation_id, role))) = (&invited, joins) {
        join(browser, &mut tx, &new, organisation_id, role).await?;
    }
    tx.commit(None).await.map_err(Problem::from)?;
    let target = match invited {
        Some((id, counter)) => {
            format!("/invitations/{}", link::seal(&browser.provider.master, LinkKind::Invitation, id, counter))
        }
        None => attempt.target.clone(),
    };
    arrive_via(browser, &new, arrived.amr(), &target, Some(&Via::of(upstream))).await
}

async fn join(
    browser: &Browser,
    tx: &mut Tx,
    account: &Account,
    organisation_id: Uuid,
    role: String,
) -> Result<(), PageError> {
    let joining = Joining {
        organisation_id,
        account_id: account.id,
        email: account.email.as_deref(),
        phone: None,
        name: &account.name,
        roles: &[role],
    };
    membership::join(&browser.ctx, tx, &joining).await.map_err(|problem| {
        let full = problem.extra.contains_key("quota");
        if full { PageError::Page(StatusCode::UNPROCESSABLE_ENTITY, "invitation_full") } else { problem.into() }
    })?;
    Ok(())
}
