//! `/identity/v1/api-keys`: secrets by which programs of an organisation are let in, and the question what one is worth.
use crate::domain::account::normalise_name;
use crate::domain::program::is_restricted;
use crate::http::api::members::PageParams;
use crate::http::programs::check_scopes;
use crate::http::provider::Provider;
use crate::store::api_key::{self, ApiKey};
use chrono::{DateTime, NaiveDate, SubsecRound as _, TimeDelta, Utc};
use hitaji_core::api_key::{assemble, shown};
use hitaji_core::{ErrorCode, FieldError, TenantId, new_id};
use hitaji_db::secrets::{random_token, sha256};
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{
    Access, Answer, Body, Ctx, Id, Idempotency, KeyAnswer, KeyQuestion, Params, PlatformCtx, Problem, Route, Schema,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const LIFETIME_MAX: TimeDelta = TimeDelta::days(366);
/// So long two secrets are good while one takes the other's place.
const OVERLAP: TimeDelta = TimeDelta::days(7);

const READ: Access = Access::Scope("identity.client:read");
const MANAGE: Access = Access::Scope("identity.client:manage");

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    name: String,
    /// Permissions: such as you have yourself.
    scopes: Vec<String>,
    /// At most a year from now.
    expires_at: DateTime<Utc>,
}

#[derive(Serialize, JsonSchema)]
pub struct KeyOut {
    id: Uuid,
    name: String,
    /// `active`, `expired` or `revoked`.
    status: &'static str,
    /// How it begins.
    shown: String,
    /// The key itself. Only in the answer that makes it: nobody can read it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    scopes: Vec<String>,
    /// The account of whoever made it.
    created_by: Uuid,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    /// The last day it was used on (UTC).
    last_used_on: Option<NaiveDate>,
    /// Until when the secret before this one is good.
    old_until: Option<DateTime<Utc>>,
    version: i64,
}

/// An answer with a secret is not kept for a repeated request.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/api-keys", READ, list)
            .summary("API keys of the organisation, newest first")
            .answers_schema(200, Some(Schema::page_of::<KeyOut>()))
            .list(),
        Route::get("/api-keys/{id}", READ, read).summary("One API key").answers::<KeyOut>(200),
        Route::post("/api-keys", MANAGE, create)
            .summary("Make an API key, shown once")
            .idempotency(Idempotency::None)
            .recent_sign_in()
            .body::<NewKey>()
            .answers::<KeyOut>(201),
        Route::post("/api-keys/{id}/rotate", MANAGE, rotate)
            .summary("Make a new secret, shown once; the one before it is good for seven more days")
            .idempotency(Idempotency::None)
            .recent_sign_in()
            .if_match()
            .answers::<KeyOut>(200),
        Route::post("/api-keys/{id}/retire-old", MANAGE, retire_old)
            .summary("End the secret before the last rotation now")
            .if_match()
            .answers::<KeyOut>(200),
        Route::delete("/api-keys/{id}", MANAGE, revoke)
            .summary("End an API key, for ever")
            .if_match()
            .answers_schema(204, None),
        Route::post("/key-questions", Access::Peer("every process asks what a key it was sent is worth"), answer)
            .summary("What an API key is worth")
            .idempotency(Idempotency::None)
            .body::<KeyQuestion>()
            .answers::<KeyAnswer>(200),
    ]
}

async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, before) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = api_key::list(&mut conn, ctx.tenant().id.0, before.unwrap_or(Uuid::max()), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|key| key.id);
    let rows: Vec<_> = found.into_iter().map(|key| out(key, ctx.now(), None)).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = api_key::find(&mut conn, ctx.tenant().id.0, id).await?;
    conn.release();
    let answer = out(found.ok_or_else(Problem::not_found)?, ctx.now(), None);
    Ok(Answer::ok(&answer).version(answer.version))
}

async fn create(ctx: Ctx, Body(asked): Body<NewKey>) -> Result<Answer, Problem> {
    let (provider, now) = (ctx.parts().get::<Provider>(), ctx.now().trunc_subsecs(6));
    let mut errors = check_scopes(&ctx, &provider, &asked.scopes);
    let (name, expires_at) = (normalise_name(&asked.name), asked.expires_at.trunc_subsecs(6));
    if name.is_none() {
        errors.push(FieldError::new("/name", "required", "Write a name of 1 to 120 characters."));
    }
    if asked.scopes.is_empty() {
        errors.push(FieldError::new("/scopes", "required", "Choose at least one permission."));
    }
    if expires_at <= now || expires_at > now + LIFETIME_MAX {
        errors.push(FieldError::new("/expires_at", "out_of_range", "Choose a time within a year from now."));
    }
    let (true, Some(name)) = (errors.is_empty(), name) else { return Err(Problem::validation(errors)) };
    let creator = ctx.person().ok_or_else(|| Problem::new(ErrorCode::InsufficientScope, "Only people make keys."))?;
    let key = assemble(&random_token());
    let new = ApiKey {
        id: new_id(),
        organisation_id: ctx.tenant().id.0,
        name,
        shown: shown(&key),
        scopes: asked.scopes,
        created_by: creator.0,
        created_at: now,
        expires_at,
        last_used_on: None,
        revoked_at: None,
        old_until: None,
        version: 1,
    };
    let mut tx = ctx.tx().await?;
    api_key::insert(&mut tx, &new, &sha256(key.as_bytes())).await?;
    note(&mut tx, &new, "create");
    tx.commit(None).await?;
    let answer = out(new, now, Some(key));
    let location = format!("/identity/v1/api-keys/{}", answer.id);
    Ok(Answer::created(location, &answer).version(answer.version))
}

async fn rotate(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let (provider, if_match, now) = (ctx.parts().get::<Provider>(), ctx.request().if_match()?, ctx.now());
    let mut tx = ctx.tx().await?;
    let mut found = locked(&ctx, &mut tx, id, if_match).await?;
    if found.revoked_at.is_some() || found.expires_at <= now {
        return Err(Problem::new(ErrorCode::Conflict, "This key is no longer good. Make a new one."));
    }
    if found.old_until.is_some_and(|until| until > now) {
        return Err(Problem::new(ErrorCode::Conflict, "Two secrets are good already. Retire the older one first."));
    }
    // Whoever gets the secret gets what it allows.
    let beyond = |scope: &String| {
        let number = provider.registry.number(scope);
        provider.catalogue.is_open_to(scope, &ctx.tenant().products)
            && !number.is_some_and(|number| ctx.token().permissions.contains(number))
    };
    if found.scopes.iter().any(beyond) {
        return Err(Problem::field("/scopes", "beyond_own", "This key has permissions that you do not have yourself."));
    }
    let key = assemble(&random_token());
    let until = (now + OVERLAP).trunc_subsecs(6);
    found.version = api_key::rotate(&mut tx, id, &sha256(key.as_bytes()), &shown(&key), until).await?;
    (found.shown, found.old_until) = (shown(&key), Some(until));
    note(&mut tx, &found, "rotate");
    tx.commit(None).await?;
    let answer = out(found, now, Some(key));
    Ok(Answer::ok(&answer).version(answer.version))
}

async fn retire_old(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut found = locked(&ctx, &mut tx, id, if_match).await?;
    if let Some(hash) = api_key::retire_old(&mut tx, id).await? {
        tx.deny(secret_id(&hash));
        note(&mut tx, &found, "retire_old");
        (found.old_until, found.version) = (None, found.version + 1);
    }
    let answer = out(found, ctx.now(), None);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

async fn revoke(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let found = locked(&ctx, &mut tx, id, if_match).await?;
    if api_key::revoke(&mut tx, id, ctx.now()).await? {
        tx.deny(id);
        note(&mut tx, &found, "revoke");
    }
    ctx.commit(tx, Answer::no_content()).await
}

/// Unknown, expired and revoked ones are the same 404.
async fn answer(ctx: PlatformCtx, Body(question): Body<KeyQuestion>) -> Result<Answer, Problem> {
    let (provider, now) = (ctx.parts().get::<Provider>(), ctx.now());
    let hash = unhex(&question.hash).ok_or_else(Problem::not_found)?;
    let mut conn = ctx.read().await?;
    let found = api_key::live(&mut conn, &hash, now).await?;
    if let Some(found) = found.as_ref().filter(|found| found.last_used_on != Some(now.date_naive())) {
        api_key::touch(&mut conn, found.id, now.date_naive()).await?;
    }
    conn.release();
    let found = found.ok_or_else(Problem::not_found)?;
    let tenant = match ctx.databases().describe(TenantId(found.organisation_id)).await {
        Err(DbError::UnknownTenant) => return Err(Problem::not_found()),
        described => described?,
    };
    let open = |scope: &String| !is_restricted(scope) && provider.catalogue.is_open_to(scope, &tenant.products);
    Ok(Answer::ok(&KeyAnswer {
        key_id: found.id,
        secret_id: secret_id(&hash),
        organisation_id: tenant.id,
        scopes: found.scopes.into_iter().filter(open).collect(),
        expires_at: found.expires_at.timestamp(),
    }))
}

/// The id by which one secret of a key is denied.
fn secret_id(hash: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

async fn locked(ctx: &Ctx, tx: &mut Tx, id: Uuid, if_match: Option<i64>) -> Result<ApiKey, Problem> {
    let found = api_key::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this key meanwhile; read it again."));
    }
    Ok(found)
}

fn note(tx: &mut Tx, key: &ApiKey, action: &'static str) {
    let what = json!({
        "name": key.name, "organisation_id": key.organisation_id, "scopes": key.scopes, "expires_at": key.expires_at,
    });
    let record_id = Some(key.id);
    tx.audit(Audit { action, resource: "identity.api_key", record_id, before: None, after: Some(what.to_string()) });
}

fn out(key: ApiKey, now: DateTime<Utc>, secret: Option<String>) -> KeyOut {
    KeyOut {
        id: key.id,
        name: key.name,
        status: match key.revoked_at {
            Some(_) => "revoked",
            None if key.expires_at <= now => "expired",
            None => "active",
        },
        shown: key.shown,
        key: secret,
        scopes: key.scopes,
        created_by: key.created_by,
        created_at: key.created_at,
        expires_at: key.expires_at,
        last_used_on: key.last_used_on,
        old_until: key.old_until.filter(|until| *until > now),
        version: key.version,
    }
}
