//! Databases of tenants on a cluster: templates, clones, roles and their removal. Every step can be run again.
use crate::catalogue::{self, Catalogue};
use crate::migrate::{self, Migration};
use crate::roles::{APP_ROLE, quote, run};
use crate::secrets::scram_verifier;
use crate::{Conn, DbError};
use sqlx::PgConnection;

/// The name of the template for a schema: nobody connects to it once it is made.
pub fn template_name(control_database: &str, fingerprint: &str) -> String {
    format!("{control_database}_template_{fingerprint}")
}

pub async fn database_exists(admin: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(admin)
        .await?)
}

/// Whether a template is finished: the flag is set as the last step of making one.
pub async fn template_ready(admin: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    let ready: Option<bool> = sqlx::query_scalar("select datistemplate from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(admin)
        .await?;
    Ok(ready == Some(true))
}

/// Makes the template: an empty database, migrated through `connect`, then closed to everybody. Returns the server's major
/// version and what is in the template, which nobody can look into later. The caller holds the cluster's template lock.
pub async fn build_template<F>(
    admin: &mut PgConnection,
    name: &str,
    plan: &[Migration],
    connect: F,
) -> Result<(String, Catalogue), DbError>
where
    F: AsyncFnOnce() -> Result<Conn, DbError>,
{
    make_scratch(admin, name).await?;
    let mut conn = connect().await?;
    migrate::run(&mut conn, plan).await?;
    let made = (catalogue::server_version(&mut conn).await?, catalogue::read(&mut conn).await?);
    conn.close();
    run(admin, format!("alter database {} allow_connections false is_template true", quote(name))).await?;
    Ok(made)
}

/// Makes an empty database that nobody but the administrator may connect to, in place of one of this name that is left
/// from a process that died.
pub async fn make_scratch(admin: &mut PgConnection, name: &str) -> Result<(), DbError> {
    drop_database(admin, name).await?;
    run(admin, format!("create database {} template template0 encoding 'UTF8'", quote(name))).await?;
    run(admin, format!("revoke all on database {} from public", quote(name))).await
}

/// Clones the template into a database that one login role, and nobody else, may connect to.
pub async fn create_tenant_database(
    admin: &mut PgConnection,
    template: &str,
    name: &str,
    login_role: &str,
    password: &str,
) -> Result<(), DbError> {
    let (database, role) = (quote(name), quote(login_role));
    run(
        admin,
        format!("create database {database} template {} strategy wal_log allow_connections false", quote(template)),
    )
    .await?;
    // A clone does not inherit database rights, so PUBLIC may connect until it is told not to.
    run(admin, format!("revoke all on database {database} from public")).await?;
    run(admin, format!("create role {role} login in role {APP_ROLE} password '{}'", scram_verifier(password))).await?;
    run(admin, format!("grant connect on database {database} to {role}")).await?;
    run(admin, format!("alter database {database} allow_connections true")).await
}

/// Closes a database: nobody new gets in, and everybody who is in it is put out, but the backend `spared` (0: nobody). Returns
/// when nobody else is left.
pub async fn fence(admin: &mut PgConnection, name: &str, spared: i32) -> Result<(), DbError> {
    run(admin, format!("alter database {} allow_connections false", quote(name))).await?;
    for _ in 0..200 {
        let left: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1 and pid not in (pg_backend_pid(), $2)",
        )
        .bind(name)
        .bind(spared)
        .fetch_one(&mut *admin)
        .await?;
        if left == 0 {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    Err(DbError::Unavailable("somebody stays connected to a database that is to be closed"))
}

/// Opens a fenced database again.
pub async fn unfence(admin: &mut PgConnection, name: &str) -> Result<(), DbError> {
    run(admin, format!("alter database {} allow_connections true", quote(name))).await
}

/// Removes a database and whoever is connected to it; a missing one is no error.
pub async fn drop_database(admin: &mut PgConnection, name: &str) -> Result<(), DbError> {
    if !database_exists(admin, name).await? {
        return Ok(());
    }
    run(admin, format!("alter database {} is_template false", quote(name))).await?;
    // It waits for a checkpoint, which takes minutes where a thousand databases were made just before.
    run(admin, "set statement_timeout = 0".to_owned()).await?;
    run(admin, format!("drop database if exists {} with (force)", quote(name))).await
}

/// Makes a login role for a database, or gives it a new password.
pub async fn put_login_role(
    admin: &mut PgConnection,
    database: &str,
    role: &str,
    password: &str,
) -> Result<(), DbError> {
    let quoted = quote(role);
    let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
        .bind(role)
        .fetch_one(&mut *admin)
        .await?;
    let verb = if exists { "alter" } else { "create" };
    let verifier = scram_verifier(password);
    let statement = format!(
        "{verb} role {quoted} login password '{verifier}'; grant {APP_ROLE} to {quoted}; grant connect on database {} to {quoted}",
        quote(database)
    );
    run(admin, format!("begin; {statement}; commit")).await
}

/// Ends a login role's right to connect; sessions that it has go on.
pub async fn close_login_role(admin: &mut PgConnection, role: &str) -> Result<(), DbError> {
    run(admin, format!("alter role {} nologin password null", quote(role))).await
}

/// Removes a login role; a missing one is no error.
pub async fn drop_role(admin: &mut PgConnection, role: &str) -> Result<(), DbError> {
    run(admin, format!("drop role if exists {}", quote(role))).await
}
