//! What a list shows is what a single read finds, for every role and resource.
use crate::world::School;
use hitaji_testkit::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ROLES: [&str; 4] = ["head_teacher", "deputy", "bursar", "registrar"];

async fn world() -> (School, Vec<(&'static str, Client)>) {
    let school = School::with_classes(4).await;
    for (pupil, reason) in [("s1", "Wedding"), ("w1", "Funeral")] {
        let leave = json!({"student": school.student(pupil).await, "starts_on": "2026-05-11", "ends_on": "2026-05-14", "reason": reason});
        school.owner.post("/school/v1/leaves", &leave).await.ok();
    }
    let years = school.all(&school.owner, "academic-years", "").await;
    let term =
        json!({"academic_year": years[0]["id"], "name": "Term 1", "starts_on": "2026-01-05", "last_day": "2026-04-03"});
    school.owner.post("/school/v1/terms", &term).await.ok();
    school
        .owner
        .post("/school/v1/closures", &json!({"name": "Eid", "starts_on": "2026-03-20", "ends_on": "2026-03-21"}))
        .await
        .ok();
    school.owner.post("/school/v1/subjects", &json!({"name": "Kiswahili"})).await.ok();
    let mut clients = vec![("owner", school.owner.clone())];
    for role in ROLES {
        let client = school.app.join(&school.organisation, role, "Some Body", &format!("{role}@uhuru.example")).await;
        clients.push((role, client));
    }
    clients.push(("teacher", school.class_teacher("Tom Two", "t2@uhuru.example", "7 West").await));
    let guardian = school.app.join(&school.organisation, "guardian", "Wema 1", "west1@families.example").await;
    clients.push(("guardian", guardian));
    (school, clients)
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().filter_map(|row| row["id"].as_str()).map(str::to_owned).collect()
}

/// How many records a role sees; none where the role may not read the resource at all.
async fn seen(school: &School, client: &Client, resource: &str, all: &BTreeSet<String>) -> Option<usize> {
    let mut found = BTreeSet::new();
    let first = client.get(&format!("/school/v1/{resource}?count=true")).await;
    for id in all {
        let single = client.get(&format!("/school/v1/{resource}/{id}")).await;
        match (first.status, single.status) {
            (200, 200) => drop(found.insert(id.clone())),
            (200, 404) | (403, 403) => {}
            statuses => panic!("{resource}/{id}: list and single read answer {statuses:?}"),
        }
    }
    if first.status == 403 {
        return None;
    }
    let listed = ids(&school.all(client, resource, "").await);
    assert_eq!(listed, found, "{resource}");
    assert_eq!(first.body["page"]["total"], found.len(), "{resource}: the total");
    Some(found.len())
}

#[tokio::test]
async fn a_list_is_the_set_of_records_that_can_be_read() {
    let (school, clients) = world().await;
    let described = school.owner.get("/school/v1/resources").await.ok();
    let resources: Vec<&str> =
        described["data"].as_array().into_iter().flatten().filter_map(|found| found["name"].as_str()).collect();
    assert_eq!(resources.len(), 13);
    let mut table = Vec::new();
    for (role, client) in &clients {
        let mut line = Vec::new();
        for resource in &resources {
            let all = ids(&school.all(&school.owner, resource, "").await);
            assert!(!all.is_empty(), "{resource} has no record to look at");
            line.push((*resource, seen(&school, client, resource, &all).await));
        }
        table.push((*role, line));
    }
    let of = |role: &str, resource: &str| {
        let line = &table.iter().find(|(name, _)| *name == role).expect("a role").1;
        line.iter().find(|(name, _)| *name == resource).expect("a resource").1
    };
    for role in ["owner", "head_teacher", "deputy", "registrar", "bursar"] {
        assert_eq!((of(role, "students"), of(role, "streams")), (Some(7), Some(2)), "{role}");
    }
    let own = ["students", "streams", "guardians", "guardian-links", "enrolments", "households", "leaves", "staff"];
    assert_eq!(
        own.map(|resource| of("teacher", resource)),
        [Some(3), Some(1), Some(3), Some(3), Some(3), Some(3), Some(1), Some(1)]
    );
    assert_eq!(own.map(|resource| of("guardian", resource)), [Some(1), Some(1), None, None, None, None, Some(1), None]);
    assert_eq!((of("bursar", "leaves"), of("bursar", "staff")), (None, None));
    school.app.settle().await;
}

#[tokio::test]
async fn filters_and_search_do_not_reach_further_than_the_list() {
    let (school, clients) = world().await;
    let (stranger, own) = (school.student("s1").await, school.student("w1").await);
    let clients = clients.iter().filter(|(role, _)| *role == "guardian" || *role == "teacher");
    for (role, client) in clients {
        for query in
            ["q=Pupil", "admission_number=s1", "admission_number[ne]=zzz&q=Pupil", "date_of_birth[null]=true&q=pupil"]
        {
            let found = client.get(&format!("/school/v1/students?count=true&{query}")).await.ok();
            assert_eq!((&found["data"], &found["page"]["total"]), (&json!([]), &json!(0)), "{role}: {query}");
        }
        let found = client.get("/school/v1/students?q=West").await.ok();
        assert!(
            found["data"].as_array().is_some_and(|rows| rows.iter().any(|row| row["id"] == own)),
            "{role}: {found}"
        );
        let leaves = client.get(&format!("/school/v1/leaves?student={stranger}")).await.ok();
        assert_eq!(leaves["data"], json!([]), "{role}");
        let marks = client.get(&format!("/school/v1/attendance-marks?student={stranger}")).await.ok();
        assert_eq!(marks["data"], json!([]), "{role}");
    }
    school.app.settle().await;
}

#[tokio::test]
async fn a_guardian_who_may_not_see_data_sees_none_and_a_pupil_who_moves_takes_the_teachers_view_along() {
    let (school, clients) = world().await;
    let (_, guardian) = clients.iter().find(|(role, _)| *role == "guardian").expect("a guardian");
    let (_, teacher) = clients.iter().find(|(role, _)| *role == "teacher").expect("a teacher");
    let w1 = format!("/school/v1/students/{}", school.student("w1").await);
    guardian.get(&w1).await.ok();
    let link = school.find("guardian-links", &format!("student={}", school.student("w1").await)).await;
    school.owner.patch(&format!("/school/v1/guardian-links/{link}"), None, &json!({"may_see_data": false})).await.ok();
    guardian.get(&w1).await.refused(404);
    assert_eq!(guardian.get("/school/v1/streams").await.ok()["data"], json!([]));

    teacher.get(&w1).await.ok();
    let enrolment = school.find("enrolments", &format!("student={}", school.student("w1").await)).await;
    let east = json!({"stream": school.stream("7 East").await});
    school.owner.patch(&format!("/school/v1/enrolments/{enrolment}"), None, &east).await.ok();
    teacher.get(&w1).await.refused(404);
    assert_eq!(school.all(teacher, "students", "").await.len(), 2);
    school.app.settle().await;
}
