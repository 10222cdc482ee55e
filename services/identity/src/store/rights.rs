//! What the people of an organisation may do: its version, own roles, and who is what in which place.
use crate::domain::role::OwnRole;
use hitaji_db::DbError;
use serde::Deserialize;
use sqlx::PgConnection;
use uuid::Uuid;

/// A role that somebody has in a place, also by having it above that place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Placed {
    pub node: Uuid,
    pub role: String,
}

/// A role that was given to a member in a place.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Assignment {
    pub membership_id: Uuid,
    pub node_id: Uuid,
    pub role: String,
}

/// Begins a change of what the organisation's people may do: raises its permission version and, by holding its row, makes
/// such changes wait for each other. What is read afterwards stays true until the transaction ends.
pub async fn begin_change(conn: &mut PgConnection, organisation_id: Uuid) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "update identity.organisation set permission_version = permission_version + 1 where id = $1 returning permission_version",
    )
    .bind(organisation_id)
    .fetch_one(conn)
    .await?)
}

/// The organisation's own roles, oldest first; those of `keys` only, where given.
pub async fn own_roles(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    keys: Option<&[String]>,
) -> Result<Vec<OwnRole>, DbError> {
    let found: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select key, scopes from identity.role
         where organisation_id = $1 and archived_at is null and ($2::text[] is null or key = any ($2)) order by id",
    )
    .bind(organisation_id)
    .bind(keys)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(|(key, scopes)| OwnRole { key, scopes }).collect())
}

/// Where these members are something, in the order of places.
pub async fn assignments(conn: &mut PgConnection, memberships: &[Uuid]) -> Result<Vec<Assignment>, DbError> {
    Ok(sqlx::query_as(
        "select membership_id, node_id, role from identity.assignment
         where membership_id = any ($1) order by membership_id, node_id, role",
    )
    .bind(memberships)
    .fetch_all(conn)
    .await?)
}

/// Replaces what a member is in places.
pub async fn assign(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    membership_id: Uuid,
    nodes: &[Uuid],
    roles: &[String],
    at: chrono::DateTime<chrono::Utc>,
) -> Result<(), DbError> {
    sqlx::query("delete from identity.assignment where membership_id = $1")
        .bind(membership_id)
        .execute(&mut *conn)
        .await?;
    sqlx::query(
        "insert into identity.assignment (organisation_id, membership_id, node_id, role, assigned_at)
         select $1, $2, node_id, role, $5 from unnest($3::uuid[], $4::text[]) as wanted (node_id, role)",
    )
    .bind(organisation_id)
    .bind(membership_id)
    .bind(nodes)
    .bind(roles)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// The most places that any current member of the organisation is something in, those below included.
pub async fn most_places(conn: &mut PgConnection, organisation_id: Uuid) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "with recursive covered as (
             select a.membership_id, a.node_id from identity.assignment a
             join identity.membership m on m.id = a.membership_id and m.ended_at is null
             join identity.node n on n.id = a.node_id and n.archived_at is null where a.organisation_id = $1
             union select c.membership_id, n.id from covered c
             join identity.node n on n.parent_id = c.node_id and n.archived_at is null)
         select coalesce(max(places), 0) from (select count(*) as places from covered group by membership_id) counted",
    )
    .bind(organisation_id)
    .fetch_one(conn)
    .await?)
}
