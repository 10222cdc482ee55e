//! From a database row straight to JSON text, without a tree in between.
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use hitaji_core::resource::{FieldKind, ResourceDef};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::io::Write as _;
use uuid::Uuid;

/// Appends the record as a JSON object.
pub(crate) fn write(def: &ResourceDef, row: &PgRow, out: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    out.extend(b"{\"id\":");
    uuid(row.try_get::<Uuid, _>(0)?, out);
    out.extend(b",\"version\":");
    plain(row.try_get::<i64, _>(1)?, out);
    for (column, name) in [(2, "created_at"), (3, "updated_at")] {
        key(name, out);
        instant(row.try_get::<DateTime<Utc>, _>(column)?, out);
    }
    let mut column = 4;
    for field in def.fields {
        key(field.name, out);
        match field.kind {
            FieldKind::Link(_) => {
                link(row, column, out)?;
                column += 1;
            }
            FieldKind::Integer => or_null(row.try_get::<Option<i64>, _>(column)?, out, plain),
            FieldKind::Boolean => or_null(row.try_get::<Option<bool>, _>(column)?, out, plain),
            FieldKind::Date => or_null(row.try_get::<Option<NaiveDate>, _>(column)?, out, quoted),
            FieldKind::Instant => or_null(row.try_get::<Option<DateTime<Utc>>, _>(column)?, out, instant),
            FieldKind::Uuid => or_null(row.try_get::<Option<Uuid>, _>(column)?, out, uuid),
            _ => or_null(row.try_get::<Option<&str>, _>(column)?, out, text),
        }
        column += 1;
    }
    out.push(b'}');
    Ok(())
}

fn link(row: &PgRow, column: usize, out: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    let Some(id) = row.try_get::<Option<Uuid>, _>(column)? else {
        out.extend(b"null");
        return Ok(());
    };
    out.extend(b"{\"id\":");
    uuid(id, out);
    out.extend(b",\"title\":");
    text(row.try_get::<Option<&str>, _>(column + 1)?.unwrap_or_default(), out);
    out.push(b'}');
    Ok(())
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend(b",\"");
    out.extend(name.as_bytes());
    out.extend(b"\":");
}

fn or_null<T>(value: Option<T>, out: &mut Vec<u8>, write: impl FnOnce(T, &mut Vec<u8>)) {
    match value {
        Some(value) => write(value, out),
        None => out.extend(b"null"),
    }
}

fn text(value: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("cannot fail: writing text into memory");
}

fn plain(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("cannot fail: writing into memory");
}

fn quoted(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "\"{value}\"").expect("cannot fail: writing into memory");
}

fn uuid(value: Uuid, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend(value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.push(b'"');
}

fn instant(value: DateTime<Utc>, out: &mut Vec<u8>) {
    quoted(value.to_rfc3339_opts(SecondsFormat::Micros, true), out);
}
