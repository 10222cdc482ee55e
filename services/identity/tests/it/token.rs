//! Codes become tokens: once, for their client, with the right verifier, in time.
use crate::browser::{Browser, query};
use crate::flow::{App, CHALLENGE, VERIFIER, claims, part, portal, start, text, web};
use hitaji_testkit::{PASSWORD, at, send};
use serde_json::json;

#[tokio::test]
async fn a_person_signs_in_and_the_application_gets_tokens() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (client, mut browser) = (web(&app), Browser::new(&app.address));
    browser.open(&client.authorize(&[])).await.follow().await;
    assert!(browser.url.contains("/sign-in?continue=") && browser.status == 200);
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    let back = browser.leads();
    assert!(back.starts_with(&client.redirect_uri));
    assert_eq!(query(&back, "state").as_deref(), Some("st&te"));
    assert_eq!(query(&back, "iss").as_deref(), Some(app.address.as_str()));
    let answer = client.exchange(&app, &query(&back, "code").unwrap(), VERIFIER).await;
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let tokens = answer.ok();
    assert!(tokens.get("refresh_token").is_none(), "the browser gets none");
    let access = claims(&tokens["access_token"]);
    assert_eq!((&access["iss"], &access["aud"]), (&json!(app.address), &json!("hitaji")));
    assert_eq!(access["org_id"], json!(school.id));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 300);
    assert_eq!(part(text(&tokens, "access_token"), 0)["typ"], "at+jwt");
    let id = claims(&tokens["id_token"]);
    assert_eq!((&id["nonce"], &id["aud"], &id["sub"]), (&json!("n1"), &json!("hitaji-web"), &access["sub"]));
    assert_eq!(
        (&id["email"], &id["org_name"], &id["sid"]),
        (&json!(school.owner_email), &json!("Uhuru Academy"), &access["sid"])
    );
    assert_eq!(part(text(&tokens, "id_token"), 0)["alg"], "RS256");
    let me = app.client(text(&tokens, "access_token")).get("/identity/v1/me").await.ok();
    assert_eq!(me["roles"], json!(["owner"]));
    assert_eq!(me["organisation"]["slug"], json!(school.slug));
    let person = app.client(text(&tokens, "access_token")).get("/oauth/userinfo").await.ok();
    assert_eq!((&person["sub"], &person["email"]), (&access["sub"], &json!(school.owner_email)));
}

#[tokio::test]
async fn a_code_that_is_used_twice_ends_what_it_gave() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let code = portal().code(&mut browser, &[]).await;
    let tokens = portal().exchange(&app, &code, VERIFIER).await.ok();
    let replay = portal().exchange(&app, &code, VERIFIER).await.refused(400);
    assert_eq!(replay["error"], "invalid_grant");
    let dead = portal().refresh(&app, text(&tokens, "refresh_token")).await.refused(400);
    assert_eq!(dead["error"], "invalid_grant");
}

#[tokio::test]
async fn a_code_is_good_for_its_client_its_address_its_verifier_and_a_minute() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let code = portal().code(&mut browser, &[]).await;
    for verifier in ["", CHALLENGE, "x", &VERIFIER[1..]] {
        portal().exchange(&app, &code, verifier).await.refused(400);
    }
    web(&app).exchange(&app, &code, VERIFIER).await.refused(400);
    let elsewhere = App { redirect_uri: "https://portal.example/other".into(), ..portal() };
    elsewhere.exchange(&app, &code, VERIFIER).await.refused(400);
    app.clock.set(at("2026-05-12T05:01:00Z"));
    portal().exchange(&app, &code, VERIFIER).await.refused(400);
    app.clock.set(at("2026-05-12T05:00:59Z"));
    portal().exchange(&app, &code, VERIFIER).await.ok();
}

#[tokio::test]
async fn clients_prove_themselves_in_exactly_one_way() {
    let app = start().await;
    let wrong = App { secret: Some("guess"), ..portal() };
    let refused = wrong.exchange(&app, "x", VERIFIER).await;
    assert!(refused.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
    assert_eq!(refused.refused(401)["error"], "invalid_client");
    let none = App { secret: None, ..portal() };
    assert_eq!(none.exchange(&app, "x", VERIFIER).await.refused(401)["error"], "invalid_client");
    let unknown = App { id: "nobody", secret: None, ..portal() };
    unknown.exchange(&app, "x", VERIFIER).await.refused(401);
    let both = portal().post(&app, "/oauth/token", &[("client_secret", "portal-secret")]).await;
    assert_eq!(both.refused(400)["error"], "invalid_request");
    let posted = App { secret: None, ..portal() };
    let form = [("grant_type", "authorization_code"), ("code", "x"), ("client_secret", "portal-secret")];
    assert_eq!(posted.post(&app, "/oauth/token", &form).await.refused(400)["error"], "invalid_grant");
    let grant = portal().post(&app, "/oauth/token", &[("grant_type", "password"), ("username", "a")]).await;
    assert_eq!(grant.refused(400)["error"], "unsupported_grant_type");
    let repeated = portal().post(&app, "/oauth/token", &[("grant_type", "refresh_token"), ("grant_type", "x")]).await;
    assert_eq!(repeated.refused(400)["error"], "invalid_request");
    let json = send(app.http.post(format!("{}/oauth/token", app.address)).json(&json!({}))).await;
    assert_eq!(json.refused(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_token_allows_what_all_sides_allow() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await;
    let reader =
        App { id: "reader", secret: Some("reader-secret"), redirect_uri: "https://reader.example/cb?x=1".into() };
    let code = reader.code(&mut browser, &[("scope", "openid hitaji")]).await;
    assert!(browser.leads().starts_with("https://reader.example/cb?x=1&code="), "{}", browser.leads());
    let tokens = reader.exchange(&app, &code, VERIFIER).await.ok();
    assert_eq!(text(&tokens, "scope"), "openid hitaji school.student:read");
    let narrow = web(&app).tokens(&app, &mut browser, &[("scope", "identity.member:read nonsense")]).await;
    assert_eq!(text(&narrow, "scope"), "identity.member:read");
    assert!(narrow.get("id_token").is_none(), "openid was not asked for");
    let client = app.client(text(&narrow, "access_token"));
    client.get("/identity/v1/members").await.ok();
    client.get("/oauth/userinfo").await.refused(403);
    let refused = client.post("/identity/v1/invitations", &json!({})).await.refused(403);
    assert_eq!(refused["code"], "insufficient_scope");
}

#[tokio::test]
async fn what_is_published_is_what_is_served() {
    let app = start().await;
    let metadata = app.anybody().get("/.well-known/openid-configuration").await;
    assert_eq!(metadata.header("access-control-allow-origin"), Some("*"));
    let metadata = metadata.ok();
    assert_eq!(metadata["issuer"], json!(app.address));
    assert_eq!(metadata["request_uri_parameter_supported"], json!(false));
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(app.anybody().get("/.well-known/oauth-authorization-server").await.ok(), metadata);
    let keys = app.anybody().get("/oauth/jwks").await.ok();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        assert!(key["kid"].is_string() && key["use"] == "sig" && key.get("d").is_none() && key.get("p").is_none());
    }
    let preflight = app.http.request(reqwest::Method::OPTIONS, format!("{}/oauth/token", app.address));
    let preflight = send(preflight.header("origin", "https://spa.example")).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (204, Some("*")));
    let authorize = send(app.http.get(format!("{}/oauth/authorize", app.address))).await;
    assert_eq!(authorize.header("access-control-allow-origin"), None);
}
