//! The fixed roles of a cluster and their rights. Tenants' login roles are made with their databases.
use crate::DbError;
use crate::secrets::{MasterKey, scram_verifier};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::{AssertSqlSafe, PgConnection};

/// Holds the table rights; every login role that serves requests is a member.
pub const APP_ROLE: &str = "hitaji_app";

/// The login role that serves requests on a control database of this name.
pub fn control_role(control_database: &str) -> String {
    format!("{control_database}_login")
}

/// The password of the control role: derived, so that every process that holds the master key knows it.
pub fn control_password(master: &MasterKey, control_database: &str) -> String {
    URL_SAFE_NO_PAD.encode(master.derive(&format!("control-role/{control_database}")))
}

/// Makes the cluster's fixed roles where they are missing, and gives the control role today's password.
pub async fn ensure(admin: &mut PgConnection, master: &MasterKey, control_database: &str) -> Result<(), DbError> {
    ensure_role(admin, APP_ROLE, "nologin").await?;
    let role = control_role(control_database);
    let verifier = scram_verifier(&control_password(master, control_database));
    ensure_role(admin, &role, "login").await?;
    run(admin, format!("alter role {} password '{verifier}'", quote(&role))).await?;
    run(admin, format!("grant {APP_ROLE} to {}", quote(&role))).await
}

/// `create role if not exists`, also right when two processes start at once.
async fn ensure_role(admin: &mut PgConnection, role: &str, options: &str) -> Result<(), DbError> {
    let exists = sqlx::query_scalar::<_, bool>("select exists (select from pg_roles where rolname = $1)")
        .bind(role)
        .fetch_one(&mut *admin)
        .await?;
    if exists {
        return Ok(());
    }
    match run(admin, format!("create role {} {options}", quote(role))).await {
        Err(DbError::Sql(sqlx::Error::Database(error)))
            if matches!(error.code().as_deref(), Some("42710" | "23505")) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// An SQL identifier in quotes.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// Runs a statement that cannot take parameters; every name in it has gone through [`quote`].
pub async fn run(conn: &mut PgConnection, sql: String) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
    Ok(())
}
