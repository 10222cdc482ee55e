//! What is in a tenant's database: its tables with columns, counts and digests, sequences and foreign keys. Everything that
//! copies a database goes by this, so that a new table is copied without anybody thinking of it.
use crate::FleetError;
use hitaji_db::roles::quote;
use serde::{Deserialize, Serialize};
use sqlx::{AssertSqlSafe, PgConnection};
use std::collections::BTreeMap;

/// A table with the columns that hold data (generated ones are made anew).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub schema: String,
    pub name: String,
    pub columns: Vec<String>,
    /// The primary key's columns, in its order.
    #[serde(default)]
    pub key: Vec<String>,
}

impl Table {
    /// `"school"."student"`.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }

    /// `school.student`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    pub fn column_list(&self) -> String {
        self.columns.iter().map(|column| quote(column)).collect::<Vec<_>>().join(", ")
    }
}

/// How many rows a table has, and the sum of 64-bit hashes of them in their text form: equal whatever the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    pub rows: i64,
    pub hash: String,
}

/// Whose tables: those of the whole database, or of one service with its share of the platform's own tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    All,
    Service(&'a str),
}

/// An SQL text in quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Values in texts look the same in both databases.
pub async fn plain_formats(conn: &mut PgConnection) -> Result<(), FleetError> {
    sqlx::raw_sql("set datestyle = 'ISO, YMD'; set intervalstyle = 'iso_8601'; set timezone = 'UTC'; set extra_float_digits = 1; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0")
        .execute(conn)
        .await?;
    Ok(())
}

/// All tables but the record of migrations and the journal, which belong to the database and not to its content.
pub async fn tables(conn: &mut PgConnection, scope: Scope<'_>) -> Result<Vec<Table>, FleetError> {
    let rows: Vec<(String, String, Vec<String>, Vec<String>)> = sqlx::query_as(
        "select space.nspname::text, class.relname::text,
            (select array_agg(attname::text order by attnum) from pg_attribute
             where attrelid = class.oid and attnum > 0 and not attisdropped and attgenerated = ''),
            coalesce((select array_agg(attribute.attname::text order by place.ordinality)
                from pg_index index cross join unnest(index.indkey) with ordinality as place (attnum, ordinality)
                join pg_attribute attribute on attribute.attrelid = class.oid and attribute.attnum = place.attnum
                where index.indrelid = class.oid and index.indisprimary), '{}')
         from pg_class class join pg_namespace space on space.oid = class.relnamespace
         where class.relkind in ('r', 'p') and not class.relispartition
           and space.nspname not in ('pg_catalog', 'information_schema') and space.nspname !~ '^pg_'
           and not (space.nspname = 'hitaji' and class.relname in ('schema_version', 'journal'))
         order by 1, 2",
    )
    .fetch_all(conn)
    .await?;
    let all = rows.into_iter().map(|(schema, name, columns, key)| Table { schema, name, columns, key });
    Ok(match scope {
        Scope::All => all.collect(),
        Scope::Service(service) => all.filter(|table| table.schema == service || table.schema == "hitaji").collect(),
    })
}

/// The condition that picks a service's rows in one of the platform's own tables; none where all rows are meant.
pub fn condition(table: &Table, scope: Scope<'_>) -> Option<String> {
    let Scope::Service(service) = scope else { return None };
    let own = table.schema == "hitaji" && table.columns.iter().any(|column| column == "service");
    own.then(|| format!("service = {}", literal(service)))
}

/// Row counts and hashes of these tables, as this connection sees them.
pub async fn digests(
    conn: &mut PgConnection,
    tables: &[Table],
    scope: Scope<'_>,
) -> Result<BTreeMap<String, Digest>, FleetError> {
    let mut found = BTreeMap::new();
    for table in tables {
        let filter = condition(table, scope).map(|condition| format!(" where {condition}")).unwrap_or_default();
        let sql = format!(
            "select count(*), coalesce(sum(hashtextextended(row({})::text, 0)::numeric), 0)::text from {}{filter}",
            table.column_list(),
            table.quoted()
        );
        let (rows, hash) = sqlx::query_as(AssertSqlSafe(sql)).fetch_one(&mut *conn).await?;
        found.insert(table.full_name(), Digest { rows, hash });
    }
    Ok(found)
}

/// In words, where two databases differ; empty when they do not.
pub fn differences(expected: &BTreeMap<String, Digest>, found: &BTreeMap<String, Digest>) -> Vec<String> {
    let mut words = Vec::new();
    for (name, digest) in expected {
        match found.get(name) {
            None => words.push(format!("{name} is missing")),
            Some(other) if other.rows != digest.rows => {
                words.push(format!("{name} has {} rows instead of {}", other.rows, digest.rows));
            }
            Some(other) if other.hash != digest.hash => words.push(format!("{name} has other values")),
            Some(_) => {}
        }
    }
    words
}

/// The last value of each sequence, where one was drawn.
pub async fn sequences(conn: &mut PgConnection) -> Result<BTreeMap<String, i64>, FleetError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select format('%I.%I', schemaname, sequencename), last_value from pg_sequences
         where last_value is not null and not (schemaname = 'hitaji' and sequencename ~ '^journal')",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Lets sequences that are here go on after these values.
pub async fn set_sequences(conn: &mut PgConnection, values: &BTreeMap<String, i64>) -> Result<(), FleetError> {
    for (name, value) in values {
        sqlx::query("select setval(to_regclass($1), greatest($2, 1)) where to_regclass($1) is not null")
            .bind(name)
            .bind(value)
            .execute(&mut *conn)
            .await?;
    }
    Ok(())
}

/// What stands aside while rows come in any order and as they were: foreign keys, and triggers that would change them.
pub struct Aside {
    keys: Vec<ForeignKey>,
    tables: Vec<Table>,
}

struct ForeignKey {
    table: String,
    name: String,
    definition: String,
}

/// Takes all foreign keys away and silences triggers; [`Aside::back`] brings them back and checks every row.
pub async fn set_aside(conn: &mut PgConnection) -> Result<Aside, FleetError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "select format('%I.%I', space.nspname, class.relname), conname::text, pg_get_constraintdef(fk.oid)
         from pg_constraint fk join pg_class class on class.oid = fk.conrelid join pg_namespace space on space.oid = class.relnamespace
         where fk.contype = 'f' and fk.conparentid = 0 order by 1, 2",
    )
    .fetch_all(&mut *conn)
    .await?;
    let keys: Vec<ForeignKey> =
        rows.into_iter().map(|(table, name, definition)| ForeignKey { table, name, definition }).collect();
    for key in &keys {
        let sql = format!("alter table {} drop constraint {}", key.table, quote(&key.name));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
    }
    let aside = Aside { keys, tables: tables(conn, Scope::All).await? };
    aside.triggers(conn, "disable").await?;
    Ok(aside)
}

impl Aside {
    pub async fn back(self, conn: &mut PgConnection) -> Result<(), FleetError> {
        self.triggers(conn, "enable").await?;
        for ForeignKey { table, name, definition } in &self.keys {
            let sql = format!("alter table {table} add constraint {} {definition}", quote(name));
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *conn).await?;
        }
        Ok(())
    }

    async fn triggers(&self, conn: &mut PgConnection, verb: &str) -> Result<(), FleetError> {
        let each = self.tables.iter().map(|table| format!("alter table {} {verb} trigger user", table.quoted()));
        let sql = each.collect::<Vec<_>>().join("; ");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await?;
        Ok(())
    }
}

/// Empties every table: what a migration seeded comes again with the copied rows.
pub async fn clear(conn: &mut PgConnection, tables: &[Table]) -> Result<(), FleetError> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = tables.iter().map(Table::quoted).collect();
    sqlx::raw_sql(AssertSqlSafe(format!("truncate {} cascade", names.join(", ")))).execute(conn).await?;
    Ok(())
}
