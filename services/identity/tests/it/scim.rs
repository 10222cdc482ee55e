//! SCIM as a directory speaks it: people come, change and go; what is another organisation's is not there.
use crate::domains::{platform, proven};
use hitaji_testkit::{Client, NameServer, Organisation, Reply, TestApp, send};
use reqwest::Method;
use serde_json::{Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async fn begin() -> (TestApp, NameServer, Organisation, Client, Client) {
    let (app, names) = platform().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let directory = directory(&app, &owner).await;
    (app, names, school, owner, directory)
}

async fn directory(app: &TestApp, owner: &Client) -> Client {
    let body = json!({"label": "Entra", "default_role": "teacher"});
    let made = owner.post("/identity/v1/scim-tokens", &body).await.ok();
    assert_eq!(made["address"], format!("{}/scim/v2", app.address));
    app.client(made["secret"].as_str().unwrap())
}

async fn ask(client: &Client, method: Method, path: &str, body: Value) -> Reply {
    let request = client.request(method, &format!("/scim/v2{path}")).header("content-type", "application/scim+json");
    send(request.body(body.to_string())).await
}

async fn get(client: &Client, path: &str) -> Value {
    client.get(&format!("/scim/v2{path}")).await.ok()
}

fn user(name: &str) -> Value {
    json!({"schemas": [USER], "userName": name, "externalId": format!("x-{name}"), "active": true,
        "name": {"givenName": "Amina", "familyName": "Otieno"}, "emails": [{"value": name, "type": "work", "primary": true}]})
}

fn patch(operations: Value) -> Value {
    json!({"schemas": [PATCH], "Operations": operations})
}

#[tokio::test]
async fn a_person_comes_changes_leaves_and_comes_back() {
    let (app, names, school, owner, directory) = begin().await;
    proven(&owner, &names, "uhuru.example").await;
    let made = ask(&directory, Method::POST, "/Users", user("Amina@Uhuru.example")).await;
    assert_eq!((made.status, made.header("content-type")), (201, Some("application/scim+json")));
    let made = made.body;
    assert_eq!((&made["userName"], &made["active"]), (&json!("amina@uhuru.example"), &json!(true)));
    app.settle().await;
    let amina = app.member(&school, "amina@uhuru.example").await;
    assert_eq!(amina.get("/identity/v1/me").await.ok()["roles"], json!(["teacher"]));
    let again = ask(&directory, Method::POST, "/Users", user("amina@uhuru.example")).await.refused(409);
    assert_eq!((&again["scimType"], &again["status"]), (&json!("uniqueness"), &json!("409")));
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let off = patch(json!([{"op": "Replace", "path": "active", "value": "False"}]));
    let gone = ask(&directory, Method::PATCH, &path, off).await.ok();
    assert_eq!((&gone["active"], &gone["groups"]), (&json!(false), &json!([])));
    assert_ne!(gone["meta"]["version"], made["meta"]["version"]);
    amina.get("/identity/v1/me").await.refused(401);
    app.settle().await;
    let events = app.control_rows("select type from hitaji.outbox where type like 'identity.membership.ended%'").await;
    assert_eq!(events.len(), 1);
    let on = patch(json!([{"op": "add", "value": {"active": true, "name.familyName": "Mwangi"}}]));
    let back = ask(&directory, Method::PATCH, &path, on).await.ok();
    assert_eq!((&back["active"], &back["displayName"]), (&json!(true), &json!("Amina Mwangi")));
    app.settle().await;
    let moved = patch(json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@uhuru.example"}]));
    assert_eq!(ask(&directory, Method::PATCH, &path, moved).await.refused(400)["scimType"], "mutability");
    let mut whole = user("amina@uhuru.example");
    whole.as_object_mut().unwrap().remove("externalId");
    let stale = directory.request(Method::PUT, &format!("/scim/v2{path}")).header("if-match", "W/\"1\"");
    send(stale.json(&whole)).await.refused(412);
    let put = ask(&directory, Method::PUT, &path, whole).await.ok();
    assert_eq!((&put["externalId"], &put["displayName"]), (&Value::Null, &json!("Amina Otieno")));
    assert_eq!(ask(&directory, Method::DELETE, &path, Value::Null).await.status, 204);
    ask(&directory, Method::GET, &path, Value::Null).await.refused(404);
    app.settle().await;
    assert_eq!(owner.get("/identity/v1/members").await.ok()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whose_domain_is_not_proven_gets_an_invitation() {
    let (app, _, school, owner, directory) = begin().await;
    let made = ask(&directory, Method::POST, "/Users", user("amina@uhuru.example")).await;
    assert_eq!((made.status, &made.body["active"]), (201, &json!(false)));
    assert!(app.control_rows("select id from identity.account where email like 'amina%'").await.is_empty());
    app.settle().await;
    assert_eq!(owner.get("/identity/v1/invitations").await.ok()["data"][0]["email"], "amina@uhuru.example");
    let link = app.mailed_link("amina@uhuru.example").await;
    let mut browser = crate::browser::Browser::new(&app.address);
    browser.open(&link).await;
    browser.submit(&[("name", "Amina Otieno"), ("password", hitaji_testkit::PASSWORD)]).await;
    app.settle().await;
    let path = format!("/Users/{}", made.body["id"].as_str().unwrap());
    assert_eq!(get(&directory, &path).await["active"], json!(true), "the same resource, now a member");
    app.member(&school, "amina@uhuru.example").await.get("/identity/v1/me").await.ok();
}

#[tokio::test]
async fn an_account_that_was_opened_with_somebodys_address_is_not_let_in() {
    let (app, names, _, owner, directory) = begin().await;
    // Nobody has proven the address of this account.
    let squatted = app.organisation("Squat").await;
    proven(&owner, &names, "squat.example").await;
    let made = ask(&directory, Method::POST, "/Users", user(&squatted.owner_email)).await;
    assert_eq!((made.status, &made.body["active"]), (201, &json!(false)), "an invitation, which proves the address");
}

#[tokio::test]
async fn people_are_found_by_filter_and_page() {
    let (_app, names, school, owner, directory) = begin().await;
    proven(&owner, &names, "uhuru.example").await;
    for name in ["a@uhuru.example", "b@uhuru.example"] {
        ask(&directory, Method::POST, "/Users", user(name)).await.ok();
    }
    let filtered = async |filter: &str| get(&directory, &format!("/Users?filter={}", filter.replace(' ', "%20"))).await;
    assert_eq!(filtered("userName eq \"B@uhuru.example\"").await["Resources"][0]["externalId"], "x-b@uhuru.example");
    assert_eq!(filtered("externalId eq \"x-a@uhuru.example\"").await["totalResults"], json!(1));
    assert_eq!(filtered("active eq true").await["totalResults"], json!(3), "the owner is there too");
    assert_eq!(filtered("userName eq \"nobody@uhuru.example\"").await["Resources"], json!([]));
    let bad = directory.get("/scim/v2/Users?filter=userName%20co%20%22a%22").await.refused(400);
    assert_eq!(bad["scimType"], "invalidFilter");
    let (first, second) =
        (get(&directory, "/Users?count=2").await, get(&directory, "/Users?startIndex=3&count=2").await);
    assert_eq!((&first["totalResults"], &first["itemsPerPage"]), (&json!(3), &json!(2)));
    assert_eq!((&second["startIndex"], second["Resources"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(get(&directory, "/Users?count=0").await["Resources"], json!([]));
    let _ = school;
}

#[tokio::test]
async fn groups_are_roles_and_the_owner_is_out_of_reach() {
    let (app, names, school, owner, directory) = begin().await;
    proven(&owner, &names, "uhuru.example").await;
    let made = ask(&directory, Method::POST, "/Users", user("amina@uhuru.example")).await.ok();
    let id = made["id"].as_str().unwrap();
    let groups = get(&directory, "/Groups?excludedAttributes=members").await;
    let ids: Vec<_> = groups["Resources"].as_array().unwrap().iter().filter_map(|group| group["id"].as_str()).collect();
    assert!(ids.contains(&"teacher") && ids.contains(&"head_teacher") && !ids.contains(&"owner"), "{ids:?}");
    let add = patch(json!([{"op": "Add", "path": "members", "value": [{"value": id}]}]));
    let head = ask(&directory, Method::PATCH, "/Groups/head_teacher", add.clone()).await.ok();
    assert_eq!(head["members"][0]["value"], json!(id));
    app.settle().await;
    let amina = app.member(&school, "amina@uhuru.example").await;
    assert_eq!(amina.get("/identity/v1/me").await.ok()["roles"], json!(["teacher", "head_teacher"]));
    let remove = |role: &str| {
        let operation = json!([{"op": "Remove", "path": format!("members[value eq \"{id}\"]")}]);
        (format!("/Groups/{role}"), patch(operation))
    };
    for role in ["head_teacher", "teacher"] {
        let (path, body) = remove(role);
        ask(&directory, Method::PATCH, &path, body).await.ok();
    }
    assert_eq!(
        get(&directory, &format!("/Users/{id}")).await["groups"][0]["value"],
        "teacher",
        "nobody is without a role"
    );
    ask(&directory, Method::PATCH, "/Groups/owner", add).await.refused(404);
    ask(&directory, Method::POST, "/Groups", json!({"schemas": []})).await.refused(403);
    let filter = format!("/Users?filter=userName%20eq%20%22{}%22", school.owner_email);
    let owners = get(&directory, &filter).await["Resources"][0]["id"].as_str().unwrap().to_owned();
    let off = patch(json!([{"op": "replace", "value": {"active": false}}]));
    ask(&directory, Method::PATCH, &format!("/Users/{owners}"), off).await.refused(403);
    ask(&directory, Method::DELETE, &format!("/Users/{owners}"), Value::Null).await.refused(403);
    app.settle().await;
}

#[tokio::test]
async fn a_token_opens_its_own_organisation_for_its_time() {
    let (app, names, school, owner, directory) = begin().await;
    proven(&owner, &names, "uhuru.example").await;
    let made = ask(&directory, Method::POST, "/Users", user("amina@uhuru.example")).await.ok();
    let path = format!("/Users/{}", made["id"].as_str().unwrap());
    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    let theirs = self::directory(&app, &stranger).await;
    for method in [Method::GET, Method::DELETE] {
        ask(&theirs, method, &path, Value::Null).await.refused(404);
    }
    ask(&theirs, Method::PUT, &path, user("amina@uhuru.example")).await.refused(404);
    ask(&theirs, Method::PATCH, &path, patch(json!([{"op": "replace", "value": {"active": false}}])))
        .await
        .refused(404);
    let add = patch(json!([{"op": "add", "path": "members", "value": [{"value": made["id"]}]}]));
    ask(&theirs, Method::PATCH, "/Groups/teacher", add).await.refused(404);
    assert_eq!(get(&theirs, "/Users").await["totalResults"], json!(1));
    // Their word for an address of a domain that is not theirs is an invitation, whoever has proven it.
    let invited = ask(&theirs, Method::POST, "/Users", user("amina@uhuru.example")).await.ok();
    assert_eq!(invited["active"], json!(false));
    for wrong in [app.anybody(), app.client("hitaji_scim_wrong"), owner.clone()] {
        let refused = wrong.get("/scim/v2/Users").await;
        assert!(refused.header("www-authenticate").is_some());
        assert_eq!(refused.refused(401)["schemas"][0], "urn:ietf:params:scim:api:messages:2.0:Error");
    }
    directory.get("/identity/v1/me").await.refused(401);
    assert_eq!(get(&directory, "/ServiceProviderConfig").await["patch"]["supported"], json!(true));
    assert_eq!(get(&directory, "/Schemas").await["totalResults"], json!(2));
    assert_eq!(get(&directory, "/ResourceTypes").await["Resources"][0]["endpoint"], "/Users");
    ask(&directory, Method::POST, "/Users", json!({"userName": "x@uhuru.example"})).await.refused(400);
    ask(&directory, Method::POST, "/Users", json!([])).await.refused(400);
    let large = json!({"schemas": [USER], "userName": "x".repeat(300_000)});
    ask(&directory, Method::POST, "/Users", large).await.refused(413);
    let tokens = owner.get("/identity/v1/scim-tokens").await.ok();
    assert!(!tokens.to_string().contains("hitaji_scim_"));
    let token = format!("/identity/v1/scim-tokens/{}", tokens["data"][0]["id"].as_str().unwrap());
    stranger.delete(&token).await.refused(404);
    assert_eq!(owner.delete(&token).await.status, 204);
    directory.get("/scim/v2/Users").await.refused(401);
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    head.post("/identity/v1/scim-tokens", &json!({"label": "x", "default_role": "teacher"})).await.refused(403);
    let wrong = json!({"label": "x", "default_role": "owner"});
    assert_eq!(
        owner.post("/identity/v1/scim-tokens", &wrong).await.refused(422)["errors"][0]["pointer"],
        "/default_role"
    );
    app.settle().await;
}
