//! `/identity/v1/providers`: an organisation's own OpenID providers for signing in. Secrets go in and never come out.
use crate::config::DEFAULT_SCOPES;
use crate::domain::federation::Kind;
use crate::http::api::members::PageParams;
use crate::http::federation::{Upstream, redirect_uri, seal_secret};
use crate::http::provider::Provider;
use crate::store::domain;
use crate::store::upstream::{self, Row};
use hitaji_core::{ErrorCode, FieldError, new_id};
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Of one organisation.
const PROVIDERS_MAX: i64 = 20;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProvider {
    /// `google`, `microsoft` or `oidc`.
    kind: String,
    /// On its button, and unique in the organisation.
    label: String,
    /// Of the kind `oidc`, exactly as the provider publishes it.
    #[serde(default)]
    issuer: Option<String>,
    /// Of the kind `microsoft`: the tenant's id or domain.
    #[serde(default)]
    tenant: Option<String>,
    client_id: String,
    /// Never read back.
    #[serde(default)]
    client_secret: Option<String>,
    /// `openid email profile` where absent.
    #[serde(default)]
    scopes: Option<Vec<String>>,
    /// Whether the organisation believes it when it says that somebody proved two factors.
    #[serde(default)]
    trust_mfa: bool,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderPatch {
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    client_id: Option<String>,
    /// Takes the place of the earlier one.
    #[serde(default)]
    client_secret: Option<String>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    trust_mfa: Option<bool>,
    #[serde(default)]
    enabled: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
pub struct ProviderOut {
    id: Uuid,
    kind: String,
    label: String,
    issuer: String,
    client_id: String,
    has_secret: bool,
    scopes: Vec<String>,
    trust_mfa: bool,
    enabled: bool,
    /// What has to be registered at the provider.
    redirect_uri: String,
    version: i64,
}

/// What a provider published when it was asked just now.
#[derive(Serialize, JsonSchema)]
pub struct TestOut {
    works: bool,
    /// Where it does not: `forbidden_address`, `unreachable`, `too_large`, `malformed` or `refused`.
    reason: Option<&'static str>,
    issuer: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = upstream::list(&mut conn, ctx.tenant().id.0, after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|row| row.id);
    let rows: Vec<_> = found.into_iter().map(|row| out(&ctx, row)).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let answer = out(&ctx, find(&ctx, id).await?);
    Ok(Answer::ok(&answer).version(answer.version))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewProvider>) -> Result<Answer, Problem> {
    let organisation_id = ctx.tenant().id.0;
    let scopes = asked.scopes.clone().unwrap_or_else(|| DEFAULT_SCOPES.map(str::to_owned).to_vec());
    let issuer = check(&ctx, &asked, &scopes)?;
    let secret = asked.client_secret.as_deref().filter(|secret| !secret.is_empty());
    let row = Row {
        id: new_id(),
        organisation_id,
        kind: asked.kind,
        label: asked.label.trim().to_owned(),
        issuer,
        client_id: asked.client_id,
        client_secret: secret.map(|secret| seal_secret(ctx.platform().databases().master(), secret)),
        scopes,
        trust_mfa: asked.trust_mfa,
        enabled: asked.enabled,
        version: 1,
    };
    let mut tx = ctx.tx().await?;
    if upstream::count(&mut tx, organisation_id).await? >= PROVIDERS_MAX {
        return Err(Problem::new(ErrorCode::Conflict, format!("There are {PROVIDERS_MAX} providers already.")));
    }
    upstream::insert(&mut tx, &row, ctx.now()).await.map_err(taken)?;
    note(&ctx, &mut tx, "create", &row);
    let answer = out(&ctx, row);
    let location = format!("/identity/v1/providers/{}", answer.id);
    ctx.commit(tx, Answer::created(location, &answer).version(answer.version)).await
}

pub async fn change(ctx: Ctx, Id(id): Id, Body(asked): Body<ProviderPatch>) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut row = lock(&ctx, &mut tx, id, if_match).await?;
    let turned_off = row.enabled && asked.enabled == Some(false);
    if turned_off {
        not_required(&ctx, &mut tx, &row).await?;
    }
    row.label = asked.label.map_or(row.label, |label| label.trim().to_owned());
    row.client_id = asked.client_id.unwrap_or(row.client_id);
    row.scopes = asked.scopes.unwrap_or(row.scopes);
    row.trust_mfa = asked.trust_mfa.unwrap_or(row.trust_mfa);
    row.enabled = asked.enabled.unwrap_or(row.enabled);
    let mut errors = Vec::new();
    check_texts(&row.label, &row.client_id, &row.scopes, asked.client_secret.as_deref(), &mut errors);
    if !errors.is_empty() {
        return Err(Problem::validation(errors));
    }
    if let Some(secret) = asked.client_secret.filter(|secret| !secret.is_empty()) {
        row.client_secret = Some(seal_secret(ctx.platform().databases().master(), &secret));
    }
    row.version += 1;
    upstream::update(&mut tx, &row).await.map_err(taken)?;
    note(&ctx, &mut tx, "update", &row);
    let answer = out(&ctx, row);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

pub async fn remove(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let row = lock(&ctx, &mut tx, id, if_match).await?;
    not_required(&ctx, &mut tx, &row).await?;
    upstream::delete(&mut tx, row.id).await?;
    note(&ctx, &mut tx, "delete", &row);
    ctx.commit(tx, Answer::no_content()).await
}

/// Asks the provider for its document and keys, as a sign-in would.
pub async fn test(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let provider = ctx.parts().get::<Provider>();
    let row = find(&ctx, id).await?;
    if provider.is_neutralised(row.organisation_id).await? {
        return Err(Problem::new(ErrorCode::Conflict, "Nothing leaves a copy of an organisation."));
    }
    let upstream = Upstream::open(row, &provider.master)?;
    let discovered = provider.federation.discoveries.anew(&provider.federation.outgoing, &upstream).await;
    Ok(Answer::ok(&match discovered {
        Ok(found) => TestOut {
            works: true,
            reason: None,
            issuer: Some(found.metadata.issuer.clone()),
            authorization_endpoint: Some(found.metadata.authorization_endpoint.clone()),
            token_endpoint: Some(found.metadata.token_endpoint.clone()),
        },
        Err(failed) => TestOut {
            works: false,
            reason: Some(failed.code()),
            issuer: None,
            authorization_endpoint: None,
            token_endpoint: None,
        },
    }))
}

async fn find(ctx: &Ctx, id: Uuid) -> Result<Row, Problem> {
    let mut conn = ctx.read().await?;
    let found = upstream::find(&mut conn, id).await?;
    conn.release();
    found.filter(|row| row.organisation_id == ctx.tenant().id.0).ok_or_else(Problem::not_found)
}

async fn lock(ctx: &Ctx, tx: &mut Tx, id: Uuid, if_match: Option<i64>) -> Result<Row, Problem> {
    let row = upstream::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != row.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this provider meanwhile; read it again."));
    }
    Ok(row)
}

/// Nobody of a domain that requires it could sign in any more.
async fn not_required(ctx: &Ctx, tx: &mut Tx, row: &Row) -> Result<(), Problem> {
    if domain::requires(tx, ctx.tenant().id.0, &row.id.to_string()).await? {
        return Err(Problem::new(ErrorCode::Conflict, "A domain requires this provider. Change the domain first."));
    }
    Ok(())
}

fn taken(error: DbError) -> Problem {
    match error.constraint() {
        Some("provider_label_key") => Problem::field("/label", "taken", "Another provider has this label."),
        _ => error.into(),
    }
}

/// The issuer, where everything is right.
fn check(ctx: &Ctx, asked: &NewProvider, scopes: &[String]) -> Result<String, Problem> {
    let mut errors = Vec::new();
    let kind = Kind::parse(&asked.kind);
    if kind.is_none() {
        errors.push(FieldError::new("/kind", "unknown_value", "Kinds are google, microsoft and oidc."));
    }
    check_texts(&asked.label, &asked.client_id, scopes, asked.client_secret.as_deref(), &mut errors);
    let issuer = kind.and_then(|kind| kind.issuer(asked.issuer.as_deref(), asked.tenant.as_deref()));
    let outgoing = &ctx.parts().get::<Provider>().federation.outgoing;
    match &issuer {
        Some(issuer) if !(8..=500).contains(&issuer.len()) || issuer.contains('?') || !outgoing.may_ask(issuer) => {
            errors.push(FieldError::new("/issuer", "malformed", "Write the public https address of the issuer."));
        }
        None if kind.is_some() => {
            let message = "oidc takes an issuer, microsoft a tenant, and google neither.";
            errors.push(FieldError::new("/issuer", "required", message));
        }
        _ => {}
    }
    match issuer {
        Some(issuer) if errors.is_empty() => Ok(issuer),
        _ => Err(Problem::validation(errors)),
    }
}

fn check_texts(label: &str, client_id: &str, scopes: &[String], secret: Option<&str>, errors: &mut Vec<FieldError>) {
    let label = label.trim();
    if !(1..=60).contains(&label.chars().count()) || label.chars().any(char::is_control) {
        errors.push(FieldError::new("/label", "malformed", "Write a label of at most 60 characters."));
    }
    if !(1..=255).contains(&client_id.len()) || !client_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        errors.push(FieldError::new("/client_id", "malformed", "Write the client id that the provider gave you."));
    }
    if secret.is_some_and(|secret| secret.len() > 1000 || secret.chars().any(char::is_control)) {
        errors.push(FieldError::new("/client_secret", "malformed", "Write the secret that the provider gave you."));
    }
    let good = |scope: &String| (1..=100).contains(&scope.len()) && scope.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = (1..=20).contains(&scopes.len()) && scopes.iter().all(good);
    if !fits || !scopes.iter().any(|scope| scope == "openid") {
        errors.push(FieldError::new("/scopes", "malformed", "At most 20 scopes, openid among them."));
    }
}

fn note(ctx: &Ctx, tx: &mut Tx, action: &str, row: &Row) {
    let after = json!({"organisation_id": ctx.tenant().id, "label": row.label, "issuer": row.issuer,
        "client_id": row.client_id, "enabled": row.enabled, "trust_mfa": row.trust_mfa});
    tx.audit(Audit {
        action,
        resource: "identity.provider",
        record_id: Some(row.id),
        before: None,
        after: Some(after.to_string()),
    });
}

fn out(ctx: &Ctx, row: Row) -> ProviderOut {
    ProviderOut {
        redirect_uri: redirect_uri(ctx.platform().origin(), &row.id.to_string()),
        id: row.id,
        kind: row.kind,
        label: row.label,
        issuer: row.issuer,
        client_id: row.client_id,
        has_secret: row.client_secret.is_some(),
        scopes: row.scopes,
        trust_mfa: row.trust_mfa,
        enabled: row.enabled,
        version: row.version,
    }
}
