//! Members are changed and leave; who may do that, and what remains of them.
use crate::browser::Browser;
use crate::flow::{text, web};
use crate::roles::{begin, member, path};
use hitaji_testkit::{Client, PASSWORD};
use serde_json::json;

#[tokio::test]
async fn roles_are_changed_by_those_who_hold_them() {
    let (app, school, owner) = begin().await;
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    let teacher = app.join(&school, "teacher", "Juma Ali", "juma@uhuru.example").await;
    let juma = member(&owner, "juma@uhuru.example").await;
    let boss = member(&owner, &school.owner_email).await;
    let grace = member(&owner, "grace@uhuru.example").await;
    teacher.patch(&path("members", &juma), None, &json!({"roles": ["registrar"]})).await.refused(403);
    teacher.delete(&path("members", &juma)).await.refused(403);
    let changed = head.patch(&path("members", &juma), Some(1), &json!({"roles": ["registrar"]})).await.ok();
    assert_eq!((&changed["roles"], &changed["version"]), (&json!(["registrar"]), &json!(2)));
    head.patch(&path("members", &juma), Some(1), &json!({"roles": ["teacher"]})).await.refused(412);
    for (who, roles, code) in [
        (&juma, json!(["owner"]), "beyond_own"),
        (&grace, json!(["owner"]), "beyond_own"),
        (&boss, json!(["teacher"]), "beyond_own"),
        (&juma, json!(["nonsense"]), "unknown_value"),
        (&juma, json!(["teacher", "teacher"]), "repeated"),
        (&juma, json!([]), "required"),
    ] {
        let refused = head.patch(&path("members", who), None, &json!({"roles": roles})).await.refused(422);
        assert_eq!(refused["errors"][0]["code"], code, "{refused}");
    }
    assert_eq!(head.delete(&path("members", &boss)).await.refused(422)["errors"][0]["code"], "beyond_own");
    head.patch(&path("members", &juma), None, &json!({"name": "X"})).await.refused(400);
    app.settle().await;
    let told = app.rows(school.id, "select roles from school.member where email = 'juma@uhuru.example'").await;
    assert_eq!(told[0]["roles"], json!(["registrar"]), "the school heard of it");
    // A demoted head still has a good token, and cannot give with it what she lost.
    owner.patch(&path("members", &grace), None, &json!({"roles": ["teacher"]})).await.ok();
    head.patch(&path("members", &juma), None, &json!({"roles": ["deputy"]})).await.refused(422);
    let other = app.owner(&app.organisation("Nyota School").await).await;
    for refused in [
        other.get(&path("members", &juma)).await,
        other.patch(&path("members", &juma), None, &json!({"roles": ["teacher"]})).await,
        other.delete(&path("members", &juma)).await,
    ] {
        refused.refused(404);
    }
}

#[tokio::test]
async fn the_last_owner_stays() {
    let (app, school, owner) = begin().await;
    let boss = member(&owner, &school.owner_email).await;
    owner.patch(&path("members", &boss), None, &json!({"roles": ["teacher"]})).await.refused(409);
    owner.delete(&path("members", &boss)).await.refused(409);
    let second = app.join(&school, "owner", "Neema", "neema@uhuru.example").await;
    let neema = member(&owner, "neema@uhuru.example").await;
    // Both at once: one of the two stays.
    let (hers, his, less) = (path("members", &neema), path("members", &boss), json!({"roles": ["teacher"]}));
    let (one, other) = tokio::join!(owner.patch(&hers, None, &less), second.patch(&his, None, &less));
    assert!((one.status == 200) != (other.status == 200), "{} {}", one.status, other.status);
    let owners =
        app.control_rows("select id from identity.membership where 'owner' = any (roles) and ended_at is null").await;
    assert_eq!(owners.len(), 1);
}

#[tokio::test]
async fn who_leaves_is_out_at_once() {
    let (app, school, owner) = begin().await;
    let other = app.organisation("Nyota School").await;
    let teacher = app.join(&school, "teacher", "Juma Ali", "juma@uhuru.example").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in("juma@uhuru.example", PASSWORD).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let signed_in = app.client(text(&tokens, "access_token"));
    assert_eq!(signed_in.get("/identity/v1/me").await.status, 200);
    let juma = member(&owner, "juma@uhuru.example").await;
    assert_eq!(owner.delete(&path("members", &juma)).await.status, 204);
    signed_in.get("/identity/v1/me").await.refused(401);
    teacher.get("/school/v1/students").await.refused(401);
    browser.open(&web(&app).authorize(&[("prompt", "none")])).await;
    assert!(browser.leads().contains("error=access_denied"), "{}", browser.leads());
    owner.get(&path("members", &juma)).await.refused(404);
    owner.delete(&path("members", &juma)).await.refused(404);
    app.settle().await;
    let left = app.rows(school.id, "select email from school.member where email = 'juma@uhuru.example'").await;
    assert!(left.is_empty(), "the school heard of it");
    // The account remains, and may come back, here and elsewhere.
    let again = app.owner(&other).await;
    assert_eq!(again.get("/identity/v1/me").await.status, 200);
    let invite = json!({"email": "juma@uhuru.example", "name": "Juma", "roles": ["teacher"]});
    owner.post("/identity/v1/invitations", &invite).await.ok();
}

async fn import(client: &Client, query: &str, text: &str) -> hitaji_testkit::Reply {
    client.post_csv(&format!("/identity/v1/invitations/import{query}"), text.to_owned()).await
}

#[tokio::test]
async fn a_sheet_invites_all_or_nobody() {
    let (app, _, owner) = begin().await;
    let bad = "email,name,roles\na@uhuru.example,A,teacher\nb@uhuru.example,B,nonsense\na@uhuru.example,A,teacher\nowner@uhuru-academy.example,O,teacher\n";
    let refused = import(&owner, "", bad).await.refused(422);
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| text(error, "pointer").to_owned()).collect();
    assert_eq!(pointers, ["/lines/3/roles", "/lines/4/email", "/lines/5/email"]);
    assert_eq!(owner.get("/identity/v1/invitations").await.ok()["data"], json!([]));
    let good = "\u{feff}Name;Email;Roles;Language\n\"Ali; Juma\";juma@uhuru.example;teacher bursar;sw\nAsha;asha@uhuru.example;registrar;\n";
    assert_eq!(import(&owner, "?dry_run=true", good).await.ok(), json!({"dry_run": true, "invited": 2}));
    assert_eq!(owner.get("/identity/v1/invitations").await.ok()["data"], json!([]));
    assert_eq!(import(&owner, "", good).await.ok(), json!({"dry_run": false, "invited": 2}));
    app.settle().await;
    app.mailed_link("juma@uhuru.example").await;
    assert_eq!(import(&owner, "", good).await.refused(422)["errors"][0]["code"], "invited");
    let as_owner = "email,name,roles\nx@uhuru.example,X,owner\n";
    assert_eq!(import(&owner, "?dry_run=true", as_owner).await.status, 200);
    import(&owner, "?dry=1", good).await.refused(400);
}

#[tokio::test]
async fn a_sheet_gives_no_more_than_its_sender_has() {
    let (app, school, _) = begin().await;
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    let refused = import(&head, "", "email,name,roles\nx@uhuru.example,X,owner\n").await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "beyond_own");
    let teacher = app.join(&school, "teacher", "Juma", "juma@uhuru.example").await;
    import(&teacher, "", "email,name,roles\nx@uhuru.example,X,teacher\n").await.refused(403);
}
