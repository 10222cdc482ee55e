//! Two organisations on one platform: whatever one asks with the other's ids, it learns and changes nothing.
use crate::operations::{Findings, Operation, operations};
use crate::samples::{Body, World};
use hitaji_testkit::{Reply, TestApp, at, send};
use serde_json::{Value, json};

const OWN: &str = "has no id in it: it is about the caller's own organisation";
const FREE: &str = "names nothing of anybody: it makes a record of the caller's own";

/// (check, operation, reason): requests that succeed with a stranger's token, because they reach only the stranger's own.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("succeeds", "PATCH /identity/v1/branding", OWN),
    ("succeeds", "PATCH /identity/v1/policy", OWN),
    ("succeeds", "PATCH /tenancy/v1/organisation", OWN),
    ("succeeds", "POST /tenancy/v1/exports", OWN),
    ("succeeds", "POST /identity/v1/invitations", FREE),
    ("succeeds", "POST /identity/v1/api-keys", FREE),
    ("succeeds", "POST /identity/v1/clients", FREE),
    ("succeeds", "POST /identity/v1/domains", FREE),
    ("succeeds", "POST /identity/v1/providers", FREE),
    ("succeeds", "POST /identity/v1/scim-tokens", FREE),
    ("succeeds", "POST /identity/v1/invitations/import", FREE),
    ("succeeds", "POST /identity/v1/nodes", FREE),
    ("succeeds", "POST /identity/v1/roles", FREE),
    ("succeeds", "POST /identity/v1/sign-ups", FREE),
    ("succeeds", "POST /school/v1/academic-years", FREE),
    ("succeeds", "POST /school/v1/class-list-imports", FREE),
    ("succeeds", "POST /school/v1/closures", FREE),
    ("succeeds", "POST /school/v1/guardians", FREE),
    ("succeeds", "POST /school/v1/households", FREE),
    ("succeeds", "POST /school/v1/staff", FREE),
    ("succeeds", "POST /school/v1/students", FREE),
    ("succeeds", "POST /school/v1/subjects", FREE),
    ("succeeds", "POST /school/v1/year-groups", FREE),
];

async fn app() -> TestApp {
    TestApp::start_with(hitaji_core::Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        for name in ["subject_per_s", "subject_burst", "organisation_per_s", "organisation_burst"] {
            config.set("limits", name, 10_000);
        }
    })
    .await
}

/// Whether a reply carries anything of the organisation with this marker and id.
fn tells_of(reply: &Reply, world: &World<'_>) -> bool {
    let text = format!("{} {:?}", reply.body, reply.headers).to_lowercase();
    let secrets = [world.marker.to_lowercase(), world.organisation.id.to_string(), world.organisation.slug.clone()];
    secrets.iter().any(|secret| text.contains(secret.as_str()))
}

#[tokio::test]
async fn no_route_shows_or_changes_another_organisation() {
    let app = app().await;
    let mine = World::new(&app, "Aardvark House", "Aardvark").await;
    let stranger = World::new(&app, "Zebra House", "Zebra").await;
    let mut findings = Findings::default();
    for (number, operation) in operations(&app).await.into_iter().enumerate() {
        let sample = mine.sample(&operation).await;
        let before = mine.fingerprint().await;
        let reply = sample.send(&operation, &stranger.owner, &format!("stranger-{number:08}")).await;
        let own_values = matches!(&sample.body, Body::Json(_) | Body::Csv(_));
        let shown =
            tells_of(&reply, &mine) && !(own_values && operation.method == http::Method::POST && reply.status < 300);
        findings.check(
            !shown || sent_back(&reply, &operation),
            "shows",
            &operation,
            format!("{} {}", reply.status, reply.body),
        );
        findings.check(reply.status != 500, "fails", &operation, reply.body.to_string());
        if operation.operator_scope().is_some() {
            findings.check(
                reply.status == 403,
                "operators only",
                &operation,
                format!("{} {}", reply.status, reply.body),
            );
        } else if operation.is_on_a_record() && !refers_to_day_or_self(&operation) {
            findings.check(reply.status == 404, "not found", &operation, format!("{} {}", reply.status, reply.body));
        } else if operation.writes() && reply.status < 300 {
            findings.add("succeeds", &operation, format!("{} {}", reply.status, reply.body));
        }
        findings.check(
            mine.fingerprint().await == before,
            "changes",
            &operation,
            "something of the other organisation changed",
        );
    }
    findings.finish(EXCEPTIONS);
    mine.rest().await;
    app.settle().await;
}

/// About the caller's own, by its path.
fn refers_to_day_or_self(operation: &Operation) -> bool {
    operation.path.ends_with("{date}") || !operation.path.contains('{')
}

/// The caller's own organisation got the name that the caller sent.
fn sent_back(reply: &Reply, operation: &Operation) -> bool {
    operation.path == "/tenancy/v1/organisation" && reply.status == 200
}

/// A link to another organisation's record is a link to nothing.
#[tokio::test]
async fn records_of_another_organisation_cannot_be_linked_to() {
    let app = app().await;
    let mine = World::new(&app, "Aardvark House", "Aardvark").await;
    let stranger = World::new(&app, "Zebra House", "Zebra").await;
    let mut tried = 0;
    for def in app
        .platform
        .registry()
        .services()
        .iter()
        .flat_map(|service| service.resources.iter().copied())
        .filter(|def| !def.read_only)
    {
        for field in def.fields {
            let hitaji_core::resource::FieldKind::Link(target) = field.kind else { continue };
            let target = app
                .platform
                .registry()
                .services()
                .iter()
                .flat_map(|service| service.resources.iter().copied())
                .find(|def| def.name == target);
            let theirs = mine.record(target.expect("the link's resource")).await;
            let own = stranger.record(def).await;
            let path = format!("{}/{own}", def.path());
            let refusal = stranger.owner.patch(&path, Some(1), &json!({field.name: theirs})).await.refused(422);
            assert_eq!(refusal["errors"][0]["pointer"], format!("/{}", field.name), "{path}: {refusal}");
            let listed = stranger.owner.get(&format!("{}?{}={theirs}", def.path(), field.name)).await;
            assert!(listed.status == 400 || listed.body["data"] == json!([]), "{path}: {}", listed.body);
            tried += 1;
        }
    }
    assert!(tried > 8, "only {tried} links were tried");
    app.settle().await;
}

#[tokio::test]
async fn the_token_alone_says_which_organisation() {
    let app = app().await;
    let mine = World::new(&app, "Aardvark House", "Aardvark").await;
    let stranger = World::new(&app, "Zebra House", "Zebra").await;
    let before = mine.fingerprint().await;
    let named = [
        ("host", format!("{}.localhost", mine.organisation.slug)),
        ("x-forwarded-host", format!("{}.hitaji.example", mine.organisation.slug)),
        ("forwarded", format!("host={}", mine.organisation.slug)),
        ("x-organisation", mine.organisation.id.to_string()),
        ("x-tenant-id", mine.organisation.id.to_string()),
        ("cookie", format!("organisation={}", mine.organisation.id)),
    ];
    for (name, value) in &named {
        for path in ["/identity/v1/me", "/tenancy/v1/organisation", "/school/v1/students", "/identity/v1/members"] {
            let reply = send(stranger.owner.request(http::Method::GET, path).header(*name, value)).await;
            assert!(!tells_of(&reply, &mine), "{name}: {path}: {}", reply.body);
        }
        let write = stranger.owner.request(http::Method::PATCH, "/tenancy/v1/organisation").header(*name, value);
        send(write.json(&json!({"name": "Zebra House Renamed"}))).await.ok();
    }
    for query in ["organisation", "org_id", "tenant"] {
        stranger.owner.get(&format!("/school/v1/students?{query}={}", mine.organisation.id)).await.refused(400);
    }
    assert_eq!(mine.fingerprint().await, before);
    app.settle().await;
}

#[tokio::test]
async fn the_same_key_and_the_same_id_in_two_organisations_are_two_things() {
    let app = app().await;
    let mine = World::new(&app, "Aardvark House", "Aardvark").await;
    let stranger = World::new(&app, "Zebra House", "Zebra").await;
    let body =
        json!({"id": "01890000-0000-7000-8000-00000000000a", "name": "Shared Name", "email": "shared@people.example"});
    for world in [&mine, &stranger] {
        let made = world.owner.post_once("/school/v1/guardians", "one-key-for-both", &body).await;
        assert_eq!((made.status, made.header("idempotent-replayed")), (201, None), "{}", made.body);
    }
    // Identity keeps keys of all organisations in one database.
    for world in [&mine, &stranger] {
        let invited = json!({"email": "both@people.example", "name": "Both Houses", "roles": ["teacher"]});
        let made = world.owner.post_once("/identity/v1/invitations", "one-key-for-both", &invited).await;
        assert_eq!((made.status, made.header("idempotent-replayed")), (201, None), "{}", made.body);
    }
    let path = "/school/v1/guardians/01890000-0000-7000-8000-00000000000a";
    mine.owner.patch(path, None, &json!({"name": "Mine Alone"})).await.ok();
    assert_eq!(stranger.owner.get(path).await.ok()["name"], "Shared Name");
    app.settle().await;
}

/// One person in two organisations: each token opens one of them.
#[tokio::test]
async fn a_member_of_two_organisations_works_in_the_one_of_the_token() {
    let app = app().await;
    let mine = World::new(&app, "Aardvark House", "Aardvark").await;
    let stranger = World::new(&app, "Zebra House", "Zebra").await;
    let email = "teacher.of.both@people.example";
    let here = app.join(&mine.organisation, "registrar", "Teacher Both", email).await;
    let students = |found: Value| {
        found["data"].as_array().map(|rows| rows.iter().map(|row| row["id"].clone()).collect::<Vec<_>>())
    };
    let own = students(here.get("/school/v1/students").await.ok());
    assert_eq!(own, students(mine.owner.get("/school/v1/students").await.ok()));
    assert_ne!(own, students(stranger.owner.get("/school/v1/students").await.ok()));
    // Not a member there: no token, whatever is asked for.
    let asked = hitaji_contracts::identity::OperatorTokenRequest {
        organisation: stranger.organisation.slug.clone(),
        account: email.to_owned(),
        scope: String::new(),
    };
    let answer: Result<Value, _> =
        app.platform.peers().ask("test", "identity", http::Method::POST, "/identity/v1/operator-tokens", &asked).await;
    assert_eq!(answer.expect_err("a stranger gets no token").code.status(), 422);
    app.settle().await;
}
