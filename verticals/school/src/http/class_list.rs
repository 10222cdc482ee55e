//! A class list by CSV: preview, correction, and one application.
use crate::domain::class_list::{self as domain, Row, Values};
use crate::store::class_list::{self as store, ImportRow, KnownPupil, NewRow, StoredRow};
use crate::store::class_list_apply;
use chrono::{DateTime, Utc};
use hitaji_core::{ErrorCode, FieldError, new_id};
use hitaji_db::Audit;
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem, Segments, Upload, page_limit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Debug, Serialize, JsonSchema)]
pub struct ImportOut {
    id: Uuid,
    status: String,
    file_name: Option<String>,
    counts: ImportCounts,
    columns: Vec<String>,
    created_at: DateTime<Utc>,
    applied_at: Option<DateTime<Utc>>,
    /// After applying: how many students, guardians and enrolments were made.
    result: Option<Value>,
    version: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ImportCounts {
    rows: i64,
    invalid: i64,
    create: i64,
    update: i64,
    unchanged: i64,
}

impl From<ImportRow> for ImportOut {
    fn from(row: ImportRow) -> ImportOut {
        ImportOut {
            id: row.id,
            status: row.status,
            file_name: row.file_name,
            counts: ImportCounts {
                rows: row.rows,
                invalid: row.invalid,
                create: row.creates,
                update: row.updates,
                unchanged: row.unchanged,
            },
            columns: row.columns,
            created_at: row.created_at,
            applied_at: row.applied_at,
            result: row.result.map(|result| result.0),
            version: row.version,
        }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RowOut {
    row_number: i32,
    action: String,
    values: Values,
    errors: Value,
}

impl From<StoredRow> for RowOut {
    fn from(row: StoredRow) -> RowOut {
        RowOut { row_number: row.row_number, action: row.action, values: row.values.0, errors: row.errors.0 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UploadParams {
    file_name: Option<String>,
}

pub async fn upload(ctx: Ctx, Params(params): Params<UploadParams>, upload: Upload) -> Result<Answer, Problem> {
    if upload.content_type != "text/csv" {
        return Err(Problem::new(ErrorCode::UnsupportedMediaType, "Send the class list as text/csv."));
    }
    if params.file_name.as_ref().is_some_and(|name| name.chars().count() > 200) {
        return Err(Problem::field("/file_name", "too_long", "A file name has at most 200 characters."));
    }
    let (columns, rows) = domain::read(&upload.bytes).map_err(|error| Problem::validation(vec![error]))?;
    let mut tx = ctx.tx().await?;
    let numbers: Vec<&str> =
        rows.iter().filter_map(|row| row.get("admission_number").map(|text| text.trim())).collect();
    let known = store::known_pupils(&mut tx, &numbers, ctx.business_date()).await?;
    let mut seen = HashMap::new();
    let mut checked = Vec::with_capacity(rows.len());
    for (index, values) in rows.into_iter().enumerate() {
        let row_number = index as i32 + 1;
        let admission = values.get("admission_number").map(|text| text.trim().to_owned()).unwrap_or_default();
        let repeats = seen.get(&admission).copied().filter(|_| !admission.is_empty());
        seen.entry(admission).or_insert(row_number);
        checked.push(check(&ctx, row_number, values, &known, repeats));
    }
    let id = new_id();
    store::insert_import(&mut tx, id, params.file_name.as_deref(), &columns, ctx.subject().0, ctx.now()).await?;
    store::put_rows(&mut tx, id, &checked).await?;
    let import = store::import(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let out = ImportOut::from(import);
    let answer = Answer::created(format!("/school/v1/class-list-imports/{id}"), &out).version(out.version);
    ctx.commit(tx, answer).await
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let import = store::import(&mut conn, id).await?;
    conn.release();
    let out = ImportOut::from(import.ok_or_else(Problem::not_found)?);
    Ok(Answer::ok(&out).version(out.version))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowParams {
    only: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

pub async fn rows(ctx: Ctx, Id(id): Id, Params(params): Params<RowParams>) -> Result<Answer, Problem> {
    let only_invalid = match params.only.as_deref() {
        None | Some("all") => false,
        Some("invalid") => true,
        Some(_) => return Err(Problem::new(ErrorCode::Malformed, "only is `all` or `invalid`.")),
    };
    let limit = page_limit(params.limit.as_deref())?;
    let after: i32 = params.cursor.as_deref().map(|cursor| ctx.open_cursor(cursor)).transpose()?.unwrap_or_default();
    let mut conn = ctx.read().await?;
    store::import(&mut conn, id).await?.ok_or_else(Problem::not_found)?;
    let mut found = store::rows(&mut conn, id, only_invalid, after, limit + 1).await?;
    conn.release();
    let more = found.len() as i64 > limit;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|row| row.row_number);
    let out: Vec<RowOut> = found.into_iter().map(RowOut::from).collect();
    Ok(ctx.page(&out, limit, next.as_ref()))
}

pub async fn correct(
    ctx: Ctx,
    Segments((id, row_number)): Segments<(Uuid, i32)>,
    Body(patch): Body<Map<String, Value>>,
) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let (status, _) = store::lock(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    refuse_finished(&status)?;
    let stored = store::row(&mut tx, id, row_number).await?.ok_or_else(Problem::not_found)?;
    let values = patched(stored.values.0, patch)?;
    let admission = values.get("admission_number").map(|text| text.trim().to_owned()).unwrap_or_default();
    let repeats = store::same_admission(&mut tx, id, row_number, &admission).await?.filter(|_| !admission.is_empty());
    let known = store::known_pupils(&mut tx, &[&admission], ctx.business_date()).await?;
    let row = check(&ctx, row_number, values, &known, repeats);
    let out =
        RowOut { row_number, action: row.action.to_owned(), values: row.values.clone(), errors: row.errors.clone() };
    store::put_rows(&mut tx, id, &[row]).await?;
    ctx.commit(tx, Answer::ok(&out)).await
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyIn {
    /// Leaves invalid rows out instead of refusing.
    #[serde(default)]
    skip_invalid: bool,
}

pub async fn apply(ctx: Ctx, Id(id): Id, Body(body): Body<ApplyIn>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let (status, version) = store::lock(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    refuse_stale(&ctx, version)?;
    if status == "discarded" {
        refuse_finished(&status)?;
    }
    if status == "preview" {
        let (rows, skipped) = valid_rows(&ctx, &mut tx, id, body.skip_invalid).await?;
        let today = ctx.business_date();
        let year = class_list_apply::year_of(&mut tx, today).await?.ok_or_else(|| {
            Problem::new(
                ErrorCode::Validation,
                "No academic year has today in it. Make one first, then apply the list.",
            )
        })?;
        let numbers: Vec<&str> = rows.iter().map(|row| row.admission_number.as_str()).collect();
        let known = store::known_pupils(&mut tx, &numbers, today).await?;
        let mut outcome = class_list_apply::apply(&mut tx, &rows, &known, year).await?;
        outcome.skipped = skipped;
        let result = serde_json::to_value(&outcome).map_err(Problem::internal)?;
        store::set_status(&mut tx, id, "applied", Some(ctx.now()), Some(&result)).await?;
        tx.audit(Audit {
            action: "apply",
            resource: "school.class_list",
            record_id: Some(id),
            before: None,
            after: Some(result.to_string()),
        });
    }
    let import = store::import(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let out = ImportOut::from(import);
    ctx.commit(tx, Answer::ok(&out).version(out.version)).await
}

pub async fn discard(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let (status, version) = store::lock(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    refuse_stale(&ctx, version)?;
    if status == "applied" {
        refuse_finished(&status)?;
    }
    store::set_status(&mut tx, id, "discarded", None, None).await?;
    let import = store::import(&mut tx, id).await?.ok_or_else(Problem::not_found)?;
    let out = ImportOut::from(import);
    ctx.commit(tx, Answer::ok(&out).version(out.version)).await
}

/// The header line of a class list, as a file to fill in.
pub async fn template() -> impl axum::response::IntoResponse {
    let example = "A-001,Amina,Otieno,2014-03-27,Grade 7,7 East,female,Grace Otieno,+254712345678,grace@example.org,mother,yes,,,,,";
    let header = domain::all_columns().collect::<Vec<_>>().join(",");
    (
        [
            ("content-type", "text/csv; charset=utf-8"),
            ("content-disposition", "attachment; filename=\"class-list.csv\""),
        ],
        format!("{header}\r\n{example}\r\n"),
    )
}

fn refuse_stale(ctx: &Ctx, version: i64) -> Result<(), Problem> {
    if ctx.request().if_match()?.is_none_or(|wanted| wanted == version) {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Stale, "This class list was applied or discarded meanwhile. Read it again."))
}

fn refuse_finished(status: &str) -> Result<(), Problem> {
    if status == "preview" {
        return Ok(());
    }
    Err(Problem::new(ErrorCode::Conflict, format!("This class list is {status} and cannot be changed any more.")))
}

fn patched(mut values: Values, patch: Map<String, Value>) -> Result<Values, Problem> {
    for (column, value) in patch {
        if !domain::all_columns().any(|known| known == column) {
            let error = FieldError::new(format!("/{column}"), "unknown_field", "There is no such column.");
            return Err(Problem::new(ErrorCode::Malformed, error.message.clone()).with_errors(vec![error]));
        }
        match value {
            Value::Null => values.remove(&column),
            Value::String(text) if text.chars().count() <= 500 => values.insert(column, text),
            _ => {
                return Err(Problem::validation(vec![FieldError::new(
                    format!("/{column}"),
                    "malformed",
                    "Send a text.",
                )]));
            }
        };
    }
    Ok(values)
}

/// Checks a row by itself, against the others of the file and against what is stored.
fn check(
    ctx: &Ctx,
    row_number: i32,
    values: Values,
    known: &HashMap<String, KnownPupil>,
    repeats: Option<i32>,
) -> NewRow {
    let mut checked = domain::check(&values, ctx.business_date(), &ctx.tenant().country);
    if let Some(other) = repeats {
        let error =
            FieldError::new("/admission_number", "repeated", format!("Row {other} has this admission number too."));
        checked = Err(checked.err().unwrap_or_default().into_iter().chain([error]).collect());
    }
    let (action, errors) = match &checked {
        Ok(row) => (known.get(&row.admission_number).map_or("create", |pupil| compare(row, pupil)), json!([])),
        Err(errors) => ("invalid", json!(errors)),
    };
    NewRow { row_number, values, errors, action }
}

fn compare(row: &Row, pupil: &KnownPupil) -> &'static str {
    let same = row.first_name == pupil.first_name
        && row.last_name == pupil.last_name
        && row.date_of_birth.is_none_or(|date| pupil.date_of_birth == Some(date))
        && row.sex.is_none_or(|sex| pupil.sex.as_deref() == Some(sex))
        && pupil.stream.as_ref() == Some(&row.stream)
        && row.guardians.len() as i64 <= pupil.guardians;
    if same { "unchanged" } else { "update" }
}

/// The good rows of an import, and how many are left out; refuses where some are bad and must not be.
async fn valid_rows(
    ctx: &Ctx,
    conn: &mut sqlx::PgConnection,
    id: Uuid,
    skip_invalid: bool,
) -> Result<(Vec<Row>, usize), Problem> {
    let stored = store::rows(conn, id, false, 0, domain::MAX_ROWS as i64).await?;
    let total = stored.len();
    let valid: Vec<Row> = stored
        .into_iter()
        .filter(|row| row.action != "invalid")
        .filter_map(|row| domain::check(&row.values.0, ctx.business_date(), &ctx.tenant().country).ok())
        .collect();
    let invalid = total - valid.len();
    if invalid > 0 && !skip_invalid {
        let message = format!("{invalid} rows have errors. Correct them, or apply the list without them.");
        return Err(Problem::validation(vec![FieldError::new("/skip_invalid", "rows_invalid", message)]));
    }
    Ok((valid, invalid))
}
