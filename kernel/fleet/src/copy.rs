//! Rows of a table as a stream out of one database and into another.
use crate::FleetError;
use crate::tables::{self, Table};
use sqlx::PgConnection;

/// The statement that streams a table's rows out, as CSV with a header.
pub fn copy_out_sql(table: &Table) -> String {
    format!("copy (select {} from {}) to stdout (format csv, header)", table.column_list(), table.quoted())
}

/// The statement that takes such rows in; the header must name the same columns.
pub fn copy_in_sql(table: &Table) -> String {
    format!("copy {} ({}) from stdin (format csv, header match)", table.quoted(), table.column_list())
}

/// Begins a transaction that sees one moment of the database and can change nothing. Answers what it sees
/// (`pg_current_snapshot`).
pub async fn begin_snapshot(conn: &mut PgConnection) -> Result<String, FleetError> {
    tables::plain_formats(conn).await?;
    sqlx::raw_sql("begin isolation level repeatable read, read only").execute(&mut *conn).await?;
    Ok(sqlx::query_scalar("select pg_current_snapshot()::text").fetch_one(conn).await?)
}
