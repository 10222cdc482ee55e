//! Passkeys by WebAuthn: the question, what is remembered of it in the database, and the answer.
use crate::http::browser::{Browser, PageError};
use crate::http::factors;
use crate::http::notices::tell;
use crate::http::session::{audit, begin};
use crate::store::account::{self, Account};
use crate::store::passkey::{self, NewPasskey, StoredPasskey};
use chrono::TimeDelta;
use hitaji_core::new_id;
use hitaji_db::Tx;
use hitaji_db::secrets::{random_token, sha256};
use hitaji_web::Problem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, DiscoverableAuthentication, Passkey, PasskeyAuthentication, PasskeyRegistration,
    PublicKeyCredential, RegisterPublicKeyCredential, WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

const CEREMONY_LIFETIME: TimeDelta = TimeDelta::minutes(10);
const PASSKEYS_MAX: usize = 20;

/// What a passkey proves: possession of its key, and that its holder was verified (RFC 8176).
pub const AMR: [&str; 2] = ["pop", "user"];

/// Nobody where the public address has no name.
pub fn relying_party(origin: &str) -> Result<Option<Webauthn>, String> {
    let url = Url::parse(origin).map_err(|error| format!("server.origin: {error}"))?;
    let Some(host) = url.domain() else { return Ok(None) };
    let built =
        WebauthnBuilder::new(host, &url).map(|builder| builder.rp_name("Hitaji")).and_then(WebauthnBuilder::build);
    built.map(Some).map_err(|error| format!("server.origin cannot be a relying party of WebAuthn: {error}"))
}

/// What the browser is asked, and the token under which the answer finds its question.
#[derive(Serialize)]
pub struct Question {
    pub ceremony: String,
    pub options: Value,
}

fn party(browser: &Browser) -> Result<&Webauthn, PageError> {
    let missing = || Problem::internal("there are no passkeys at an address without a name");
    browser.provider.webauthn.as_ref().ok_or_else(|| missing().into())
}

fn failed(error: impl std::fmt::Display) -> PageError {
    Problem::internal(format!("webauthn: {error}")).into()
}

async fn ask(
    browser: &Browser,
    kind: &str,
    account_id: Option<Uuid>,
    options: Value,
    state: &impl Serialize,
) -> Result<Question, PageError> {
    let ceremony = random_token();
    let state = serde_json::to_value(state).map_err(failed)?;
    let expires_at = browser.ctx.now() + CEREMONY_LIFETIME;
    let mut conn = browser.ctx.read().await?;
    passkey::begin(&mut conn, &sha256(ceremony.as_bytes()), kind, account_id, &state, expires_at).await?;
    conn.release();
    Ok(Question { ceremony, options })
}

async fn recall<S: DeserializeOwned>(
    browser: &Browser,
    tx: &mut Tx,
    kind: &str,
    account_id: Option<Uuid>,
    ceremony: &str,
) -> Result<Option<S>, PageError> {
    let hash = sha256(ceremony.as_bytes());
    let state = passkey::take(tx, &hash, kind, account_id, browser.ctx.now()).await?;
    state.map(|state| serde_json::from_value(state).map_err(failed)).transpose()
}

fn opened(stored: &StoredPasskey) -> Result<Passkey, PageError> {
    serde_json::from_value(stored.credential.clone()).map_err(failed)
}

/// Asks for a new passkey.
pub async fn ask_new(browser: &Browser, account: &Account) -> Result<Question, PageError> {
    let mut conn = browser.ctx.read().await?;
    let known = passkey::of(&mut conn, account.id).await?;
    conn.release();
    if known.len() >= PASSKEYS_MAX {
        return Err(Problem::field("", "too_many", "Remove a passkey first.".to_owned()).into());
    }
    let known = known.iter().map(|stored| opened(stored).map(|key| key.cred_id().clone())).collect::<Result<_, _>>()?;
    let asked = party(browser)?.start_passkey_registration(account.id, account.address(), &account.name, Some(known));
    let (options, state) = asked.map_err(failed)?;
    let mut options = serde_json::to_value(options).map_err(failed)?;
    // The library only allows a passkey that names its person; signing in without a name needs one.
    options["publicKey"]["authenticatorSelection"]["residentKey"] = json!("required");
    options["publicKey"]["authenticatorSelection"]["requireResidentKey"] = json!(true);
    ask(browser, "register", Some(account.id), options, &state).await
}

/// Asks for one of the account's passkeys.
pub async fn ask_known(browser: &Browser, account_id: Uuid) -> Result<Question, PageError> {
    let mut conn = browser.ctx.read().await?;
    let known = passkey::of(&mut conn, account_id).await?;
    conn.release();
    let usable = known.iter().filter(|stored| stored.suspect_at.is_none());
    let keys = usable.map(opened).collect::<Result<Vec<_>, _>>()?;
    let (options, state) = party(browser)?.start_passkey_authentication(&keys).map_err(failed)?;
    ask(browser, "prove", Some(account_id), serde_json::to_value(options).map_err(failed)?, &state).await
}

/// Asks for any passkey that names its person.
pub async fn ask_anybody(browser: &Browser) -> Result<Question, PageError> {
    let (options, state) = party(browser)?.start_discoverable_authentication().map_err(failed)?;
    ask(browser, "sign_in", None, serde_json::to_value(options).map_err(failed)?, &state).await
}

/// Keeps a new passkey; the recovery codes that come with the first factor. Nothing where the answer is not good.
pub async fn add(
    browser: &Browser,
    account: &Account,
    name: &str,
    ceremony: &str,
    answer: &str,
) -> Result<Option<Vec<String>>, PageError> {
    let Ok(answer) = serde_json::from_str::<RegisterPublicKeyCredential>(answer) else { return Ok(None) };
    let mut tx = begin(&browser.ctx, account.id).await?;
    let state = recall::<PasskeyRegistration>(browser, &mut tx, "register", Some(account.id), ceremony).await?;
    let made = state.and_then(|state| party(browser).ok()?.finish_passkey_registration(&answer, &state).ok());
    let mut kept = None;
    if let Some(made) = made {
        let credential = serde_json::to_value(&made).map_err(failed)?;
        let id = new_id();
        let new =
            NewPasskey { id, account_id: account.id, credential_id: made.cred_id(), name, credential: &credential };
        if passkey::insert(&mut tx, &new, browser.ctx.now()).await? {
            kept = Some(factors::first_codes(browser, &mut tx, account).await?);
            audit(&mut tx, "add", "identity.factor", Some(account.id), json!({"factor": "passkey", "passkey_id": id}));
            tell(&browser.ctx, &mut tx, account, "factor_added");
        }
    }
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(kept)
}

pub async fn remove(browser: &Browser, account: &Account, id: Uuid) -> Result<bool, PageError> {
    let mut tx = begin(&browser.ctx, account.id).await?;
    let there = passkey::remove(&mut tx, account.id, id).await?;
    if there {
        factors::removed(browser, &mut tx, account, "passkey").await?;
    }
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(there)
}

/// Whether the answer is one of the account's passkeys.
pub async fn proves(browser: &Browser, account: &Account, ceremony: &str, answer: &str) -> Result<bool, PageError> {
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Ok(false) };
    let mut tx = begin(&browser.ctx, account.id).await?;
    let state = recall::<PasskeyAuthentication>(browser, &mut tx, "prove", Some(account.id), ceremony).await?;
    let stored = passkey::by_credential(&mut tx, answer.get_credential_id()).await?;
    let right = match (state, stored.filter(|stored| stored.account_id == account.id)) {
        (Some(state), Some(stored)) => {
            let result = party(browser)?.finish_passkey_authentication(&answer, &state);
            judge(browser, &mut tx, account, &stored, result).await?
        }
        _ => false,
    };
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(right)
}

/// Whose passkey the answer is. Nobody where it is not good.
pub async fn whose(browser: &Browser, ceremony: &str, answer: &str) -> Result<Option<Account>, PageError> {
    let Ok(answer) = serde_json::from_str::<PublicKeyCredential>(answer) else { return Ok(None) };
    let mut tx = begin(&browser.ctx, "anonymous").await?;
    let state = recall::<DiscoverableAuthentication>(browser, &mut tx, "sign_in", None, ceremony).await?;
    let stored = passkey::by_credential(&mut tx, answer.get_credential_id()).await?;
    let named = party(browser)?.identify_discoverable_authentication(&answer).map(|(id, _)| id).ok();
    let stored = stored.filter(|stored| named == Some(stored.account_id));
    let mut found = None;
    if let (Some(state), Some(stored)) = (state, stored)
        && let Some(account) = account::find(&mut tx, stored.account_id).await?
        && account.disabled_at.is_none()
    {
        let key = opened(&stored)?;
        let result = party(browser)?.finish_discoverable_authentication_v2(&answer, state, &key);
        found = judge(browser, &mut tx, &account, &stored, result).await?.then_some(account);
    }
    if found.is_none() {
        audit(&mut tx, "sign_in_refused", "identity.account", None, json!({"by": "passkey"}));
    }
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(found)
}

/// Notes the use. A counter that went backwards means that there may be a copy: that passkey opens nothing any more
/// (WebAuthn section 6.1.1).
async fn judge(
    browser: &Browser,
    tx: &mut Tx,
    account: &Account,
    stored: &StoredPasskey,
    result: Result<AuthenticationResult, WebauthnError>,
) -> Result<bool, PageError> {
    let now = browser.ctx.now();
    match result {
        Ok(result) if result.user_verified() => {
            let mut key = opened(stored)?;
            key.update_credential(&result);
            let credential = serde_json::to_value(&key).map_err(failed)?;
            passkey::used(tx, stored.id, &credential, now).await?;
            Ok(true)
        }
        Err(WebauthnError::CredentialPossibleCompromise) => {
            passkey::suspect(tx, stored.id, now).await?;
            audit(tx, "passkey_suspect", "identity.factor", Some(account.id), json!({"passkey_id": stored.id}));
            tell(&browser.ctx, tx, account, "passkey_suspect");
            Ok(false)
        }
        _ => Ok(false),
    }
}
