//! Lists: one statement a page, by keyset.
use crate::query::{ListQuery, Sort, one};
use crate::select::{Bound, Sql, select};
use crate::{Catalogue, Declared, row};
use hitaji_core::ErrorCode;
use hitaji_core::resource::{FieldKind, ResourceDef};
use hitaji_web::{Answer, Ctx, Problem};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

/// The last row of a page: its values in the order of the sort (null where empty), and its id.
#[derive(Serialize, Deserialize)]
struct Position(Vec<Option<String>>, Uuid);

pub(crate) async fn list(catalogue: Catalogue, declared: &'static Declared, ctx: Ctx) -> Result<Answer, Problem> {
    let def = declared.def;
    let query = ListQuery::parse(def, ctx.request().query())?;
    let after = query.cursor.as_deref().map(|cursor| ctx.open_cursor::<Position>(cursor)).transpose()?;
    let mut sql = select(catalogue, def);
    sql.push(" where ").reach(declared, &ctx);
    query.conditions(def, &mut sql);
    if let Some(after) = &after {
        keyset(&query.sort, after, &mut sql)?;
    }
    order(&query.sort, &mut sql);
    // One more than asked tells whether there is a next page.
    sql.push(&format!(" limit {}", query.limit + 1));
    let mut conn = ctx.read().await?;
    let mut rows = sql.query().fetch_all(&mut *conn).await?;
    let total = if query.count { Some(count(declared, &ctx, &query, &mut conn).await?) } else { None };
    conn.release();
    let more = rows.len() as i64 > query.limit;
    rows.truncate(query.limit as usize);
    let next = match rows.last().filter(|_| more) {
        Some(last) => Some(ctx.seal_cursor(&position(def, &query.sort, last)?)),
        None => None,
    };
    Ok(Answer::json(200, page(def, &rows, query.limit, next.as_deref(), total)?)
        .link(next.map(|cursor| ctx.next_link(&cursor))))
}

fn page(
    def: &ResourceDef,
    rows: &[PgRow],
    limit: i64,
    next: Option<&str>,
    total: Option<i64>,
) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::with_capacity(256 + rows.len() * 384);
    out.extend(b"{\"data\":[");
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        row::write(def, row, &mut out)?;
    }
    out.extend(format!("],\"page\":{{\"limit\":{limit},\"next\":").as_bytes());
    match next {
        Some(cursor) => out.extend(format!("\"{cursor}\"").as_bytes()),
        None => out.extend(b"null"),
    }
    if let Some(total) = total {
        out.extend(format!(",\"total\":{total}").as_bytes());
    }
    out.extend(b"}}");
    Ok(out)
}

async fn count(
    declared: &'static Declared,
    ctx: &Ctx,
    query: &ListQuery,
    conn: &mut PgConnection,
) -> Result<i64, Problem> {
    let mut sql = Sql::default();
    sql.push("select count(*) from ").push(declared.def.table).push(" r where ").reach(declared, ctx);
    query.conditions(declared.def, &mut sql);
    Ok(sql.query().fetch_one(conn).await?.try_get(0)?)
}

fn order(sort: &[Sort], sql: &mut Sql) {
    sql.push(" order by ");
    for Sort { field, descending } in sort {
        sql.push("r.").push(&field.column()).push(if *descending { " desc, " } else { ", " });
    }
    sql.push(if sort.last().is_some_and(|sort| sort.descending) { "r.id desc" } else { "r.id" });
}

/// Rows after `position`. Where no sort column can be null and all go one way, a row comparison that an index
/// serves; else the comparison is spelt out column by column.
fn keyset(sort: &[Sort], position: &Position, sql: &mut Sql) -> Result<(), Problem> {
    let Position(values, id) = position;
    if values.len() != sort.len() {
        return Err(Problem::new(ErrorCode::InvalidCursor, "Start again from the first page."));
    }
    let descending = sort.last().is_some_and(|sort| sort.descending);
    let operator = if descending { "<" } else { ">" };
    if sort.iter().all(|sort| sort.field.required && sort.descending == descending) {
        sql.push(" and (");
        for Sort { field, .. } in sort {
            sql.push("r.").push(&field.column()).push(", ");
        }
        sql.push("r.id) ").push(operator).push(" (");
        for (sort, value) in sort.iter().zip(values) {
            sql.bind(one(sort.field, value.as_deref().unwrap_or_default())?).push(", ");
        }
        sql.bind(Bound::Uuid(Some(*id))).push(")");
        return Ok(());
    }
    sql.push(" and ");
    after_column(sort, values, *id, operator, sql)
}

/// `(c after v or (c = v and <the rest>))`, with nulls last when ascending and first when descending, as PostgreSQL sorts.
fn after_column(
    sort: &[Sort],
    values: &[Option<String>],
    id: Uuid,
    operator: &str,
    sql: &mut Sql,
) -> Result<(), Problem> {
    let ([first, rest @ ..], [value, values @ ..]) = (sort, values) else {
        sql.push("r.id ").push(operator).push(" ").bind(Bound::Uuid(Some(id)));
        return Ok(());
    };
    let column = format!("r.{}", first.field.column());
    sql.push("(");
    match (value, first.descending) {
        (Some(value), false) => {
            sql.push(&column)
                .push(" > ")
                .bind(one(first.field, value)?)
                .push(" or ")
                .push(&column)
                .push(" is null or (");
            sql.push(&column).push(" = ").bind(one(first.field, value)?);
        }
        (Some(value), true) => {
            sql.push(&column).push(" < ").bind(one(first.field, value)?).push(" or (");
            sql.push(&column).push(" = ").bind(one(first.field, value)?);
        }
        (None, false) => {
            sql.push("(").push(&column).push(" is null");
        }
        (None, true) => {
            sql.push(&column).push(" is not null or (").push(&column).push(" is null");
        }
    }
    sql.push(" and ");
    after_column(rest, values, id, operator, sql)?;
    sql.push("))");
    Ok(())
}

fn position(def: &ResourceDef, sort: &[Sort], row: &PgRow) -> Result<Position, Problem> {
    let values = sort.iter().map(|sort| sort_value(def, sort, row)).collect::<Result<_, sqlx::Error>>()?;
    Ok(Position(values, row.try_get(0)?))
}

fn sort_value(def: &ResourceDef, sort: &Sort, row: &PgRow) -> Result<Option<String>, sqlx::Error> {
    let before = def.fields.iter().take_while(|field| field.name != sort.field.name);
    let column = before.fold(4, |column, field| column + if matches!(field.kind, FieldKind::Link(_)) { 2 } else { 1 });
    Ok(match sort.field.kind {
        FieldKind::Integer => row.try_get::<Option<i64>, _>(column)?.map(|value| value.to_string()),
        FieldKind::Boolean => row.try_get::<Option<bool>, _>(column)?.map(|value| value.to_string()),
        FieldKind::Date => row.try_get::<Option<chrono::NaiveDate>, _>(column)?.map(|value| value.to_string()),
        FieldKind::Instant => {
            row.try_get::<Option<chrono::DateTime<chrono::Utc>>, _>(column)?.map(|value| value.to_rfc3339())
        }
        FieldKind::Uuid | FieldKind::Link(_) => row.try_get::<Option<Uuid>, _>(column)?.map(|value| value.to_string()),
        _ => row.try_get::<Option<String>, _>(column)?,
    })
}
