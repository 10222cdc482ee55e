//! Signing others out: their sessions and grants of one organisation.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// The account of a current member, whose row is locked.
pub async fn lock_member(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    membership_id: Uuid,
) -> Result<Option<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "select account_id from identity.membership where id = $1 and organisation_id = $2 and ended_at is null for update",
    )
    .bind(membership_id)
    .bind(organisation_id)
    .fetch_optional(conn)
    .await?)
}

/// Ends the sessions in which the person worked here last, and all grants for this organisation; any other session of
/// theirs asks for a new sign-in before it opens this organisation. Returns the sessions.
pub async fn member(conn: &mut PgConnection, membership_id: Uuid, now: DateTime<Utc>) -> Result<Vec<Uuid>, DbError> {
    sqlx::query("update identity.membership set signed_out_at = $2 where id = $1")
        .bind(membership_id)
        .bind(now)
        .execute(&mut *conn)
        .await?;
    let sessions = sqlx::query_scalar(
        "update identity.session s set ended_at = $2 from identity.membership m
         where m.id = $1 and s.account_id = m.account_id and s.organisation_id = m.organisation_id and s.ended_at is null
         returning s.id",
    )
    .bind(membership_id)
    .bind(now)
    .fetch_all(&mut *conn)
    .await?;
    sqlx::query(
        "update identity.token_grant g set revoked_at = $2, revoked_for = 'signed out by the organisation'
         from identity.membership m
         where m.id = $1 and g.account_id = m.account_id and g.organisation_id = m.organisation_id and g.revoked_at is null",
    )
    .bind(membership_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(sessions)
}
