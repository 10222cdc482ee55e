//! The resource engine's writes: checks, versions, conflicts, and what they leave in audit and outbox.
use crate::world::School;
use hitaji_testkit::Reply;
use serde_json::{Value, json};

const STUDENTS: &str = "/school/v1/students";
const ID: &str = "01890000-0000-7000-8000-000000000001";

fn pupil(admission_number: &str) -> Value {
    json!({"admission_number": admission_number, "first_name": "Amina", "last_name": "Otieno"})
}

fn one(id: &Value) -> String {
    format!("{STUDENTS}/{}", id.as_str().expect("an id"))
}

/// (pointer, code) of every error of a refusal.
fn errors(refusal: &Value) -> Vec<(&str, &str)> {
    let all = refusal["errors"].as_array().into_iter().flatten();
    all.map(|error| (error["pointer"].as_str().unwrap_or("?"), error["code"].as_str().unwrap_or("?"))).collect()
}

async fn delete(school: &School, path: &str, version: Option<i64>) -> Reply {
    let mut request = school.owner.request(http::Method::DELETE, path);
    if let Some(version) = version {
        request = request.header("if-match", format!("\"{version}\""));
    }
    hitaji_testkit::send(request).await
}

#[tokio::test]
async fn a_record_lives_and_leaves_its_trace() {
    let school = School::empty().await;
    let made = school.owner.post(STUDENTS, &pupil("A1")).await;
    let path = one(&made.body["id"]);
    assert_eq!((made.status, made.header("location"), made.header("etag")), (201, Some(path.as_str()), Some("\"1\"")));
    assert_eq!((&made.body["status"], &made.body["national_id"]), (&json!("active"), &Value::Null));
    let read = school.owner.get(&path).await;
    assert_eq!((&read.body, read.header("etag")), (&made.body, Some("\"1\"")));
    let changed = school.owner.patch(&path, Some(1), &json!({"last_name": " Mwangi ", "sex": "female"})).await;
    assert_eq!(
        (changed.status, changed.header("etag"), &changed.body["last_name"]),
        (200, Some("\"2\""), &json!("Mwangi"))
    );
    let nothing = school.owner.patch(&path, Some(2), &json!({})).await;
    assert_eq!((nothing.status, &nothing.body), (200, &changed.body));
    assert_eq!(delete(&school, &path, Some(2)).await.status, 204);
    school.owner.get(&path).await.refused(404);
    school.owner.patch(&path, Some(2), &json!({"sex": "male"})).await.refused(404);
    delete(&school, &path, Some(2)).await.refused(404);

    let id = made.body["id"].as_str().expect("an id");
    let trail = school.rows(&format!("select action, resource, before, after, actor <> '' as by from hitaji.audit where record_id = '{id}' order by position")).await;
    let actions: Vec<_> = trail.iter().map(|line| line["action"].as_str().unwrap_or_default()).collect();
    assert_eq!(actions, ["create", "update", "delete"]);
    assert!(trail.iter().all(|line| line["resource"] == "school.student" && line["by"] == true));
    assert_eq!((&trail[0]["before"], &trail[0]["after"]), (&Value::Null, &made.body));
    assert_eq!(trail[1]["before"], json!({"last_name": "Otieno", "sex": null}), "only what changed");
    assert_eq!(trail[1]["after"], json!({"last_name": "Mwangi", "sex": "female"}));
    assert_eq!((&trail[2]["before"], &trail[2]["after"]), (&changed.body, &Value::Null));
    let published = school
        .rows(&format!("select type, data, service from hitaji.outbox where subject = '{id}' order by position"))
        .await;
    let expected = [
        json!({"type": "school.student.created.v1", "service": "school", "data": {"id": id, "version": 1}}),
        json!({"type": "school.student.updated.v1", "service": "school", "data": {"id": id, "version": 2, "changed": ["last_name", "sex"]}}),
        json!({"type": "school.student.deleted.v1", "service": "school", "data": {"id": id}}),
    ];
    assert_eq!(published, expected);
    school.app.settle().await;
}

#[tokio::test]
async fn a_client_made_id_makes_one_record() {
    let school = School::empty().await;
    let mut body = pupil("A1");
    body["id"] = json!(ID);
    let made = school.owner.post(STUDENTS, &body).await;
    assert_eq!((made.status, &made.body["id"]), (201, &json!(ID)));
    let again = school.owner.post(STUDENTS, &body).await;
    assert_eq!((again.status, &again.body, again.header("etag")), (200, &made.body, Some("\"1\"")));
    body["first_name"] = json!("Brian");
    school.owner.post(STUDENTS, &body).await.refused(409);
    body["id"] = json!("not-a-uuid");
    assert_eq!(errors(&school.owner.post(STUDENTS, &body).await.refused(422)), [("/id", "malformed")]);
    let made = school.rows("select type from hitaji.outbox where type = 'school.student.created.v1'").await;
    assert_eq!(made.len(), 1);

    let with_key = school.owner.post_once(STUDENTS, "a-key-for-a-pupil", &pupil("A2")).await;
    let replay = school.owner.post_once(STUDENTS, "a-key-for-a-pupil", &pupil("A2")).await;
    assert_eq!(
        (replay.status, &replay.body, replay.header("idempotent-replayed")),
        (201, &with_key.body, Some("true"))
    );
    let reused = school.owner.post_once(STUDENTS, "a-key-for-a-pupil", &pupil("A3")).await.refused(422);
    assert_eq!(reused["code"], "idempotency_key_reused");
    assert_eq!(school.all(&school.owner, "students", "").await.len(), 2);
    school.app.settle().await;
}

#[tokio::test]
async fn versions_protect_against_lost_changes() {
    let school = School::empty().await;
    let made = school.owner.post(STUDENTS, &pupil("A1")).await.ok();
    let path = one(&made["id"]);
    for refusal in [school.owner.patch(&path, None, &json!({"sex": "male"})).await, delete(&school, &path, None).await]
    {
        assert_eq!(refusal.refused(428)["code"], "precondition_required");
    }
    let current = school.owner.patch(&path, Some(1), &json!({"sex": "male"})).await.ok();
    for refusal in
        [school.owner.patch(&path, Some(1), &json!({"sex": "female"})).await, delete(&school, &path, Some(1)).await]
    {
        let refusal = refusal.refused(412);
        assert_eq!((&refusal["code"], &refusal["current"]), (&json!("stale"), &current));
    }
    let weak =
        school.owner.request(http::Method::PATCH, &path).header("if-match", "W/\"2\"").json(&json!({"sex": "female"}));
    hitaji_testkit::send(weak).await.refused(412);

    let writers = (0..8).map(|n| {
        let (client, path) = (school.owner.clone(), path.clone());
        tokio::spawn(async move {
            client.patch(&path, Some(2), &json!({"preferred_name": format!("Name {n}")})).await.status
        })
    });
    let mut statuses = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        statuses.push(writer.await.expect("an answer"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(school.owner.get(&path).await.ok()["version"], 3);
    // Where people do not edit together, If-Match is a wish.
    let subject = school.owner.post("/school/v1/subjects", &json!({"name": "Music"})).await.ok();
    let subject = format!("/school/v1/subjects/{}", subject["id"].as_str().expect("an id"));
    school.owner.patch(&subject, None, &json!({"code": "MUS"})).await.ok();
    school.owner.patch(&subject, Some(1), &json!({"code": "MU"})).await.refused(412);
    assert_eq!(delete(&school, &subject, None).await.status, 204);
    school.app.settle().await;
}

#[tokio::test]
async fn a_merge_patch_clears_what_is_null_and_refuses_what_it_does_not_know() {
    let school = School::empty().await;
    let mut body = pupil("A1");
    (body["sex"], body["status"], body["national_id"]) = (json!("female"), json!("applicant"), json!("N-1"));
    let path = one(&school.owner.post(STUDENTS, &body).await.ok()["id"]);
    let cleared =
        school.owner.patch(&path, Some(1), &json!({"sex": null, "national_id": "  ", "status": null})).await.ok();
    assert_eq!((&cleared["sex"], &cleared["national_id"]), (&Value::Null, &Value::Null));
    assert_eq!(cleared["status"], "active", "a column with a default goes back to it");
    assert_eq!((&cleared["last_name"], &cleared["admission_number"]), (&json!("Otieno"), &json!("A1")));
    let required = school.owner.patch(&path, Some(2), &json!({"last_name": null, "first_name": ""})).await.refused(422);
    assert_eq!(errors(&required), [("/first_name", "required"), ("/last_name", "required")]);
    for (field, value) in [
        ("colour", json!("red")),
        ("version", json!(9)),
        ("created_at", json!("2026-01-01T00:00:00Z")),
        ("id", json!(ID)),
    ] {
        let refusal = school.owner.patch(&path, Some(2), &json!({field: value})).await.refused(400);
        assert_eq!(errors(&refusal), [(format!("/{field}").as_str(), "unknown_field")]);
    }
    let mut unknown = pupil("A2");
    (unknown["colour"], unknown["version"]) = (json!("red"), json!(3));
    assert_eq!(
        errors(&school.owner.post(STUDENTS, &unknown).await.refused(400)),
        [("/colour", "unknown_field"), ("/version", "unknown_field")]
    );
    assert_eq!(school.owner.get(&path).await.ok()["version"], 2);
    school.app.settle().await;
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let school = School::empty().await;
    let body = json!({
        "admission_number": "x".repeat(31), "first_name": 7, "date_of_birth": "12.05.2014", "sex": "other", "household": "somewhere",
        "joined_on": "2026-02-30", "national_id": "a\u{0}b",
    });
    let refusal = school.owner.post(STUDENTS, &body).await.refused(422);
    let mut found = errors(&refusal);
    found.sort_unstable();
    let expected = [
        ("/admission_number", "too_long"),
        ("/date_of_birth", "malformed"),
        ("/first_name", "malformed"),
        ("/household", "malformed"),
        ("/joined_on", "malformed"),
        ("/last_name", "required"),
        ("/national_id", "malformed"),
        ("/sex", "unknown_value"),
    ];
    assert_eq!(found, expected);
    let guardian = json!({"name": "Grace", "phone": "12ab", "email": "grace at home"});
    let refusal = school.owner.post("/school/v1/guardians", &guardian).await.refused(422);
    assert_eq!(errors(&refusal), [("/email", "malformed"), ("/phone", "malformed")]);
    let stream = json!({"name": "7 East", "year_group": ID, "capacity": 501});
    assert_eq!(
        errors(&school.owner.post("/school/v1/streams", &stream).await.refused(422)),
        [("/capacity", "out_of_range")]
    );
    assert_eq!(
        school.owner.post("/school/v1/guardians", &json!({"name": "Grace", "phone": "+254 (712) 345-678"})).await.ok()
            ["phone"],
        "+254712345678"
    );
    school.app.settle().await;
}

#[tokio::test]
async fn what_the_database_refuses_is_said_of_its_field() {
    let school = School::empty().await;
    let a1 = school.owner.post(STUDENTS, &pupil("A1")).await.ok();
    let a2 = school.owner.post(STUDENTS, &pupil("A2")).await.ok();
    let year = school.all(&school.owner, "academic-years", "").await.remove(0);
    let second = json!({"name": "Second 2026", "starts_on": "2026-06-01", "last_day": "2027-05-31"});
    let group = school.owner.post("/school/v1/year-groups", &json!({"name": "Grade 7"})).await.ok();
    let mut taken = pupil("A1");
    taken["household"] = json!(ID);
    let leave = json!({"student": a1["id"], "starts_on": "2026-05-12", "ends_on": "2026-05-12", "reason": "None"});
    let staff = json!({"name": "Tom", "email": "tom@uhuru.example"});
    school.owner.post("/school/v1/staff", &staff).await.ok();
    let upper = json!({"name": "Tom", "email": "Tom@Uhuru.example"});
    let cases = [
        (school.owner.post(STUDENTS, &pupil("A1")).await, "/admission_number", "taken"),
        (school.owner.patch(&one(&a2["id"]), Some(1), &json!({"admission_number": "A1"})).await, "/admission_number", "taken"),
        (school.owner.patch(&one(&a2["id"]), Some(1), &json!({"household": ID})).await, "/household", "unknown_value"),
        (school.owner.post("/school/v1/academic-years", &second).await, "/starts_on", "refused"),
        (school.owner.post("/school/v1/leaves", &leave).await, "/ends_on", "refused"),
        (school.owner.post("/school/v1/streams", &json!({"name": "7 East", "year_group": ID})).await, "/year_group", "unknown_value"),
        (school.owner.post("/school/v1/staff", &upper).await, "/email", "refused"),
        (school.owner.post(STUDENTS, &json!({"admission_number": "A3", "first_name": "A", "last_name": "B", "date_of_birth": "1899-12-31"})).await, "/date_of_birth", "refused"),
        (school.owner.post(STUDENTS, &json!({"admission_number": "A3", "first_name": "A", "last_name": "B", "joined_on": "2026-02-01", "left_on": "2026-01-01"})).await, "/left_on", "refused"),
    ];
    for (reply, pointer, code) in cases {
        let refusal = reply.refused(422);
        assert_eq!(errors(&refusal), [(pointer, code)], "{refusal}");
    }
    let stream =
        school.owner.post("/school/v1/streams", &json!({"name": "7 East", "year_group": group["id"]})).await.ok();
    let enrolment =
        json!({"student": a1["id"], "academic_year": year["id"], "stream": stream["id"], "starts_on": "2026-01-05"});
    school.owner.post("/school/v1/enrolments", &enrolment).await.ok();
    let twice = school.owner.post("/school/v1/enrolments", &enrolment).await.refused(422);
    assert_eq!(errors(&twice), [("/student", "refused")]);
    for used in [one(&a1["id"]), format!("/school/v1/year-groups/{}", group["id"].as_str().expect("an id"))] {
        assert_eq!(delete(&school, &used, Some(1)).await.refused(409)["code"], "conflict");
        school.owner.get(&used).await.ok();
    }
    assert_eq!(school.all(&school.owner, "students", "").await.len(), 2);
    school.app.settle().await;
}
