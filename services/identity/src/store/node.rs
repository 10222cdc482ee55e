//! The organisation's tree of places.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Node {
    pub id: Uuid,
    pub parent_id: Option<Uuid>,
    pub name: String,
    /// `branch`, `campus` or `department`.
    pub kind: String,
    pub version: i64,
}

/// After `after`, oldest first.
pub async fn list(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Node>, DbError> {
    Ok(sqlx::query_as(
        "select id, parent_id, name, kind, version from identity.node
         where organisation_id = $1 and archived_at is null and id > $2 order by id limit $3",
    )
    .bind(organisation_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

pub async fn find(conn: &mut PgConnection, organisation_id: Uuid, id: Uuid) -> Result<Option<Node>, DbError> {
    Ok(sqlx::query_as(
        "select id, parent_id, name, kind, version from identity.node
         where organisation_id = $1 and id = $2 and archived_at is null",
    )
    .bind(organisation_id)
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// Which of these are places of the organisation.
pub async fn known(conn: &mut PgConnection, organisation_id: Uuid, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "select id from identity.node where organisation_id = $1 and archived_at is null and id = any ($2)",
    )
    .bind(organisation_id)
    .bind(ids)
    .fetch_all(conn)
    .await?)
}

pub async fn count(conn: &mut PgConnection, organisation_id: Uuid) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select count(*) from identity.node where organisation_id = $1 and archived_at is null")
        .bind(organisation_id)
        .fetch_one(conn)
        .await?)
}

pub async fn insert(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    node: &Node,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.node (id, organisation_id, parent_id, name, kind, created_at, updated_at, version)
         values ($1, $2, $3, $4, $5, $6, $6, $7)",
    )
    .bind(node.id)
    .bind(organisation_id)
    .bind(node.parent_id)
    .bind(&node.name)
    .bind(&node.kind)
    .bind(at)
    .bind(node.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes it, unless it would come to stand below itself; false then. The organisation's row is held, so that two moves
/// cannot make a circle together.
pub async fn update(conn: &mut PgConnection, node: &Node, at: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query(
        "update identity.node set parent_id = $2, name = $3, kind = $4, updated_at = $5, version = $6
         where id = $1 and not exists (
             with recursive above as (
                 select n.id, n.parent_id from identity.node n where n.id = $2
                 union select n.id, n.parent_id from above join identity.node n on n.id = above.parent_id)
             select from above where above.id = $1)",
    )
    .bind(node.id)
    .bind(node.parent_id)
    .bind(&node.name)
    .bind(&node.kind)
    .bind(at)
    .bind(node.version)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Ends a place without places below it, with what people were there; false where there are some.
pub async fn archive(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<bool, DbError> {
    let archived = sqlx::query(
        "update identity.node set archived_at = $2, updated_at = $2, version = version + 1
         where id = $1 and not exists (select from identity.node below where below.parent_id = $1 and below.archived_at is null)",
    )
    .bind(id)
    .bind(at)
    .execute(&mut *conn)
    .await?;
    if archived.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query("delete from identity.assignment where node_id = $1").bind(id).execute(conn).await?;
    Ok(true)
}

/// Ids and names of all places; an organisation has at most 500.
pub async fn names(conn: &mut PgConnection, organisation_id: Uuid) -> Result<Vec<(Uuid, String)>, DbError> {
    Ok(sqlx::query_as(
        "select id, name from identity.node where organisation_id = $1 and archived_at is null order by id limit 500",
    )
    .bind(organisation_id)
    .fetch_all(conn)
    .await?)
}
