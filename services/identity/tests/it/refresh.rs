//! Refresh tokens: used once, with one narrow exception.
use crate::browser::Browser;
use crate::flow::{App, portal, start, text};
use hitaji_testkit::{PASSWORD, TestApp, at};

async fn signed_in(app: &TestApp) -> (Browser, String) {
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = portal().tokens(app, &mut browser, &[]).await;
    (browser, text(&tokens, "refresh_token").to_owned())
}

#[tokio::test]
async fn a_token_is_rotated_and_an_old_one_ends_the_family() {
    let app = start().await;
    let (_, first) = signed_in(&app).await;
    let second = portal().refresh(&app, &first).await.ok();
    assert!(second["id_token"].is_string() && second["access_token"].is_string());
    let third = portal().refresh(&app, text(&second, "refresh_token")).await.ok();
    assert_eq!(portal().refresh(&app, &first).await.refused(400)["error"], "invalid_grant");
    portal().refresh(&app, text(&third, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn a_lost_answer_is_given_once_more_within_ten_seconds() {
    let app = start().await;
    let (_, first) = signed_in(&app).await;
    let lost = portal().refresh(&app, &first).await.ok();
    app.clock.set(at("2026-05-12T05:00:09Z"));
    let again = portal().refresh(&app, &first).await.ok();
    assert_ne!(lost["refresh_token"], again["refresh_token"]);
    let next = portal().refresh(&app, text(&again, "refresh_token")).await.ok();
    // Whoever comes with the withdrawn one was not the one who lost it.
    portal().refresh(&app, text(&lost, "refresh_token")).await.refused(400);
    portal().refresh(&app, text(&next, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn later_a_repeat_is_theft() {
    let app = start().await;
    let (_, first) = signed_in(&app).await;
    let second = portal().refresh(&app, &first).await.ok();
    app.clock.set(at("2026-05-12T05:00:10Z"));
    portal().refresh(&app, &first).await.refused(400);
    portal().refresh(&app, text(&second, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn of_fifty_at_once_one_family_member_lives() {
    let app = start().await;
    let (_, first) = signed_in(&app).await;
    let (client, app) = (portal(), &app);
    let asked = (0..50).map(|_| client.refresh(app, &first));
    let mut alive = Vec::new();
    for answer in futures::future::join_all(asked).await {
        alive.push(text(&answer.ok(), "refresh_token").to_owned());
    }
    let mut good = 0;
    // The last one given is the one that counts; which it is only the database knows.
    for token in &alive {
        let live: bool = app_refresh_lives(app, token).await;
        good += usize::from(live);
    }
    assert_eq!((alive.len(), good), (50, 1));
}

async fn app_refresh_lives(app: &TestApp, token: &str) -> bool {
    let mut conn = app.platform.databases().control().await.unwrap();
    sqlx::query_scalar(
        "select exists (select from identity.refresh_token t join identity.token_grant g on g.id = t.grant_id
         where t.hash = sha256($1::bytea) and t.consumed_at is null and t.revoked_at is null and g.revoked_at is null)",
    )
    .bind(token.as_bytes())
    .fetch_one(&mut *conn)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_bound_to_client_scope_session_and_time() {
    let app = start().await;
    let (mut browser, first) = signed_in(&app).await;
    let native = App { id: "native", secret: None, redirect_uri: "http://127.0.0.1:5000/cb".into() };
    native.refresh(&app, &first).await.refused(400);
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", &first), ("scope", "openid school.student:read")];
    let second = portal().post(&app, "/oauth/token", &narrow).await.ok();
    assert_eq!(text(&second, "scope"), "openid school.student:read");
    let token = text(&second, "refresh_token");
    let wide = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", "openid offline_access")];
    assert_eq!(portal().post(&app, "/oauth/token", &wide).await.refused(400)["error"], "invalid_scope");
    browser.open("/oauth/logout").await.submit(&[]).await;
    portal().refresh(&app, token).await.refused(400);

    let offline = App { ..portal() };
    let mut browser = Browser::new(&app.address);
    browser.sign_in("owner@uhuru-academy.example", PASSWORD).await;
    let tokens = offline.tokens(&app, &mut browser, &[("scope", "openid offline_access")]).await;
    browser.open("/oauth/logout").await.submit(&[]).await;
    let next = offline.refresh(&app, text(&tokens, "refresh_token")).await.ok();
    app.clock.set(at("2026-05-26T05:00:01Z"));
    offline.refresh(&app, text(&next, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn a_client_gives_back_what_it_was_granted() {
    let app = start().await;
    let (_, first) = signed_in(&app).await;
    let native = App { id: "native", secret: None, redirect_uri: "http://127.0.0.1:5000/cb".into() };
    assert_eq!(native.post(&app, "/oauth/revoke", &[("token", &first)]).await.status, 200);
    let second = portal().refresh(&app, &first).await.ok();
    assert_eq!(portal().post(&app, "/oauth/revoke", &[("token", "unknown")]).await.status, 200);
    assert_eq!(portal().post(&app, "/oauth/revoke", &[("token", text(&second, "refresh_token"))]).await.status, 200);
    portal().refresh(&app, text(&second, "refresh_token")).await.refused(400);
}
