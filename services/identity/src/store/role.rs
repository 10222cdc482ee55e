//! Roles that an organisation made itself.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Role {
    pub id: Uuid,
    pub key: String,
    pub name: String,
    pub description: String,
    pub scopes: Vec<String>,
    pub version: i64,
}

/// All of an organisation, oldest first; it has at most 100.
pub async fn list(conn: &mut PgConnection, organisation_id: Uuid) -> Result<Vec<Role>, DbError> {
    Ok(sqlx::query_as(
        "select id, key, name, description, scopes, version from identity.role
         where organisation_id = $1 and archived_at is null order by id limit 100",
    )
    .bind(organisation_id)
    .fetch_all(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Role>, DbError> {
    Ok(sqlx::query_as(
        "select id, key, name, description, scopes, version from identity.role
         where organisation_id = $1 and id = $2 and archived_at is null",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

pub async fn insert(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    role: &Role,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.role (id, organisation_id, key, name, description, scopes, created_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $7, $7, $8)",
    )
    .bind(role.id)
    .bind(organisation_id)
    .bind(&role.key)
    .bind(&role.name)
    .bind(&role.description)
    .bind(&role.scopes)
    .bind(at)
    .bind(role.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes name, description and scopes; the version becomes that of `role`.
pub async fn update(conn: &mut PgConnection, role: &Role, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query(
        "update identity.role set name = $2, description = $3, scopes = $4, updated_at = $5, version = $6 where id = $1",
    )
    .bind(role.id)
    .bind(&role.name)
    .bind(&role.description)
    .bind(&role.scopes)
    .bind(at)
    .bind(role.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Who has the role, in the whole organisation or in a place, or is invited with it: ids and names, at most 20.
pub async fn holders(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Vec<(Uuid, String)>, DbError> {
    Ok(sqlx::query_as(
        "select m.id, a.name from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.ended_at is null and ($2 = any (m.roles)
             or exists (select from identity.assignment s where s.membership_id = m.id and s.role = $2))
         union all
         select i.id, i.name from identity.invitation i
         where i.organisation_id = $1 and i.state = 'pending' and i.expires_at > $3 and $2 = any (i.roles)
         limit 20",
    )
    .bind(organisation_id)
    .bind(key)
    .bind(now)
    .fetch_all(conn)
    .await?)
}

pub async fn archive(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("update identity.role set archived_at = $2, updated_at = $2, version = version + 1 where id = $1")
        .bind(id)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(())
}
