//! One's own account: devices, password, address, data, and the end of it.
use crate::browser::Browser;
use crate::flow::{portal, start, text};
use hitaji_testkit::{PASSWORD, at};
use serde_json::Value;

const NEW: &str = "mvua kubwa ya masika";

#[tokio::test]
async fn a_person_sees_their_devices_and_ends_one_or_all_others() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut here, mut there, mut third) =
        (Browser::new(&app.address), Browser::new(&app.address), Browser::new(&app.address));
    for browser in [&mut here, &mut there, &mut third] {
        browser.sign_in(&school.owner_email, PASSWORD).await;
    }
    let tokens = portal().tokens(&app, &mut there, &[("scope", "openid hitaji offline_access")]).await;
    let listed = here.open("/account/sessions").await.html.matches("<li>\n    <div").count();
    assert_eq!(listed, 3);
    let ids: Vec<String> = here
        .html
        .split("name=\"id\" value=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .filter(|id| id != "others")
        .collect();
    assert_eq!(ids.len(), 2, "this device cannot be ended here");
    let sid = crate::flow::claims(&tokens["access_token"])["sid"].as_str().unwrap().to_owned();
    assert!(ids.contains(&sid));
    here.submit_to("/account/sessions", &[("id", &sid)]).await;
    assert_eq!(here.status, 303);
    there.open("/account").await;
    assert!(there.leads().starts_with("/sign-in?"));
    portal().refresh(&app, text(&tokens, "refresh_token")).await.refused(400);
    app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.refused(401);

    // Another person's session is none of theirs.
    let other_school = app.organisation("Nyota School").await;
    let mut stranger = Browser::new(&app.address);
    stranger.sign_in(&other_school.owner_email, PASSWORD).await;
    let foreign = ids.iter().find(|id| **id != sid).unwrap();
    stranger.open("/account").await.submit_to("/account/sessions", &[("id", foreign)]).await;
    assert_eq!(third.open("/account").await.status, 200);
    here.open("/account/sessions").await.submit_to("/account/sessions", &[("id", "others")]).await;
    third.open("/account").await;
    assert!(third.leads().starts_with("/sign-in?"));
    assert_eq!(here.open("/account").await.status, 200);
}

#[tokio::test]
async fn a_new_password_wants_the_old_one_and_ends_other_devices() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut here, mut there) = (Browser::new(&app.address), Browser::new(&app.address));
    here.sign_in(&school.owner_email, PASSWORD).await;
    there.sign_in(&school.owner_email, PASSWORD).await;
    here.open("/account/security").await;
    here.submit_to("/account/password", &[("old_password", "a wild guess"), ("password", NEW)]).await;
    assert_eq!(here.status, 422);
    here.submit_to("/account/password", &[("old_password", PASSWORD), ("password", "password")]).await;
    assert_eq!(here.status, 422);
    here.submit_to("/account/password", &[("old_password", PASSWORD), ("password", NEW)]).await;
    assert_eq!(here.leads(), "/account/security?done=password_set");
    assert_eq!(here.follow().await.status, 200, "this browser stays signed in");
    there.open("/account").await;
    assert!(there.leads().starts_with("/sign-in?"));
    app.settle().await;
    let mails = app.mails().await.to_string();
    assert!(mails.contains("Your Hitaji password was changed"), "{mails}");
}

#[tokio::test]
async fn a_new_browser_is_noticed_and_a_known_one_is_not() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let notices = async || {
        app.settle().await;
        app.mails().await.to_string().matches("A new sign-in to Hitaji").count()
    };
    let mut first = Browser::new(&app.address);
    first.sign_in(&school.owner_email, PASSWORD).await;
    let none = notices().await;
    first
        .open("/sign-in?continue=/account")
        .await
        .submit(&[("email", &school.owner_email), ("password", PASSWORD)])
        .await;
    assert_eq!((none, notices().await), (0, 0), "the first one ever, and the same browser");
    Browser::new(&app.address).sign_in(&school.owner_email, PASSWORD).await;
    assert!(notices().await > 0);
}

#[tokio::test]
async fn an_address_counts_when_its_link_was_opened() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open("/account").await;
    assert!(browser.html.contains("not confirmed"));
    let proof = app.mailed_link(&school.owner_email).await;
    assert!(proof.contains("/verify-email/"), "{proof}");
    browser.open(&proof).await.submit(&[]).await;
    assert_eq!(browser.leads(), "/account?done=verified");
    assert_eq!(browser.open(&proof).await.status, 410, "once");
    browser.open("/account").await;
    assert!(!browser.html.contains("not confirmed"));

    browser.submit_to("/account/email", &[("email", "new@uhuru.example")]).await;
    assert_eq!(browser.leads(), "/account?done=mailed");
    app.settle().await;
    browser.open("/account").await;
    assert!(browser.html.contains(&school.owner_email), "nothing has changed yet");
    let proof = app.mailed_link("new@uhuru.example").await;
    browser.open(&proof).await.submit(&[]).await;
    app.settle().await;
    assert!(app.mails().await.to_string().contains("Your Hitaji address was changed"), "told to the old address");
    let mut again = Browser::new(&app.address);
    again.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(again.status, 422);
    again.sign_in("new@uhuru.example", PASSWORD).await;
    assert_eq!(again.leads(), "/");
}

#[tokio::test]
async fn people_take_their_data_along() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open("/account/export").await;
    let data: Value = serde_json::from_str(&browser.html).unwrap();
    assert_eq!(data["account"]["email"], school.owner_email.as_str());
    assert_eq!(data["memberships"][0]["organisation"], "Uhuru Academy");
    assert_eq!(data["sessions"].as_array().unwrap().len(), 1);
    assert!(data["events"].as_array().unwrap().iter().any(|event| event["action"] == "sign_in"));
    assert!(!browser.html.contains("argon2") && !browser.html.contains("token_hash"));
    app.clock.set(at("2026-05-12T05:16:00Z"));
    browser.open("/account/export").await;
    assert!(browser.leads().starts_with("/sign-in/factor?level="), "a fresh proof");
    browser.follow().await.submit(&[("password", "a wild guess")]).await;
    assert_eq!(browser.status, 422);
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/account/data");
}

#[tokio::test]
async fn an_account_is_deleted_but_not_the_last_owner_of_an_organisation() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut owner = Browser::new(&app.address);
    owner.sign_in(&school.owner_email, PASSWORD).await;
    owner.open("/account/data").await.submit_to("/account/delete", &[("confirm", &school.owner_email)]).await;
    assert_eq!(owner.status, 409);
    assert!(owner.html.contains("<li>Uhuru Academy</li>"));

    let teacher = "amina@uhuru.example";
    app.join(&school, "teacher", "Amina Otieno", teacher).await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(teacher, PASSWORD).await;
    browser.open("/account/data").await.submit_to("/account/delete", &[("confirm", "something else")]).await;
    assert_eq!(browser.status, 422);
    browser.submit_to("/account/delete", &[("confirm", teacher)]).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    app.settle().await;
    browser.open("/account").await;
    assert!(browser.leads().starts_with("/sign-in?"));
    let mut again = Browser::new(&app.address);
    again.sign_in(teacher, PASSWORD).await;
    assert_eq!(again.status, 422);
    let members = app.owner(&school).await.get("/identity/v1/members").await.ok();
    assert_eq!(members["data"].as_array().unwrap().len(), 1);
    assert!(!members.to_string().contains(teacher));
}
