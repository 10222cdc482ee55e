//! Rows from one database straight into another, table by table, without ever holding more than a few of them.
use crate::FleetError;
use crate::tables::{self, Scope, Table, condition};
use futures::TryStreamExt as _;
use sqlx::PgConnection;

/// The statement that streams a table's rows out, as CSV with a header.
pub fn copy_out_sql(table: &Table, scope: Scope<'_>) -> String {
    let filter = condition(table, scope).map(|condition| format!(" where {condition}")).unwrap_or_default();
    format!("copy (select {} from {}{filter}) to stdout (format csv, header)", table.column_list(), table.quoted())
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

/// Copies all rows of these tables. Both connections are in transactions or are alone; foreign keys of `to` stand aside.
/// `moved` is told the bytes of each chunk.
pub async fn copy_tables(
    from: &mut PgConnection,
    to: &mut PgConnection,
    list: &[Table],
    scope: Scope<'_>,
    mut moved: impl FnMut(usize),
) -> Result<(), FleetError> {
    for table in list {
        let mut rows = from.copy_out_raw(&copy_out_sql(table, scope)).await?;
        let mut into = to.copy_in_raw(&copy_in_sql(table)).await?;
        loop {
            match rows.try_next().await {
                Ok(Some(chunk)) => {
                    moved(chunk.len());
                    into.send(chunk).await?;
                }
                Ok(None) => break,
                Err(error) => {
                    into.abort("the source failed").await?;
                    return Err(error.into());
                }
            }
        }
        into.finish().await?;
    }
    Ok(())
}
