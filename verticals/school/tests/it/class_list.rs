//! Class lists: previewed, corrected, applied exactly once.
use crate::world::School;
use hitaji_testkit::send;
use serde_json::{Value, json};

const IMPORTS: &str = "/school/v1/class-list-imports";
const HEADER: &str = "admission_number,first_name,last_name,date_of_birth,year_group,stream,guardian1_name,guardian1_phone,guardian1_email\n";

fn path(import: &Value, rest: &str) -> String {
    format!("{IMPORTS}/{}{rest}", import["id"].as_str().expect("an id"))
}

fn counts(rows: i64, invalid: i64, create: i64, update: i64, unchanged: i64) -> Value {
    json!({"rows": rows, "invalid": invalid, "create": create, "update": update, "unchanged": unchanged})
}

/// A list of `n` good rows in two classes; every second pupil has a guardian.
fn good_list(n: usize) -> String {
    let row = |i: usize| {
        let guardian = if i.is_multiple_of(2) { format!("Parent {i},+2547000{i:05},") } else { ",,".to_owned() };
        format!("A{i},Amina,Otieno {i},2014-03-27,Grade {0},{0} East,{guardian}\n", 1 + i % 2)
    };
    HEADER.to_owned() + &(0..n).map(row).collect::<String>()
}

async fn count(school: &School, table: &str) -> i64 {
    school.rows(&format!("select count(*) from school.{table}")).await[0]["count"].as_i64().expect("a count")
}

#[tokio::test]
async fn row_errors_are_shown_corrected_and_then_applied() {
    let school = School::empty().await;
    let csv = format!(
        "{HEADER}A1,Amina,Otieno,2014-03-27,Grade 7,7 East,,,\nA2,Brian,,2014-13-40,Grade 7,7 East,,,\n\
         A1,Chebet,Kirui,,Grade 7,7 East,,,\nA4,Daudi,Were,,Grade 7,7 East,Dora Were,12,\n"
    );
    let upload = school.owner.post_csv(&format!("{IMPORTS}?file_name=seven.csv"), csv).await;
    assert_eq!((upload.status, upload.header("etag")), (201, Some("\"1\"")), "{}", upload.body);
    let import = upload.body;
    assert_eq!((&import["status"], &import["file_name"]), (&json!("preview"), &json!("seven.csv")));
    assert_eq!(import["counts"], counts(4, 3, 1, 0, 0));
    assert_eq!(count(&school, "student").await, 0, "a preview writes no pupil");

    let bad = school.owner.get(&path(&import, "/rows?only=invalid")).await.ok();
    let found: Vec<(i64, Vec<&str>)> = bad["data"].as_array().into_iter().flatten().map(errors_of).collect();
    assert_eq!(
        found,
        [(2, vec!["/last_name", "/date_of_birth"]), (3, vec!["/admission_number"]), (4, vec!["/guardian1_phone"])]
    );
    let refusal = school.owner.post_once(&path(&import, "/apply"), "too-early", &json!({})).await.refused(422);
    assert_eq!(refusal["errors"][0]["code"], "rows_invalid");

    let half = school.owner.patch(&path(&import, "/rows/2"), None, &json!({"last_name": "Barasa"})).await.ok();
    assert_eq!((&half["action"], &half["errors"][0]["pointer"]), (&json!("invalid"), &json!("/date_of_birth")));
    for (row, patch) in [
        (2, json!({"date_of_birth": null})),
        (3, json!({"admission_number": "A3"})),
        (4, json!({"guardian1_phone": "0712345678"})),
    ] {
        let row = school.owner.patch(&path(&import, &format!("/rows/{row}")), None, &patch).await.ok();
        assert_eq!((&row["action"], &row["errors"]), (&json!("create"), &json!([])));
    }
    let refusal = school.owner.patch(&path(&import, "/rows/2"), None, &json!({"shoe_size": "38"})).await.refused(400);
    assert_eq!(refusal["errors"][0]["pointer"], "/shoe_size");
    for missing in ["/rows/99", "/rows/x", "/rows/99999999999"] {
        school.owner.patch(&path(&import, missing), None, &json!({"last_name": "B"})).await.refused(404);
    }
    let applied = school.owner.post_once(&path(&import, "/apply"), "now-it-is-good", &json!({})).await.ok();
    assert_eq!((&applied["status"], &applied["result"]["students_created"]), (&json!("applied"), &json!(4)));
    assert_eq!(
        (&applied["result"]["guardians_created"], &applied["result"]["enrolments_created"]),
        (&json!(1), &json!(4))
    );
    assert_eq!(count(&school, "student").await, 4);
    school.owner.patch(&path(&import, "/rows/2"), None, &json!({"last_name": "Late"})).await.refused(409);
    school.owner.post(&path(&import, "/discard"), &json!({})).await.refused(409);
    school.app.settle().await;
}

fn errors_of(row: &Value) -> (i64, Vec<&str>) {
    let pointers = row["errors"].as_array().into_iter().flatten().filter_map(|error| error["pointer"].as_str());
    (row["row_number"].as_i64().expect("a number"), pointers.collect())
}

#[tokio::test]
async fn two_applies_at_once_apply_once() {
    let school = School::empty().await;
    let import = school.owner.post_csv(IMPORTS, good_list(40)).await.ok();
    let (apply, body) = (path(&import, "/apply"), json!({}));
    let (one, two) = tokio::join!(
        school.owner.post_once(&apply, "first-of-two", &body),
        school.owner.post_once(&apply, "second-of-two", &body)
    );
    let (one, two) = (one.ok(), two.ok());
    assert_eq!(one, two);
    let replay = school.owner.post_once(&apply, "first-of-two", &body).await;
    assert_eq!((replay.header("idempotent-replayed"), &replay.body), (Some("true"), &one));
    assert_eq!(school.owner.post_once(&apply, "third-key", &body).await.ok(), one);
    let tables = ["student", "guardian", "guardian_link", "enrolment", "household", "stream", "year_group"];
    let mut sizes = Vec::new();
    for table in tables {
        sizes.push(count(&school, table).await);
    }
    assert_eq!(sizes, [40, 20, 20, 40, 20, 2, 2]);
    let audited = school.rows("select action from hitaji.audit where resource = 'school.class_list'").await;
    assert_eq!(audited, [json!({"action": "apply"})]);
    school.app.settle().await;
}

#[tokio::test]
async fn the_same_file_again_changes_nothing_and_another_one_only_what_differs() {
    let school = School::empty().await;
    school.import(&good_list(10)).await;
    let again = school.owner.post_csv(IMPORTS, good_list(10)).await.ok();
    assert_eq!(again["counts"], counts(10, 0, 0, 0, 10));
    let applied = school.owner.post_once(&path(&again, "/apply"), "same-again", &json!({})).await.ok();
    let nothing = json!({"students_created": 0, "students_updated": 0, "guardians_created": 0, "enrolments_created": 0, "skipped": 0});
    assert_eq!(applied["result"], nothing);
    let versions =
        school.rows("select distinct version from school.student union select version from school.enrolment").await;
    assert_eq!(versions, [json!({"version": 1})]);

    let moved = good_list(11)
        .replace("A3,Amina,Otieno 3,2014-03-27,Grade 2,2 East", "A3,Amina,Mwangi,2014-03-27,Grade 1,1 East");
    let import = school.owner.post_csv(IMPORTS, moved).await.ok();
    assert_eq!(import["counts"], counts(11, 0, 1, 1, 9));
    let applied = school.owner.post_once(&path(&import, "/apply"), "moved-one", &json!({})).await.ok();
    let some = json!({"students_created": 1, "students_updated": 1, "guardians_created": 1, "enrolments_created": 2, "skipped": 0});
    assert_eq!(applied["result"], some);
    let a3 = school.student("A3").await;
    let enrolled = school.owner.get(&format!("/school/v1/enrolments?student={a3}")).await.ok();
    assert_eq!(
        (enrolled["data"].as_array().map(Vec::len), &enrolled["data"][0]["stream"]["title"]),
        (Some(1), &json!("1 East"))
    );
    school.app.settle().await;
}

#[tokio::test]
async fn siblings_share_a_household_and_a_guardian() {
    let school = School::empty().await;
    // Known before the list comes, without a household.
    let known = json!({"name": "Known Were", "phone": "+254700000009", "email": "known@families.example"});
    school.owner.post("/school/v1/guardians", &known).await.ok();
    let rows = [
        "B1,Asha,Omar,,Grade 1,1 East,Zawadi Omar,0700 000 001,",
        "B2,Juma,Omar,,Grade 2,2 East,Zawadi Omar,+254700000001,",
        "B3,Peter,Were,,Grade 1,1 East,Known Were,0700000009,",
        "B4,Mercy,Were,,Grade 2,2 East,Known Were,,known@families.example",
        "B5,Other,Omar,,Grade 2,2 East,Zawadi Omar,0700000002,",
    ];
    school.import(&format!("{HEADER}{}\n", rows.join("\n"))).await;
    let pupils = school.all(&school.owner, "students", "sort=admission_number").await;
    let household = |at: usize| pupils[at]["household"]["id"].as_str().expect("a household");
    assert_eq!(household(0), household(1));
    assert_eq!(household(2), household(3), "of a guardian who was there before");
    assert_ne!(household(0), household(4), "the same name is not the same person");
    assert_eq!(count(&school, "guardian").await, 3);
    assert_eq!((count(&school, "household").await, count(&school, "guardian_link").await), (3, 5));
    // The next child of the family, on a later list.
    school.import_as("later", &format!("{HEADER}B6,Baby,Were,,Grade 1,1 East,Known Were,0700000009,\n")).await;
    let baby = school.owner.get("/school/v1/students?admission_number=B6").await.ok();
    assert_eq!(baby["data"][0]["household"]["id"], household(2));
    school.app.settle().await;
}

#[tokio::test]
async fn invalid_rows_can_be_left_out_and_a_list_put_aside() {
    let school = School::empty().await;
    let csv = format!("{HEADER}C1,Asha,Omar,,Grade 1,1 East,,,\nC2,,Omar,,Grade 1,1 East,,,\n");
    let aside = school.owner.post_csv(IMPORTS, csv.clone()).await.ok();
    let discarded = school.owner.post(&path(&aside, "/discard"), &json!({})).await.ok();
    assert_eq!(discarded["status"], "discarded");
    school.owner.post_once(&path(&aside, "/apply"), "after-discard", &json!({"skip_invalid": true})).await.refused(409);
    let import = school.owner.post_csv(IMPORTS, csv).await.ok();
    let applied =
        school.owner.post_once(&path(&import, "/apply"), "with-skipping", &json!({"skip_invalid": true})).await.ok();
    assert_eq!((&applied["result"]["students_created"], &applied["result"]["skipped"]), (&json!(1), &json!(1)));
    let read = school.owner.get(&path(&import, "")).await;
    assert_eq!((&read.body, read.header("etag")), (&applied, Some("\"2\"")));
    let template = send(school.owner.request(http::Method::GET, "/school/v1/class-list-imports/template.csv")).await;
    let text = template.body.as_str().expect("a text").to_owned();
    assert_eq!(school.owner.post_csv(IMPORTS, text).await.ok()["counts"]["invalid"], 0, "our own template is good");
    school.app.settle().await;
}

#[tokio::test]
async fn files_that_cannot_be_read_are_refused_whole() {
    let school = School::empty().await;
    let cases: [(&str, Vec<u8>, u16, &str, &str); 8] = [
        ("text/csv", format!("{HEADER}A1,Amina\n").into(), 422, "malformed_csv", "/line/2"),
        ("text/csv", [HEADER.as_bytes(), b"A1,Am\xff,O,,G,E,,,\n"].concat(), 422, "malformed_csv", "/line/2"),
        ("text/csv", format!("{HEADER}A\0,A,O,,G,E,,,\n").into(), 422, "malformed_csv", "/line/1"),
        ("text/csv", b"admission_number,shoe_size\n1,2\n".to_vec(), 422, "unknown_column", "/columns/1"),
        ("text/csv", b"admission_number,first_name\n1,2\n".to_vec(), 422, "missing_column", "/columns"),
        ("text/csv", HEADER.into(), 422, "empty", ""),
        ("text/csv", vec![b'x'; 26 << 20], 413, "too_large", ""),
        ("application/json", b"{}".to_vec(), 415, "unsupported_media_type", ""),
    ];
    for (content_type, bytes, status, code, pointer) in cases {
        let request =
            school.owner.request(http::Method::POST, IMPORTS).header("content-type", content_type).body(bytes);
        let refusal = send(request).await.refused(status);
        let (found_code, found_pointer) = match refusal["errors"][0].as_object() {
            Some(error) => (&error["code"], error["pointer"].as_str().unwrap_or_default()),
            None => (&refusal["code"], ""),
        };
        assert_eq!((found_code, found_pointer), (&json!(code), pointer), "{refusal}");
    }
    assert_eq!(count(&school, "class_list_import").await, 0);
    school.app.settle().await;
}
