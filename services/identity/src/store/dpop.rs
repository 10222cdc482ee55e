//! Proofs of possession that were seen, and the keys that grants are bound to.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// Notes a proof. False when it was there already.
pub async fn remember(conn: &mut PgConnection, id: &[u8; 32], expires_at: DateTime<Utc>) -> Result<bool, DbError> {
    let inserted =
        sqlx::query("insert into identity.dpop_proof (id, expires_at) values ($1, $2) on conflict do nothing")
            .bind(id.as_slice())
            .bind(expires_at)
            .execute(conn)
            .await?;
    Ok(inserted.rows_affected() == 1)
}

/// Binds a grant's refresh tokens to a key.
pub async fn bind(conn: &mut PgConnection, grant_id: Uuid, jkt: &str) -> Result<(), DbError> {
    sqlx::query("update identity.token_grant set dpop_jkt = $2 where id = $1")
        .bind(grant_id)
        .bind(jkt)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes proofs that would be refused for their age.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<u64, DbError> {
    let removed =
        sqlx::query("delete from identity.dpop_proof where expires_at < $1").bind(before).execute(conn).await?;
    Ok(removed.rows_affected())
}
