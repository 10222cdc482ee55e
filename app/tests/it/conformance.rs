//! Every operation of every service keeps the conventions of `api.md`.
use crate::operations::{Findings, Operation, flaws_of_problem, operations};
use crate::samples::{Sample, World};
use crate::schema::misfit;
use hitaji_testkit::{Client, Reply, TestApp, at, send};
use http::Method;
use serde_json::json;

const BOUNDED: &str = "as many rows as a school has classes, or the program resources; the contract has them whole";

/// (check, operation, reason). One that is no longer needed fails the test.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("paging", "GET /school/v1/register-sheets", BOUNDED),
    ("paging", "GET /school/v1/resources", BOUNDED),
    ("etag", "GET /school/v1/attendance-days/{date}", "an aggregate over records, without a version"),
    ("etag", "GET /school/v1/class-list-imports/{id}/rows", "a list"),
    ("etag", "GET /tenancy/v1/exports/{id}/archive", "a file that is decrypted on its way and never changes"),
    ("etag", "GET /tenancy/v1/organisations/{id}/storage", "a view over databases, backups and work"),
    ("etag", "GET /tenancy/v1/organisations/{id}/support-grants", "a list"),
    (
        "idempotency",
        "POST /identity/v1/support-tokens",
        "an answer with a token is never stored; asked again, there is another token",
    ),
    ("idempotency", "POST /identity/v1/clients", SECRET),
    (
        "success",
        "POST /identity/v1/domains/{id}/verify",
        "no name server answers for made-up domains; identity's own tests have one",
    ),
    ("location", "POST /identity/v1/scim-tokens", "a token stands in the list only"),
    ("idempotency", "POST /identity/v1/scim-tokens", SECRET),
    ("idempotency", "POST /identity/v1/domains/{id}/verify", LOOK),
    ("idempotency", "POST /identity/v1/providers/{id}/test", LOOK),
    ("if-match", "POST /identity/v1/domains/{id}/verify", LOOK),
    ("if-match", "POST /identity/v1/providers/{id}/test", LOOK),
    ("if-match", "DELETE /identity/v1/me/identities/{id}", "a connection has no version: it is there or it is not"),
    ("if-match", "DELETE /identity/v1/scim-tokens/{id}", "a token never changes: it is good or it is ended"),
    ("idempotency", "POST /identity/v1/clients/{id}/rotate", SECRET),
    ("idempotency", "POST /identity/v1/api-keys", SECRET),
    ("idempotency", "POST /identity/v1/api-keys/{id}/rotate", SECRET),
    (
        "idempotency",
        "POST /identity/v1/sign-ups",
        "the organisation's id makes it repeatable; a stored hash would be one of a password",
    ),
    ("idempotency", "POST /tenancy/v1/exports", "has nothing in it: with the same key it is the same request"),
    (
        "if-match",
        "POST /identity/v1/accounts/{id}/sign-out",
        "an emergency: whatever the record says meanwhile, it ends",
    ),
    (
        "if-match",
        "POST /identity/v1/members/{id}/sign-out",
        "an emergency: whatever the record says meanwhile, it ends",
    ),
    ("if-match", "POST /tenancy/v1/operations/{id}/cancel", "work has no version: it runs or it does not"),
    (
        "if-match",
        "PATCH /school/v1/class-list-imports/{id}/rows/{row_number}",
        "a row of a preview has no version; the last correction wins",
    ),
    (
        "location",
        "POST /identity/v1/sign-ups",
        "the organisation is read with a token of its own, as /tenancy/v1/organisation",
    ),
];

const LOOK: &str = "it asks somebody else what is so now; asked again, it asks again";
const SECRET: &str = "an answer with a secret is never stored; asked again, there is another";

async fn app() -> TestApp {
    TestApp::start_with(hitaji_core::Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        for (name, value) in [
            ("subject_per_s", 10_000),
            ("subject_burst", 10_000),
            ("organisation_per_s", 10_000),
            ("organisation_burst", 10_000),
        ] {
            config.set("limits", name, value);
        }
        config.set("identity", "sign_ups_per_address_per_minute", 10_000);
    })
    .await
}

/// A client whose token has every scope but this one.
async fn lacking(world: &World<'_>, all: &[Operation], scope: &str) -> Client {
    let mut scopes: Vec<&str> = all.iter().filter_map(Operation::scope).filter(|other| *other != scope).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let organisation = &world.organisation;
    world.app.client(&world.app.token(&organisation.slug, &organisation.owner_email, &scopes.join(" ")).await)
}

/// What holds of every reply: its status is documented, a refusal is a problem, a success fits its schema.
fn look(reply: &Reply, operation: &Operation, what: &str, findings: &mut Findings) {
    let documented = &operation.doc["responses"][reply.status.to_string()];
    findings.check(
        !documented.is_null(),
        "documented",
        operation,
        format!("{what}: {} is not documented", reply.status),
    );
    findings.check(reply.status < 500, "no failure", operation, format!("{what}: {} {}", reply.status, reply.body));
    if reply.status >= 400 {
        for flaw in flaws_of_problem(reply) {
            findings.add("problem", operation, format!("{what}: {flaw}"));
        }
    } else if let Some(schema) = documented["content"]["application/json"].get("schema")
        && let Some(misfit) = misfit(&reply.body, schema, &operation.schemas, "")
    {
        findings.add("schema", operation, format!("{what}: {misfit}"));
    }
}

#[tokio::test]
async fn every_operation_asks_for_its_authority() {
    let app = app().await;
    let world = World::new(&app, "Uhuru Academy", "Aardvark").await;
    let (all, mut findings) = (operations(&app).await, Findings::default());
    let document = app.anybody().get("/openapi.json").await.ok();
    let known = &document["components"]["securitySchemes"]["oauth"]["flows"]["authorizationCode"]["scopes"];
    for operation in &all {
        let said: Vec<&str> = ["x-scope", "x-operator", "x-member", "x-public"]
            .into_iter()
            .filter(|name| operation.doc[*name].as_str().is_some_and(|text| !text.is_empty()))
            .collect();
        findings.check(said.len() == 1, "authority", operation, format!("says {said:?}"));
        let sample = world.sample(operation).await;
        let reply = sample.send(operation, &app.anybody(), "nobody-asks-for-it").await;
        if operation.is_public() {
            findings.check(reply.status < 400, "public", operation, reply.body.to_string());
            continue;
        }
        look(&reply, operation, "no token", &mut findings);
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        findings.check(
            reply.status == 401 && challenge.starts_with("Bearer"),
            "no token",
            operation,
            format!("{} {challenge}", reply.status),
        );
        let bad = sample.send(operation, &app.client("not.a.token"), "nobody-asks-for-it").await;
        look(&bad, operation, "bad token", &mut findings);
        let challenge = bad.header("www-authenticate").unwrap_or_default();
        findings.check(
            bad.status == 401 && challenge.contains("invalid_token"),
            "bad token",
            operation,
            format!("{} {challenge}", bad.status),
        );
        let Some(scope) = operation.scope().or(operation.operator_scope()) else { continue };
        findings.check(known[scope].is_string(), "authority", operation, format!("{scope} is no documented scope"));
        let lacking = match operation.operator_scope() {
            // The owner of an organisation has every right there is in it.
            Some(_) => world.owner.clone(),
            None => lacking(&world, &all, scope).await,
        };
        let reply = sample.send(operation, &lacking, "without-the-scope").await;
        look(&reply, operation, "scope missing", &mut findings);
        let challenge = reply.header("www-authenticate").unwrap_or_default();
        let named = challenge.contains("insufficient_scope") && challenge.contains(&format!("scope=\"{scope}\""));
        findings.check(
            reply.status == 403 && named && reply.body["code"] == "insufficient_scope",
            "scope",
            operation,
            format!("{} {challenge}", reply.status),
        );
    }
    findings.finish(&[]);
    world.rest().await;
    app.settle().await;
}

#[tokio::test]
async fn every_operation_refuses_what_it_does_not_know() {
    let app = app().await;
    let world = World::new(&app, "Uhuru Academy", "Aardvark").await;
    let mut findings = Findings::default();
    for operation in operations(&app).await {
        let sample = world.sample(&operation).await;
        let before = world.fingerprint().await;
        let reply =
            sample.asking("no_such_parameter=1").send(&operation, world.client(&operation), "unknown-parameter").await;
        look(&reply, &operation, "unknown parameter", &mut findings);
        findings.check(
            reply.status == 400,
            "unknown parameter",
            &operation,
            format!("{} {}", reply.status, reply.body),
        );
        if operation.content_type().is_some() {
            let typed = sample.raw(&operation, world.client(&operation), "application/xml", b"<x/>".to_vec());
            let reply = send(typed.header("idempotency-key", "\"wrong-type-key\"")).await;
            look(&reply, &operation, "wrong content type", &mut findings);
            findings.check(reply.status == 415, "content type", &operation, format!("{} {}", reply.status, reply.body));
        }
        if operation.takes_json() {
            refuses_bodies(&operation, &sample, &world, &mut findings).await;
        }
        findings.check(world.fingerprint().await == before, "nothing changes", &operation, "something was written");
    }
    findings.finish(&[]);
    world.rest().await;
    app.settle().await;
}

async fn refuses_bodies(operation: &Operation, sample: &Sample, world: &World<'_>, findings: &mut Findings) {
    let reply =
        sample.with("no_such_field", json!(1)).send(operation, world.client(operation), "unknown-field-key").await;
    look(&reply, operation, "unknown field", findings);
    let pointer = reply.body["errors"][0]["pointer"] == "/no_such_field";
    findings.check(
        reply.status == 400 && pointer,
        "unknown field",
        operation,
        format!("{} {}", reply.status, reply.body),
    );
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [(&str, Vec<u8>); 9] = [
        ("empty", Vec::new()),
        ("an array", b"[]".to_vec()),
        ("null", b"null".to_vec()),
        ("a text", b"\"x\"".to_vec()),
        ("half", b"{".to_vec()),
        ("two", b"{} {}".to_vec()),
        ("not UTF-8", b"{\"name\": \"\xff\"}".to_vec()),
        ("deep", deep.into()),
        ("deep member", format!("{{\"name\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000)).into()),
    ];
    for (what, bytes) in bodies {
        let request = sample.raw(operation, world.client(operation), "application/json", bytes);
        let reply = send(request.header("idempotency-key", "\"bad-body-key\"")).await;
        look(&reply, operation, what, findings);
        findings.check(reply.status == 400, "body", operation, format!("{what}: {} {}", reply.status, reply.body));
    }
}

#[tokio::test]
async fn every_success_is_as_documented() {
    let app = app().await;
    let world = World::new(&app, "Uhuru Academy", "Aardvark").await;
    let mut findings = Findings::default();
    for (number, operation) in operations(&app).await.into_iter().enumerate() {
        let sample = world.sample(&operation).await;
        let reply = sample.send(&operation, world.client(&operation), &format!("success-{number:08}")).await;
        look(&reply, &operation, "good request", &mut findings);
        findings.check(
            (200..300).contains(&reply.status),
            "success",
            &operation,
            format!("{} {}", reply.status, reply.body),
        );
        if operation.method == Method::GET && operation.is_on_a_record() {
            let version = format!("\"{}\"", reply.body["version"]);
            findings.check(
                reply.header("etag") == Some(&version),
                "etag",
                &operation,
                format!("{:?} for {version}", reply.header("etag")),
            );
        }
        if operation.is_list() {
            pages(&operation, &sample, &world, &mut findings).await;
        }
        if reply.status == 201 {
            let location = reply.header("location").unwrap_or("nowhere").to_owned();
            let found = world.client(&operation).get(&location).await.status;
            findings.check(found == 200, "location", &operation, format!("{location}: {found}"));
        }
    }
    findings.finish(
        &EXCEPTIONS
            .iter()
            .filter(|known| ["paging", "etag", "location", "success"].contains(&known.0))
            .copied()
            .collect::<Vec<_>>(),
    );
    world.rest().await;
    app.settle().await;
}

async fn pages(operation: &Operation, sample: &Sample, world: &World<'_>, findings: &mut Findings) {
    let shorter = sample.asking("limit=1").send(operation, world.client(operation), "").await;
    let rows = shorter.body["data"].as_array().map_or(0, Vec::len);
    findings.check(
        rows == 1 && shorter.body["page"]["limit"] == 1,
        "paging",
        operation,
        format!("limit=1: {}", shorter.body),
    );
    if shorter.body["page"]["next"].is_string() {
        findings.check(
            shorter.header("link").is_some_and(|link| link.contains("rel=\"next\"")),
            "paging",
            operation,
            "no Link",
        );
    }
    for limit in ["0", "201", "x", ""] {
        let reply = sample.asking(&format!("limit={limit}")).send(operation, world.client(operation), "").await;
        look(&reply, operation, "bad limit", findings);
        findings.check(reply.status == 400, "paging", operation, format!("limit={limit}: {}", reply.status));
    }
    let reply = sample.asking("limit=1&cursor=bm9wZQ").send(operation, world.client(operation), "").await;
    look(&reply, operation, "bad cursor", findings);
    findings.check(reply.status == 400, "paging", operation, format!("a cursor from nowhere: {}", reply.status));
}

#[tokio::test]
async fn every_write_is_repeatable() {
    let app = app().await;
    let world = World::new(&app, "Uhuru Academy", "Aardvark").await;
    let mut findings = Findings::default();
    for (number, operation) in operations(&app).await.into_iter().enumerate() {
        if !operation.writes() {
            continue;
        }
        let Some(parameter) = operation.parameter("Idempotency-Key") else {
            findings.add("idempotency", &operation, "takes no key");
            continue;
        };
        let (sample, key) = (world.sample(&operation).await, format!("repeat-{number:08}"));
        if parameter["required"] == true {
            let reply = send(sample.request(&operation, world.client(&operation))).await;
            look(&reply, &operation, "no key", &mut findings);
            findings.check(
                reply.status == 400 && reply.body["code"] == "idempotency_key_missing",
                "idempotency",
                &operation,
                "wants no key",
            );
        }
        for bad in ["", "\"\"", "short", "with space in it", "\"half-quoted-key"] {
            let reply = send(sample.request(&operation, world.client(&operation)).header("idempotency-key", bad)).await;
            look(&reply, &operation, "bad key", &mut findings);
            findings.check(reply.status == 400, "idempotency", &operation, format!("key {bad:?}: {}", reply.status));
        }
        let first = sample.send(&operation, world.client(&operation), &key).await;
        let done = world.fingerprint().await;
        let again = sample.send(&operation, world.client(&operation), &key).await;
        let same = (first.status, &first.body, first.header("etag"), first.header("location"))
            == (again.status, &again.body, again.header("etag"), again.header("location"));
        let replayed =
            again.header("idempotent-replayed") == Some("true") && first.header("idempotent-replayed").is_none();
        findings.check(
            same && replayed && first.status < 300,
            "idempotency",
            &operation,
            format!("{} {}, then {} {}", first.status, first.body, again.status, again.body),
        );
        findings.check(
            world.fingerprint().await == done,
            "idempotency",
            &operation,
            "a repeated request wrote something",
        );
        let other = world.sample(&operation).await;
        let made = world.fingerprint().await;
        let reused = other.send(&operation, world.client(&operation), &key).await;
        look(&reused, &operation, "reused key", &mut findings);
        let refused = reused.status == 422 && reused.body["code"] == "idempotency_key_reused";
        findings.check(refused, "idempotency", &operation, format!("reused key: {} {}", reused.status, reused.body));
        findings.check(world.fingerprint().await == made, "idempotency", &operation, "a reused key wrote something");
    }
    findings.finish(&EXCEPTIONS.iter().filter(|known| known.0 == "idempotency").copied().collect::<Vec<_>>());
    world.rest().await;
    app.settle().await;
}

#[tokio::test]
async fn every_change_of_a_record_honours_its_version() {
    let app = app().await;
    let world = World::new(&app, "Uhuru Academy", "Aardvark").await;
    let mut findings = Findings::default();
    for (number, operation) in operations(&app).await.into_iter().enumerate() {
        if operation.method == Method::GET || !operation.is_on_a_record() {
            continue;
        }
        if operation.parameter("If-Match").is_none() {
            findings.add("if-match", &operation, "takes no If-Match");
            continue;
        }
        let sample = world.sample(&operation).await;
        let before = world.fingerprint().await;
        for (try_number, version) in ["\"99\"", "\"x\"", "W/\"1\""].into_iter().enumerate() {
            let stale = Sample { version: None, ..sample.clone() };
            let request = stale
                .request(&operation, world.client(&operation))
                .header("idempotency-key", format!("\"stale-{number:08}-{try_number}\""))
                .header("if-match", version);
            let reply = send(request).await;
            look(&reply, &operation, "stale", &mut findings);
            findings.check(
                reply.status == 412 && reply.body["code"] == "stale",
                "if-match",
                &operation,
                format!("{version}: {} {}", reply.status, reply.body),
            );
        }
        findings.check(world.fingerprint().await == before, "if-match", &operation, "a stale request wrote something");
        let reply = sample.send(&operation, world.client(&operation), &format!("right-version-{number}")).await;
        findings.check(reply.status < 300, "if-match", &operation, format!("{} {}", reply.status, reply.body));
    }
    findings.finish(&EXCEPTIONS.iter().filter(|known| known.0 == "if-match").copied().collect::<Vec<_>>());
    world.rest().await;
    app.settle().await;
}
