//! `POST /identity/v1/members/{id}/sign-out` and `POST /identity/v1/accounts/{id}/sign-out`: somebody's sessions are in
//! the wrong hands, and end in every service within a second.
use crate::http::event::{Action, Event, note};
use crate::http::session::{self, audit};
use crate::store::{account, sign_out};
use hitaji_db::Tx;
use hitaji_web::{Access, Answer, Body, Ctx, Id, PlatformCtx, Problem, Request, Route};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignOutOrder {
    /// Why, in 3 to 500 characters; written down.
    reason: String,
}

#[derive(Serialize, JsonSchema)]
pub struct SignedOutAnswer {
    /// Browsers that were signed in.
    sessions: usize,
}

pub fn routes() -> Vec<Route> {
    vec![
        Route::post("/members/{id}/sign-out", Access::Scope("identity.member:manage"), member)
            .summary("End all that a member has open in this organisation")
            .recent_sign_in()
            .body::<SignOutOrder>()
            .answers::<SignedOutAnswer>(200),
        Route::post("/accounts/{id}/sign-out", Access::Operator("identity.accounts:manage"), everywhere)
            .summary("End all that a person has open, in every organisation")
            .body::<SignOutOrder>()
            .answers::<SignedOutAnswer>(200),
    ]
}

/// `id` is the membership's. Sessions in which the person last worked elsewhere stay, but open this organisation only
/// after a new sign-in.
async fn member(ctx: Ctx, Id(id): Id, Body(order): Body<SignOutOrder>) -> Result<Answer, Problem> {
    let reason = reason(&order)?;
    let mut tx = ctx.tx().await?;
    let organisation = ctx.tenant().id.0;
    let account_id = sign_out::lock_member(&mut tx, organisation, id).await?.ok_or_else(Problem::not_found)?;
    let ended = sign_out::member(&mut tx, id, ctx.now()).await?;
    for session_id in &ended.sessions {
        session::ended(&mut tx, *session_id, account_id);
    }
    tx.deny_issued(id);
    let by = ctx.token().actor();
    written(ctx.request(), &mut tx, account_id, Some(organisation), &by, reason).await?;
    ctx.commit(tx, Answer::ok(&SignedOutAnswer { sessions: ended.sessions.len() })).await
}

async fn everywhere(ctx: PlatformCtx, Id(id): Id, Body(order): Body<SignOutOrder>) -> Result<Answer, Problem> {
    let reason = reason(&order)?;
    let by = ctx.operators_token()?.actor();
    let mut tx = ctx.tx(&by).await?;
    account::find(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let sessions = session::end_all(&ctx, &mut tx, id).await?;
    tx.deny_issued(id);
    written(ctx.request(), &mut tx, id, None, &by, reason).await?;
    ctx.commit(tx, Answer::ok(&SignedOutAnswer { sessions })).await
}

async fn written(
    request: &Request,
    tx: &mut Tx,
    account_id: Uuid,
    organisation_id: Option<Uuid>,
    by: &str,
    reason: &str,
) -> Result<(), Problem> {
    let what = json!({"organisation_id": organisation_id, "reason": reason});
    audit(tx, "sign_out", "identity.account", Some(account_id), what);
    let detail = json!({"by": by, "reason": reason});
    let event = Event { organisation_id, detail, ..Event::done(Action::SignedOut, account_id) };
    Ok(note(request, tx, event).await?)
}

fn reason(order: &SignOutOrder) -> Result<&str, Problem> {
    let reason = order.reason.trim();
    let fits = (3..=500).contains(&reason.chars().count());
    let refused = || Problem::field("/reason", "required", "Say why, in 3 to 500 characters.");
    fits.then_some(reason).ok_or_else(refused)
}
