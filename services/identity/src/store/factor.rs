//! Second factors: authenticator apps and recovery codes.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

/// What an account has besides its password.
#[derive(Clone, Copy, Debug, Default, sqlx::FromRow)]
pub struct Factors {
    pub totp: bool,
    /// Unused ones.
    pub recovery_codes: i64,
    /// Those that are not suspect.
    pub passkeys: i64,
}

impl Factors {
    /// Recovery codes alone are none: they stand in for another one.
    pub fn any(&self) -> bool {
        self.totp || self.passkeys > 0
    }
}

#[derive(sqlx::FromRow)]
pub struct TotpRow {
    pub sealed: Vec<u8>,
    pub last_step: i64,
    pub confirmed_at: Option<DateTime<Utc>>,
}

pub async fn of(conn: &mut PgConnection, account_id: Uuid) -> Result<Factors, DbError> {
    Ok(sqlx::query_as(
        "select exists (select from identity.totp where account_id = $1 and confirmed_at is not null) as totp,
            (select count(*) from identity.recovery_code where account_id = $1 and used_at is null) as recovery_codes,
            (select count(*) from identity.passkey where account_id = $1 and suspect_at is null) as passkeys",
    )
    .bind(account_id)
    .fetch_one(conn)
    .await?)
}

/// Locked, so that one code is not taken twice at the same time.
pub async fn totp(conn: &mut PgConnection, account_id: Uuid) -> Result<Option<TotpRow>, DbError> {
    Ok(sqlx::query_as("select sealed, last_step, confirmed_at from identity.totp where account_id = $1 for update")
        .bind(account_id)
        .fetch_optional(conn)
        .await?)
}

/// A secret that waits for its first code, in the place of an earlier one that waited. Nothing happens where one is confirmed.
pub async fn offer_totp(
    conn: &mut PgConnection,
    account_id: Uuid,
    sealed: &[u8],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.totp as t (account_id, sealed, created_at) values ($1, $2, $3)
         on conflict (account_id) do update set sealed = excluded.sealed, created_at = excluded.created_at, last_step = 0
         where t.confirmed_at is null",
    )
    .bind(account_id)
    .bind(sealed)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// A code of this step was accepted; the first one confirms the secret.
pub async fn accept_totp(
    conn: &mut PgConnection,
    account_id: Uuid,
    step: i64,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.totp set last_step = $2, confirmed_at = coalesce(confirmed_at, $3)
         where account_id = $1 and last_step < $2",
    )
    .bind(account_id)
    .bind(step)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn remove_totp(conn: &mut PgConnection, account_id: Uuid) -> Result<bool, DbError> {
    let removed = sqlx::query("delete from identity.totp where account_id = $1").bind(account_id).execute(conn).await?;
    Ok(removed.rows_affected() == 1)
}

/// Secrets sealed by a given master key or an earlier one, for sealing them anew.
pub async fn all_totp(conn: &mut PgConnection, after: Uuid, limit: i64) -> Result<Vec<(Uuid, Vec<u8>)>, DbError> {
    Ok(sqlx::query_as(
        "select account_id, sealed from identity.totp where account_id > $1 order by account_id limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Nothing where it changed meanwhile.
pub async fn replace_seal(conn: &mut PgConnection, account_id: Uuid, old: &[u8], anew: &[u8]) -> Result<(), DbError> {
    sqlx::query("update identity.totp set sealed = $3 where account_id = $1 and sealed = $2")
        .bind(account_id)
        .bind(old)
        .bind(anew)
        .execute(conn)
        .await?;
    Ok(())
}

/// New recovery codes; earlier ones are worth nothing from now on.
pub async fn renew_recovery_codes(
    conn: &mut PgConnection,
    account_id: Uuid,
    hashes: &[Vec<u8>],
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    remove_recovery_codes(conn, account_id).await?;
    sqlx::query(
        "insert into identity.recovery_code (hash, account_id, created_at) select hash, $2, $3 from unnest($1::bytea[]) hash",
    )
    .bind(hashes)
    .bind(account_id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a code: once.
pub async fn use_recovery_code(
    conn: &mut PgConnection,
    account_id: Uuid,
    hash: &[u8; 32],
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.recovery_code set used_at = $3 where hash = $2 and account_id = $1 and used_at is null",
    )
    .bind(account_id)
    .bind(hash.as_slice())
    .bind(at)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

pub async fn remove_recovery_codes(conn: &mut PgConnection, account_id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.recovery_code where account_id = $1").bind(account_id).execute(conn).await?;
    Ok(())
}
