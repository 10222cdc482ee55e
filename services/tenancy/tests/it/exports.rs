//! Owners take everything along: what they get, and who gets nothing.
use hitaji_contracts::identity::{Adopt, SignedUp};
use hitaji_contracts::tenancy::CreateOrganisation;
use hitaji_fleet::Fleet;
use hitaji_testkit::{Client, TestApp, send, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::Read as _;

async fn ready(owner: &Client) -> Value {
    until("the export is ready", async || {
        let seen = owner.get("/tenancy/v1/exports").await.ok();
        (seen["running"] == false).then(|| seen["ready"].clone())
    })
    .await
}

/// The files of a `.tar.zst`: (name, content).
fn unpack(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
    let plain = zstd::stream::decode_all(archive).expect("Zstandard");
    let mut files = Vec::new();
    for entry in tar::Archive::new(&plain[..]).entries().unwrap() {
        let mut entry = entry.unwrap();
        let (name, mut content) = (entry.path().unwrap().display().to_string(), Vec::new());
        entry.read_to_end(&mut content).unwrap();
        files.push((name, content));
    }
    files
}

#[tokio::test]
async fn an_owner_takes_everything_along() {
    let app = TestApp::start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota Primary").await);
    let (owner, neighbour) = (app.owner(&school).await, app.owner(&other).await);
    let pupil = json!({"admission_number": "A-1", "first_name": "Zawadi", "last_name": "Kamau"});
    owner.post("/school/v1/students", &pupil).await.ok();
    assert_eq!(owner.get("/tenancy/v1/exports").await.ok(), json!({"ready": [], "running": false}));
    let first = owner.post_once("/tenancy/v1/exports", "take-along", &Value::Null).await;
    let again = owner.post_once("/tenancy/v1/exports", "take-along", &Value::Null).await;
    assert_eq!((first.status, again.status, &first.body), (202, 202, &again.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let made = ready(&owner).await;
    assert_eq!(made.as_array().unwrap().len(), 1, "the same key makes one");
    assert!(made[0]["rows"].as_i64().unwrap() > 1, "{made}");

    let path = format!("/tenancy/v1/exports/{}/archive", made[0]["id"].as_str().unwrap());
    let response = owner.request(Method::GET, &path).send().await.unwrap();
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/zstd");
    let named = format!("attachment; filename=\"{}-20260512-0500.tar.zst\"", school.slug);
    assert_eq!(headers["content-disposition"], named.as_str());
    let files = unpack(&response.bytes().await.unwrap());
    let manifest = files.iter().find(|(name, _)| name == "manifest.json").expect("a manifest");
    let manifest: Value = serde_json::from_slice(&manifest.1).unwrap();
    assert_eq!(manifest["organisation"]["name"], "Uhuru Academy", "{manifest}");
    let holds =
        |text: &str| files.iter().any(|(_, content)| content.windows(text.len()).any(|part| part == text.as_bytes()));
    assert!(holds("Zawadi") && !holds("Nyota Primary"));

    neighbour.get(&path).await.refused(404);
    assert_eq!(neighbour.get("/tenancy/v1/exports").await.ok()["ready"], json!([]));
    app.anybody().get(&path).await.refused(401);
    app.settle().await;
}

#[tokio::test]
async fn only_who_may_manage_the_organisation_takes_it_along() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let registrar = app.join(&school, "registrar", "Juma", "juma@people.example").await;
    let operator = app.operator("owner", "amina@hitaji.example").await;
    owner.post("/tenancy/v1/exports", &Value::Null).await;
    let made = ready(&owner).await;
    let archive = format!("/tenancy/v1/exports/{}/archive", made[0]["id"].as_str().unwrap());
    let without = app.client(&app.token(&school.slug, &school.owner_email, "tenancy.organisation:read").await);
    for (method, path) in
        [(Method::GET, "/tenancy/v1/exports"), (Method::POST, "/tenancy/v1/exports"), (Method::GET, &archive)]
    {
        for client in [&registrar, &without] {
            let refused = send(client.request(method.clone(), path)).await.refused(403);
            assert_eq!(refused["code"], "insufficient_scope", "{method} {path}");
        }
        let refused = send(operator.request(method.clone(), path)).await.refused(403);
        assert_eq!(refused["code"], "organisation_mismatch", "{method} {path}");
    }
    app.settle().await;
}

#[tokio::test]
async fn a_copy_is_adopted_by_somebody_who_has_an_account() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let pupil = json!({"admission_number": "A-1", "first_name": "Zawadi", "last_name": "Kamau"});
    owner.post("/school/v1/students", &pupil).await.ok();
    app.settle().await;
    let fleet = app.platform.parts().get::<Fleet>();
    let copy = fleet.clone_tenant(school.id, "uhuru-copy", "test").await.unwrap();
    let tenant = app.platform.databases().describe(copy).await.unwrap();
    let adopt = |email: &str| Adopt {
        organisation: CreateOrganisation {
            id: copy,
            name: tenant.name.clone(),
            slug: Some(tenant.slug.clone()),
            country: tenant.country.clone(),
            currency: tenant.currency.clone(),
            time_zone: tenant.time_zone.name().to_owned(),
            products: tenant.products.clone(),
        },
        email: email.to_owned(),
    };
    let (peers, path) = (app.platform.peers(), "/identity/v1/adoptions");
    let nobody = peers.ask::<_, SignedUp>("test", "identity", Method::POST, path, &adopt("nobody@uhuru.example")).await;
    assert_eq!(nobody.unwrap_err().code.status(), 422);
    for _ in 0..2 {
        let done: SignedUp =
            peers.ask("test", "identity", Method::POST, path, &adopt(&school.owner_email)).await.unwrap();
        assert_eq!((done.organisation_id, done.slug.as_str()), (copy, "uhuru-copy"));
    }
    app.settle().await;
    let adopter = app.client(&app.token("uhuru-copy", &school.owner_email, "").await);
    let seen = adopter.get("/school/v1/students").await.ok();
    assert_eq!(seen["data"][0]["first_name"], "Zawadi");
    // By nobody but the command line.
    let asked = serde_json::to_value(adopt(&school.owner_email)).unwrap();
    owner.post(path, &asked).await.refused(404);
    app.settle().await;
}
