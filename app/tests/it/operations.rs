//! The operations of the merged OpenAPI document, and findings about them with their excepted ones.
use hitaji_testkit::{Reply, TestApp};
use http::Method;
use serde_json::Value;

/// One operation as documented.
#[derive(Clone)]
pub struct Operation {
    pub method: Method,
    pub path: String,
    pub doc: Value,
    /// `components.schemas` of the document.
    pub schemas: Value,
}

impl Operation {
    /// `POST /school/v1/students`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn scope(&self) -> Option<&str> {
        self.doc["x-scope"].as_str()
    }

    /// What a person who runs the platform must be allowed.
    pub fn operator_scope(&self) -> Option<&str> {
        self.doc["x-operator"].as_str()
    }

    pub fn is_public(&self) -> bool {
        self.doc["x-public"].is_string()
    }

    pub fn content_type(&self) -> Option<&str> {
        self.doc["requestBody"]["content"].as_object()?.keys().next().map(String::as_str)
    }

    pub fn takes_json(&self) -> bool {
        self.content_type() == Some("application/json")
    }

    pub fn parameter(&self, name: &str) -> Option<&Value> {
        self.doc["parameters"].as_array()?.iter().find(|parameter| parameter["name"] == name)
    }

    pub fn writes(&self) -> bool {
        self.method == Method::POST || self.method == Method::PATCH
    }

    /// About one record: its path ends with the record, or with an action on it.
    pub fn is_on_a_record(&self) -> bool {
        self.path.contains('{') || self.path == "/tenancy/v1/organisation"
    }

    pub fn success_schema(&self) -> &Value {
        &self.doc["responses"]["200"]["content"]["application/json"]["schema"]
    }

    pub fn is_list(&self) -> bool {
        self.method == Method::GET && self.success_schema()["properties"]["page"].is_object()
    }
}

/// All operations, in order of path; of one path the reading ones first.
pub async fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.anybody().get("/openapi.json").await.ok();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, doc) in item.as_object().expect("operations") {
            let method = method.to_uppercase().parse().expect("a method");
            let schemas = document["components"]["schemas"].clone();
            all.push(Operation { method, path: path.clone(), doc: doc.clone(), schemas });
        }
    }
    assert!(all.len() > 80, "the document has {} operations; is it whole?", all.len());
    all
}

/// What a walk found wrong, by (check, operation).
#[derive(Default)]
pub struct Findings(Vec<(&'static str, String, String)>);

impl Findings {
    pub fn add(&mut self, check: &'static str, operation: &Operation, what: impl Into<String>) {
        self.0.push((check, operation.name(), what.into()));
    }

    pub fn check(&mut self, good: bool, check: &'static str, operation: &Operation, what: impl Into<String>) {
        if !good {
            self.add(check, operation, what);
        }
    }

    /// The test ends here: nothing was found but what is excepted, and every exception is still needed.
    #[track_caller]
    pub fn finish(self, exceptions: &[(&str, &str, &str)]) {
        let excepted = |check: &str, name: &str| exceptions.iter().any(|known| (known.0, known.1) == (check, name));
        let found: Vec<String> = self
            .0
            .iter()
            .filter(|(check, name, _)| !excepted(check, name))
            .map(|(check, name, what)| format!("{check}: {name}: {what}"))
            .collect();
        let needless: Vec<String> = exceptions
            .iter()
            .filter(|(check, name, _)| !self.0.iter().any(|found| (found.0, found.1.as_str()) == (*check, *name)))
            .map(|(check, name, reason)| format!("{check}: {name}: needs no exception any more ({reason})"))
            .collect();
        assert!(found.is_empty() && needless.is_empty(), "\n{}\n{}\n", found.join("\n"), needless.join("\n"));
    }
}

/// What is wrong with a refusal as an RFC 9457 problem.
pub fn flaws_of_problem(reply: &Reply) -> Vec<String> {
    let mut flaws = Vec::new();
    if reply.header("content-type") != Some("application/problem+json") {
        flaws.push(format!("content type {:?}", reply.header("content-type")));
    }
    let body = &reply.body;
    if body["status"] != reply.status {
        flaws.push(format!("status {} in the body", body["status"]));
    }
    for member in ["type", "title", "code", "detail", "request_id"] {
        if body[member].as_str().is_none_or(str::is_empty) {
            flaws.push(format!("no {member}"));
        }
    }
    if body["type"] != format!("/docs/problems/{}", body["code"].as_str().unwrap_or_default()) {
        flaws.push(format!("type {}", body["type"]));
    }
    if body["request_id"].as_str() != reply.header("x-request-id") {
        flaws.push("another request id than the header's".to_owned());
    }
    for error in body["errors"].as_array().into_iter().flatten() {
        let pointer = error["pointer"].as_str().is_some_and(|pointer| pointer.is_empty() || pointer.starts_with('/'));
        if !pointer
            || error["code"].as_str().is_none_or(str::is_empty)
            || error["message"].as_str().is_none_or(str::is_empty)
        {
            flaws.push(format!("error {error}"));
        }
    }
    let needs = match reply.status {
        401 => Some("www-authenticate"),
        429 | 503 => Some("retry-after"),
        _ => None,
    };
    if needs.is_some_and(|name| reply.header(name).is_none()) {
        flaws.push(format!("no {}", needs.unwrap_or_default()));
    }
    flaws
}
