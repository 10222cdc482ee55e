//! Events of signing in: added, listed, and after 400 days forgotten.
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

pub struct NewEvent<'a> {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub action: &'static str,
    pub outcome: &'static str,
    pub account_id: Option<Uuid>,
    pub organisation_id: Option<Uuid>,
    pub client_id: Option<&'a str>,
    pub session_id: Option<Uuid>,
    pub address: Option<String>,
    pub user_agent: &'a str,
    pub detail: &'a Value,
}

/// An event, as lists show it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Event {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub action: String,
    pub outcome: String,
    pub account_id: Option<Uuid>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub client_id: Option<String>,
    pub address: Option<String>,
    pub user_agent: String,
    pub detail: Json<Value>,
}

/// Which events; what is none does not matter.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    pub organisation_id: Option<Uuid>,
    pub account_id: Option<Uuid>,
    pub actions: Option<Vec<&'a str>>,
    pub outcome: Option<&'a str>,
    /// An address or a network.
    pub address: Option<&'a str>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// Where no organisation is named it is the only one that the person belongs to, if it is one.
pub async fn insert(conn: &mut PgConnection, new: &NewEvent<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into identity.event
         (id, at, action, outcome, account_id, organisation_id, client_id, session_id, address, user_agent, detail)
         values ($1, $2, $3, $4, $5,
            coalesce($6, (select (array_agg(organisation_id))[1] from identity.membership
                          where account_id = $5 and ended_at is null having count(*) = 1)),
            $7, $8, $9::text::inet, $10, $11)",
    )
    .bind(new.id)
    .bind(new.at)
    .bind(new.action)
    .bind(new.outcome)
    .bind(new.account_id)
    .bind(new.organisation_id)
    .bind(new.client_id)
    .bind(new.session_id)
    .bind(&new.address)
    .bind(new.user_agent)
    .bind(Json(new.detail))
    .execute(conn)
    .await?;
    Ok(())
}

const LIST: &str = "select e.id, e.at, e.action, e.outcome, e.account_id, a.name, a.email, e.client_id,
        host(e.address) as address, e.user_agent, e.detail
    from identity.event e left join identity.account a on a.id = e.account_id
    where e.id < $1 and ($3::text[] is null or e.action = any($3)) and ($4::text is null or e.outcome = $4)
        and ($5::text is null or e.address <<= $5::text::inet)
        and ($6::timestamptz is null or e.at >= $6) and ($7::timestamptz is null or e.at < $7)";

/// Newest first, those before `before`. Of an organisation, or else of a person in all of them.
pub async fn list(
    conn: &mut PgConnection,
    wanted: &Wanted<'_>,
    before: Uuid,
    limit: i64,
) -> Result<Vec<Event>, DbError> {
    // Two statements, so that each has its own index.
    let whose = match wanted.organisation_id {
        Some(_) => "e.organisation_id = $8 and ($2::uuid is null or e.account_id = $2)",
        None => "e.account_id = $2 and $8::uuid is null",
    };
    let sql = format!("{LIST} and {whose} order by e.id desc limit $9");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(before)
        .bind(wanted.account_id)
        .bind(&wanted.actions)
        .bind(wanted.outcome)
        .bind(wanted.address)
        .bind(wanted.from)
        .bind(wanted.to)
        .bind(wanted.organisation_id)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Removes at most `at_most` of those before `before`; the database keeps what is younger than 400 days.
pub async fn forget(conn: &mut PgConnection, before: DateTime<Utc>, at_most: i32) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select identity.forget_events($1, $2)").bind(before).bind(at_most).fetch_one(conn).await?)
}

/// Removes those of an erased organisation.
pub async fn forget_of(conn: &mut PgConnection, organisation_id: Uuid) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar("select identity.forget_events_of($1)").bind(organisation_id).fetch_one(conn).await?)
}
