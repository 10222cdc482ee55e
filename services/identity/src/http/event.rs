//! Noting what happens at the door: each event of signing in with who, where from and how it ended, for the people who
//! look after security. Beside the audit trail, which is for ever and therefore holds no addresses.
//!
//! The network address and the user agent are data of the person: they are kept for [`KEPT`] and then removed with the
//! event, by `identity.forget_events`.
use crate::http::provider::Provider;
use crate::http::session::begin;
use crate::store::account;
use crate::store::event::{self, NewEvent};
use chrono::TimeDelta;
use hitaji_core::new_id;
use hitaji_db::{DbError, Tx};
use hitaji_web::{PlatformCtx, Problem, Request};
use serde_json::{Value, json};
use uuid::Uuid;

pub const KEPT: TimeDelta = TimeDelta::days(400);

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    SignIn,
    SignUp,
    SignOut,
    /// Too many wrong tries: the next has to wait.
    LockOut,
    PasswordResetRequest,
    PasswordReset,
    InvitationAccepted,
    /// A client was let in for the person.
    Authorization,
    /// A code or refresh token was used twice.
    TokenReuse,
    GrantRevoked,
    OperatorToken,
    SupportToken,
    /// By somebody else: a security person, or an operator.
    SignedOut,
}

impl Action {
    pub const ALL: [Action; 13] = [
        Action::SignIn,
        Action::SignUp,
        Action::SignOut,
        Action::LockOut,
        Action::PasswordResetRequest,
        Action::PasswordReset,
        Action::InvitationAccepted,
        Action::Authorization,
        Action::TokenReuse,
        Action::GrantRevoked,
        Action::OperatorToken,
        Action::SupportToken,
        Action::SignedOut,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Action::SignIn => "sign_in",
            Action::SignUp => "sign_up",
            Action::SignOut => "sign_out",
            Action::LockOut => "lock_out",
            Action::PasswordResetRequest => "password_reset_request",
            Action::PasswordReset => "password_reset",
            Action::InvitationAccepted => "invitation_accepted",
            Action::Authorization => "authorization",
            Action::TokenReuse => "token_reuse",
            Action::GrantRevoked => "grant_revoked",
            Action::OperatorToken => "operator_token",
            Action::SupportToken => "support_token",
            Action::SignedOut => "signed_out",
        }
    }
}

/// One event. Everything but the action may be unknown.
#[derive(Debug)]
pub struct Event<'a> {
    pub action: Action,
    pub refused: bool,
    pub account_id: Option<Uuid>,
    /// Where none is named it is the only one that the person belongs to, if it is one.
    pub organisation_id: Option<Uuid>,
    pub client_id: Option<&'a str>,
    pub session_id: Option<Uuid>,
    /// Ids, methods and reasons; never a secret, and nothing that people typed.
    pub detail: Value,
}

impl<'a> Event<'a> {
    pub fn done(action: Action, account_id: Uuid) -> Event<'a> {
        Event { refused: false, ..Event::refused(action, Some(account_id)) }
    }

    pub fn refused(action: Action, account_id: Option<Uuid>) -> Event<'a> {
        Event {
            action,
            refused: true,
            account_id,
            organisation_id: None,
            client_id: None,
            session_id: None,
            detail: json!({}),
        }
    }
}

/// Notes an event in the transaction that makes it.
pub async fn note(request: &Request, tx: &mut Tx, event: Event<'_>) -> Result<(), DbError> {
    let user_agent: String = request.header("user-agent").unwrap_or_default().chars().take(300).collect();
    let new = NewEvent {
        id: new_id(),
        at: tx.scope().at,
        action: event.action.as_str(),
        outcome: if event.refused { "refused" } else { "done" },
        account_id: event.account_id,
        organisation_id: event.organisation_id,
        client_id: event.client_id,
        session_id: event.session_id,
        address: request.client_ip.map(|address| address.to_canonical().to_string()),
        user_agent: &user_agent,
        detail: &event.detail,
    };
    event::insert(tx, &new).await
}

/// Notes that tries at an account have to wait: the first one that is sent away, not each of a flood.
pub async fn note_lock_out(ctx: &PlatformCtx, provider: &Provider, key: &str, email: &str) -> Result<(), Problem> {
    if !provider.throttle.is_first_refusal(key) {
        return Ok(());
    }
    let mut tx = begin(ctx, "anonymous").await?;
    let account = account::find_by_email(&mut tx, email).await?;
    note(ctx.request(), &mut tx, Event::refused(Action::LockOut, account.map(|account| account.id))).await?;
    Ok(tx.commit(None).await?)
}
