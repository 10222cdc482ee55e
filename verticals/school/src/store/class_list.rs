//! Class lists on their way: the preview and its rows.
use crate::domain::class_list::Values;
use chrono::{DateTime, Utc};
use hitaji_db::DbError;
use sqlx::PgConnection;
use sqlx::types::Json;
use std::collections::HashMap;
use uuid::Uuid;

#[derive(Debug, sqlx::FromRow)]
pub struct ImportRow {
    pub id: Uuid,
    pub version: i64,
    pub status: String,
    pub file_name: Option<String>,
    pub columns: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub applied_at: Option<DateTime<Utc>>,
    pub result: Option<Json<serde_json::Value>>,
    pub rows: i64,
    pub invalid: i64,
    pub creates: i64,
    pub updates: i64,
    pub unchanged: i64,
}

/// One line of the file with what is wrong with it and what it will do.
#[derive(Debug, sqlx::FromRow)]
pub struct StoredRow {
    pub row_number: i32,
    pub action: String,
    pub values: Json<Values>,
    pub errors: Json<serde_json::Value>,
}

/// A checked row on its way into the preview.
#[derive(Debug)]
pub struct NewRow {
    pub row_number: i32,
    pub values: Values,
    pub errors: serde_json::Value,
    pub action: &'static str,
}

pub async fn insert_import(
    conn: &mut PgConnection,
    id: Uuid,
    file_name: Option<&str>,
    columns: &[String],
    by: Uuid,
    at: DateTime<Utc>,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into school.class_list_import (id, file_name, columns, created_by, created_at) values ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(file_name)
    .bind(columns)
    .bind(by)
    .bind(at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes rows, replacing those of the same number.
pub async fn put_rows(conn: &mut PgConnection, import_id: Uuid, rows: &[NewRow]) -> Result<(), DbError> {
    let numbers: Vec<i32> = rows.iter().map(|row| row.row_number).collect();
    let values: Vec<Json<&Values>> = rows.iter().map(|row| Json(&row.values)).collect();
    let errors: Vec<Json<&serde_json::Value>> = rows.iter().map(|row| Json(&row.errors)).collect();
    let actions: Vec<&str> = rows.iter().map(|row| row.action).collect();
    sqlx::query(
        "insert into school.class_list_row (import_id, row_number, values, errors, action)
         select $1, new.row_number, new.row_values, new.errors, new.action
         from unnest($2::integer[], $3::jsonb[], $4::jsonb[], $5::text[]) as new (row_number, row_values, errors, action)
         on conflict (import_id, row_number) do update
         set values = excluded.values, errors = excluded.errors, action = excluded.action",
    )
    .bind(import_id)
    .bind(numbers)
    .bind(values)
    .bind(errors)
    .bind(actions)
    .execute(conn)
    .await?;
    Ok(())
}

/// The import with its counts; `lock` keeps it for this transaction.
pub async fn import(conn: &mut PgConnection, id: Uuid) -> Result<Option<ImportRow>, DbError> {
    Ok(sqlx::query_as(
        "select import.id, version, status, file_name, columns, created_at, applied_at, result,
             count(row.row_number) as rows, count(*) filter (where row.action = 'invalid') as invalid,
             count(*) filter (where row.action = 'create') as creates,
             count(*) filter (where row.action = 'update') as updates,
             count(*) filter (where row.action = 'unchanged') as unchanged
         from school.class_list_import import left join school.class_list_row row on row.import_id = import.id
         where import.id = $1 group by import.id",
    )
    .bind(id)
    .fetch_optional(conn)
    .await?)
}

/// The import's status and version, locked against a second apply or discard.
pub async fn lock(conn: &mut PgConnection, id: Uuid) -> Result<Option<(String, i64)>, DbError> {
    Ok(sqlx::query_as("select status, version from school.class_list_import where id = $1 for update")
        .bind(id)
        .fetch_optional(conn)
        .await?)
}

pub async fn set_status(
    conn: &mut PgConnection,
    id: Uuid,
    status: &str,
    at: Option<DateTime<Utc>>,
    result: Option<&serde_json::Value>,
) -> Result<(), DbError> {
    sqlx::query(
        "update school.class_list_import set status = $2, applied_at = $3, result = $4, version = version + 1 where id = $1",
    )
    .bind(id)
    .bind(status)
    .bind(at)
    .bind(result.map(Json))
    .execute(conn)
    .await?;
    Ok(())
}

/// Rows after `after` in order of the file.
pub async fn rows(
    conn: &mut PgConnection,
    id: Uuid,
    only_invalid: bool,
    after: i32,
    limit: i64,
) -> Result<Vec<StoredRow>, DbError> {
    Ok(sqlx::query_as(
        "select row_number, action, values, errors from school.class_list_row
         where import_id = $1 and row_number > $2 and (not $3 or action = 'invalid') order by row_number limit $4",
    )
    .bind(id)
    .bind(after)
    .bind(only_invalid)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

pub async fn row(conn: &mut PgConnection, id: Uuid, row_number: i32) -> Result<Option<StoredRow>, DbError> {
    Ok(sqlx::query_as(
        "select row_number, action, values, errors from school.class_list_row where import_id = $1 and row_number = $2",
    )
    .bind(id)
    .bind(row_number)
    .fetch_optional(conn)
    .await?)
}

/// The numbers of other rows with this admission number.
pub async fn same_admission(
    conn: &mut PgConnection,
    id: Uuid,
    row_number: i32,
    admission_number: &str,
) -> Result<Option<i32>, DbError> {
    Ok(sqlx::query_scalar(
        "select row_number from school.class_list_row
         where import_id = $1 and row_number <> $2 and trim(values ->> 'admission_number') = $3 limit 1",
    )
    .bind(id)
    .bind(row_number)
    .bind(admission_number)
    .fetch_optional(conn)
    .await?)
}

/// A pupil as stored, for comparison with a row.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct KnownPupil {
    pub id: Uuid,
    pub admission_number: String,
    pub first_name: String,
    pub last_name: String,
    pub date_of_birth: Option<chrono::NaiveDate>,
    pub sex: Option<String>,
    pub household_id: Option<Uuid>,
    pub stream: Option<String>,
    pub guardians: i64,
}

/// Pupils with these admission numbers, with their class in the academic year of `on`.
pub async fn known_pupils(
    conn: &mut PgConnection,
    admission_numbers: &[&str],
    on: chrono::NaiveDate,
) -> Result<HashMap<String, KnownPupil>, DbError> {
    let rows: Vec<KnownPupil> = sqlx::query_as(
        "select student.id, admission_number, first_name, last_name, date_of_birth, sex, household_id, stream.name as stream,
             (select count(*) from school.guardian_link link where link.student_id = student.id) as guardians
         from school.student
         left join school.academic_year year on $2 between year.starts_on and year.last_day
         left join school.enrolment on enrolment.student_id = student.id and enrolment.academic_year_id = year.id
         left join school.stream on stream.id = enrolment.stream_id
         where admission_number = any($1)",
    )
    .bind(admission_numbers)
    .bind(on)
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.admission_number.clone(), row)).collect())
}
