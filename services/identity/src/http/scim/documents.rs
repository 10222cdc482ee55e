//! What this SCIM server can do (RFC 7643 sections 5 to 7).
use crate::domain::scim::{GROUP, USER};
use crate::http::scim::{Directory, PAGE_MAX, list, resource};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};

pub async fn config(_: Directory) -> Response {
    let no = json!({"supported": false});
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true}, "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": PAGE_MAX}, "changePassword": no, "sort": no, "etag": {"supported": true},
        "authenticationSchemes": [{"type": "oauthbearertoken", "name": "Bearer", "description": "A SCIM token of the organisation"}],
    });
    resource(StatusCode::OK, &body)
}

pub async fn resource_types(_: Directory) -> Response {
    let kind = |name: &str, endpoint: &str, schema: &str| {
        json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": name, "name": name,
            "endpoint": endpoint, "schema": schema})
    };
    list(2, 1, &[kind("User", "/Users", USER), kind("Group", "/Groups", GROUP)])
}

pub async fn schemas(_: Directory) -> Response {
    let attribute = |name: &str, kind: &str, mutability: &str, required: bool| -> Value {
        json!({"name": name, "type": kind, "multiValued": false, "required": required, "mutability": mutability,
            "returned": "default", "caseExact": false, "uniqueness": if name == "userName" { "server" } else { "none" }})
    };
    let several = |name: &str, mutability: &str| {
        let mut made = attribute(name, "complex", mutability, false);
        made["multiValued"] = json!(true);
        made["subAttributes"] = json!([attribute("value", "string", mutability, false)]);
        made
    };
    let mut name = attribute("name", "complex", "readWrite", false);
    let parts = ["formatted", "givenName", "familyName"].map(|part| attribute(part, "string", "readWrite", false));
    name["subAttributes"] = json!(parts);
    let schema = |id: &str, name: &str, attributes: Vec<Value>| json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": id, "name": name, "attributes": attributes});
    let user = vec![
        attribute("userName", "string", "immutable", true),
        name,
        attribute("displayName", "string", "readWrite", false),
        attribute("externalId", "string", "readWrite", false),
        attribute("active", "boolean", "readWrite", false),
        several("emails", "immutable"),
        several("roles", "readOnly"),
        several("groups", "readOnly"),
    ];
    let group = vec![attribute("displayName", "string", "readOnly", true), several("members", "readWrite")];
    list(2, 1, &[schema(USER, "User", user), schema(GROUP, "Group", group)])
}
