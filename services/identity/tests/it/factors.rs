//! Second factors: the code of an app, recovery codes, and more proof in a session that goes on.
use crate::browser::{Browser, query};
use crate::flow::{claims, portal, start, web};
use chrono::{DateTime, TimeDelta, Utc};
use hitaji_testkit::{Organisation, PASSWORD, TestApp, at};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// What an authenticator app shows at a moment.
pub fn code(secret: &str, moment: DateTime<Utc>) -> String {
    let now = moment.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let mut tool = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &now, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("oathtool is installed; ./dev test does that");
    tool.stdin.take().unwrap().write_all(secret.replace(' ', "").as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    assert!(output.status.success(), "oathtool refuses the secret {secret:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// An account with an authenticator app: the browser that set it up, the secret, and the recovery codes.
pub async fn with_app(app: &TestApp, school: &Organisation) -> (Browser, String, Vec<String>) {
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open("/account/app").await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    let secret = browser.between("role=\"group\">", "<");
    assert!(browser.html.contains("<svg aria-hidden"), "the picture");
    browser.submit(&[("code", "000000")]).await;
    assert_eq!(browser.status, 422);
    assert_eq!(browser.between("role=\"group\">", "<"), secret, "the same secret is shown again");
    browser.submit(&[("code", &code(&secret, at("2026-05-12T05:00:00Z")))]).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    let codes: Vec<String> =
        browser.html.split("<code>").skip(1).map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    (browser, secret, codes)
}

#[tokio::test]
async fn a_right_password_alone_opens_nothing_where_there_is_a_second_factor() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut first, secret, _) = with_app(&app, &school).await;
    let tokens = portal().tokens(&app, &mut first, &[]).await;
    assert_eq!(claims(&tokens["access_token"])["acr"], "urn:hitaji:acr:two", "confirming the app proved it");

    let mut browser = Browser::new(&app.address);
    browser.open(&portal().authorize(&[])).await.follow().await;
    browser.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(browser.leads(), "/sign-in/factor");
    assert!(
        !browser.headers.get_all("set-cookie").iter().any(|line| line.to_str().unwrap().starts_with("hitaji_session="))
    );
    browser.open("/account").await;
    assert!(browser.leads().starts_with("/sign-in?"), "no session yet");

    browser.open("/sign-in/factor").await;
    let used = code(&secret, at("2026-05-12T05:00:00Z"));
    browser.submit(&[("code", &used)]).await;
    assert_eq!(browser.status, 422, "a code is taken once");
    app.clock.set(at("2026-05-12T05:00:31Z"));
    browser.submit(&[("code", &code(&secret, at("2026-05-12T05:00:31Z")))]).await;
    assert!(browser.leads().starts_with("/oauth/authorize?"), "{}", browser.leads());
    browser.follow().await;
    let granted = query(&browser.leads(), "code").expect("a code");
    let tokens = portal().exchange(&app, &granted, crate::flow::VERIFIER).await.ok();
    let said = claims(&tokens["access_token"]);
    assert_eq!(said["acr"], "urn:hitaji:acr:two");
    assert_eq!(said["amr"], serde_json::json!(["pwd", "otp"]));
}

#[tokio::test]
async fn a_recovery_code_works_once_and_new_ones_end_the_old() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut owner, _, codes) = with_app(&app, &school).await;
    for (typed, status) in [(codes[0].to_uppercase().replace('-', " "), 303), (codes[0].clone(), 422)] {
        let mut browser = Browser::new(&app.address);
        browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
        browser.submit(&[("code", &typed)]).await;
        assert_eq!(browser.status, status, "{typed}");
    }
    owner.open("/account/security").await;
    assert!(owner.html.contains("<strong>9</strong>"));
    owner.submit_to("/account/recovery-codes", &[]).await;
    assert_eq!(owner.status, 200);
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    browser.submit(&[("code", &codes[1])]).await;
    assert_eq!(browser.status, 422);
}

#[tokio::test]
async fn tries_are_counted_by_account_and_a_waiting_sign_in_ends() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (_, secret, _) = with_app(&app, &school).await;
    for _ in 0..5 {
        let mut browser = Browser::new(&app.address);
        browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
        browser.submit(&[("code", "123123")]).await;
        assert_eq!(browser.status, 422);
    }
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    app.clock.set(at("2026-05-12T05:00:01Z"));
    browser.submit(&[("code", "123123")]).await;
    assert_eq!(browser.status, 429, "a fresh browser and a fresh sign-in are no way around");
    app.clock.set(at("2026-05-12T05:10:01Z"));
    browser.open("/sign-in/factor").await;
    assert!(browser.leads().starts_with("/sign-in?"), "ten minutes");
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    browser.submit(&[("code", &code(&secret, at("2026-05-12T05:10:01Z")))]).await;
    assert_eq!(browser.leads(), "/");
}

#[tokio::test]
async fn a_client_that_asks_for_two_factors_gets_them_in_the_same_session() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let asked: &[(&str, &str)] = &[("acr_values", "urn:other urn:hitaji:acr:two")];
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open(&portal().authorize(&[("acr_values", "urn:other")])).await;
    assert!(query(&browser.leads(), "code").is_some(), "an unknown level is voluntary");
    browser.open(&portal().authorize(asked)).await.follow().await;
    assert!(browser.html.contains("security?continue="), "without a factor people are led to set one up");
    browser.open(&web(&app).authorize(&[("acr_values", "urn:hitaji:acr:two"), ("prompt", "none")])).await;
    assert_eq!(query(&browser.leads(), "error").as_deref(), Some("interaction_required"));

    let (mut first, secret, _) = with_app(&app, &school).await;
    // The browser that knew only the password goes on after one code; its session stays the same one.
    let before = claims(&portal().tokens(&app, &mut browser, &[]).await["access_token"]);
    browser.open(&portal().authorize(asked)).await.follow().await;
    let moment = at("2026-05-12T05:01:00Z");
    app.clock.set(moment);
    browser.submit(&[("code", &code(&secret, moment))]).await.follow().await;
    let granted = query(&browser.leads(), "code").expect("a code");
    let after = claims(&portal().exchange(&app, &granted, crate::flow::VERIFIER).await.ok()["access_token"]);
    assert_eq!((&before["sid"], &before["acr"]), (&after["sid"], &"urn:hitaji:acr:single".into()));
    assert_eq!(after["acr"], "urn:hitaji:acr:two");
    assert_eq!(after["auth_time"], moment.timestamp());

    // Later changes of the account itself want a fresh proof.
    app.clock.set(moment + TimeDelta::minutes(16));
    first.open("/account/security").await.submit_to("/account/app/remove", &[]).await;
    assert!(first.leads().starts_with("/sign-in/factor?level="), "{}", first.leads());
    first.follow().await.submit(&[("code", &code(&secret, moment + TimeDelta::minutes(16)))]).await;
    assert_eq!(first.leads(), "/account/security");
    first.follow().await.submit_to("/account/app/remove", &[]).await;
    assert_eq!(first.leads(), "/account/security?done=app_removed");
    let mut last = Browser::new(&app.address);
    last.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(last.leads(), "/");
}

#[tokio::test]
async fn a_reset_password_does_not_go_around_the_second_factor() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    // What is set up before the address is proven is taken away by a reset; this was set up after.
    let mut conn = app.platform.databases().control().await.unwrap();
    sqlx::query("update identity.account set email_verified_at = created_at").execute(&mut *conn).await.unwrap();
    conn.release();
    with_app(&app, &school).await;
    app.settle().await;
    let mut browser = Browser::new(&app.address);
    browser.open("/forgot-password").await.submit(&[("email", &school.owner_email)]).await;
    app.settle().await;
    let link = app.mailed_link(&school.owner_email).await;
    browser.open(&link).await.submit(&[("password", "mvua kubwa ya masika")]).await;
    assert_eq!(browser.leads(), "/sign-in/factor");
    browser.open("/account").await;
    assert!(browser.leads().starts_with("/sign-in?"));
}

#[tokio::test]
async fn a_reset_takes_away_what_was_set_up_before_the_address_was_proven() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    with_app(&app, &school).await;
    let mut owner = Browser::new(&app.address);
    owner.open("/forgot-password").await.submit(&[("email", &school.owner_email)]).await;
    let link = app.mailed_link(&school.owner_email).await;
    owner.open(&link).await.submit(&[("password", "mvua kubwa ya masika")]).await;
    assert_eq!(owner.leads(), "/", "whoever holds the mailbox is asked for nobody else's factor");
    assert!(app.control_rows("select account_id from identity.totp").await.is_empty());
}
