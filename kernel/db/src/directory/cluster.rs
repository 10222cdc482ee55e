//! The directory's PostgreSQL clusters, and which of them a new tenant goes to.
use crate::secrets::MasterKey;
use crate::{DbError, HOME_CLUSTER};
use sqlx::PgConnection;

const URL_PURPOSE: &str = "cluster-url";

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Cluster {
    pub name: String,
    /// `open` takes new tenants, `full` keeps those it has.
    pub state: String,
    pub capacity: i32,
    /// Databases of any state on it.
    pub databases: i64,
}

/// All clusters, the emptiest open one (by the used share of its capacity) first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Cluster>, DbError> {
    Ok(sqlx::query_as(
        "select cluster.name, cluster.state, cluster.capacity, count(database.id) as databases
         from directory.cluster left join directory.database on database.cluster = cluster.name
         group by cluster.name, cluster.state, cluster.capacity
         order by cluster.state <> 'open', count(database.id)::float8 / cluster.capacity, cluster.name",
    )
    .fetch_all(conn)
    .await?)
}

/// The admin URL of a cluster other than home.
pub async fn admin_url(conn: &mut PgConnection, master: &MasterKey, name: &str) -> Result<Option<String>, DbError> {
    let sealed: Option<Vec<u8>> =
        sqlx::query_scalar("select admin_url from directory.cluster where name = $1 and admin_url is not null")
            .bind(name)
            .fetch_optional(conn)
            .await?;
    let Some(sealed) = sealed else { return Ok(None) };
    let plain = master.open(name, URL_PURPOSE, &sealed)?;
    String::from_utf8(plain).map(Some).map_err(|_| DbError::Secret("not text"))
}

/// Adds a cluster, or changes the URL of one that is there.
pub async fn put(conn: &mut PgConnection, master: &MasterKey, name: &str, url: &str) -> Result<(), DbError> {
    if name == HOME_CLUSTER {
        return Err(DbError::Invalid("the home cluster is the one that the configuration names".into()));
    }
    sqlx::query(
        "insert into directory.cluster (name, admin_url) values ($1, $2)
         on conflict (name) do update set admin_url = excluded.admin_url",
    )
    .bind(name)
    .bind(master.seal(name, URL_PURPOSE, url.as_bytes()))
    .execute(conn)
    .await?;
    Ok(())
}

/// `open` or `full`, and how many databases it may hold. False when there is no such cluster.
pub async fn set(conn: &mut PgConnection, name: &str, state: &str, capacity: i32) -> Result<bool, DbError> {
    let changed = sqlx::query("update directory.cluster set state = $2, capacity = $3 where name = $1")
        .bind(name)
        .bind(state)
        .bind(capacity)
        .execute(conn)
        .await?;
    Ok(changed.rows_affected() == 1)
}

/// Seals the URLs anew by today's master key; returns how many.
pub async fn rewrap(conn: &mut PgConnection, master: &MasterKey) -> Result<usize, DbError> {
    let rows: Vec<(String, Vec<u8>)> =
        sqlx::query_as("select name, admin_url from directory.cluster where admin_url is not null")
            .fetch_all(&mut *conn)
            .await?;
    let mut changed = 0;
    for (name, sealed) in rows.iter().filter(|(_, sealed)| !master.is_current(sealed)) {
        let url = master.open(name, URL_PURPOSE, sealed)?;
        sqlx::query("update directory.cluster set admin_url = $3 where name = $1 and admin_url = $2")
            .bind(name)
            .bind(sealed)
            .bind(master.seal(name, URL_PURPOSE, &url))
            .execute(&mut *conn)
            .await?;
        changed += 1;
    }
    Ok(changed)
}
