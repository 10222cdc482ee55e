//! A forgotten password: one link, half an hour, and everything else that was open ends.
use crate::browser::Browser;
use crate::flow::{portal, start, text};
use hitaji_testkit::{PASSWORD, at};

const NEW: &str = "mvua kubwa ya masika";

#[tokio::test]
async fn a_new_password_ends_what_was_open() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut old = Browser::new(&app.address);
    old.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = portal().tokens(&app, &mut old, &[]).await;
    let mut browser = Browser::new(&app.address);
    browser.open("/forgot-password").await.submit(&[("email", &school.owner_email)]).await;
    assert_eq!(browser.status, 200);
    app.settle().await;
    let link = app.mailed_link(&school.owner_email).await;
    browser.open(&link).await;
    browser.submit(&[("password", "password")]).await;
    assert_eq!(browser.status, 422);
    browser.submit(&[("password", NEW)]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    assert_eq!(browser.open(&link).await.status, 410, "a link is taken once");
    portal().refresh(&app, text(&tokens, "refresh_token")).await.refused(400);
    app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.refused(401);
    old.open(&portal().authorize(&[])).await;
    assert!(old.leads().starts_with("/sign-in"));
    let mut again = Browser::new(&app.address);
    again.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(again.status, 422);
    again.sign_in(&school.owner_email, NEW).await;
    assert_eq!(again.leads(), "/");
}

#[tokio::test]
async fn a_stranger_learns_nothing_and_an_old_link_is_worthless() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut pages = Vec::new();
    for email in [school.owner_email.as_str(), "nobody@uhuru.example"] {
        let mut browser = Browser::new(&app.address);
        browser.open("/forgot-password").await.submit(&[("email", email)]).await;
        pages.push((browser.status, browser.bare().replace(email, "")));
    }
    assert_eq!(pages[0], pages[1]);
    app.settle().await;
    assert_eq!(app.mails().await.as_array().unwrap().len(), 2, "the proof of the owner's address, and the reset");
    let first = app.mailed_link(&school.owner_email).await;
    let mut browser = Browser::new(&app.address);
    app.clock.set(at("2026-05-12T05:30:00Z"));
    assert_eq!(browser.open(&first).await.status, 410, "half an hour");
    app.clock.set(at("2026-05-12T05:20:00Z"));
    browser.open("/forgot-password").await.submit(&[("email", &school.owner_email)]).await;
    app.settle().await;
    assert_eq!(browser.open(&first).await.status, 410, "a newer one was asked for");
    let second = app.mailed_link(&school.owner_email).await;
    assert_eq!(browser.open(&second).await.status, 200);
    let invitation = second.replace("/reset-password/", "/invitations/");
    assert_eq!(browser.open(&invitation).await.status, 410, "another kind of link");
    assert_eq!(browser.open(&format!("{second}x")).await.status, 410);
}
