//! The first-party session: opened at sign-in, found by its cookie, ended at sign-out.
use crate::store::profile;
use crate::store::session::{self, NewSession, Session};
use chrono::TimeDelta;
use hitaji_contracts::identity::SessionEnded;
use hitaji_core::{AccountId, new_id};
use hitaji_db::secrets::{random_token, sha256};
use hitaji_db::{Audit, Begun, Scope, Tx};
use hitaji_web::{PlatformCtx, Problem};
use uuid::Uuid;

pub const COOKIE: &str = "hitaji_session";
pub const ABSOLUTE_DAYS: i64 = 30;
/// Not used for so long, it has ended.
pub const IDLE: TimeDelta = TimeDelta::days(14);
/// A use is noted no more often than this.
const TOUCH_AFTER: TimeDelta = TimeDelta::minutes(5);

/// A transaction of identity in the name of `actor`. Pages have no Idempotency-Key: what they do can be repeated.
pub async fn begin(ctx: &PlatformCtx, actor: impl ToString) -> Result<Tx, Problem> {
    let request = ctx.request();
    let scope = Scope {
        tenant: None,
        service: "identity",
        actor: actor.to_string(),
        request_id: Some(request.id.clone()),
        traceparent: Some(request.traceparent().to_owned()),
        at: ctx.now(),
    };
    let conn = ctx.databases().control().await?;
    match Tx::begin(conn, scope, None, ctx.databases().wake().clone()).await? {
        Begun::Fresh(tx) => Ok(*tx),
        _ => Err(Problem::internal("a transaction without a key began as a replay")),
    }
}

/// Writes one line about an authentication event.
pub fn audit(tx: &mut Tx, action: &str, resource: &str, record_id: Option<Uuid>, after: serde_json::Value) {
    let after = (!after.is_null()).then(|| after.to_string());
    tx.audit(Audit { action, resource, record_id, before: None, after });
}

pub async fn find(ctx: &PlatformCtx, token: &str) -> Result<Option<Session>, Problem> {
    let now = ctx.now();
    let mut conn = ctx.read().await?;
    let found = session::find(&mut conn, &sha256(token.as_bytes()), now, now - IDLE).await?;
    if let Some(session) = found.as_ref().filter(|session| session.used_at + TOUCH_AFTER < now) {
        session::touch(&mut conn, session.id, None, now).await?;
    }
    conn.release();
    Ok(found)
}

/// A fresh session; its token goes into the cookie and is stored nowhere. What this browser had before ends.
pub async fn open(
    ctx: &PlatformCtx,
    tx: &mut Tx,
    account_id: Uuid,
    organisation_id: Option<Uuid>,
    amr: &[&str],
    earlier: Option<&Session>,
) -> Result<String, Problem> {
    if let Some(earlier) = earlier {
        end(ctx, tx, earlier.id).await?;
    }
    let (token, now) = (random_token(), ctx.now());
    let user_agent: String = ctx.request().header("user-agent").unwrap_or_default().chars().take(300).collect();
    let new = NewSession {
        id: new_id(),
        token_hash: sha256(token.as_bytes()),
        account_id,
        organisation_id,
        user_agent: &user_agent,
        amr,
        at: now,
        expires_at: now + TimeDelta::days(ABSOLUTE_DAYS),
    };
    session::insert(tx, &new).await?;
    audit(tx, "open", "identity.session", Some(new.id), serde_json::json!({"account_id": account_id, "amr": amr}));
    Ok(token)
}

/// Ends a session: its tokens are honoured no more, here from the commit on and elsewhere within a second.
pub async fn end(ctx: &PlatformCtx, tx: &mut Tx, session_id: Uuid) -> Result<(), Problem> {
    let now = ctx.now();
    if let Some(account_id) = session::end(tx, session_id, now).await? {
        ended(tx, session_id, account_id);
    }
    Ok(())
}

/// Ends everything a person has open; how many sessions that were.
pub async fn end_all(ctx: &PlatformCtx, tx: &mut Tx, account_id: Uuid) -> Result<usize, Problem> {
    let (sessions, granted) = session::end_all(tx, account_id, ctx.now()).await?;
    for session_id in &sessions {
        ended(tx, *session_id, account_id);
    }
    // Grants may outlive the session they were given in; their tokens name it all the same.
    granted.iter().for_each(|session_id| tx.deny_issued(*session_id));
    Ok(sessions.len())
}

/// Ends one session of a person, with the applications that went on without it. Nothing happens where it is not theirs.
pub async fn end_own(ctx: &PlatformCtx, tx: &mut Tx, account_id: Uuid, session_id: Uuid) -> Result<(), Problem> {
    let now = ctx.now();
    let theirs = profile::devices(tx, account_id, now, now - IDLE).await?;
    if theirs.iter().any(|device| device.id == session_id) {
        profile::end_offline_grants(tx, session_id, now).await?;
        end(ctx, tx, session_id).await?;
    }
    Ok(())
}

/// Ends everything a person has open but this session.
pub async fn end_others(ctx: &PlatformCtx, tx: &mut Tx, account_id: Uuid, kept: Uuid) -> Result<(), Problem> {
    for session_id in profile::end_others(tx, account_id, kept, ctx.now()).await? {
        ended(tx, session_id, account_id);
    }
    Ok(())
}

/// Tells everybody. Tokens of a grant that outlives the session name it too, so only those that are out are denied.
pub fn ended(tx: &mut Tx, session_id: Uuid, account_id: Uuid) {
    tx.deny_issued(session_id);
    tx.emit(session_id, &SessionEnded { session_id, account_id: AccountId(account_id) });
    audit(tx, "end", "identity.session", Some(session_id), serde_json::Value::Null);
}
