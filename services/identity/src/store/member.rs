//! One member's place: changed and ended, never so that nobody owns the organisation any more.
use crate::store::organisation::Member;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// A current member, locked.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Member>, DbError> {
    Ok(sqlx::query_as(
        "select m.id, m.account_id, a.name, a.email, a.phone, m.roles, m.joined_at, m.version
         from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.id = $2 and m.ended_at is null for update of m",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Member>, DbError> {
    Ok(sqlx::query_as(
        "select m.id, m.account_id, a.name, a.email, a.phone, m.roles, m.joined_at, m.version
         from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.id = $2 and m.ended_at is null",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Writes the roles in the whole organisation. False where that would leave it without an owner who can sign in.
pub async fn set_roles(conn: &mut PgConnection, id: Uuid, roles: &[String], version: i64) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.membership m set roles = $2, version = $3
         where m.id = $1 and ('owner' = any ($2) or not 'owner' = any (m.roles) or exists (
             select from identity.membership other join identity.account a on a.id = other.account_id
             where other.organisation_id = m.organisation_id and other.id <> m.id and other.ended_at is null
               and 'owner' = any (other.roles) and a.disabled_at is null))",
    )
    .bind(id)
    .bind(roles)
    .bind(version)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Ends the membership with the grants that hang on it. False where that would leave the organisation without an owner.
pub async fn end(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<bool, DbError> {
    let ended: Option<(Uuid, Uuid)> = sqlx::query_as(
        "update identity.membership m set ended_at = $2, version = version + 1
         where m.id = $1 and m.ended_at is null and (not 'owner' = any (m.roles) or exists (
             select from identity.membership other join identity.account a on a.id = other.account_id
             where other.organisation_id = m.organisation_id and other.id <> m.id and other.ended_at is null
               and 'owner' = any (other.roles) and a.disabled_at is null))
         returning m.organisation_id, m.account_id",
    )
    .bind(id)
    .bind(at)
    .fetch_optional(&mut *conn)
    .await?;
    let Some((organisation_id, account_id)) = ended else { return Ok(false) };
    sqlx::query(
        "with left_session as (update identity.session set organisation_id = null where account_id = $1 and organisation_id = $2)
         update identity.token_grant set revoked_at = $3, revoked_for = 'membership ended'
         where account_id = $1 and organisation_id = $2 and revoked_at is null",
    )
    .bind(account_id)
    .bind(organisation_id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(true)
}
