//! `/identity/v1/clients`: the programs and applications that an organisation lets in, looked after by its own people.
use crate::domain::account::normalise_name;
use crate::domain::client::GrantType;
use crate::http::api::client_form::{self, ClientPatch, Kind, NewClient};
use crate::http::api::members::PageParams;
use crate::http::programs::check_scopes;
use crate::http::provider::Provider;
use crate::store::own_client::{self, OwnClient};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use hitaji_core::{ErrorCode, new_id};
use hitaji_db::secrets::{random_token, sha256};
use hitaji_db::{Audit, Tx, denials};
use hitaji_web::{Access, Answer, Body, Ctx, Idempotency, Params, Problem, Route, Schema, Segments};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

/// So long two secrets are good while one takes the other's place.
const OVERLAP: TimeDelta = TimeDelta::days(7);

const READ: Access = Access::Scope("identity.client:read");
const MANAGE: Access = Access::Scope("identity.client:manage");

#[derive(Serialize, JsonSchema)]
pub struct ClientOut {
    /// The `client_id`.
    id: String,
    name: String,
    kind: Kind,
    /// `active`, `expired` or `disabled`.
    status: &'static str,
    /// How it proves itself: `none`, `client_secret` or `private_key_jwt`.
    auth: String,
    /// The secret. Only in the answer that makes it: nobody can read it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    /// Permissions that it gets at most.
    scopes: Vec<String>,
    /// Whether it may go on in the name of the people whose tokens it is sent.
    token_exchange: bool,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    /// Until when the secret before this one is good.
    old_secret_until: Option<DateTime<Utc>>,
    version: i64,
}

/// An answer with a secret is not kept for a repeated request.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/clients", READ, list)
            .summary("Programs and applications of the organisation")
            .answers_schema(200, Some(Schema::page_of::<ClientOut>()))
            .list(),
        Route::get("/clients/{id}", READ, read).summary("One program or application").answers::<ClientOut>(200),
        Route::post("/clients", MANAGE, create)
            .summary("Let a program or application in; its secret is shown once")
            .idempotency(Idempotency::None)
            .recent_sign_in()
            .body::<NewClient>()
            .answers::<ClientOut>(201),
        Route::patch("/clients/{id}", MANAGE, change)
            .summary("Change a program or application")
            .recent_sign_in()
            .if_match()
            .body::<ClientPatch>()
            .answers::<ClientOut>(200),
        Route::post("/clients/{id}/rotate", MANAGE, rotate)
            .summary("Make a new secret, shown once; the one before it is good for seven more days")
            .idempotency(Idempotency::None)
            .recent_sign_in()
            .if_match()
            .answers::<ClientOut>(200),
        Route::post("/clients/{id}/retire-old", MANAGE, retire_old)
            .summary("End the secret before the last rotation now")
            .if_match()
            .answers::<ClientOut>(200),
        Route::delete("/clients/{id}", MANAGE, disable)
            .summary("End a program or application with all its tokens, for ever")
            .if_match()
            .answers_schema(204, None),
    ]
}

async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<String>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = own_client::list(&mut conn, ctx.tenant().id.0, &after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|client| client.id.clone());
    let rows: Vec<_> = found.into_iter().map(|client| out(client, ctx.now(), None)).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

async fn read(ctx: Ctx, Segments(id): Segments<String>) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = own_client::find(&mut conn, ctx.tenant().id.0, &id).await?;
    conn.release();
    let answer = out(found.ok_or_else(Problem::not_found)?, ctx.now(), None);
    Ok(Answer::ok(&answer).version(answer.version))
}

async fn create(ctx: Ctx, Body(asked): Body<NewClient>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let mut errors = check_scopes(&ctx, &provider, &asked.scopes);
    let name = normalise_name(&asked.name);
    let (auth, jwks) = client_form::auth(&asked, &mut errors);
    let secret = (auth == "client_secret").then(random_token);
    let client = OwnClient {
        id: new_id().to_string(),
        organisation_id: Some(ctx.tenant().id.0),
        name: name.unwrap_or_default(),
        auth: auth.to_owned(),
        secret_hashes: secret.iter().map(|secret| sha256(secret.as_bytes()).to_vec()).collect(),
        old_secret_until: None,
        jwks: jwks.map(sqlx::types::Json),
        grants: asked.grants(),
        redirect_uris: asked.redirect_uris,
        post_logout_redirect_uris: asked.post_logout_redirect_uris,
        scopes: Some(asked.scopes),
        created_by: ctx.person().map(|person| person.0),
        created_at: ctx.now().trunc_subsecs(6),
        expires_at: asked.expires_at.map(|at| at.trunc_subsecs(6)),
        disabled_at: None,
        version: 1,
    };
    client_form::check(&client, ctx.now(), &mut errors);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    let mut tx = ctx.tx().await?;
    own_client::insert(&mut tx, &client).await?;
    note(&mut tx, &client, "create");
    tx.commit(None).await?;
    let answer = out(client, ctx.now(), secret);
    let location = format!("/identity/v1/clients/{}", answer.id);
    Ok(Answer::created(location, &answer).version(answer.version))
}

async fn change(ctx: Ctx, Segments(id): Segments<String>, Body(patch): Body<ClientPatch>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut client = find(&ctx, &mut tx, &id, if_match).await?;
    may_give(&ctx, &provider, &client)?;
    let before = client.scopes.clone();
    let mut errors = patch.scopes.as_ref().map(|scopes| check_scopes(&ctx, &provider, scopes)).unwrap_or_default();
    patch.apply(&mut client, &mut errors);
    client_form::check(&client, ctx.now(), &mut errors);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    client.version = own_client::update(&mut tx, &client).await?;
    let kept = |scope: &String| client.scopes.as_ref().is_none_or(|scopes| scopes.contains(scope));
    if !before.unwrap_or_default().iter().all(kept) {
        tx.deny_issued(denials::client(&client.id));
    }
    note(&mut tx, &client, "change");
    let answer = out(client, ctx.now(), None);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

async fn rotate(ctx: Ctx, Segments(id): Segments<String>) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let (if_match, now) = (ctx.request().if_match()?, ctx.now());
    let mut tx = ctx.tx().await?;
    let mut client = find(&ctx, &mut tx, &id, if_match).await?;
    may_give(&ctx, &provider, &client)?;
    if client.auth != "client_secret" {
        return Err(Problem::new(
            ErrorCode::Conflict,
            "It has no secret. A program that signs gets its new keys by a change.",
        ));
    }
    if client.old_secret_until.is_some_and(|until| until > now) {
        return Err(Problem::new(ErrorCode::Conflict, "Two secrets are good already. Retire the older one first."));
    }
    let secret = random_token();
    client.secret_hashes.truncate(1);
    client.secret_hashes.insert(0, sha256(secret.as_bytes()).to_vec());
    client.old_secret_until = Some((now + OVERLAP).trunc_subsecs(6));
    client.version = own_client::update(&mut tx, &client).await?;
    note(&mut tx, &client, "rotate");
    tx.commit(None).await?;
    let answer = out(client, now, Some(secret));
    Ok(Answer::ok(&answer).version(answer.version))
}

async fn retire_old(ctx: Ctx, Segments(id): Segments<String>) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut client = find(&ctx, &mut tx, &id, if_match).await?;
    if client.secret_hashes.len() > 1 {
        client.secret_hashes.truncate(1);
        client.old_secret_until = None;
        client.version = own_client::update(&mut tx, &client).await?;
        note(&mut tx, &client, "retire_old");
    }
    let answer = out(client, ctx.now(), None);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

async fn disable(ctx: Ctx, Segments(id): Segments<String>) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut client = locked(&ctx, &mut tx, &id, if_match).await?;
    if client.disabled_at.is_none() {
        client.disabled_at = Some(ctx.now());
        own_client::update(&mut tx, &client).await?;
        own_client::end_grants(&mut tx, &client.id, ctx.now()).await?;
        tx.deny(denials::client(&client.id));
        note(&mut tx, &client, "disable");
    }
    ctx.commit(tx, Answer::no_content()).await
}

async fn locked(ctx: &Ctx, tx: &mut Tx, id: &str, if_match: Option<i64>) -> Result<OwnClient, Problem> {
    let found = own_client::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this program meanwhile; read it again."));
    }
    Ok(found)
}

/// One that is not disabled.
async fn find(ctx: &Ctx, tx: &mut Tx, id: &str, if_match: Option<i64>) -> Result<OwnClient, Problem> {
    let found = locked(ctx, tx, id, if_match).await?;
    if found.disabled_at.is_some() {
        return Err(Problem::new(ErrorCode::Conflict, "This program was ended for ever. Make a new one."));
    }
    Ok(found)
}

/// Whoever gets the secret of a program, or says where its people are sent, must have all that it may do.
fn may_give(ctx: &Ctx, provider: &Provider, client: &OwnClient) -> Result<(), Problem> {
    let beyond = |scope: &String| {
        let number = provider.registry.number(scope);
        provider.catalogue.is_open_to(scope, &ctx.tenant().products)
            && !number.is_some_and(|number| ctx.token().permissions.contains(number))
    };
    // One without a list may have anything.
    if client.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(beyond)) {
        let told = "This program has permissions that you do not have yourself.";
        return Err(Problem::field("/scopes", "beyond_own", told));
    }
    Ok(())
}

fn note(tx: &mut Tx, client: &OwnClient, action: &'static str) {
    let what = json!({
        "client_id": client.id, "name": client.name, "organisation_id": client.organisation_id, "scopes": client.scopes,
        "redirect_uris": client.redirect_uris, "expires_at": client.expires_at,
    });
    let record_id = client.id.parse().ok();
    tx.audit(Audit { action, resource: "identity.client", record_id, before: None, after: Some(what.to_string()) });
}

fn out(client: OwnClient, now: DateTime<Utc>, secret: Option<String>) -> ClientOut {
    let expired = client.expires_at.is_some_and(|at| at <= now);
    ClientOut {
        kind: Kind::of(&client),
        status: match client.disabled_at {
            Some(_) => "disabled",
            None if expired => "expired",
            None => "active",
        },
        token_exchange: client.grants.iter().any(|grant| grant == GrantType::TokenExchange.as_str()),
        id: client.id,
        name: client.name,
        auth: client.auth,
        client_secret: secret,
        redirect_uris: client.redirect_uris,
        post_logout_redirect_uris: client.post_logout_redirect_uris,
        scopes: client.scopes.unwrap_or_default(),
        created_at: client.created_at,
        expires_at: client.expires_at,
        old_secret_until: client.old_secret_until.filter(|until| *until > now),
        version: client.version,
    }
}
