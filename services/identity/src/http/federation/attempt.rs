//! `/sign-in/with/{provider}`: off to another provider (OpenID Connect Core 3.1.2.1), with PKCE, state and nonce.
use crate::domain::federation::Kind;
use crate::domain::request::Parameters;
use crate::http::browser::{Browser, PageError, PageResult, continue_to};
use crate::http::federation::discovery::Discovered;
use crate::http::federation::{OWNER, Upstream, down};
use crate::http::throttle::Try;
use crate::store::federation::{self, NewAttempt};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use hitaji_core::new_id;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::Problem;
use url::Url;

/// From the button to the provider's answer.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);
/// Purpose of sealed PKCE verifiers.
pub const VERIFIER: &str = "provider-verifier";

pub async fn start(browser: Browser, Path(key): Path<String>) -> Response {
    browser.answer(leave(&browser, &key).await)
}

async fn leave(browser: &Browser, key: &str) -> PageResult {
    let provider = &browser.provider;
    provider.throttle.address(Try::Secret, browser.ctx.request().client_ip)?;
    let gone = PageError::Page(StatusCode::NOT_FOUND, "federation_gone");
    let upstream = provider.federation.find(&browser.ctx, key).await?.ok_or(gone)?;
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    let federation = &provider.federation;
    let discovered = federation.discoveries.get(&federation.outgoing, &upstream).await;
    let discovered = discovered.map_err(|failed| down(&upstream, failed))?;
    let secrets = Secrets { state: random_token(), nonce: random_token(), verifier: random_token() };
    note(browser, &upstream, &secrets, &target).await?;
    // Somebody who is signed in already and was sent here is to prove it anew.
    let again = browser.session().await?.is_some();
    let hint = query.first("login_hint").filter(|hint| hint.len() <= 254);
    let address = authorization_url(browser, &upstream, &discovered, &secrets, again, hint);
    browser.redirect(address.map_err(Problem::internal)?.as_str())
}

struct Secrets {
    state: String,
    nonce: String,
    verifier: String,
}

async fn note(browser: &Browser, upstream: &Upstream, secrets: &Secrets, target: &str) -> Result<(), Problem> {
    let now = browser.ctx.now();
    let verifier = browser.provider.master.seal(OWNER, VERIFIER, secrets.verifier.as_bytes());
    let new = NewAttempt {
        id: new_id(),
        state_hash: browser.bound(&secrets.state),
        provider: &upstream.key,
        nonce: &secrets.nonce,
        verifier: &verifier,
        target,
        at: now,
        expires_at: now + LIFETIME,
    };
    let mut conn = browser.ctx.read().await?;
    federation::insert_attempt(&mut conn, &new).await?;
    conn.release();
    Ok(())
}

fn authorization_url(
    browser: &Browser,
    upstream: &Upstream,
    discovered: &Discovered,
    secrets: &Secrets,
    again: bool,
    hint: Option<&str>,
) -> Result<Url, url::ParseError> {
    let mut url = Url::parse(&discovered.metadata.authorization_endpoint)?;
    let mut query = url.query_pairs_mut();
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", &upstream.client_id)
        .append_pair("redirect_uri", &upstream.redirect_uri(&browser.provider.origin))
        .append_pair("scope", &upstream.scopes.join(" "))
        .append_pair("state", &secrets.state)
        .append_pair("nonce", &secrets.nonce)
        .append_pair("code_challenge", &URL_SAFE_NO_PAD.encode(sha256(secrets.verifier.as_bytes())))
        .append_pair("code_challenge_method", "S256");
    if again {
        // Google knows no `login`.
        query.append_pair("prompt", if upstream.kind == Kind::Google { "select_account" } else { "login" });
    }
    if let Some(hint) = hint {
        query.append_pair("login_hint", hint);
    }
    drop(query);
    Ok(url)
}
