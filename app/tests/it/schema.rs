//! As much of JSON Schema as our documents use: what of a value does not fit.
use serde_json::Value;

/// The first thing wrong with `value`, as a place and a reason; none when it fits.
pub fn misfit(value: &Value, schema: &Value, schemas: &Value, place: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap_or_default();
        let Some(target) = schemas.get(name) else { return Some(format!("{place}: there is no schema {name}")) };
        return misfit(value, target, schemas, place);
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(choices) = schema[word].as_array()
            && !choices.iter().any(|choice| misfit(value, choice, schemas, place).is_none())
        {
            return Some(format!("{place}: fits none of {word}: {value}"));
        }
    }
    let mut parts = schema["allOf"].as_array().into_iter().flatten();
    if let Some(found) = parts.find_map(|part| misfit(value, part, schemas, place)) {
        return Some(found);
    }
    if let Some(known) = schema["enum"].as_array()
        && !known.contains(value)
    {
        return Some(format!("{place}: {value} is none of the known values"));
    }
    if !schema["type"].is_null() && !has_type(value, &schema["type"]) {
        return Some(format!("{place}: {value} is no {}", schema["type"]));
    }
    match value {
        Value::Object(members) => {
            let mut required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            if let Some(missing) = required.find(|name| !members.contains_key(*name)) {
                return Some(format!("{place}: {missing} is missing"));
            }
            let properties = schema["properties"].as_object()?;
            members.iter().find_map(|(name, member)| match properties.get(name) {
                Some(property) => misfit(member, property, schemas, &format!("{place}/{name}")),
                None => Some(format!("{place}/{name}: is not documented")),
            })
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            schema.get("items").and_then(|schema| misfit(item, schema, schemas, &format!("{place}/{index}")))
        }),
        _ => None,
    }
}

fn has_type(value: &Value, wanted: &Value) -> bool {
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    match wanted {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        name => name.as_str().is_some_and(is),
    }
}

#[test]
fn misfits_are_found() {
    use serde_json::json;
    let schemas =
        json!({"Page": {"type": "object", "required": ["next"], "properties": {"next": {"type": ["string", "null"]}}}});
    let schema = json!({"type": "object", "required": ["data"], "properties": {
        "data": {"type": "array", "items": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
        "page": {"$ref": "#/components/schemas/Page"}, "kind": {"enum": ["a"]}}});
    for good in [json!({"data": [1, null], "page": {"next": null}}), json!({"data": [], "kind": "a"})] {
        assert_eq!(misfit(&good, &schema, &schemas, ""), None);
    }
    for bad in [
        json!([]),
        json!({}),
        json!({"data": ["x"]}),
        json!({"data": [], "page": {}}),
        json!({"data": [], "kind": "b"}),
        json!({"data": [], "x": 1}),
    ] {
        assert!(misfit(&bad, &schema, &schemas, "").is_some(), "{bad}");
    }
}
