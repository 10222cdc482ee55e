//! `GET /identity/v1/sign-in-events` and `GET /identity/v1/me/events`: who signed in, when and from where, newest first.
//! Addresses and user agents are data of the people; they are kept for 400 days.
use crate::http::api::paged;
use crate::http::event::Action;
use crate::store::event::{self, Event, Wanted};
use chrono::{DateTime, Utc};
use hitaji_core::ErrorCode;
use hitaji_web::{Access, Answer, Ctx, Params, Problem, Route, page_limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::IpAddr;
use uuid::Uuid;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventParams {
    limit: Option<String>,
    cursor: Option<String>,
    action: Option<String>,
    outcome: Option<String>,
    account_id: Option<Uuid>,
    address: Option<String>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

#[derive(Serialize, JsonSchema)]
pub struct SignInEventOut {
    id: Uuid,
    at: DateTime<Utc>,
    /// `sign_in`, `lock_out`, `authorization` and so on.
    action: String,
    /// `done` or `refused`.
    outcome: String,
    /// Whose account; none where nobody's was tried.
    account_id: Option<Uuid>,
    name: Option<String>,
    email: Option<String>,
    /// The application, where one was let in.
    client_id: Option<String>,
    /// The network address it came from.
    address: Option<String>,
    user_agent: String,
    detail: Value,
}

pub fn routes() -> Vec<Route> {
    let own = Access::Member("everybody may see what happened with their own account");
    let events = Access::Scope("identity.event:read");
    vec![
        filtered(
            Route::get("/sign-in-events", events, list)
                .summary("Who signed in, when and from where, and who was refused; newest first, kept for 400 days"),
        )
        .parameter("account_id", "only this person's"),
        filtered(Route::get("/me/events", own, list_own).summary("What happened with my account, newest first")),
    ]
}

fn filtered(route: Route) -> Route {
    paged::<SignInEventOut>(route)
        .parameter("action", "one or several actions, with commas between")
        .parameter("outcome", "`done` or `refused`")
        .parameter("address", "a network address, or a network such as 10.0.0.0/8")
        .parameter("from", "an instant; from then on")
        .parameter("to", "an instant; before then")
}

async fn list(ctx: Ctx, Params(params): Params<EventParams>) -> Result<Answer, Problem> {
    let wanted = wanted(&params)?;
    let wanted = Wanted { organisation_id: Some(ctx.tenant().id.0), account_id: params.account_id, ..wanted };
    answer(&ctx, &params, &wanted).await
}

async fn list_own(ctx: Ctx, Params(params): Params<EventParams>) -> Result<Answer, Problem> {
    let wanted = wanted(&params)?;
    answer(&ctx, &params, &Wanted { account_id: Some(ctx.subject().0), ..wanted }).await
}

async fn answer(ctx: &Ctx, params: &EventParams, wanted: &Wanted<'_>) -> Result<Answer, Problem> {
    let limit = page_limit(params.limit.as_deref())?;
    let before: Option<Uuid> = params.cursor.as_deref().map(|cursor| ctx.open_cursor(cursor)).transpose()?;
    let mut conn = ctx.read().await?;
    let mut events = event::list(&mut conn, wanted, before.unwrap_or(Uuid::max()), limit + 1).await?;
    conn.release();
    let more = events.len() > limit as usize;
    events.truncate(limit as usize);
    let next = events.last().filter(|_| more).map(|event| event.id);
    let rows: Vec<_> = events.into_iter().map(SignInEventOut::from).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

fn wanted(params: &EventParams) -> Result<Wanted<'_>, Problem> {
    let malformed = |detail: &str| Problem::new(ErrorCode::Malformed, detail);
    let actions: Option<Vec<&str>> = params.action.as_deref().map(|actions| actions.split(',').collect());
    let known = |action: &&str| Action::ALL.iter().any(|known| known.as_str() == *action);
    if !actions.iter().flatten().all(known) {
        let all = Action::ALL.map(Action::as_str).join(", ");
        return Err(malformed(&format!("There is no such action; there are: {all}.")));
    }
    if !params.outcome.as_deref().is_none_or(|outcome| ["done", "refused"].contains(&outcome)) {
        return Err(malformed("outcome is done or refused."));
    }
    if !params.address.as_deref().is_none_or(is_network) {
        return Err(malformed("address is a network address such as 192.0.2.7, or a network such as 192.0.2.0/24."));
    }
    Ok(Wanted {
        actions,
        outcome: params.outcome.as_deref(),
        address: params.address.as_deref(),
        from: params.from,
        to: params.to,
        ..Wanted::default()
    })
}

/// What PostgreSQL takes as `inet`: an address, or one with the length of its network.
fn is_network(text: &str) -> bool {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    let digits = |bits: &str| bits.len() <= 3 && bits.bytes().all(|byte| byte.is_ascii_digit());
    bits.is_none_or(|bits| digits(bits) && bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}

impl From<Event> for SignInEventOut {
    fn from(event: Event) -> SignInEventOut {
        SignInEventOut {
            id: event.id,
            at: event.at,
            action: event.action,
            outcome: event.outcome,
            account_id: event.account_id,
            name: event.name,
            email: event.email,
            client_id: event.client_id,
            address: event.address,
            user_agent: event.user_agent,
            detail: event.detail.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_network;

    #[test]
    fn addresses_and_networks() {
        for good in ["192.0.2.7", "192.0.2.0/24", "2001:db8::/32", "::1", "10.0.0.0/0"] {
            assert!(is_network(good), "{good}");
        }
        for bad in ["", "x", "192.0.2.7/33", "192.0.2.7/+8", "192.0.2/24", "::1/129", "10.0.0.0/"] {
            assert!(!is_network(bad), "{bad}");
        }
    }
}
