//! JSON schemas of declared resources, for OpenAPI.
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_web::Schema;
use serde_json::{Map, Value, json};

pub(crate) fn anything() -> Schema {
    Schema::Value(json!({"type": "object"}))
}

/// `{data: [record], page: {…}}`.
pub(crate) fn list(record: Schema) -> Schema {
    let Schema::Value(record) = record else { return record };
    Schema::Value(json!({"type": "object", "required": ["data", "page"], "properties": {
        "data": {"type": "array", "items": record}, "page": {"$ref": "#/components/schemas/Page"}}}))
}

/// A record as it is read.
pub(crate) fn record(def: &ResourceDef) -> Schema {
    let mut properties = Map::from_iter([
        ("id".to_owned(), json!({"type": "string", "format": "uuid"})),
        ("version".to_owned(), json!({"type": "integer"})),
        ("created_at".to_owned(), json!({"type": "string", "format": "date-time"})),
        ("updated_at".to_owned(), json!({"type": "string", "format": "date-time"})),
    ]);
    for field in def.fields {
        let value = match field.kind {
            FieldKind::Link(_) => json!({"type": "object", "required": ["id", "title"], "properties": {
                "id": {"type": "string", "format": "uuid"}, "title": {"type": "string"}}}),
            _ => value(field),
        };
        properties.insert(field.name.to_owned(), or_null(field, value));
    }
    let required: Vec<&String> = properties.keys().collect();
    Schema::Value(json!({"type": "object", "required": required, "properties": properties}))
}

/// A body of a create (`complete`) or of a merge patch.
pub(crate) fn input(def: &ResourceDef, complete: bool) -> Schema {
    let writable = || def.fields.iter().filter(|field| !field.read_only);
    let mut properties: Map<String, Value> =
        writable().map(|field| (field.name.to_owned(), or_null(field, value(field)))).collect();
    let mut schema = json!({"type": "object", "additionalProperties": false});
    if complete {
        properties.insert(
            "id".into(),
            json!({"type": "string", "format": "uuid", "description": "Made by the client where it works offline"}),
        );
        schema["required"] =
            json!(writable().filter(|field| field.required).map(|field| field.name).collect::<Vec<_>>());
    }
    schema["properties"] = Value::Object(properties);
    Schema::Value(schema)
}

pub(crate) fn list_parameters(def: &ResourceDef) -> Vec<(String, String)> {
    let mut all = vec![
        ("sort".to_owned(), format!("By default {}", def.default_sort)),
        ("count".to_owned(), "true adds `page.total`".to_owned()),
    ];
    if def.fields.iter().any(|field| field.search) {
        all.push(("q".to_owned(), "Words that must all occur".to_owned()));
    }
    let filters = def.fields.iter().filter(|field| field.filter);
    all.extend(
        filters.map(|field| (field.name.to_owned(), format!("{}: any of these values, comma separated", field.label))),
    );
    all
}

fn or_null(field: &FieldDef, value: Value) -> Value {
    if field.required { value } else { json!({"anyOf": [value, {"type": "null"}]}) }
}

fn value(field: &FieldDef) -> Value {
    match field.kind {
        FieldKind::Integer => json!({"type": "integer", "minimum": field.min, "maximum": field.max}),
        FieldKind::Boolean => json!({"type": "boolean"}),
        FieldKind::Date => json!({"type": "string", "format": "date"}),
        FieldKind::Instant => json!({"type": "string", "format": "date-time"}),
        FieldKind::Uuid | FieldKind::Link(_) => json!({"type": "string", "format": "uuid"}),
        FieldKind::Choice(choices) => {
            json!({"type": "string", "enum": choices.iter().map(|choice| choice.value).collect::<Vec<_>>()})
        }
        _ => json!({"type": "string", "maxLength": field.max_length.unwrap_or(20_000)}),
    }
}
