//! The grant `token-exchange` (RFC 8693): a service goes on in the name of the person who asked it, and says that it does.
use crate::domain::client::Client;
use crate::domain::request::Parameters;
use crate::domain::scope::STANDARD;
use crate::http::membership::{self, Belonging};
use crate::http::mint::{Bearer, Proof};
use crate::http::programs;
use crate::http::protocol::reply::{OauthError, OauthResult, json_body};
use crate::http::protocol::token::{needed, one, token_type};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::standing::Standing;
use crate::store::account;
use axum::http::StatusCode;
use chrono::DateTime;
use hitaji_core::{ErrorCode, PermissionSet};
use hitaji_db::Tx;
use hitaji_web::{Actor, PlatformCtx, Problem, SubjectType, Verified};
use serde_json::json;
use std::sync::Arc;
use uuid::Uuid;

pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// So many may stand one behind the other.
const ACTORS_MAX: usize = 4;

/// Section 2.2.2: whatever is wrong with the subject token is `invalid_request`.
fn refused() -> OauthError {
    OauthError::new("invalid_request", "the subject token is not valid, or not one that can be exchanged")
}

pub async fn grant(
    ctx: &PlatformCtx,
    provider: &Provider,
    client: &Client,
    form: &Parameters,
    jkt: Option<&str>,
) -> OauthResult {
    check_form(form)?;
    programs::check_target(provider, form)?;
    let subject = subject(ctx, client, needed(form, "subject_token")?).await?;
    let actor = format!("client:{}", client.id);
    let mut tx = begin(ctx, &actor).await?;
    let belonging = belonging(ctx, &mut tx, provider, &subject).await?;
    let organisation_id = belonging.tenant.id;
    let standing = Standing::Member(belonging);
    let proof = subject.auth_time.and_then(|at| DateTime::from_timestamp(at, 0));
    let bearer = Bearer {
        subject: subject.subject.0,
        standing: &standing,
        client,
        scope: &requested(&subject, one(form, "scope")?),
        session_id: subject.session,
        proof: proof.map(|at| Proof { at, amr: subject.amr.clone() }),
        jkt,
        act: Some(Actor { sub: client.id.clone(), act: subject.act.clone().map(Box::new) }),
    };
    let granted = provider.granted(&bearer);
    if granted.permissions.is_empty() && granted.standard.is_empty() {
        return Err(OauthError::new("invalid_scope", "nothing is left of what the subject token and the client allow"));
    }
    let (now, keys) = (ctx.now(), provider.keys.get(ctx.databases()).await.map_err(Problem::from)?);
    let minted = provider.access_token_until(&keys, &bearer, now, subject.expires_at).map_err(OauthError::internal)?;
    let what = json!({"client_id": client.id, "organisation_id": organisation_id, "scope": minted.scope});
    audit(&mut tx, "exchange", "identity.account", Some(subject.subject.0), what);
    tx.commit(None).await.map_err(Problem::from)?;
    let body = json!({
        "access_token": minted.access_token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": token_type(jkt),
        "expires_in": minted.expires_at - now.timestamp(),
        "scope": minted.scope,
    });
    Ok(json_body(StatusCode::OK, &body))
}

fn check_form(form: &Parameters) -> Result<(), OauthError> {
    if needed(form, "subject_token_type")? != ACCESS_TOKEN {
        return Err(OauthError::new("invalid_request", "only access tokens of ours are exchanged"));
    }
    if one(form, "requested_token_type")?.is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err(OauthError::new("invalid_request", "only access tokens are issued"));
    }
    if one(form, "actor_token")?.is_some() || one(form, "actor_token_type")?.is_some() {
        return Err(OauthError::new("invalid_request", "who acts is the client itself; send no actor_token"));
    }
    Ok(())
}

/// The person's token: of a member, in the organisation of the client where it has one.
async fn subject(ctx: &PlatformCtx, client: &Client, token: &str) -> Result<Arc<Verified>, OauthError> {
    let subject = match ctx.platform().examine(token).await {
        Ok(subject) => subject,
        Err(problem) if problem.code == ErrorCode::Unauthenticated => return Err(refused()),
        Err(problem) => return Err(problem.into()),
    };
    let is_members = subject.subject_type == SubjectType::User && subject.support.is_none();
    let at_home = client.organisation_id.is_none_or(|own| subject.tenant.is_some_and(|tenant| tenant.0 == own));
    // A token that is bound to a key is worth nothing in other hands; an exchange would undo that.
    let free = subject.jkt.is_none();
    let expired = subject.expires_at <= ctx.now().timestamp();
    let depth = std::iter::successors(subject.act.as_ref(), |actor| actor.act.as_deref()).count();
    let good = is_members && subject.tenant.is_some() && at_home && free && !expired && depth < ACTORS_MAX;
    good.then_some(subject).ok_or_else(refused)
}

/// The membership that the token rests on, with what is still allowed of what the token allows.
async fn belonging(
    ctx: &PlatformCtx,
    tx: &mut Tx,
    provider: &Provider,
    subject: &Verified,
) -> Result<Belonging, OauthError> {
    let (account_id, tenant) = (subject.subject.0, subject.tenant.ok_or_else(refused)?);
    let account = account::find(tx, account_id).await.map_err(Problem::from)?;
    if account.is_none_or(|account| account.disabled_at.is_some()) {
        return Err(refused());
    }
    let belonging = membership::at(ctx, tx, account_id, tenant.0).await?.ok_or_else(refused)?;
    if subject.membership.is_some_and(|id| id != belonging.membership_id) {
        return Err(refused());
    }
    let both = belonging.permissions.intersection(&subject.permissions);
    let in_place = |(id, held): &(Uuid, PermissionSet)| {
        let there = subject.nodes.iter().find(|(node, _)| node == id).map(|(_, had)| *had).unwrap_or_default();
        let kept = provider.without_restricted(&held.intersection(&there.union(&subject.permissions)));
        (!kept.is_empty()).then_some((*id, kept))
    };
    let nodes = belonging.nodes.iter().filter_map(in_place).collect();
    Ok(Belonging { permissions: provider.without_restricted(&both), nodes, ..belonging })
}

/// What is asked for, or all that the token has. Its permissions are no more than the standing's; of the scopes that
/// open what is known of the person, none that the token lacks.
fn requested(subject: &Verified, asked: Option<&str>) -> String {
    let has: Vec<&str> = subject.scope.split_ascii_whitespace().collect();
    let Some(asked) = asked else { return subject.scope.replace("offline_access", "") };
    let allowed = |scope: &&str| !STANDARD.contains(scope) || (has.contains(scope) && *scope != "offline_access");
    asked.split_ascii_whitespace().filter(allowed).collect::<Vec<_>>().join(" ")
}
