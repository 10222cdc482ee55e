//! Directories: their tokens, and people as they know them.
use crate::domain::scim::Filter;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, sqlx::FromRow)]
pub struct Token {
    pub id: Uuid,
    pub organisation_id: Uuid,
    pub label: String,
    /// The only ones that it gives and takes.
    pub roles: Vec<String>,
    pub default_role: String,
    pub created_by: Uuid,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A person as a directory sees them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct User {
    pub id: Uuid,
    pub account_id: Option<Uuid>,
    pub user_name: String,
    pub external_id: Option<String>,
    pub name: String,
    pub roles: Vec<String>,
    /// Where they are a member now.
    pub membership_id: Option<Uuid>,
    /// Of this row and of the membership.
    pub version: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

pub async fn insert_token(conn: &mut PgConnection, new: &Token, hash: &[u8; 32]) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.scim_token (id, organisation_id, label, hash, roles, default_role, created_by, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id)
    .bind(new.organisation_id)
    .bind(&new.label)
    .bind(hash.as_slice())
    .bind(&new.roles)
    .bind(&new.default_role)
    .bind(new.created_by)
    .bind(new.created_at)
    .bind(new.expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The token of this hash, neither revoked nor expired; notes the use.
pub async fn use_token(conn: &mut PgConnection, hash: &[u8; 32], now: DateTime<Utc>) -> Result<Option<Token>, DbError> {
    Ok(sqlx::query_as(
        "update identity.scim_token set last_used_at = $2 where hash = $1 and revoked_at is null and expires_at > $2
         returning id, organisation_id, label, roles, default_role, created_by, created_at, expires_at, last_used_at",
    )
    .bind(hash.as_slice())
    .bind(now)
    .fetch_optional(conn)
    .await?)
}

/// Those that are not revoked.
pub async fn tokens(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Token>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, label, roles, default_role, created_by, created_at, expires_at, last_used_at
         from identity.scim_token where organisation_id = $1 and id > $2 and revoked_at is null order by id limit $3",
    )
    .bind(organisation_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

pub async fn revoke_token(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let revoked = sqlx::query(
        "update identity.scim_token set revoked_at = $3 where organisation_id = $1 and id = $2 and revoked_at is null",
    )
    .bind(organisation_id)
    .bind(id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(revoked.rows_affected() == 1)
}

/// Makes a row for every member, and finds those who joined by an invitation.
pub async fn follow_members(conn: &mut PgConnection, organisation_id: Uuid, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.scim_user u set account_id = m.account_id, version = u.version + 1, updated_at = $2
         from identity.membership m join identity.account a on a.id = m.account_id
         where u.organisation_id = $1 and u.account_id is null and m.organisation_id = $1 and m.ended_at is null
           and lower(a.email) = lower(u.user_name)
           and not exists (select from identity.scim_user o where o.organisation_id = $1 and o.account_id = m.account_id)",
    )
    .bind(organisation_id)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into identity.scim_user (id, organisation_id, account_id, user_name, name, roles, created_at, updated_at)
         select m.id, m.organisation_id, m.account_id, coalesce(a.email, a.phone), a.name, m.roles, m.joined_at, m.joined_at
         from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.ended_at is null
           and not exists (select from identity.scim_user u where u.organisation_id = $1 and u.account_id = m.account_id)
         on conflict do nothing",
    )
    .bind(organisation_id)
    .execute(conn)
    .await?;
    Ok(())
}

/// People by a filter in the order of their ids, from `offset` on.
pub async fn users(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    filter: Option<&Filter>,
    offset: i64,
    limit: i64,
) -> Result<(i64, Vec<User>), DbError> {
    let (mut id, mut user_name, mut external_id, mut active) = (None, None, None, None);
    match filter {
        Some(Filter::Id(text)) => id = Some(text.clone()),
        Some(Filter::UserName(text)) => user_name = Some(text.to_lowercase()),
        Some(Filter::ExternalId(text)) => external_id = Some(text.clone()),
        Some(Filter::Active(value)) => active = Some(*value),
        // Of groups only.
        Some(Filter::DisplayName(_)) | None => {}
    }
    let total = sqlx::query_scalar(
        "select count(*) from identity.scim_user u
         left join identity.membership m on m.organisation_id = u.organisation_id and m.account_id = u.account_id and m.ended_at is null
         where u.organisation_id = $1 and ($2::text is null or u.id::text = $2) and ($3::text is null or lower(u.user_name) = $3)
           and ($4::text is null or u.external_id = $4) and ($5::boolean is null or (m.id is not null) = $5)",
    )
    .bind(organisation_id)
    .bind(&id)
    .bind(&user_name)
    .bind(&external_id)
    .bind(active)
    .fetch_one(&mut *conn)
    .await?;
    let users = sqlx::query_as(
        "select u.id, u.account_id, u.user_name, u.external_id, u.name, coalesce(m.roles, u.roles) as roles,
                m.id as membership_id, u.version * 1000 + coalesce(m.version, 0) as version, u.created_at, u.updated_at
         from identity.scim_user u
         left join identity.membership m on m.organisation_id = u.organisation_id and m.account_id = u.account_id and m.ended_at is null
         where u.organisation_id = $1 and ($2::text is null or u.id::text = $2) and ($3::text is null or lower(u.user_name) = $3)
           and ($4::text is null or u.external_id = $4) and ($5::boolean is null or (m.id is not null) = $5)
         order by u.id offset $6 limit $7",
    )
    .bind(organisation_id)
    .bind(&id)
    .bind(&user_name)
    .bind(&external_id)
    .bind(active)
    .bind(offset)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok((total, users))
}

/// One person, their row locked.
pub async fn lock_user(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<User>, DbError> {
    Ok(sqlx::query_as(
        "select u.id, u.account_id, u.user_name, u.external_id, u.name, coalesce(m.roles, u.roles) as roles,
                m.id as membership_id, u.version * 1000 + coalesce(m.version, 0) as version, u.created_at, u.updated_at
         from identity.scim_user u
         left join identity.membership m on m.organisation_id = u.organisation_id and m.account_id = u.account_id and m.ended_at is null
         where u.organisation_id = $1 and u.id = $2 for update of u",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// False where there is somebody of this name already.
pub async fn insert_user(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    new: &User,
    invitation_id: Option<Uuid>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.scim_user (id, organisation_id, account_id, invitation_id, user_name, external_id, name, roles, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) on conflict do nothing",
    )
    .bind(new.id)
    .bind(organisation_id)
    .bind(new.account_id)
    .bind(invitation_id)
    .bind(&new.user_name)
    .bind(&new.external_id)
    .bind(&new.name)
    .bind(&new.roles)
    .bind(new.created_at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn update_user(conn: &mut PgConnection, user: &User, now: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.scim_user set external_id = $2, name = $3, roles = $4, version = version + 1, updated_at = $5
         where id = $1",
    )
    .bind(user.id)
    .bind(&user.external_id)
    .bind(&user.name)
    .bind(&user.roles)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn delete_user(conn: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("delete from identity.scim_user where id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// People who have a role, with their names.
pub async fn role_members(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    role: &str,
) -> Result<Vec<(Uuid, String)>, DbError> {
    Ok(sqlx::query_as(
        "select u.id, u.name from identity.scim_user u
         join identity.membership m on m.organisation_id = u.organisation_id and m.account_id = u.account_id and m.ended_at is null
         where u.organisation_id = $1 and $2 = any(m.roles) order by u.id limit 1000",
    )
    .bind(organisation_id)
    .bind(role)
    .fetch_all(conn)
    .await?)
}

/// Withdraws the open invitation of somebody who shall not come any more.
pub async fn uninvite(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    email: &str,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "update identity.invitation set state = 'revoked', updated_at = $3, version = version + 1
         where organisation_id = $1 and lower(email) = lower($2) and state = 'pending'",
    )
    .bind(organisation_id)
    .bind(email)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn set_roles(conn: &mut PgConnection, membership_id: Uuid, roles: &[String]) -> Result<(), DbError> {
    sqlx::query("update identity.membership set roles = $2, version = version + 1 where id = $1 and ended_at is null")
        .bind(membership_id)
        .bind(roles)
        .execute(conn)
        .await?;
    Ok(())
}
