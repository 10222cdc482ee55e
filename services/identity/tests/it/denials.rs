//! Signing others out: by the organisation for itself, by operators for everywhere.
use crate::browser::{Browser, query};
use crate::flow::{portal, start, text, web};
use hitaji_testkit::{Organisation, PASSWORD, TestApp, at};
use serde_json::{Value, json};

const TEACHER: &str = "baraka@uhuru.example";

/// Uhuru Academy with a teacher, who is signed in; the teacher's membership.
async fn school(app: &TestApp) -> (Organisation, Browser, String) {
    let school = app.organisation("Uhuru Academy").await;
    app.join(&school, "teacher", "Baraka", TEACHER).await;
    let members = app.owner(&school).await.get("/identity/v1/members").await.ok();
    let found = members["data"].as_array().unwrap().iter().find(|member| member["email"] == TEACHER);
    let id = found.unwrap()["id"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(&app.address);
    browser.sign_in(TEACHER, PASSWORD).await;
    (school, browser, id)
}

/// Somebody who has an account becomes a member of another organisation, too.
pub async fn join_also(app: &TestApp, organisation: &Organisation, email: &str) {
    let asked = json!({"email": email, "name": "Baraka", "roles": ["teacher"]});
    app.owner(organisation).await.post("/identity/v1/invitations", &asked).await.ok();
    // Until the mail is out, the newest one is an earlier one.
    app.settle().await;
    let mut browser = Browser::new(&app.address);
    browser.open(&app.mailed_link(email).await).await.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
}

fn why() -> Value {
    json!({"reason": "her phone was stolen"})
}

#[tokio::test]
async fn an_organisation_signs_a_member_out_of_itself() {
    let app = start().await;
    let (school, mut browser, id) = school(&app).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let offline = portal().tokens(&app, &mut browser, &[("scope", "openid hitaji offline_access")]).await;
    let person = app.client(text(&tokens, "access_token"));
    let program = app.client(text(&offline, "access_token"));
    let command_line = app.member(&school, TEACHER).await;
    for client in [&person, &program, &command_line] {
        client.get("/identity/v1/me").await.ok();
    }
    let path = format!("/identity/v1/members/{id}/sign-out");
    person.post(&path, &why()).await.refused(403);
    let owner = app.owner(&school).await;
    owner.post(&path, &json!({"reason": " "})).await.refused(422);
    let other = app.organisation("Nyota School").await;
    app.owner(&other).await.post(&path, &why()).await.refused(404);
    app.clock.set(at("2026-05-12T05:00:30Z"));
    assert_eq!(owner.post(&path, &why()).await.ok()["sessions"], 2, "the one of the invitation and this one");
    for client in [&person, &program, &command_line] {
        assert_eq!(client.get("/identity/v1/me").await.refused(401)["reason"], "signed out");
    }
    portal().refresh(&app, text(&offline, "refresh_token")).await.refused(400);
    browser.open(&web(&app).authorize(&[("prompt", "none")])).await;
    assert!(browser.leads().contains("error=login_required"));
    owner.get("/identity/v1/me").await.ok();
    // Who proves again who they are is let in.
    app.clock.set(at("2026-05-12T05:01:00Z"));
    browser.open("/sign-in").await.sign_in(TEACHER, PASSWORD).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.ok();
    let audited = app.control_rows("select after from hitaji.audit where action = 'sign_out'").await;
    assert_eq!(audited[0]["after"]["reason"], "her phone was stolen");
    app.settle().await;
}

#[tokio::test]
async fn a_session_in_use_elsewhere_opens_the_organisation_only_after_a_new_sign_in() {
    let app = start().await;
    let (school, mut browser, id) = school(&app).await;
    let other = app.organisation("Nyota School").await;
    join_also(&app, &other, TEACHER).await;
    let here = [("organization", school.slug.as_str()), ("prompt", "none")];
    let there = [("organization", other.slug.as_str()), ("prompt", "none")];
    for asked in [&here, &there] {
        web(&app).tokens(&app, &mut browser, asked).await;
    }
    app.clock.set(at("2026-05-12T05:00:30Z"));
    let path = format!("/identity/v1/members/{id}/sign-out");
    assert_eq!(app.owner(&school).await.post(&path, &why()).await.ok()["sessions"], 1, "only that of the invitation");
    web(&app).tokens(&app, &mut browser, &there).await;
    browser.open(&web(&app).authorize(&here)).await;
    assert_eq!(query(&browser.leads(), "error").as_deref(), Some("login_required"));
    app.clock.set(at("2026-05-12T05:01:00Z"));
    browser.open(&web(&app).authorize(&[("organization", school.slug.as_str())])).await.follow().await;
    browser.sign_in(TEACHER, PASSWORD).await.follow().await;
    assert!(query(&browser.leads(), "code").is_some());
}

#[tokio::test]
async fn an_operator_signs_a_person_out_everywhere() {
    let app = start().await;
    let (school, mut browser, _) = school(&app).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let person = app.client(text(&tokens, "access_token"));
    let me = person.get("/identity/v1/me").await.ok();
    let path = format!("/identity/v1/accounts/{}/sign-out", text(&me["account"], "id"));
    app.owner(&school).await.post(&path, &why()).await.refused(403);
    app.operator("support", "juma@hitaji.example").await.post(&path, &why()).await.refused(403);
    let operator = app.operator("operator", "amina@hitaji.example").await;
    let nobody = format!("/identity/v1/accounts/{}/sign-out", uuid::Uuid::max());
    operator.post(&nobody, &why()).await.refused(404);
    assert!(operator.post(&path, &why()).await.ok()["sessions"].as_u64().unwrap() >= 1);
    person.get("/identity/v1/me").await.refused(401);
    browser.open(&web(&app).authorize(&[("prompt", "none")])).await;
    assert!(browser.leads().contains("error=login_required"));
    app.settle().await;
}

#[tokio::test]
async fn tokens_of_a_membership_that_ended_are_refused() {
    let app = start().await;
    let (school, mut browser, id) = school(&app).await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    let person = app.client(text(&tokens, "access_token"));
    person.get("/identity/v1/me").await.ok();
    // What ends a membership denies it in its transaction, and the trigger tells; here by hand.
    let deny =
        format!("insert into directory.denial (id, until) values ('{id}', '2026-05-12T05:15:00Z') returning until");
    let mut conn = app.platform.databases().control().await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(deny)).execute(&mut *conn).await.unwrap();
    hitaji_testkit::until("the process hears of it", async || {
        (person.get("/identity/v1/me").await.status == 401).then_some(())
    })
    .await;
    app.owner(&school).await.get("/identity/v1/me").await.ok();
}

#[tokio::test]
async fn a_token_family_that_was_stolen_ends_with_its_access_tokens() {
    let app = start().await;
    let (_, mut browser, _) = school(&app).await;
    let first = portal().tokens(&app, &mut browser, &[("scope", "openid hitaji offline_access")]).await;
    let ours = web(&app).tokens(&app, &mut browser, &[]).await;
    app.clock.set(at("2026-05-12T05:00:20Z"));
    let second = portal().refresh(&app, text(&first, "refresh_token")).await.ok();
    let thief = app.client(text(&second, "access_token"));
    thief.get("/identity/v1/me").await.ok();
    app.clock.set(at("2026-05-12T05:00:40Z"));
    portal().refresh(&app, text(&first, "refresh_token")).await.refused(400);
    thief.get("/identity/v1/me").await.refused(401);
    app.client(text(&ours, "access_token")).get("/identity/v1/me").await.ok();
}

#[tokio::test]
async fn a_member_who_changes_security_signs_in_again() {
    let app = start().await;
    let (school, _, id) = school(&app).await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    app.clock.set(at("2026-05-12T05:16:00Z"));
    let tokens = web(&app).tokens(&app, &mut browser, &[("prompt", "none")]).await;
    let path = format!("/identity/v1/members/{id}/sign-out");
    let reply = app.client(text(&tokens, "access_token")).post(&path, &why()).await;
    let challenge = reply.header("www-authenticate").unwrap().to_owned();
    let expected = "Bearer error=\"insufficient_user_authentication\", error_description=\"a more recent sign-in is required\", max_age=\"900\"";
    assert_eq!(challenge, expected);
    let problem = reply.refused(401);
    assert_eq!((&problem["code"], &problem["max_age"]), (&json!("insufficient_user_authentication"), &json!(900)));
    browser.open(&web(&app).authorize(&[("max_age", "900")])).await.follow().await;
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    let code = query(&browser.leads(), "code").unwrap();
    let tokens = web(&app).exchange(&app, &code, crate::flow::VERIFIER).await.ok();
    app.client(text(&tokens, "access_token")).post(&path, &why()).await.ok();
}
