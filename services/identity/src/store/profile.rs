//! What a person changes of their own account, sees of their devices, takes along, and leaves behind.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// A browser in which the person is signed in.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Device {
    pub id: Uuid,
    pub user_agent: String,
    pub auth_time: DateTime<Utc>,
    pub used_at: DateTime<Utc>,
}

/// Notes a sign-in; whether there was one before.
pub async fn signed_in(conn: &mut PgConnection, account_id: Uuid, at: DateTime<Utc>) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "with before as (select id, signed_in_at from identity.account where id = $1 for update)
         update identity.account a set signed_in_at = $2 from before where a.id = before.id
         returning before.signed_in_at is not null",
    )
    .bind(account_id)
    .bind(at)
    .fetch_one(conn)
    .await?)
}

/// The same session with more proven and another cookie.
pub async fn raise_session(
    conn: &mut PgConnection,
    id: Uuid,
    token_hash: &[u8; 32],
    amr: &[String],
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.session set token_hash = $2, amr = $3, auth_time = $4, used_at = $4 where id = $1 and ended_at is null",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(amr)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Live sessions, the one used last first.
pub async fn devices(
    conn: &mut PgConnection,
    account_id: Uuid,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> Result<Vec<Device>, DbError> {
    Ok(sqlx::query_as(
        "select id, user_agent, auth_time, used_at from identity.session
         where account_id = $1 and ended_at is null and expires_at > $2 and used_at > $3
         order by used_at desc, id desc limit 100",
    )
    .bind(account_id)
    .bind(now)
    .bind(idle_since)
    .fetch_all(conn)
    .await?)
}

/// Ends the grants that outlive their session, of one session.
pub async fn end_offline_grants(conn: &mut PgConnection, session_id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.token_grant set revoked_at = $2, revoked_for = 'device removed'
         where session_id = $1 and revoked_at is null",
    )
    .bind(session_id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends all sessions and grants of a person but one session with its grants. Returns the sessions that were alive.
pub async fn end_others(
    conn: &mut PgConnection,
    account_id: Uuid,
    kept: Uuid,
    at: DateTime<Utc>,
) -> Result<Vec<Uuid>, DbError> {
    sqlx::query(
        "update identity.token_grant set revoked_at = $3, revoked_for = 'other devices ended'
         where account_id = $1 and session_id <> $2 and revoked_at is null",
    )
    .bind(account_id)
    .bind(kept)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar(
        "update identity.session set ended_at = $3 where account_id = $1 and id <> $2 and ended_at is null returning id",
    )
    .bind(account_id)
    .bind(kept)
    .bind(at)
    .fetch_all(conn)
    .await?)
}

pub async fn rename(conn: &mut PgConnection, id: Uuid, name: &str, locale: &str) -> Result<(), DbError> {
    sqlx::query("update identity.account set name = $2, locale = $3, version = version + 1 where id = $1")
        .bind(id)
        .bind(name)
        .bind(locale)
        .execute(conn)
        .await?;
    Ok(())
}

/// A proven address. False when another account has it.
pub async fn set_email(conn: &mut PgConnection, id: Uuid, email: &str, at: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.account set email = $2, email_verified_at = $3, version = version + 1
         where id = $1 and not exists (select from identity.account where lower(email) = lower($2) and id <> $1)",
    )
    .bind(id)
    .bind(email)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Links that are on their way to change the address or the password are worth nothing from now on.
pub async fn withdraw_links(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "with proofs as (update identity.email_proof set used_at = $2 where account_id = $1 and used_at is null)
         update identity.password_reset set used_at = $2 where account_id = $1 and used_at is null",
    )
    .bind(id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes away what somebody set up who never proved the address of the account: it may have been a stranger.
pub async fn forget_unproven(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    for statement in [
        "delete from identity.passkey where account_id = $1",
        "delete from identity.totp where account_id = $1",
        "delete from identity.recovery_code where account_id = $1",
        "delete from identity.external_identity where account_id = $1",
        "update identity.account set phone = null, phone_verified_at = null where id = $1 and email is not null",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Organisations, locked in the order of their ids, of which the person is the only owner.
pub async fn owned_alone(conn: &mut PgConnection, account_id: Uuid) -> Result<Vec<Uuid>, DbError> {
    sqlx::query(
        "select from identity.organisation o where exists (select from identity.membership m
            where m.organisation_id = o.id and m.account_id = $1 and m.ended_at is null)
         order by o.id for no key update",
    )
    .bind(account_id)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar(
        "select m.organisation_id from identity.membership m
         where m.account_id = $1 and m.ended_at is null and 'owner' = any (m.roles) and not exists (
            select from identity.membership other join identity.account a on a.id = other.account_id
            where other.organisation_id = m.organisation_id and other.account_id <> $1 and other.ended_at is null
              and 'owner' = any (other.roles) and a.disabled_at is null)
         order by m.organisation_id",
    )
    .bind(account_id)
    .fetch_all(conn)
    .await?)
}

/// Ends all memberships; the organisations.
pub async fn leave_all(conn: &mut PgConnection, account_id: Uuid, at: DateTime<Utc>) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "update identity.membership set ended_at = $2, version = version + 1
         where account_id = $1 and ended_at is null returning organisation_id",
    )
    .bind(account_id)
    .bind(at)
    .fetch_all(conn)
    .await?)
}

/// What remains is an id that nobody can sign in with.
pub async fn blank(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.account set email = id::text || '@deleted.invalid', email_verified_at = null, phone = null,
            phone_verified_at = null, name = 'Deleted', password_hash = null, password_changed_at = null, disabled_at = $2,
            version = version + 1 where id = $1",
    )
    .bind(id)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    sqlx::query("update identity.session set user_agent = '' where account_id = $1")
        .bind(id)
        .execute(&mut *conn)
        .await?;
    for statement in [
        "delete from identity.password_reset where account_id = $1",
        "delete from identity.email_proof where account_id = $1",
        "delete from identity.pending_sign_in where account_id = $1",
        "delete from identity.ceremony where account_id = $1",
        "delete from identity.external_identity where account_id = $1",
        "delete from identity.scim_user where account_id = $1",
        "delete from identity.one_time_code where account_id = $1",
    ] {
        sqlx::query(statement).bind(id).execute(&mut *conn).await?;
    }
    Ok(())
}

/// All that identity keeps of a person, as one document. No secret is in it.
pub async fn export(conn: &mut PgConnection, id: Uuid) -> Result<Value, DbError> {
    Ok(sqlx::query_scalar(
        "select jsonb_build_object(
            'account', (select to_jsonb(a) from (select id, email, email_verified_at, phone, phone_verified_at, name, locale,
                password_changed_at, created_at, signed_in_at from identity.account where id = $1) a),
            'memberships', (select coalesce(jsonb_agg(m), '[]') from (select o.name as organisation, m.organisation_id, m.roles,
                m.joined_at, m.ended_at from identity.membership m join identity.organisation o on o.id = m.organisation_id
                where m.account_id = $1 order by m.id) m),
            'sessions', (select coalesce(jsonb_agg(s), '[]') from (select id, user_agent, amr, auth_time, used_at, expires_at,
                ended_at from identity.session where account_id = $1 order by id) s),
            'consents', (select coalesce(jsonb_agg(g), '[]') from (select client_id, organisation_id, scope, created_at,
                expires_at, revoked_at, revoked_for from identity.token_grant where account_id = $1 order by id limit 5000) g),
            'passkeys', (select coalesce(jsonb_agg(p), '[]') from (select id, name, created_at, used_at
                from identity.passkey where account_id = $1 order by id) p),
            'authenticator_app', (select to_jsonb(t) from (select confirmed_at from identity.totp
                where account_id = $1 and confirmed_at is not null) t),
            'recovery_codes_left', (select count(*) from identity.recovery_code where account_id = $1 and used_at is null),
            'invitations', (select coalesce(jsonb_agg(i), '[]') from (select i.organisation_id, i.email, i.name, i.roles, i.state,
                i.created_at from identity.invitation i join identity.account a on lower(a.email) = lower(i.email)
                where a.id = $1 order by i.id) i),
            'events', (select coalesce(jsonb_agg(e), '[]') from (select at, action, resource, record_id from hitaji.audit
                where service = 'identity' and (actor = $1::text or record_id = $1) order by position desc limit 5000) e)
         )",
    )
    .bind(id)
    .fetch_one(conn)
    .await?)
}
