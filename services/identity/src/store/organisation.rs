//! Organisations as far as identity knows them, and who belongs to them.
use crate::domain::role::OwnRole;
use crate::store::rights::Placed;
use chrono::{DateTime, Utc};
use hitaji_contracts::tenancy::CreateOrganisation;
use hitaji_db::DbError;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

/// A person's place in one organisation.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Membership {
    pub id: Uuid,
    pub organisation_id: Uuid,
    /// In the whole organisation.
    pub roles: Vec<String>,
    /// Tenancy has confirmed the organisation.
    pub ready: bool,
    pub permission_version: i64,
    /// Those of the roles that the organisation made itself.
    pub own_roles: Json<Vec<OwnRole>>,
    /// In places, those below included.
    pub placed: Json<Vec<Placed>>,
}

/// A member, as lists show them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Member {
    pub id: Uuid,
    pub account_id: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub roles: Vec<String>,
    pub joined_at: DateTime<Utc>,
    pub version: i64,
}

/// Records the wish for an organisation. The same id again keeps the first wish; false then.
pub async fn insert(conn: &mut PgConnection, wish: &CreateOrganisation, at: DateTime<Utc>) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.organisation (id, name, wish, created_at) values ($1, $2, $3, $4) on conflict (id) do nothing",
    )
    .bind(wish.id.0)
    .bind(&wish.name)
    .bind(Json(wish))
    .bind(at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// A wish that tenancy has not confirmed yet may be worded anew: the first wording may be what it refused.
pub async fn reword(conn: &mut PgConnection, wish: &CreateOrganisation) -> Result<(), DbError> {
    sqlx::query("update identity.organisation set name = $2, wish = $3 where id = $1 and ready_at is null")
        .bind(wish.id.0)
        .bind(&wish.name)
        .bind(Json(wish))
        .execute(conn)
        .await?;
    Ok(())
}

/// What was wished for and whether it was confirmed.
pub async fn wish(conn: &mut PgConnection, id: Uuid) -> Result<Option<(CreateOrganisation, bool)>, DbError> {
    let row: Option<(Json<CreateOrganisation>, bool)> =
        sqlx::query_as("select wish, ready_at is not null from identity.organisation where id = $1")
            .bind(id)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(|(wish, ready)| (wish.0, ready)))
}

/// Tenancy has confirmed it. True the first time only.
pub async fn confirm(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<bool, DbError> {
    let updated = sqlx::query("update identity.organisation set ready_at = $2 where id = $1 and ready_at is null")
        .bind(id)
        .bind(at)
        .execute(conn)
        .await?;
    Ok(updated.rows_affected() == 1)
}

/// False when the person is a member already.
pub async fn join(
    conn: &mut PgConnection,
    id: Uuid,
    organisation_id: Uuid,
    account_id: Uuid,
    roles: &[String],
    at: DateTime<Utc>,
) -> Result<bool, DbError> {
    let inserted = sqlx::query(
        "insert into identity.membership (id, organisation_id, account_id, roles, joined_at) values ($1, $2, $3, $4, $5)
         on conflict (organisation_id, account_id) where ended_at is null do nothing",
    )
    .bind(id)
    .bind(organisation_id)
    .bind(account_id)
    .bind(roles)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// How many members an organisation has, and how many open invitations. Holds the organisation's row, so that of two who
/// join at once the second counts the first.
pub async fn count_people(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    now: DateTime<Utc>,
) -> Result<(i64, i64), DbError> {
    sqlx::query("select from identity.organisation where id = $1 for no key update")
        .bind(organisation_id)
        .execute(&mut *conn)
        .await?;
    Ok(sqlx::query_as(
        "select (select count(*) from identity.membership where organisation_id = $1 and ended_at is null),
                (select count(*) from identity.invitation where organisation_id = $1 and state = 'pending' and expires_at > $2)",
    )
    .bind(organisation_id)
    .bind(now)
    .fetch_one(conn)
    .await?)
}

/// Members and open invitations of every confirmed organisation after `after`, at most `limit`.
pub async fn people_counts(
    conn: &mut PgConnection,
    after: Uuid,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<(Uuid, i64)>, DbError> {
    Ok(sqlx::query_as(
        "select o.id,
            (select count(*) from identity.membership m where m.organisation_id = o.id and m.ended_at is null)
          + (select count(*) from identity.invitation i where i.organisation_id = o.id and i.state = 'pending' and i.expires_at > $2)
         from identity.organisation o where o.ready_at is not null and o.id > $1 order by o.id limit $3",
    )
    .bind(after)
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Name, address and language of the current members with a role, at most 20.
pub async fn people_with_role(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    role: &str,
) -> Result<Vec<(String, String, String)>, DbError> {
    Ok(sqlx::query_as(
        "select a.name, a.email, a.locale from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.ended_at is null and a.disabled_at is null and a.email is not null and $2 = any (m.roles)
         order by m.id limit 20",
    )
    .bind(organisation_id)
    .bind(role)
    .fetch_all(conn)
    .await?)
}

/// A person's organisations, oldest first, at most 100.
pub async fn memberships(conn: &mut PgConnection, account_id: Uuid) -> Result<Vec<Membership>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, roles, ready, permission_version, own_roles, placed
         from identity.membership_rights where account_id = $1 order by id limit 100",
    )
    .bind(account_id)
    .fetch_all(conn)
    .await?)
}

/// A current member's place.
pub async fn membership(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    account_id: Uuid,
) -> Result<Option<Membership>, DbError> {
    Ok(sqlx::query_as(
        "select id, organisation_id, roles, ready, permission_version, own_roles, placed
         from identity.membership_rights where organisation_id = $1 and account_id = $2",
    )
    .bind(organisation_id)
    .bind(account_id)
    .fetch_optional(conn)
    .await?)
}

/// The roles of a current member.
pub async fn roles(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    account_id: Uuid,
) -> Result<Option<Vec<String>>, DbError> {
    Ok(sqlx::query_scalar(
        "select roles from identity.membership where organisation_id = $1 and account_id = $2 and ended_at is null",
    )
    .bind(organisation_id)
    .bind(account_id)
    .fetch_optional(conn)
    .await?)
}

/// Whether an address, of mail or of a phone, belongs to a current member.
pub async fn has_member(conn: &mut PgConnection, organisation_id: Uuid, address: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "select exists (select from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and (lower(a.email) = $2 or a.phone = $2) and m.ended_at is null)",
    )
    .bind(organisation_id)
    .bind(address)
    .fetch_one(conn)
    .await?)
}

/// Members after `after`, in the order they joined.
pub async fn members(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Member>, DbError> {
    Ok(sqlx::query_as(
        "select m.id, m.account_id, a.name, a.email, a.phone, m.roles, m.joined_at, m.version
         from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.ended_at is null and m.id > $2 order by m.id limit $3",
    )
    .bind(organisation_id)
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Ends what an erased organisation had: its members' places, invitations, grants, providers, domains and directories go, its
/// name is blanked.
pub async fn forget(conn: &mut PgConnection, id: Uuid, at: DateTime<Utc>) -> Result<(), DbError> {
    sqlx::query("delete from identity.assignment where organisation_id = $1").bind(id).execute(&mut *conn).await?;
    sqlx::query(
        "with left_session as (update identity.session set organisation_id = null where organisation_id = $1),
              ended as (update identity.token_grant set revoked_at = coalesce(revoked_at, $2), revoked_for = 'erased' where organisation_id = $1),
              gone as (delete from identity.membership where organisation_id = $1),
              unsessioned as (update identity.session set ended_at = $2 where ended_at is null
                and id in (select session_id from identity.session_provider where organisation_id = $1)),
              waiting as (delete from identity.pending_sign_in where provider_organisation_id = $1 or organisation_id = $1),
              without_providers as (delete from identity.provider where organisation_id = $1),
              without_domains as (delete from identity.domain where organisation_id = $1),
              without_directories as (delete from identity.scim_token where organisation_id = $1),
              without_people as (delete from identity.scim_user where organisation_id = $1),
              uninvited as (delete from identity.invitation where organisation_id = $1),
              without_programs as (delete from identity.client where organisation_id = $1),
              without_keys as (delete from identity.api_key where organisation_id = $1),
              withdrawn as (delete from identity.consent where organisation_id = $1),
              unruled as (delete from identity.policy where organisation_id = $1),
              undressed as (delete from identity.branding where organisation_id = $1),
              no_roles as (delete from identity.role where organisation_id = $1),
              unplaced as (delete from identity.node where organisation_id = $1)
         update identity.organisation set name = 'Erased', wish = json_build_object('id', id, 'name', 'Erased', 'country', 'XX',
            'currency', 'XXX', 'time_zone', 'UTC', 'products', json_build_array()) where id = $1",
    )
    .bind(id)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Which of these addresses, in lower case, belong to current members.
pub async fn members_among(
    conn: &mut PgConnection,
    organisation_id: Uuid,
    emails: &[String],
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select lower(a.email) from identity.membership m join identity.account a on a.id = m.account_id
         where m.organisation_id = $1 and m.ended_at is null and lower(a.email) = any ($2)",
    )
    .bind(organisation_id)
    .bind(emails)
    .fetch_all(conn)
    .await?)
}
