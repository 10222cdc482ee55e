//! Back-ups, proofs, restores and erasures by operators: what is seen of them, and what is left of whom.
use hitaji_fleet::leaving::read_certificate;
use hitaji_testkit::{Client, Organisation, PASSWORD, TestApp, until};
use serde_json::{Value, json};

/// A name and an address that occur nowhere by chance.
const PUPIL: &str = "Zawadi-Marker";
const MEMBER: &str = "juma.marker@people.example";

async fn begin(operator: &Client, school: &Organisation, action: &str, more: &Value) -> Value {
    let mut body = json!({"reason": format!("{action}, because of a test")});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    let begun = operator.post(&format!("/tenancy/v1/organisations/{}/{action}", school.id), &body).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    begun.body
}

async fn storage(operator: &Client, school: &Organisation) -> Value {
    operator.get(&format!("/tenancy/v1/organisations/{}/storage", school.id)).await.ok()
}

/// Begins it and waits for its end; the storage as it is then.
async fn finish(operator: &Client, school: &Organisation, action: &str, more: &Value) -> Value {
    let begun = begin(operator, school, action, more).await;
    until("the work has ended", async || {
        let seen = storage(operator, school).await;
        let mut operations = seen["operations"].as_array().unwrap().iter();
        let own = operations.find(|one| one["id"] == begun["operation_id"]).expect("it is seen at once");
        if own["finished_at"].is_null() {
            return None;
        }
        assert_eq!(own["state"], "done", "{own}");
        Some(seen.clone())
    })
    .await
}

async fn names(client: &Client, path: &str, field: &str) -> Vec<String> {
    let found = client.get(path).await.ok();
    found["data"].as_array().unwrap().iter().map(|one| one[field].as_str().unwrap().to_owned()).collect()
}

async fn admit(owner: &Client, first_name: &str) -> String {
    let number = format!("A-{first_name}");
    let pupil = json!({"admission_number": number, "first_name": first_name, "last_name": "Kamau"});
    let made = owner.post("/school/v1/students", &pupil).await.ok();
    format!("/school/v1/students/{}", made["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_backup_is_proven_and_brings_back_what_was_deleted() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let operator = app.operator("owner", "amina@hitaji.example").await;
    let early = app.join(&school, "registrar", "Early Bird", "early@people.example").await;
    let pupil = admit(&owner, "Zawadi").await;

    let seen = finish(&operator, &school, "back-up", &json!({})).await;
    let backup = &seen["backups"][0];
    assert!(backup["rows"].as_i64().unwrap() > 3 && backup["bytes"].as_i64().unwrap() > 500, "{seen}");
    assert_eq!((&backup["proven_at"], &backup["fault"]), (&Value::Null, &Value::Null));
    assert_eq!(seen["databases"][0]["cluster"], "home");
    assert_eq!(seen["databases"][0]["state"], "claimed");
    let seen = finish(&operator, &school, "prove", &json!({})).await;
    assert_eq!(seen["backups"][0]["proven_at"], "2026-05-12T05:00:00Z");
    let set = seen["backups"][0]["set_id"].clone();

    owner.delete(&pupil).await;
    admit(&owner, "Afterwards").await;
    let late = app.join(&school, "registrar", "Late Comer", "late@people.example").await;
    app.settle().await;
    finish(&operator, &school, "restore", &json!({"set_id": set})).await;
    // The same tokens go on, in what the school was.
    for member in [&owner, &early, &late] {
        assert_eq!(names(member, "/school/v1/students", "first_name").await, ["Zawadi"]);
        member.get("/identity/v1/me").await.ok();
    }
    until("who joined since then is known again", async || {
        let members = app.rows(school.id, "select name from school.member order by name").await;
        let names: Vec<_> = members.iter().map(|member| member["name"].as_str().unwrap()).collect();
        (names == ["Early Bird", "Late Comer", "Wanjiku Kamau"]).then_some(())
    })
    .await;
    admit(&late, "New").await;
    let done = operator.get(&format!("/tenancy/v1/operator-audit?organisation={}", school.id)).await.ok();
    let actions: Vec<_> =
        done["data"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["restore", "proof", "backup"], "{done}");
    app.settle().await;
}

#[tokio::test]
async fn one_thing_at_a_time_and_only_what_can_be_done() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let operator = app.operator("owner", "amina@hitaji.example").await;
    let path = |action: &str| format!("/tenancy/v1/organisations/{}/{action}", school.id);
    let reason = json!({"reason": "because of a test"});
    for action in ["prove", "restore"] {
        let refused = operator.post(&path(action), &reason).await.refused(409);
        assert!(refused["detail"].as_str().unwrap().contains("no backup yet"), "{refused}");
    }
    let refused = |action: &'static str, member: &'static str, value: Value| {
        let (operator, path) = (&operator, path(action));
        async move {
            let body = json!({"reason": "because of a test", member: value});
            let refused = operator.post(&path, &body).await.refused(422);
            assert_eq!(refused["errors"][0]["pointer"], format!("/{member}"), "{refused}");
        }
    };
    refused("move", "cluster", json!("nowhere")).await;
    refused("move", "cluster", json!("home")).await;
    refused("restore", "set_id", json!("0199f1c8-0000-7000-8000-000000000001")).await;
    refused("restore", "at", json!("2026-05-12T04:00:00Z")).await;
    refused("erase", "confirm", json!("Uhuru Academy")).await;
    operator.post(&path("back-up"), &json!({"reason": ""})).await.refused(422);
    let stale = operator.request(reqwest::Method::POST, &path("back-up")).header("if-match", "\"99\"").json(&reason);
    hitaji_testkit::send(stale).await.refused(412);
    let unknown = "/tenancy/v1/organisations/0199f1c8-0000-7000-8000-000000000001";
    for action in ["back-up", "prove", "restore"] {
        operator.post(&format!("{unknown}/{action}"), &reason).await.refused(404);
    }
    operator.get(&format!("{unknown}/storage")).await.refused(404);

    // Both are sent before either is answered: one of them wins.
    let (back_up, body) = (path("back-up"), reason.clone());
    let (first, second) = tokio::join!(operator.post(&back_up, &body), operator.post(&back_up, &body));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert!(statuses == [202, 409] || statuses == [202, 202], "{statuses:?}");
    until("it has ended", async || {
        let seen = storage(&operator, &school).await;
        seen["operations"].as_array().unwrap().iter().all(|one| one["finished_at"].is_string()).then_some(())
    })
    .await;

    // Work that nobody does runs until it is cancelled.
    let databases = app.platform.databases();
    let mut conn = databases.control().await.unwrap();
    let id =
        hitaji_db::directory::operation::begin(&mut conn, "move", Some(school.id), "test", &Value::Null).await.unwrap();
    for action in ["back-up", "prove", "restore"] {
        operator.post(&path(action), &reason).await.refused(409);
    }
    operator.post(&path("erase"), &json!({"reason": "in vain", "confirm": school.slug})).await.refused(409);
    app.owner(&school).await.post("/tenancy/v1/exports", &Value::Null).await.refused(409);
    let cancel = format!("/tenancy/v1/operations/{id}/cancel");
    assert_eq!(operator.post(&cancel, &Value::Null).await.status, 204);
    operator.post(&path("back-up"), &reason).await.refused(409);
    // Its worker sees that and ends.
    hitaji_db::directory::operation::finish(&mut conn, id, Err("it was cancelled")).await.unwrap();
    conn.release();
    assert_eq!(storage(&operator, &school).await["operations"][0]["state"], "cancelled");
    operator.post(&cancel, &Value::Null).await.refused(409);
    operator
        .post("/tenancy/v1/operations/0199f1c8-0000-7000-8000-000000000001/cancel", &Value::Null)
        .await
        .refused(404);
    finish(&operator, &school, "back-up", &json!({})).await;
    app.settle().await;
}

/// Every table of the control database that still has this text in a row.
async fn tables_with(app: &TestApp, text: &str) -> Vec<String> {
    let tables = "select format('%I.%I', schemaname, tablename) as name from pg_tables
        where schemaname not in ('pg_catalog', 'information_schema') order by 1";
    let mut found = Vec::new();
    for table in app.control_rows(tables).await {
        let name = table["name"].as_str().unwrap();
        let sql = format!("select 1 from {name} line where line::text ilike '%{text}%' limit 1");
        if !app.control_rows(&sql).await.is_empty() {
            found.push(name.to_owned());
        }
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_who_is_erased() {
    let app = TestApp::start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota Primary").await);
    let owner = app.owner(&school).await;
    let neighbour = app.owner(&other).await;
    let operator = app.operator("owner", "amina@hitaji.example").await;
    let member = app.join(&school, "registrar", "Juma", MEMBER).await;
    let invited = json!({"email": "not.yet.marker@people.example", "name": PUPIL, "roles": ["teacher"]});
    owner.post_once("/identity/v1/invitations", "one-invitation", &invited).await.ok();
    owner.patch("/tenancy/v1/organisation", None, &json!({"name": PUPIL})).await.ok();
    admit(&member, PUPIL).await;
    finish(&operator, &school, "back-up", &json!({})).await;
    app.settle().await;

    finish(&operator, &school, "erase", &json!({"confirm": school.slug})).await;
    for client in [&owner, &member] {
        for path in ["/identity/v1/me", "/school/v1/students", "/tenancy/v1/organisation", "/tenancy/v1/exports"] {
            let status = client.get(path).await.status;
            assert!([403, 404].contains(&status), "{path}: {status}");
        }
    }
    app.settle().await;
    for table in ["identity.membership", "identity.invitation"] {
        let left = app.control_rows(&format!("select id from {table} where organisation_id = '{}'", school.id)).await;
        assert!(left.is_empty(), "{table}: {left:?}");
    }
    assert_eq!(tables_with(&app, PUPIL).await, Vec::<String>::new());
    // People keep their accounts: they may belong to others.
    assert_eq!(tables_with(&app, MEMBER).await, ["identity.account"]);
    assert_eq!(tables_with(&app, "not.yet.marker").await, Vec::<String>::new());

    let seen = storage(&operator, &school).await;
    assert_eq!((&seen["backups"], &seen["databases"]), (&json!([]), &json!([])));
    let keys = app.anybody().get("/tenancy/v1/signature-keys").await.ok();
    let certificate = read_certificate(seen["certificate"].as_str().unwrap(), &keys).expect("it is signed by us");
    assert_eq!((certificate.organisation, certificate.databases.len()), (school.id.0, 1));
    let path = format!("/tenancy/v1/organisations/{}", school.id);
    assert_eq!(operator.get(&path).await.ok()["state"], "erased");
    operator.post(&format!("{path}/back-up"), &json!({"reason": "too late"})).await.refused(409);
    neighbour.get("/school/v1/students").await.ok();

    let again = json!({
        "organisation": "Uhuru Again", "slug": school.slug, "country": "KE", "currency": "KES",
        "time_zone": "Africa/Nairobi", "products": ["school"], "name": "Wanjiku", "email": "new@uhuru.example",
        "password": PASSWORD,
    });
    assert_eq!(app.anybody().post("/identity/v1/sign-ups", &again).await.ok()["slug"], school.slug);
    app.settle().await;
}
