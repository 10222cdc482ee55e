//! Invitations.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Invitation {
    pub id: Uuid,
    pub organisation_id: Uuid,
    /// Empty for somebody who is invited by phone.
    pub email: String,
    /// E.164; none for somebody who is invited by mail.
    pub phone: Option<String>,
    pub name: String,
    pub roles: Vec<String>,
    pub locale: String,
    /// `pending`, `accepted`, `expired` or `revoked`.
    pub state: String,
    pub counter: i32,
    pub invited_by: Uuid,
    pub expires_at: DateTime<Utc>,
    pub version: i64,
}

impl Invitation {
    /// Where the link goes: an address of mail or a phone number.
    pub fn address(&self) -> &str {
        self.phone.as_deref().unwrap_or(&self.email)
    }
}

pub async fn insert(conn: &mut PgConnection, new: &Invitation, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.invitation
         (id, organisation_id, email, name, roles, locale, state, counter, invited_by, expires_at, created_at, updated_at, version,
          phone)
         values ($1, $2, nullif($3, ''), $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13)",
    )
    .bind(new.id)
    .bind(new.organisation_id)
    .bind(&new.email)
    .bind(&new.name)
    .bind(&new.roles)
    .bind(&new.locale)
    .bind(&new.state)
    .bind(new.counter)
    .bind(new.invited_by)
    .bind(new.expires_at)
    .bind(at)
    .bind(new.version)
    .bind(&new.phone)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes room for a new invitation to an address whose last one ran out.
pub async fn expire(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    address: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.invitation set state = 'expired', updated_at = $3, version = version + 1
         where organisation_id = $1 and (lower(email) = $2 or phone = $2) and state = 'pending' and expires_at <= $3",
    )
    .bind(organisation_id)
    .bind(address)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// One invitation, whichever organisation it is of: for its link and its mail.
pub async fn find(conn: &mut PgConnection, id: Uuid) -> Result<Option<Invitation>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, coalesce(email, '') as email, phone, name, roles, locale, state, counter, invited_by,
                expires_at, version
         from identity.invitation where id = $1",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Id and counter of the newest one that an address can still accept, of one organisation where one is named.
pub async fn newest_pending(
    conn: &mut PgConnection,
    email: &str,
    organisation_id: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Option<(Uuid, i32)>, DbError> {
    Ok(sqlx::query_as(
        "select id, counter from identity.invitation where lower(email) = $1 and ($2::uuid is null or organisation_id = $2)
         and state = 'pending' and expires_at > $3 order by id desc limit 1",
    )
    .bind(email)
    .bind(organisation_id)
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// One invitation of an organisation, locked.
pub async fn lock(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Invitation>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, coalesce(email, '') as email, phone, name, roles, locale, state, counter, invited_by,
                expires_at, version
         from identity.invitation where organisation_id = $1 and id = $2 for update",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Newest first, before `before`.
pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    before: Uuid,
    limit: i64,
) -> Result<Vec<Invitation>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, coalesce(email, '') as email, phone, name, roles, locale, state, counter, invited_by,
                expires_at, version
         from identity.invitation where organisation_id = $1 and id < $2 order by id desc limit $3",
    )
    .bind(organisation_id)
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Sent once more: a new link, and a new week for it. None when it cannot be any more.
pub async fn resend(
    conn: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Option<Invitation>, DbError> {
    Ok(sqlx::query_as(
        "update identity.invitation set state = 'pending', counter = counter + 1, expires_at = $3, updated_at = $2, version = version + 1
         where id = $1 and state in ('pending', 'expired')
         returning id, organisation_id, coalesce(email, '') as email, phone, name, roles, locale, state, counter, invited_by,
                expires_at, version",
    )
    .bind(id)
    .bind(now)
    .bind(expires_at)
    .fetch_optional(conn)
    .await?)
}

/// Ends a pending or expired invitation. False when there was none.
pub async fn revoke(conn: &mut PgConnection, id: Uuid, now: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.invitation set state = 'revoked', updated_at = $2, version = version + 1
         where id = $1 and state in ('pending', 'expired')",
    )
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Takes the invitation: once, with the newest link, in time.
pub async fn accept(
    conn: &mut PgConnection,
    id: Uuid,
    counter: i32,
    account_id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.invitation set state = 'accepted', accepted_by = $3, updated_at = $4, version = version + 1
         where id = $1 and counter = $2 and state = 'pending' and expires_at > $4",
    )
    .bind(id)
    .bind(counter)
    .bind(account_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Which of these addresses, in lower case, have an open invitation.
pub async fn pending_among(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    emails: &[String],
    now: DateTime<Utc>,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select lower(email) from identity.invitation
         where organisation_id = $1 and state = 'pending' and expires_at > $3 and lower(email) = any ($2)",
    )
    .bind(organisation_id)
    .bind(emails)
    .bind(now)
    .fetch_all(conn)
    .await?)
}
