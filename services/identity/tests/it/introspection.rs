//! What a token is worth (RFC 7662), told to whom it concerns; and tokens given back (RFC 7009).
use crate::browser::Browser;
use crate::flow::{App, claims, portal, start, text, web};
use crate::programs::{robot, school};
use hitaji_testkit::{PASSWORD, at};
use serde_json::{Value, json};

fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn a_program_learns_of_tokens_of_its_organisation() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let asking = robot(&owner, &["school.staff:read"]).await;
    let stranger = robot(&app.owner(&app.organisation("Nyota School").await).await, &["school.staff:read"]).await;
    let person = app.token(&school.slug, &school.owner_email, "openid school.staff:read").await;
    let answer =
        asking.post(&app, "/oauth/introspect", &[("token", &person), ("token_type_hint", "access_token")]).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let (told, said) = (answer.ok(), claims(&json!(person)));
    for claim in ["iss", "aud", "sub", "client_id", "jti", "iat", "exp", "org_id", "auth_time", "scope"] {
        assert_eq!(told[claim], said[claim], "{claim}");
    }
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(stranger.post(&app, "/oauth/introspect", &[("token", &person)]).await.ok(), inactive());
    let own = asking.token(&app, &[]).await.ok();
    let told = asking.post(&app, "/oauth/introspect", &[("token", text(&own, "access_token"))]).await.ok();
    assert_eq!((&told["sub_type"], &told["client_id"]), (&json!("client"), &json!(asking.id)));
    // Too many permissions for names: they are named here all the same.
    let whole = app.token(&school.slug, &school.owner_email, "").await;
    let told = asking.post(&app, "/oauth/introspect", &[("token", &whole)]).await.ok();
    assert!(text(&told, "scope").contains("school.student:read"));
    for nonsense in ["x", "a.b.c", "hitaji_live_x", &person[..person.len() - 2], &format!("{person}x")] {
        assert_eq!(asking.post(&app, "/oauth/introspect", &[("token", nonsense)]).await.ok(), inactive(), "{nonsense}");
    }
    assert_eq!(asking.post(&app, "/oauth/introspect", &[]).await.refused(400)["error"], "invalid_request");
    app.clock.set(at("2026-05-12T05:05:00Z"));
    assert_eq!(asking.post(&app, "/oauth/introspect", &[("token", &person)]).await.ok(), inactive());
    app.settle().await;
}

#[tokio::test]
async fn whoever_proves_nothing_learns_nothing() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let person = app.token(&school.slug, &school.owner_email, "").await;
    let form = [("token", person.as_str())];
    for nobody in [web(&app), App { secret: Some("guess"), ..portal() }, App { secret: None, ..portal() }] {
        let refused = nobody.post(&app, "/oauth/introspect", &form).await;
        assert!(refused.header("www-authenticate").is_some());
        assert_eq!(refused.refused(401)["error"], "invalid_client");
    }
    // Without an organisation a client learns of what it was given itself.
    assert_eq!(portal().post(&app, "/oauth/introspect", &form).await.ok(), inactive());
}

#[tokio::test]
async fn refresh_tokens_are_active_until_they_are_used_or_given_back() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = portal().tokens(&app, &mut browser, &[]).await;
    let (refresh, access) = (text(&tokens, "refresh_token"), text(&tokens, "access_token"));
    let ask = async |token: &str| portal().post(&app, "/oauth/introspect", &[("token", token)]).await.ok();
    let told = ask(refresh).await;
    assert_eq!((&told["active"], &told["client_id"]), (&json!(true), &json!("portal")));
    assert_eq!(ask(access).await["active"], true);
    let next = portal().refresh(&app, refresh).await.ok();
    assert_eq!(ask(refresh).await, inactive(), "it was used");
    let stranger = App { id: "reader", secret: Some("reader-secret"), ..portal() };
    let asked = stranger.post(&app, "/oauth/introspect", &[("token", text(&next, "refresh_token"))]).await.ok();
    assert_eq!(asked, inactive());
    portal().post(&app, "/oauth/revoke", &[("token", text(&next, "refresh_token"))]).await;
    assert_eq!(ask(text(&next, "refresh_token")).await, inactive());
    let tokens = portal().tokens(&app, &mut browser, &[]).await;
    browser.open("/oauth/logout").await.submit(&[]).await;
    assert_eq!(ask(text(&tokens, "refresh_token")).await, inactive(), "signed out");
    app.settle().await;
}

#[tokio::test]
async fn an_access_token_is_given_back_by_its_client_alone() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let tokens = portal().tokens(&app, &mut browser, &[]).await;
    let access = text(&tokens, "access_token");
    let person = app.client(access);
    let reader = App { id: "reader", secret: Some("reader-secret"), ..portal() };
    assert_eq!(reader.post(&app, "/oauth/revoke", &[("token", access)]).await.status, 200);
    person.get("/identity/v1/me").await.ok();
    assert_eq!(portal().post(&app, "/oauth/revoke", &[("token", access)]).await.status, 200);
    person.get("/identity/v1/me").await.refused(401);
    assert_eq!(portal().post(&app, "/oauth/introspect", &[("token", access)]).await.ok(), inactive());
    for unknown in ["x", "a.b.c", "hitaji_live_x", access] {
        assert_eq!(portal().post(&app, "/oauth/revoke", &[("token", unknown)]).await.status, 200, "{unknown}");
    }
    // The grant goes on: another token is a refresh away.
    let next = portal().refresh(&app, text(&tokens, "refresh_token")).await.ok();
    app.client(text(&next, "access_token")).get("/identity/v1/me").await.ok();
    app.settle().await;
}
