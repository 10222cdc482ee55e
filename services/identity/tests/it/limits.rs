//! Guessing is slow, and tells nothing.
use crate::browser::Browser;
use crate::flow::{start, start_with};
use hitaji_testkit::{PASSWORD, at};

#[tokio::test]
async fn failed_attempts_cost_growing_waits() {
    let app = start().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota School").await);
    let mut known = Browser::new(&app.address);
    known.sign_in(&school.owner_email, PASSWORD).await;
    let mut browser = Browser::new(&app.address);
    for _ in 0..5 {
        browser.open("/sign-in").await.submit(&[("email", &school.owner_email), ("password", "a wild guess")]).await;
        assert_eq!(browser.status, 422);
    }
    browser.open("/sign-in").await.submit(&[("email", &school.owner_email), ("password", PASSWORD)]).await;
    assert_eq!(browser.status, 429, "also the right one");
    assert!(browser.headers.contains_key("retry-after"));
    browser.open("/sign-in").await.submit(&[("email", &other.owner_email), ("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/", "others are not slowed down");
    known.open("/sign-in?continue=%2Foauth%2Fauthorize%3Fx").await;
    known.submit(&[("email", &school.owner_email), ("password", PASSWORD)]).await;
    assert_eq!(known.status, 303, "nor is the person, in a browser they have used before");
    app.clock.set(at("2026-05-12T05:00:03Z"));
    let mut later = Browser::new(&app.address);
    later.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(later.leads(), "/");
}

#[tokio::test]
async fn one_address_cannot_try_many_accounts() {
    let app = start_with(|settings| {
        settings.insert("attempts_per_address_per_minute".into(), 3.into());
    })
    .await;
    let mut browser = Browser::new(&app.address);
    let mut statuses = Vec::new();
    for index in 0..5 {
        let email = format!("person{index}@uhuru.example");
        browser.open("/sign-in").await.submit(&[("email", &email), ("password", "a wild guess")]).await;
        statuses.push(browser.status);
    }
    assert_eq!(statuses, [422, 422, 422, 429, 429]);
}

#[tokio::test]
async fn known_and_unknown_accounts_look_alike() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut pages = Vec::new();
    for email in [school.owner_email.as_str(), "nobody@uhuru.example"] {
        let mut browser = Browser::new(&app.address);
        browser.open("/sign-in").await.submit(&[("email", email), ("password", "a wild guess")]).await;
        pages.push((browser.status, browser.bare().replace(email, "")));
        for _ in 0..5 {
            browser.open("/sign-in").await.submit(&[("email", email), ("password", "a wild guess")]).await;
        }
        assert_eq!(browser.status, 429, "{email}");
    }
    assert_eq!(pages[0], pages[1]);
}
