//! Domains that organisations prove by DNS, and what follows for the people of a domain.
use crate::browser::Browser;
use crate::federation::come_by;
use crate::flow::{claims, start_with, web};
use hitaji_testkit::{
    CLIENT_ID, CLIENT_SECRET, Client, NameServer, OpenidProvider, Organisation, PASSWORD, TestApp, at,
};
use serde_json::{Value, json};

const DOMAIN: &str = "uhuru.example";

pub async fn platform() -> (TestApp, NameServer) {
    let names = NameServer::start().await;
    let address = names.address.to_string();
    let app = start_with(|settings| {
        settings.insert("dns_server".into(), address.into());
    })
    .await;
    (app, names)
}

/// A domain that an organisation has proven.
pub async fn proven(owner: &Client, names: &NameServer, domain: &str) -> Value {
    let made = owner.post("/identity/v1/domains", &json!({"domain": domain})).await.ok();
    names.set(domain, &["v=spf1 -all", made["record"].as_str().unwrap()]);
    owner.post(&format!("{}/verify", path(&made)), &json!({})).await.ok()
}

fn path(domain: &Value) -> String {
    format!("/identity/v1/domains/{}", domain["id"].as_str().unwrap())
}

async fn begin() -> (TestApp, NameServer, Organisation, Client) {
    let (app, names) = platform().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    (app, names, school, owner)
}

#[tokio::test]
async fn a_domain_is_proven_by_its_record_and_by_one_organisation() {
    let (app, names, _, owner) = begin().await;
    let made = owner.post("/identity/v1/domains", &json!({"domain": " Uhuru.EXAMPLE. "})).await.ok();
    assert_eq!((&made["domain"], &made["verified_at"]), (&json!(DOMAIN), &Value::Null));
    let verify = format!("{}/verify", path(&made));
    assert_eq!(owner.post(&verify, &json!({})).await.refused(422)["errors"][0]["code"], "not_proven");
    names.set(DOMAIN, &["hitaji-verification=another"]);
    owner.post(&verify, &json!({})).await.refused(422);
    owner.patch(&path(&made), None, &json!({"auto_join_role": "teacher"})).await.refused(409);
    names.set(DOMAIN, &["v=spf1 -all", made["record"].as_str().unwrap()]);
    let done = owner.post(&verify, &json!({})).await.ok();
    assert_eq!(done["verified_at"], "2026-05-12T05:00:00Z");
    let again = json!({"domain": DOMAIN});
    assert_eq!(owner.post("/identity/v1/domains", &again).await.refused(422)["errors"][0]["code"], "taken");
    owner.post("/identity/v1/domains", &json!({"domain": "localhost"})).await.refused(422);

    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    let theirs = stranger.post("/identity/v1/domains", &again).await.ok();
    assert_ne!(theirs["record"], made["record"]);
    names.set(DOMAIN, &[made["record"].as_str().unwrap(), theirs["record"].as_str().unwrap()]);
    stranger.post(&format!("{}/verify", path(&theirs)), &json!({})).await.refused(409);
    for reply in [
        stranger.get(&path(&made)).await,
        stranger.post(&verify, &json!({})).await,
        stranger.patch(&path(&made), None, &json!({})).await,
        stranger.delete(&path(&made)).await,
    ] {
        reply.refused(404);
    }
    owner.patch(&path(&made), Some(1), &json!({})).await.refused(412);
    assert_eq!(owner.delete(&path(&made)).await.status, 204);
    stranger.post(&format!("{}/verify", path(&theirs)), &json!({})).await.ok();
}

#[tokio::test]
async fn people_of_a_domain_sign_in_with_its_provider_and_in_no_other_way() {
    let (app, names, school, owner) = begin().await;
    let provider = OpenidProvider::start(at("2026-05-12T05:00:00Z")).await;
    app.join(&school, "teacher", "Amina Otieno", "amina@uhuru.example").await;
    let domain = proven(&owner, &names, DOMAIN).await;
    let body = json!({"kind": "oidc", "label": "SSO", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let key = owner.post("/identity/v1/providers", &body).await.ok()["id"].as_str().unwrap().to_owned();
    let mut early = Browser::new(&app.address);
    early.sign_in("amina@uhuru.example", PASSWORD).await;
    assert_eq!(early.leads(), "/", "before the rule the password is enough");
    let unknown = owner.patch(&path(&domain), None, &json!({"required_provider": "nobody"})).await.refused(422);
    assert_eq!(unknown["errors"][0]["pointer"], "/required_provider");
    owner.patch(&path(&domain), None, &json!({"required_provider": key})).await.ok();
    owner.delete(&format!("/identity/v1/providers/{key}")).await.refused(409);

    let pages: Vec<String> = {
        let mut pages = Vec::new();
        for (email, password) in
            [("amina@uhuru.example", PASSWORD), ("amina@uhuru.example", "wrong"), ("nobody@uhuru.example", "wrong")]
        {
            let mut browser = Browser::new(&app.address);
            browser.sign_in(email, password).await;
            assert_eq!(browser.status, 200);
            assert!(!browser.headers.contains_key("set-cookie"), "no session by the password");
            pages.push(browser.html.replace("&#x2f;", "/").replace("amina", "nobody"));
        }
        pages
    };
    assert!(pages[0].contains("/sign-in/with/") && pages.iter().all(|page| *page == pages[0]), "the same for all");

    early.open(&web(&app).authorize(&[])).await;
    assert!(early.leads().starts_with(&format!("/sign-in/with/{key}?")), "the earlier session is not enough");
    early.open(&web(&app).authorize(&[("prompt", "none")])).await;
    assert!(early.leads().contains("error=login_required"), "{}", early.leads());

    let mut browser = Browser::new(&app.address);
    let target = web(&app).authorize(&[]);
    browser.open(&target).await;
    browser.follow().await;
    come_by(&mut browser, &key, "/").await;
    let connect = browser.leads();
    browser.open(&connect).await;
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    let token = claims(&web(&app).tokens(&app, &mut browser, &[]).await["access_token"]);
    assert_eq!(token["org_id"], json!(school.id));
    app.settle().await;
}

#[tokio::test]
async fn people_of_a_domain_may_join_by_themselves_where_it_says_so() {
    let (app, names, school, owner) = begin().await;
    let provider = OpenidProvider::start(at("2026-05-12T05:00:00Z")).await;
    let domain = proven(&owner, &names, DOMAIN).await;
    let body = json!({"kind": "oidc", "label": "SSO", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let key = owner.post("/identity/v1/providers", &body).await.ok()["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, &key, "/").await;
    assert_eq!(browser.status, 403, "{}", browser.html);
    let wrong = owner.patch(&path(&domain), None, &json!({"auto_join_role": "wizard"})).await.refused(422);
    assert_eq!(wrong["errors"][0]["pointer"], "/auto_join_role");
    owner.patch(&path(&domain), None, &json!({"auto_join_role": "teacher"})).await.ok();
    provider.script(|script| script.claims = json!({"sub": "evil", "email": "x@elsewhere.example"}));
    come_by(&mut browser, &key, "/").await;
    assert_eq!(browser.status, 403, "only its own domain");
    provider.script(|script| script.claims = json!({}));
    come_by(&mut browser, &key, "/").await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    assert_eq!(claims(&tokens["access_token"])["roles"], json!(["teacher"]));
    let members = owner.get("/identity/v1/members").await.ok();
    assert_eq!(members["data"][1]["email"], "amina@uhuru.example");
    // An own provider counts elsewhere as far as the domain is still the organisation's.
    let other = app.organisation("Nyota School").await;
    let invited = json!({"email": "amina@uhuru.example", "name": "Amina", "roles": ["teacher"]});
    app.owner(&other).await.post("/identity/v1/invitations", &invited).await.ok();
    app.settle().await;
    let link = app.mailed_link("amina@uhuru.example").await;
    browser.open(&link).await;
    browser.submit(&[]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    web(&app).tokens(&app, &mut browser, &[("organization", &other.slug)]).await;
    assert_eq!(owner.delete(&path(&domain)).await.status, 204);
    browser.open(&web(&app).authorize(&[("organization", &other.slug)])).await;
    assert!(browser.leads().starts_with("/sign-in?"), "another organisation's provider is nobody's word here");
    web(&app).tokens(&app, &mut browser, &[("organization", &school.slug)]).await;
}
