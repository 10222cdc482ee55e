//! OpenAPI 3.1, from the same route declarations that serve the requests.
use crate::route::Parameter;
use crate::{Access, Idempotency, Registry, Route, Schema, Service};
use http::Method;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The document of one service, or of all.
pub fn document(registry: &Registry, only: Option<&str>) -> Value {
    let mut generator = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .into_generator();
    let mut paths = Map::new();
    let services = registry.services().iter().filter(|service| only.is_none_or(|name| name == service.name));
    for service in services {
        for route in
            (service.routes)().into_iter().filter(|route| !route.protocol && !matches!(route.access, Access::Peer(_)))
        {
            let path = format!("/{}/v1{}", service.name, route.path);
            let operation = operation(service, &route, &path, &mut generator);
            let item = paths.entry(path).or_insert_with(|| json!({}));
            item[route.method.as_str().to_lowercase()] = operation;
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Problem".into(), problem_schema());
    schemas.insert(
        "Page".into(),
        json!({"type": "object", "required": ["limit", "next"], "properties": {
        "limit": {"type": "integer"}, "next": {"type": ["string", "null"]}, "total": {"type": "integer"}}}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Hitaji", "version": "1", "description": "One set of conventions for every service; see /docs."},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"oauth": {"type": "oauth2", "flows": {"authorizationCode": {
                "authorizationUrl": "/oauth/authorize", "tokenUrl": "/oauth/token", "scopes": scopes(registry)}}}}
        }
    })
}

fn scopes(registry: &Registry) -> Map<String, Value> {
    let permissions = registry.services().iter().flat_map(|service| service.permissions);
    permissions.map(|permission| (permission.scope.to_owned(), json!(permission.description))).collect()
}

fn problem_schema() -> Value {
    json!({"type": "object", "required": ["type", "title", "status", "code", "detail", "request_id"], "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "code": {"type": "string"},
        "detail": {"type": "string"}, "request_id": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "required": ["pointer", "code", "message"], "properties": {
            "pointer": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}}}}}})
}

fn operation(service: &Service, route: &Route, path: &str, generator: &mut SchemaGenerator) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route, path),
        "tags": [service.name],
        "summary": route.summary,
        "parameters": parameters(route, path),
        "responses": responses(route, path, generator),
    });
    match route.access {
        Access::Scope(scope) => {
            operation["security"] = json!([{"oauth": [scope]}]);
            operation["x-scope"] = json!(scope);
        }
        Access::Operator(scope) => {
            operation["security"] = json!([{"oauth": [scope]}]);
            operation["x-operator"] = json!(scope);
        }
        Access::Member(reason) => {
            operation["security"] = json!([{"oauth": []}]);
            operation["x-member"] = json!(reason);
        }
        Access::Public(reason) | Access::Peer(reason) => {
            operation["security"] = json!([]);
            operation["x-public"] = json!(reason);
        }
    }
    if route.recent_sign_in {
        operation["x-recent-sign-in"] = json!(true);
    }
    if let Some((content_type, schema)) = &route.body {
        operation["requestBody"] =
            json!({"required": true, "content": {*content_type: {"schema": render(schema, generator)}}});
    }
    operation
}

fn operation_id(route: &Route, path: &str) -> String {
    let words = path
        .split(['/', '-'])
        .filter(|word| !word.is_empty() && *word != "v1")
        .map(|word| word.trim_matches(['{', '}', '.']));
    format!("{}_{}", route.method.as_str().to_lowercase(), words.collect::<Vec<_>>().join("_").replace('.', "_"))
}

fn parameters(route: &Route, path: &str) -> Vec<Value> {
    let mut all = Vec::new();
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        all.push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    }
    for Parameter { name, description } in &route.parameters {
        all.push(json!({"name": name, "in": "query", "description": description, "schema": {"type": "string"}}));
    }
    if route.idempotency != Idempotency::None {
        let required = route.idempotency == Idempotency::Required;
        all.push(
            json!({"name": "Idempotency-Key", "in": "header", "required": required, "schema": {"type": "string"}}),
        );
    }
    if route.if_match {
        all.push(json!({"name": "If-Match", "in": "header", "schema": {"type": "string"}}));
    }
    all
}

fn responses(route: &Route, path: &str, generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut all = Map::new();
    for (status, schema) in &route.answers {
        let mut response = json!({"description": if *status < 300 { "Done" } else { "See the type" }});
        if let Some(schema) = schema {
            response["content"] = json!({"application/json": {"schema": render(schema, generator)}});
        }
        all.insert(status.to_string(), response);
    }
    for status in problem_statuses(route, path) {
        let body = json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        all.entry(status.to_string()).or_insert_with(|| json!({"description": "A problem", "content": body}));
    }
    all
}

/// Every status the conventions can answer on a route of this shape.
fn problem_statuses(route: &Route, path: &str) -> Vec<u16> {
    let mut statuses = vec![400, 429, 500, 503];
    if !matches!(route.access, Access::Public(_)) {
        statuses.extend([401, 403, 404]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if route.body.is_some() {
        statuses.extend([413, 415, 422]);
    }
    if route.method != Method::GET {
        statuses.extend([409, 422]);
    }
    if route.if_match {
        statuses.extend([412, 428]);
    }
    statuses
}

fn render(schema: &Schema, generator: &mut SchemaGenerator) -> Value {
    match schema {
        Schema::Type(make) => make(generator).to_value(),
        Schema::Value(value) => value.clone(),
    }
}
