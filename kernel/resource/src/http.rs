//! Read, create, change and delete one record of a declared resource.
use crate::body::{self, Values};
use crate::select::{Bound, Sql, select};
use crate::{Catalogue, Declared, row};
use hitaji_core::resource::ResourceDef;
use hitaji_core::{ErrorCode, FieldError, new_id};
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Problem};
use serde_json::{Map, Value, json};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

pub(crate) async fn read(
    catalogue: Catalogue,
    declared: &'static Declared,
    ctx: Ctx,
    Id(id): Id,
) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = fetch(catalogue, declared, &ctx, &mut conn, id, "").await?;
    conn.release();
    let (record, version) = found.ok_or_else(Problem::not_found)?;
    Ok(Answer::json(200, record).version(version))
}

pub(crate) async fn create(
    catalogue: Catalogue,
    declared: &'static Declared,
    ctx: Ctx,
    Body(body): Body<Map<String, Value>>,
) -> Result<Answer, Problem> {
    let def = declared.def;
    let values = body::check(def, body, true, &ctx.tenant().country)?;
    let id = values.id.unwrap_or_else(new_id);
    let mut tx = ctx.tx().await?;
    let made = insert(def, id, &values).query().execute(&mut *tx).await.map_err(|error| refused(def, error.into()))?;
    // A record that the caller could not see afterwards is not made.
    let found = fetch(catalogue, declared, &ctx, &mut tx, id, "").await?;
    let (record, version) = found.ok_or_else(Problem::not_found)?;
    if made.rows_affected() == 0 {
        return repeated(def, &values, record, version);
    }
    tx.audit(Audit {
        action: "create",
        resource: def.permission,
        record_id: Some(id),
        before: None,
        after: Some(String::from_utf8_lossy(&record).into_owned()),
    });
    tx.emit_json(def.created_event, id.to_string(), json!({"id": id, "version": version}).to_string());
    let mut answer = Answer::json(201, record).version(version);
    answer = answer.location(format!("{}/{id}", def.path()));
    ctx.commit(tx, answer).await
}

/// The client made the id, and a record has it: the same request again is answered as it was, another one is a conflict.
fn repeated(def: &ResourceDef, values: &Values, record: Vec<u8>, version: i64) -> Result<Answer, Problem> {
    let stored: Value = serde_json::from_slice(&record).map_err(Problem::internal)?;
    let same = values.fields.iter().all(|(field, bound)| {
        let value = &stored[field.name];
        same_value(bound, value.get("id").filter(|_| value.is_object()).unwrap_or(value))
    });
    if same && version == 1 {
        return Ok(Answer::json(200, record).version(version));
    }
    Err(Problem::new(
        ErrorCode::Conflict,
        format!("Another {} has this id. Make a new one.", def.label_one.to_lowercase()),
    ))
}

pub(crate) async fn update(
    catalogue: Catalogue,
    declared: &'static Declared,
    ctx: Ctx,
    Id(id): Id,
    Body(body): Body<Map<String, Value>>,
) -> Result<Answer, Problem> {
    let def = declared.def;
    let wanted = wanted_version(def, &ctx)?;
    let values = body::check(def, body, false, &ctx.tenant().country)?;
    let mut tx = ctx.tx().await?;
    let found = fetch(catalogue, declared, &ctx, &mut tx, id, " for update of r").await?;
    let (before, version) = found.ok_or_else(Problem::not_found)?;
    refuse_stale(wanted, version, &before)?;
    if values.fields.is_empty() {
        return ctx.commit(tx, Answer::json(200, before).version(version)).await;
    }
    change(def, id, &values).query().execute(&mut *tx).await.map_err(|error| refused(def, error.into()))?;
    let found = fetch(catalogue, declared, &ctx, &mut tx, id, "").await?;
    let (after, version) = found.ok_or_else(Problem::not_found)?;
    record_change(def, &mut tx, id, version, &before, &after)?;
    ctx.commit(tx, Answer::json(200, after).version(version)).await
}

pub(crate) async fn delete(
    catalogue: Catalogue,
    declared: &'static Declared,
    ctx: Ctx,
    Id(id): Id,
) -> Result<Answer, Problem> {
    let def = declared.def;
    let wanted = wanted_version(def, &ctx)?;
    let mut tx = ctx.tx().await?;
    let found = fetch(catalogue, declared, &ctx, &mut tx, id, " for update of r").await?;
    let (before, version) = found.ok_or_else(Problem::not_found)?;
    refuse_stale(wanted, version, &before)?;
    let mut sql = Sql::default();
    sql.push("delete from ").push(def.table).push(" where id = ").bind(Bound::Uuid(Some(id)));
    sql.query().execute(&mut *tx).await.map_err(|error| refused_delete(def, error.into()))?;
    tx.audit(Audit {
        action: "delete",
        resource: def.permission,
        record_id: Some(id),
        before: Some(String::from_utf8_lossy(&before).into_owned()),
        after: None,
    });
    tx.emit_json(def.deleted_event, id.to_string(), json!({"id": id}).to_string());
    ctx.commit(tx, Answer::no_content()).await
}

/// The record as JSON with its version, if the caller reaches it.
async fn fetch(
    catalogue: Catalogue,
    declared: &'static Declared,
    ctx: &Ctx,
    conn: &mut PgConnection,
    id: Uuid,
    lock: &str,
) -> Result<Option<(Vec<u8>, i64)>, Problem> {
    let mut sql = select(catalogue, declared.def);
    sql.push(" where r.id = ").bind(Bound::Uuid(Some(id))).push(" and ").reach(declared, ctx).push(lock);
    let found: Option<PgRow> = sql.query().fetch_optional(conn).await?;
    let Some(found) = found else { return Ok(None) };
    let mut out = Vec::with_capacity(512);
    row::write(declared.def, &found, &mut out)?;
    Ok(Some((out, found.try_get(1)?)))
}

fn insert(def: &ResourceDef, id: Uuid, values: &Values) -> Sql {
    let mut sql = Sql::default();
    sql.push("insert into ").push(def.table).push(" (id");
    for (field, _) in &values.fields {
        sql.push(", ").push(&field.column());
    }
    sql.push(") values (").bind(Bound::Uuid(Some(id)));
    for (_, value) in &values.fields {
        sql.push(", ").store(value.clone());
    }
    sql.push(") on conflict (id) do nothing");
    sql
}

fn change(def: &ResourceDef, id: Uuid, values: &Values) -> Sql {
    let mut sql = Sql::default();
    sql.push("update ").push(def.table).push(" set version = version + 1, updated_at = now()");
    for (field, value) in &values.fields {
        sql.push(", ").push(&field.column()).push(" = ").store(value.clone());
    }
    sql.push(" where id = ").bind(Bound::Uuid(Some(id)));
    sql
}

/// The version in If-Match; 428 where the resource wants one and there is none.
fn wanted_version(def: &ResourceDef, ctx: &Ctx) -> Result<Option<i64>, Problem> {
    let wanted = ctx.request().if_match()?;
    if wanted.is_none() && def.if_match_required {
        return Err(Problem::new(
            ErrorCode::PreconditionRequired,
            "People edit this together: send If-Match with the ETag of the record as you read it.",
        ));
    }
    Ok(wanted)
}

fn refuse_stale(wanted: Option<i64>, version: i64, current: &[u8]) -> Result<(), Problem> {
    if wanted.is_none_or(|wanted| wanted == version) {
        return Ok(());
    }
    let current: Value = serde_json::from_slice(current).map_err(Problem::internal)?;
    Err(Problem::new(
        ErrorCode::Stale,
        "Somebody changed this record meanwhile. Look at the change and send yours again.",
    )
    .with("current", current))
}

/// Audit with the changed fields only; an event that names them without their values.
fn record_change(
    def: &ResourceDef,
    tx: &mut Tx,
    id: Uuid,
    version: i64,
    before: &[u8],
    after: &[u8],
) -> Result<(), Problem> {
    let before: Map<String, Value> = serde_json::from_slice(before).map_err(Problem::internal)?;
    let after: Map<String, Value> = serde_json::from_slice(after).map_err(Problem::internal)?;
    let changed: Vec<&str> =
        def.fields.iter().map(|field| field.name).filter(|name| before.get(*name) != after.get(*name)).collect();
    let only = |record: &Map<String, Value>| {
        let kept: Map<String, Value> =
            changed.iter().filter_map(|name| Some(((*name).to_owned(), record.get(*name)?.clone()))).collect();
        Value::Object(kept).to_string()
    };
    tx.audit(Audit {
        action: "update",
        resource: def.permission,
        record_id: Some(id),
        before: Some(only(&before)),
        after: Some(only(&after)),
    });
    tx.emit_json(
        def.updated_event,
        id.to_string(),
        json!({"id": id, "version": version, "changed": changed}).to_string(),
    );
    Ok(())
}

fn same_value(bound: &Bound, stored: &Value) -> bool {
    match bound {
        Bound::Text(value) => value.as_deref() == stored.as_str(),
        Bound::Integer(value) => *value == stored.as_i64(),
        Bound::Boolean(value) => *value == stored.as_bool(),
        Bound::Date(value) => value.map(|date| date.to_string()).as_deref() == stored.as_str(),
        Bound::Uuid(value) => value.map(|id| id.to_string()).as_deref() == stored.as_str(),
        Bound::Instant(value) => *value == stored.as_str().and_then(|text| text.parse().ok()),
        _ => false,
    }
}

/// A broken constraint as the field it is about: as declared, else by the constraint's name (`table_column_key`).
fn refused(def: &ResourceDef, error: DbError) -> Problem {
    let Some(constraint) = error.constraint() else { return error.into() };
    if let Some(declared) = def.constraints.iter().find(|declared| declared.constraint == constraint) {
        return Problem::validation(vec![FieldError::new(format!("/{}", declared.field), "refused", declared.message)]);
    }
    let table = def.table.rsplit('.').next().unwrap_or_default();
    let (code, message, suffix) = match constraint.rsplit('_').next() {
        Some("key") => ("taken", "is in use already", "_key"),
        Some("fkey") => ("unknown_value", "names no record that is there", "_fkey"),
        Some("check") => ("refused", "is not accepted", "_check"),
        _ => return error.into(),
    };
    let column = constraint
        .strip_prefix(table)
        .and_then(|rest| rest.strip_prefix('_')?.strip_suffix(suffix))
        .unwrap_or_default();
    match def.fields.iter().find(|field| field.column() == column) {
        Some(field) => Problem::validation(vec![FieldError::new(
            format!("/{}", field.name),
            code,
            format!("{} {message}.", field.label),
        )]),
        None => Problem::validation(vec![FieldError::new("", code, format!("The record {message} ({constraint})."))]),
    }
}

fn refused_delete(def: &ResourceDef, error: DbError) -> Problem {
    match error.constraint() {
        Some(_) => Problem::new(
            ErrorCode::Conflict,
            format!("Other records refer to this {}; remove or change those first.", def.label_one.to_lowercase()),
        ),
        None => error.into(),
    }
}
