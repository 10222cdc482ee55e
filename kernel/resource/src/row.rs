//! From a database row straight to JSON text, without a tree in between.
//!
//! Values are read from PostgreSQL's binary format here: a list is a thousand small values, and asking the driver for
//! each of them by type, and `fmt` for its text, was a quarter of a request.
use chrono::{DateTime, Datelike as _, NaiveDate, Timelike as _, Utc};
use hitaji_core::resource::{FieldKind, ResourceDef};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgValueFormat};
use sqlx::{Row as _, ValueRef as _};
use std::io::Write as _;
use uuid::Uuid;

/// PostgreSQL counts from 2000-01-01: microseconds from 1970, and days of the common era.
const EPOCH_MICROS: i64 = 946_684_800_000_000;
const EPOCH_DAYS: i32 = 730_120;

/// Appends the record as a JSON object.
pub(crate) fn write(def: &ResourceDef, row: &PgRow, out: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    out.extend(b"{\"id\":");
    value(row, 0, out, uuid)?;
    out.extend(b",\"version\":");
    value(row, 1, out, integer)?;
    for (column, name) in [(2, "created_at"), (3, "updated_at")] {
        key(name, out);
        value(row, column, out, instant)?;
    }
    let mut column = 4;
    for field in def.fields {
        key(field.name, out);
        match field.kind {
            FieldKind::Link(_) => {
                link(row, column, out)?;
                column += 1;
            }
            FieldKind::Integer => value(row, column, out, integer)?,
            FieldKind::Boolean => value(row, column, out, boolean)?,
            FieldKind::Date => value(row, column, out, date)?,
            FieldKind::Instant => value(row, column, out, instant)?,
            FieldKind::Uuid => value(row, column, out, uuid)?,
            _ => value(row, column, out, text)?,
        }
        column += 1;
    }
    out.push(b'}');
    Ok(())
}

fn link(row: &PgRow, column: usize, out: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    if row.try_get_raw(column)?.is_null() {
        out.extend(b"null");
        return Ok(());
    }
    out.extend(b"{\"id\":");
    value(row, column, out, uuid)?;
    out.extend(b",\"title\":");
    value(row, column + 1, out, text)?;
    out.push(b'}');
    Ok(())
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend(b",\"");
    out.extend(name.as_bytes());
    out.extend(b"\":");
}

/// Appends a column as JSON, `null` where it is empty.
fn value(
    row: &PgRow,
    column: usize,
    out: &mut Vec<u8>,
    write: fn(&[u8], &mut Vec<u8>) -> Result<(), BoxDynError>,
) -> Result<(), sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        out.extend(b"null");
        return Ok(());
    }
    let refused = |source| sqlx::Error::ColumnDecode { index: column.to_string(), source };
    if value.format() != PgValueFormat::Binary {
        return Err(refused("the statement was not prepared".into()));
    }
    value.as_bytes().and_then(|bytes| write(bytes, out)).map_err(refused)
}

fn text(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    Ok(serde_json::to_writer(out, std::str::from_utf8(bytes)?)?)
}

fn integer(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    Ok(write!(out, "{}", i64::from_be_bytes(bytes.try_into()?))?)
}

fn boolean(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    out.extend(if bytes == [0] { b"false".as_slice() } else { b"true" });
    Ok(())
}

fn uuid(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    out.push(b'"');
    out.extend(Uuid::from_slice(bytes)?.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
    out.push(b'"');
    Ok(())
}

fn date(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    let days = i32::from_be_bytes(bytes.try_into()?).checked_add(EPOCH_DAYS);
    let date = days.and_then(NaiveDate::from_num_days_from_ce_opt).ok_or("a date beyond the calendar")?;
    out.push(b'"');
    calendar(date, out)?;
    out.push(b'"');
    Ok(())
}

fn instant(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    let micros = i64::from_be_bytes(bytes.try_into()?).checked_add(EPOCH_MICROS);
    let instant: DateTime<Utc> =
        micros.and_then(DateTime::from_timestamp_micros).ok_or("an instant beyond the calendar")?;
    out.push(b'"');
    calendar(instant.date_naive(), out)?;
    let parts = [(b'T', instant.hour(), 2), (b':', instant.minute(), 2), (b':', instant.second(), 2)];
    for (sign, number, width) in parts {
        out.push(sign);
        digits(number, width, out);
    }
    out.push(b'.');
    digits(instant.nanosecond() / 1_000, 6, out);
    out.extend(b"Z\"");
    Ok(())
}

fn calendar(date: NaiveDate, out: &mut Vec<u8>) -> Result<(), BoxDynError> {
    let Some(year) = u32::try_from(date.year()).ok().filter(|year| *year <= 9_999) else {
        return Ok(write!(out, "{date}")?);
    };
    digits(year, 4, out);
    out.push(b'-');
    digits(date.month(), 2, out);
    out.push(b'-');
    digits(date.day(), 2, out);
    Ok(())
}

/// A number with leading zeros.
fn digits(number: u32, width: u32, out: &mut Vec<u8>) {
    for place in (0..width).rev() {
        out.push(b'0' + (number / 10_u32.pow(place) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&[u8], &mut Vec<u8>) -> Result<(), BoxDynError>, bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write(bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_the_libraries_write_them() {
        for day in [-10_957, -1, 0, 59, 60, 9_999, 2_921_939, 2_921_940] {
            let date = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + chrono::TimeDelta::days(day);
            assert_eq!(written(super::date, &(day as i32).to_be_bytes()), format!("\"{date}\""));
        }
        for micros in [-946_684_800_000_000_i64, -1, 0, 1, 831_234_567_890_123] {
            let instant = DateTime::<Utc>::from_timestamp_micros(micros + EPOCH_MICROS).unwrap();
            let text = instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
            assert_eq!(written(super::instant, &micros.to_be_bytes()), format!("\"{text}\""));
        }
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ff);
        assert_eq!(written(uuid, id.as_bytes()), format!("\"{id}\""));
        assert_eq!(written(text, "a \"quoted\" ñ".as_bytes()), "\"a \\\"quoted\\\" ñ\"");
        assert_eq!(written(integer, &(-7_i64).to_be_bytes()), "-7");
        assert_eq!((written(boolean, &[0]), written(boolean, &[1])), ("false".to_owned(), "true".to_owned()));
    }
}
