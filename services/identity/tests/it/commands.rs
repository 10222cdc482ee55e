//! Sign-up and operator tokens as commands.
use crate::browser::Browser;
use crate::flow::{start, text, web};
use hitaji_testkit::PASSWORD;
use serde_json::{Value, json};

fn sign_up(id: &str, email: &str, password: &str) -> Value {
    json!({
        "organisation_id": id, "organisation": "Uhuru Academy", "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
        "products": ["school"], "name": "Wanjiku Kamau", "email": email, "password": password, "locale": "sw",
    })
}

const ID: &str = "0199f1c8-0000-7000-8000-000000000001";

#[tokio::test]
async fn the_same_sign_up_again_is_the_same_organisation() {
    let app = start().await;
    let first = app.anybody().post("/identity/v1/sign-ups", &sign_up(ID, "w@uhuru.example", PASSWORD)).await.ok();
    assert_eq!(first["slug"], "uhuru-academy");
    let again = app.anybody().post("/identity/v1/sign-ups", &sign_up(ID, "w@uhuru.example", PASSWORD)).await.ok();
    assert_eq!(first, again);
    app.settle().await;
    let mut conn = app.platform.databases().control().await.unwrap();
    let started: i64 =
        sqlx::query_scalar("select count(*) from hitaji.outbox where type = 'identity.membership.started.v1'")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
    assert_eq!(started, 1, "told once");
    drop(conn);
    let taken = app.anybody().post("/identity/v1/sign-ups", &sign_up(ID, "other@uhuru.example", PASSWORD)).await;
    taken.refused(409);
    let second = sign_up("0199f1c8-0000-7000-8000-000000000002", "w@uhuru.example", PASSWORD);
    assert_eq!(app.anybody().post("/identity/v1/sign-ups", &second).await.ok()["slug"], "uhuru-academy-2");
    let wrong = sign_up("0199f1c8-0000-7000-8000-000000000003", "w@uhuru.example", "another good password");
    let refused = app.anybody().post("/identity/v1/sign-ups", &wrong).await.refused(422);
    assert_eq!(refused["errors"][0]["pointer"], "/password");
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once() {
    let app = start().await;
    let mut body = sign_up(ID, "nobody", "12345678");
    body["organisation"] = json!("U");
    body["country"] = json!("Kenya");
    body["products"] = json!(["mining"]);
    let refused = app.anybody().post("/identity/v1/sign-ups", &body).await.refused(422);
    let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| text(error, "pointer")).collect();
    assert_eq!(pointers, ["/organisation", "/country", "/products", "/email", "/password"]);
    body["nonsense"] = json!(1);
    app.anybody().post("/identity/v1/sign-ups", &body).await.refused(400);
    // What only tenancy knows to be wrong leaves nothing that stands in the way of a second try.
    let mut body = sign_up(ID, "w@uhuru.example", PASSWORD);
    body["time_zone"] = json!("Africa/Atlantis");
    let refused = app.anybody().post("/identity/v1/sign-ups", &body).await.refused(422);
    assert_eq!(refused["errors"][0]["pointer"], "/time_zone");
    app.anybody().post("/identity/v1/sign-ups", &sign_up(ID, "w@uhuru.example", PASSWORD)).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn operator_tokens_are_for_the_platform_itself_and_audited() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let body = json!({"organisation": school.slug, "account": school.owner_email, "scope": ""});
    app.anybody().post("/identity/v1/operator-tokens", &body).await.refused(404);
    app.owner(&school).await.post("/identity/v1/operator-tokens", &body).await.refused(404);
    let token = app.token(&school.slug, &school.owner_email, "identity.member:read").await;
    app.client(&token).get("/identity/v1/members").await.ok();
    app.client(&token).get("/identity/v1/me").await.ok();
    app.client(&token).post("/identity/v1/invitations", &json!({})).await.refused(403);
    let mut conn = app.platform.databases().control().await.unwrap();
    let audited: i64 =
        sqlx::query_scalar("select count(*) from hitaji.audit where action = 'operator_token' and actor = 'operator'")
            .fetch_one(&mut *conn)
            .await
            .unwrap();
    assert_eq!(audited, 2);
}

#[tokio::test]
async fn a_sign_up_cut_short_is_finished_at_the_next_sign_in() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut conn = app.platform.databases().control().await.unwrap();
    // As if the process had died before tenancy's answer arrived.
    sqlx::query("update identity.organisation set ready_at = null").execute(&mut *conn).await.unwrap();
    drop(conn);
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let me = app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.ok();
    assert_eq!(me["organisation"]["slug"], json!(school.slug));
    app.settle().await;
}
