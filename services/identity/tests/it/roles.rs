//! The permission registry, the organisation's own roles, and what they come to in tokens.
use crate::flow::{claims, start, text};
use hitaji_testkit::{Client, Organisation, TestApp};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub async fn begin() -> (TestApp, Organisation, Client) {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    (app, school, owner)
}

/// The member with this address.
pub async fn member(owner: &Client, email: &str) -> Value {
    let members = owner.get("/identity/v1/members?limit=200").await.ok();
    let found = members["data"].as_array().unwrap().iter().find(|member| member["email"] == email).cloned();
    found.unwrap_or_else(|| panic!("{email} is no member: {members}"))
}

pub fn path(kind: &str, record: &Value) -> String {
    format!("/identity/v1/{kind}/{}", text(record, "id"))
}

#[tokio::test]
async fn every_scope_is_used_and_every_use_is_a_scope() {
    let (app, _, owner) = begin().await;
    let registry = app.platform.registry();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for service in registry.services() {
        for route in (service.routes)() {
            if let hitaji_web::Access::Scope(scope) | hitaji_web::Access::Operator(scope) = route.access {
                used.insert(scope);
            }
        }
        used.extend(service.topics.iter().flat_map(|topic| topic.needs));
        used.extend(service.resources.iter().flat_map(|def| [def.read_scope, def.write_scope, def.delete_scope]));
    }
    let known: BTreeSet<&str> = registry.scopes().map(|(scope, _)| scope).collect();
    // Asked inside handlers, beside the permission of the route.
    let inside = ["tenancy.support:use"];
    let unused: Vec<_> = known.difference(&used).filter(|scope| !inside.contains(scope)).collect();
    assert!(unused.is_empty(), "no route asks for {unused:?}");
    assert!(used.is_subset(&known), "not declared: {:?}", used.difference(&known));
    let listed = owner.get("/identity/v1/permissions?limit=200").await.ok();
    let rows = listed["data"].as_array().unwrap();
    assert!(rows.iter().all(|row| row.get("number").is_none() && !text(row, "description").is_empty()));
    let tier = |scope: &str| rows.iter().find(|row| row["scope"] == scope).map(|row| text(row, "tier").to_owned());
    assert_eq!(tier("school.student:read").as_deref(), Some("normal"));
    assert_eq!(tier("school.student:delete").as_deref(), Some("sensitive"));
    assert_eq!(tier("identity.member:manage").as_deref(), Some("restricted"));
    assert_eq!(tier("tenancy.organisations:read"), None, "what operators may do is nobody else's");
    assert_eq!(owner.get("/identity/v1/permissions?limit=1").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_own_role_gives_what_it_says_and_nothing_else() {
    let (app, school, owner) = begin().await;
    let body = json!({"name": "Exams officer", "description": "Marks", "scopes": ["school.student:read", "school.staff:read"]});
    let role = owner.post("/identity/v1/roles", &body).await.ok();
    assert_eq!((&role["key"], &role["shipped"], &role["version"]), (&json!("exams_officer"), &json!(false), &json!(1)));
    owner.post("/identity/v1/roles", &body).await.refused(422);
    let officer = app.join(&school, "exams_officer", "Asha Noor", "asha@uhuru.example").await;
    assert_eq!(officer.get("/school/v1/students").await.status, 200);
    officer.get("/school/v1/households").await.refused(403);
    let mine = officer.get("/identity/v1/me/permissions").await;
    assert_eq!(mine.body["permissions"], json!(["school.staff:read", "school.student:read"]));
    let tag = mine.header("etag").unwrap().to_owned();
    let again = |tag: String, client: Client| async move {
        let request = client.request(reqwest::Method::GET, "/identity/v1/me/permissions").header("if-none-match", tag);
        hitaji_testkit::send(request).await
    };
    assert_eq!(again(tag.clone(), officer.clone()).await.status, 304);
    let wider = json!({"scopes": ["school.student:read", "school.household:read"]});
    let changed = owner.patch(&path("roles", &role), Some(1), &wider).await.ok();
    assert_eq!(changed["version"], json!(2));
    owner.patch(&path("roles", &role), Some(1), &wider).await.refused(412);
    let fresh = again(tag, officer.clone()).await;
    assert_eq!(fresh.status, 200);
    assert_eq!(fresh.body["permissions"], json!(["school.household:read", "school.student:read"]));
    let token = app.token(&school.slug, "asha@uhuru.example", "").await;
    assert_eq!(claims(&json!(token))["pv"], fresh.body["pv"]);
    assert_eq!(app.client(&token).get("/school/v1/households").await.status, 200);
    let refused = owner.delete(&path("roles", &role)).await.refused(409);
    assert_eq!(refused["people"][0]["name"], "Asha Noor");
    let asha = member(&owner, "asha@uhuru.example").await;
    owner.patch(&path("members", &asha), None, &json!({"roles": ["teacher"]})).await.ok();
    assert_eq!(owner.delete(&path("roles", &role)).await.status, 204);
    owner.get(&path("roles", &role)).await.refused(404);
    let invite = json!({"email": "x@uhuru.example", "name": "X", "roles": ["exams_officer"]});
    owner.post("/identity/v1/invitations", &invite).await.refused(422);
}

#[tokio::test]
async fn nobody_puts_into_a_role_what_they_do_not_hold() {
    let (app, school, owner) = begin().await;
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    let role = |name: &str, scopes: &[&str]| json!({"name": name, "scopes": scopes});
    let refused = head.post("/identity/v1/roles", &role("Rules", &["identity.organisation:manage"])).await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "owners_only");
    let refused = head.post("/identity/v1/roles", &role("Invites", &["identity.member:manage"])).await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "owners_only", "restricted, though she holds it");
    head.post("/identity/v1/roles", &role("Tutors", &["school.student:read"])).await.ok();
    for bad in [
        json!({"name": "", "scopes": ["school.student:read"]}),
        json!({"name": "Empty", "scopes": []}),
        json!({"name": "Unknown", "scopes": ["school.nothing:read"]}),
        json!({"name": "Operators", "scopes": ["tenancy.organisations:read"]}),
        json!({"name": "Retail", "scopes": ["retail.sale:read"]}),
        json!({"name": "Owner", "scopes": ["school.student:read"]}),
        json!({"name": "X", "key": "Bad Key", "scopes": ["school.student:read"]}),
    ] {
        owner.post("/identity/v1/roles", &bad).await.refused(422);
    }
    // Rules of the organisation are for the owner alone; somebody may be given that, and no more.
    let rules = owner
        .post("/identity/v1/roles", &role("Rule maker", &["identity.organisation:manage", "identity.role:manage"]))
        .await
        .ok();
    let keeper = app.join(&school, "rule_maker", "Neema", "neema@uhuru.example").await;
    keeper.post("/identity/v1/roles", &role("Readers", &["school.student:read"])).await.refused(422);
    keeper.patch(&path("roles", &rules), None, &json!({"name": "Rules"})).await.ok();
    let teacher = app.join(&school, "teacher", "Juma Ali", "juma@uhuru.example").await;
    teacher.post("/identity/v1/roles", &role("Mine", &["school.student:read"])).await.refused(403);
    teacher.get("/identity/v1/permissions").await.refused(403);
    assert_eq!(teacher.get("/identity/v1/roles").await.status, 200);
}

#[tokio::test]
async fn roles_of_another_organisation_are_not_there() {
    let (app, _, owner) = begin().await;
    let other = app.owner(&app.organisation("Nyota School").await).await;
    let role =
        owner.post("/identity/v1/roles", &json!({"name": "Matron", "scopes": ["school.student:read"]})).await.ok();
    other.get(&path("roles", &role)).await.refused(404);
    other.patch(&path("roles", &role), None, &json!({"name": "X"})).await.refused(404);
    other.delete(&path("roles", &role)).await.refused(404);
    let invite = json!({"email": "x@nyota.example", "name": "X", "roles": ["matron"]});
    assert_eq!(
        other.post("/identity/v1/invitations", &invite).await.refused(422)["errors"][0]["code"],
        "unknown_value"
    );
    // The same key means each organisation's own.
    other.post("/identity/v1/roles", &json!({"name": "Matron", "scopes": ["school.staff:read"]})).await.ok();
    let keys = |list: Value| list["data"].as_array().unwrap().iter().filter(|role| role["key"] == "matron").count();
    assert_eq!(keys(other.get("/identity/v1/roles?limit=200").await.ok()), 1);
}
