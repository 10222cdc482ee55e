//! Places of an organisation, and rights that hold there only.
use crate::flow::{claims, text};
use crate::roles::{begin, member, path};
use hitaji_testkit::{Client, TestApp};
use serde_json::{Value, json};

async fn node(owner: &Client, name: &str, kind: &str, parent: Option<&Value>) -> Value {
    let body = json!({"name": name, "kind": kind, "parent_id": parent.map(|parent| parent["id"].clone())});
    owner.post("/identity/v1/nodes", &body).await.ok()
}

async fn place(owner: &Client, email: &str, nodes: &[&Value], role: &str) -> hitaji_testkit::Reply {
    let places: Vec<_> = nodes.iter().map(|node| json!({"node_id": node["id"], "roles": [role]})).collect();
    let found = member(owner, email).await;
    owner.patch(&path("members", &found), None, &json!({"places": places, "roles": []})).await
}

async fn class(owner: &Client, year: &Value, name: &str, node: Option<&Value>) -> Value {
    let body = json!({"name": name, "year_group": year["id"], "node_id": node.map(|node| node["id"].clone())});
    owner.post("/school/v1/streams", &body).await.ok()
}

#[tokio::test]
async fn the_tree_has_no_circles_and_keeps_its_names() {
    let (app, _, owner) = begin().await;
    let campus = node(&owner, "Main campus", "campus", None).await;
    let wing = node(&owner, "Science", "department", Some(&campus)).await;
    let lab = node(&owner, "Physics", "department", Some(&wing)).await;
    for below in [&campus, &wing, &lab] {
        let circle = json!({"parent_id": below["id"]});
        assert_eq!(
            owner.patch(&path("nodes", &campus), None, &circle).await.refused(422)["errors"][0]["pointer"],
            "/parent_id"
        );
    }
    owner
        .post("/identity/v1/nodes", &json!({"name": "SCIENCE", "kind": "department", "parent_id": campus["id"]}))
        .await
        .refused(422);
    owner.post("/identity/v1/nodes", &json!({"name": "Y", "kind": "planet"})).await.refused(422);
    owner.delete(&path("nodes", &wing)).await.refused(409);
    let moved = owner.patch(&path("nodes", &lab), Some(1), &json!({"parent_id": null})).await.ok();
    assert_eq!((&moved["parent_id"], &moved["version"]), (&Value::Null, &json!(2)));
    owner.patch(&path("nodes", &lab), Some(1), &json!({"name": "Z"})).await.refused(412);
    assert_eq!(owner.delete(&path("nodes", &wing)).await.status, 204);
    assert_eq!(owner.get("/identity/v1/nodes").await.ok()["data"].as_array().unwrap().len(), 2);
    let other = app.owner(&app.organisation("Nyota School").await).await;
    other.get(&path("nodes", &campus)).await.refused(404);
    other.delete(&path("nodes", &campus)).await.refused(404);
    other
        .post("/identity/v1/nodes", &json!({"name": "X", "kind": "campus", "parent_id": campus["id"]}))
        .await
        .refused(422);
}

#[tokio::test]
async fn a_right_in_a_place_reaches_that_place_and_what_is_below() {
    let (app, school, owner) = begin().await;
    let north = node(&owner, "North", "campus", None).await;
    let below = node(&owner, "Nursery", "department", Some(&north)).await;
    let south = node(&owner, "South", "campus", None).await;
    let year = owner.post("/school/v1/year-groups", &json!({"name": "Grade 4", "position": 4})).await.ok();
    let classes = [
        class(&owner, &year, "4 North", Some(&north)).await,
        class(&owner, &year, "4 Nursery", Some(&below)).await,
        class(&owner, &year, "4 South", Some(&south)).await,
        class(&owner, &year, "4 Nowhere", None).await,
    ];
    app.join(&school, "teacher", "Grace Mwangi", "grace@uhuru.example").await;
    place(&owner, "grace@uhuru.example", &[&north], "deputy").await.ok();
    let token = app.token(&school.slug, "grace@uhuru.example", "").await;
    let said = claims(&json!(token));
    let ids: Vec<_> = said["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    assert!(ids.len() == 2 && ids.contains(&north["id"]) && ids.contains(&below["id"]), "{said}");
    assert!(!text(&said, "scope").contains("school."), "{said}");
    let grace = app.client(&token);
    let names = |list: Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|row| text(row, "name").to_owned()).collect()
    };
    assert_eq!(names(grace.get("/school/v1/streams").await.ok()), ["4 North", "4 Nursery"]);
    assert_eq!(names(owner.get("/school/v1/streams").await.ok()).len(), 4);
    for (class, status) in classes.iter().zip([200, 200, 404, 404]) {
        assert_eq!(grace.get(&format!("/school/v1/streams/{}", text(class, "id"))).await.status, status, "{class}");
        let sheet = format!("/school/v1/register-sheets/{}?date=2026-05-12", text(class, "id"));
        assert_eq!(grace.get(&sheet).await.status, status, "{class}");
        let register = json!({"stream_id": class["id"], "date": "2026-05-12", "roll_call": "morning", "default": "present", "exceptions": []});
        let sent = grace
            .post_once("/school/v1/attendance-registers", &format!("register-{}", text(class, "id")), &register)
            .await;
        assert_eq!(sent.status == 404, status == 404, "{class}: {} {}", sent.status, sent.body);
    }
    // What is not by places asks for the right in the whole organisation.
    grace.get("/school/v1/households").await.refused(403);
    grace
        .patch(&format!("/school/v1/streams/{}", text(&classes[0], "id")), None, &json!({"room": "1"}))
        .await
        .refused(403);
    grace.get("/school/v1/attendance-days/2026-05-12").await.refused(403);
    let mine = grace.get("/identity/v1/me/permissions").await.ok();
    assert_eq!((mine["permissions"].as_array().unwrap().len(), mine["places"].as_array().unwrap().len()), (0, 2));
    owner.delete(&path("nodes", &below)).await;
    let fewer = grace.get("/identity/v1/me/permissions").await.ok();
    assert_eq!(fewer["places"].as_array().unwrap().len(), 1);
    assert!(fewer["pv"].as_i64() > mine["pv"].as_i64());
}

#[tokio::test]
async fn nobody_is_something_in_more_places_than_a_token_carries() {
    let (app, school, owner) = begin().await;
    app.join(&school, "teacher", "Grace Mwangi", "grace@uhuru.example").await;
    let campus = node(&owner, "Campus", "campus", None).await;
    let mut nodes = Vec::new();
    for number in 0..16 {
        nodes.push(node(&owner, &format!("House {number}"), "branch", None).await);
    }
    let mut wanted: Vec<&Value> = nodes.iter().collect();
    place(&owner, "grace@uhuru.example", &wanted, "teacher").await.ok();
    wanted.push(&campus);
    assert_eq!(
        place(&owner, "grace@uhuru.example", &wanted, "teacher").await.refused(422)["errors"][0]["code"],
        "too_many_places"
    );
    let more = json!({"name": "Annex", "kind": "department", "parent_id": nodes[0]["id"]});
    assert_eq!(owner.post("/identity/v1/nodes", &more).await.refused(422)["errors"][0]["code"], "too_many_places");
    owner.patch(&path("nodes", &campus), None, &json!({"parent_id": nodes[0]["id"]})).await.refused(422);
    let token = app.token(&school.slug, "grace@uhuru.example", "").await;
    assert!(token.len() < 4096, "{} bytes", token.len());
    assert_eq!(claims(&json!(token))["nodes"].as_array().unwrap().len(), 16);
    let _: &TestApp = &app;
}
