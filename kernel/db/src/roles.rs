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

/// Passwords that the control role may have: derived from the master key, so that every process that holds it knows them.
/// More than one only while the master key changes; the first is the one to set.
pub fn control_passwords(master: &MasterKey, control_database: &str) -> Vec<String> {
    let derived = master.derive_all(&format!("control-role/{control_database}"));
    derived.iter().map(|key| URL_SAFE_NO_PAD.encode(key)).collect()
}

/// Makes the cluster's fixed roles where they are missing, and gives the control role today's password.
pub async fn ensure(admin: &mut PgConnection, master: &MasterKey, control_database: &str) -> Result<(), DbError> {
    ensure_app_role(admin).await?;
    let role = control_role(control_database);
    let password = control_passwords(master, control_database).swap_remove(0);
    let verifier = scram_verifier(&password);
    ensure_role(admin, &role, "login").await?;
    run(admin, format!("alter role {} password '{verifier}'", quote(&role))).await?;
    run(admin, format!("grant {APP_ROLE} to {}", quote(&role))).await
}

/// Makes the role that holds the table rights on this cluster, where it is missing.
pub async fn ensure_app_role(admin: &mut PgConnection) -> Result<(), DbError> {
    ensure_role(admin, APP_ROLE, "nologin").await
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

const SECOND: &str = "_b";

/// A tenant's database has two login roles that take turns, so that a password can be changed while it is in use. This is
/// the one that is made with the database.
pub fn first_role(role: &str) -> String {
    role.strip_suffix(SECOND).unwrap_or(role).to_owned()
}

/// The other one.
pub fn second_role(role: &str) -> String {
    format!("{}{SECOND}", first_role(role))
}
