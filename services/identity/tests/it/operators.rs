//! The console's sign-in: operators only, tokens without an organisation, and a recent proof for what changes things.
use crate::browser::{Browser, query};
use crate::flow::{App, claims, start, text, web};
use hitaji_contracts::identity::{EndOperator, MakeOperator, OperatorMade};
use hitaji_testkit::{PASSWORD, TestApp, at, until};
use reqwest::Method;
use serde_json::{Value, json};

fn console(app: &TestApp) -> App {
    App { id: "hitaji-console", secret: None, redirect_uri: format!("{}/console/callback", app.address) }
}

async fn make_operator(app: &TestApp, email: &str, role: &str) -> OperatorMade {
    let asked = MakeOperator { email: email.to_owned(), role: role.to_owned(), name: Some("Amina Abdi".to_owned()) };
    let made =
        app.platform.peers().ask("test", "identity", Method::POST, "/identity/v1/operators", &asked).await.unwrap();
    app.settle().await;
    made
}

#[tokio::test]
async fn an_operator_without_an_account_gets_one_by_mail_and_signs_in() {
    let app = start().await;
    let made = make_operator(&app, "Amina@Hitaji.example", "operator").await;
    assert!(made.invited && made.email == "amina@hitaji.example");
    let mut browser = Browser::new(&app.address);
    browser.open(&app.mailed_link("amina@hitaji.example").await).await;
    browser.submit(&[("password", PASSWORD)]).await;
    let client = console(&app);
    let tokens = client.tokens(&app, &mut browser, &[]).await;
    let said = claims(&tokens["access_token"]);
    assert_eq!((&said["org_id"], &said["roles"]), (&Value::Null, &json!(["operator"])));
    let scope = text(&tokens, "scope");
    assert!(
        scope.contains("tenancy.organisations:manage") && !scope.contains("tenancy.organisations:delete"),
        "{scope}"
    );
    assert!(!scope.contains("school.") && !scope.contains("identity.member"), "nothing of organisations: {scope}");
    app.client(text(&tokens, "access_token")).get("/tenancy/v1/organisations").await.ok();
    // The same person at the organisations' own application belongs nowhere.
    browser.open(&web(&app).authorize(&[])).await;
    assert_eq!(query(&browser.leads(), "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn nobody_else_signs_in_at_the_console() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (client, mut browser) = (console(&app), Browser::new(&app.address));
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open(&client.authorize(&[])).await;
    assert_eq!(query(&browser.leads(), "error").as_deref(), Some("access_denied"));
    let made = make_operator(&app, &school.owner_email, "support").await;
    assert!(!made.invited, "an account may be both");
    let tokens = client.tokens(&app, &mut browser, &[]).await;
    let operator = app.client(text(&tokens, "access_token"));
    operator.get("/tenancy/v1/organisations").await.ok();
    let code = client.code(&mut browser, &[]).await;
    let asked = EndOperator { email: school.owner_email.clone() };
    let ended = app.platform.peers().ask("test", "identity", Method::POST, "/identity/v1/operators/end", &asked);
    let _: OperatorMade = ended.await.unwrap();
    client.exchange(&app, &code, crate::flow::VERIFIER).await.refused(400);
    until("the token that was out is refused", async || {
        (operator.get("/tenancy/v1/organisations").await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_changes_things_asks_for_a_recent_sign_in() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    make_operator(&app, &school.owner_email, "owner").await;
    let (client, mut browser) = (console(&app), Browser::new(&app.address));
    browser.sign_in(&school.owner_email, PASSWORD).await;
    app.clock.set(at("2026-05-12T05:16:00Z"));
    let tokens = client.tokens(&app, &mut browser, &[("prompt", "none")]).await;
    let operator = app.client(text(&tokens, "access_token"));
    operator.get("/tenancy/v1/organisations").await.ok();
    let path = format!("/tenancy/v1/organisations/{}/suspend", school.id);
    let reply = operator.post(&path, &json!({"reason": "a trial of it"})).await;
    let challenge = reply.header("www-authenticate").unwrap().to_owned();
    assert!(
        challenge.contains("error=\"insufficient_user_authentication\"") && challenge.contains("max_age=\"900\""),
        "{challenge}"
    );
    assert_eq!(reply.refused(401)["max_age"], 900);
    browser.open(&client.authorize(&[("prompt", "login")])).await.follow().await;
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    let code = query(&browser.leads(), "code").unwrap();
    let tokens = client.exchange(&app, &code, crate::flow::VERIFIER).await.ok();
    let operator = app.client(text(&tokens, "access_token"));
    operator.post(&path, &json!({"reason": "a trial of it"})).await.ok();
    // A member whose only organisation is suspended is told why there is no way in.
    browser.open(&web(&app).authorize(&[])).await;
    assert_eq!(query(&browser.leads(), "error").as_deref(), Some("access_denied"));
    assert!(query(&browser.leads(), "error_description").unwrap().contains("suspended"));
}
