//! The checklist of RFC 9700 (best current practice for OAuth 2.0 security), a test for each line.
use crate::browser::{Browser, query};
use crate::flow::{App, CHALLENGE, VERIFIER, claims, portal, start_with, text, web};
use crate::front::{Mode, NO_PKCE, PLAIN_PKCE, World, metadata, partner, register, start, tv};
use hitaji_testkit::{PASSWORD, send};
use serde_json::json;

/// No page, no redirect: people see why.
fn stopped(browser: &Browser) -> bool {
    browser.status == 400 && browser.location().is_none()
}

#[tokio::test]
async fn redirect_uri_is_compared_by_exact_string_but_for_the_port_of_loopback() {
    let mut world = World::new().await;
    for uri in [
        "https://portal.example/cb/",
        "https://portal.example/cb?x",
        "https://portal.example:443/cb",
        "https://PORTAL.example/cb",
        "https://portal.example/cb/../cb",
        "https://portal.example%2fcb",
        "https://portal.example.evil.example/cb",
    ] {
        world.browser.open(&portal().authorize(&[("redirect_uri", uri)])).await;
        assert!(stopped(&world.browser), "{uri}");
    }
    let native = |uri: &str| App { id: "native", secret: None, redirect_uri: uri.into() };
    native("http://127.0.0.1:49999/cb").code(&mut world.browser, &[]).await;
    world.browser.open(&native("http://127.0.0.1:49999/other").authorize(&[])).await;
    assert!(stopped(&world.browser));
}

#[tokio::test]
async fn http_redirect_uris_are_refused_except_loopback() {
    let app = start().await;
    for (uri, status) in [
        ("http://helper.example/cb", 400),
        ("http://localhost.evil.example/cb", 400),
        ("http://127.0.0.1/cb", 201),
        ("http://[::1]/cb", 201),
        ("https://helper.example/cb", 201),
    ] {
        assert_eq!(register(&app, &metadata(&json!({"redirect_uris": [uri]}))).await.status, status, "{uri}");
    }
}

#[tokio::test]
async fn nothing_redirects_to_where_anybody_wishes() {
    let mut world = World::new().await;
    let evil = "https%3A%2F%2Fevil.example%2F";
    for address in [
        format!("/oauth/authorize?client_id=nobody&redirect_uri={evil}"),
        format!("/oauth/authorize?client_id=portal&redirect_uri={evil}&response_type=token"),
        format!("/oauth/logout?post_logout_redirect_uri={evil}"),
        format!("/sign-in?continue={evil}"),
        format!("/sign-in/organisation?continue={evil}"),
        format!("/consent?continue={evil}"),
        format!("/consent?continue=%2Foauth%2Fauthorize%3Fclient_id%3Dportal%26redirect_uri%3D{evil}"),
        format!("/device?user_code={evil}"),
    ] {
        world.browser.open(&address).await;
        assert!(!world.browser.location().is_some_and(|to| to.contains("evil.example")), "{address}");
    }
}

#[tokio::test]
async fn pkce_is_required_of_every_client_and_the_verifier_enforced() {
    let mut world = World::new().await;
    for client in [web(&world.app), portal()] {
        Mode::Query.refused(&mut world, &client, &NO_PKCE, "invalid_request").await;
        let code = client.code(&mut world.browser, &[]).await;
        for verifier in ["", CHALLENGE, &VERIFIER[1..]] {
            client.exchange(&world.app, &code, verifier).await.refused(400);
        }
        client.exchange(&world.app, &code, VERIFIER).await.ok();
    }
}

/// There is no code without a challenge, whatever way the request came, so that no verifier can be sent for nothing.
#[tokio::test]
async fn pkce_cannot_be_downgraded() {
    let mut world = World::new().await;
    for more in [NO_PKCE, [("code_challenge", ""), ("code_challenge_method", "S256")]] {
        Mode::Query.refused(&mut world, &portal(), &more, "invalid_request").await;
    }
    Mode::Query.refused(&mut world, &portal(), &[("code_challenge_method", "")], "invalid_request").await;
}

#[tokio::test]
async fn s256_is_the_only_method_and_is_advertised() {
    let mut world = World::new().await;
    let said = world.app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert_eq!(said["code_challenge_methods_supported"], json!(["S256"]));
    Mode::Query.refused(&mut world, &portal(), &PLAIN_PKCE, "invalid_request").await;
}

#[tokio::test]
async fn every_authorization_response_names_the_issuer() {
    let mut world = World::new().await;
    for mode in [Mode::Query, Mode::FormPost] {
        mode.code(&mut world.browser, &portal(), &[]).await;
        assert_eq!(mode.answered(&world.browser, &portal(), "iss"), Some(world.app.address.clone()));
        mode.refused(&mut world, &portal(), &[("scope", "")], "invalid_scope").await;
    }
}

#[tokio::test]
async fn no_token_stands_in_an_authorization_response() {
    let mut world = World::new().await;
    for kind in ["token", "id_token", "id_token token", "code token", "code id_token", "code id_token token", "none"] {
        Mode::Query.refused(&mut world, &portal(), &[("response_type", kind)], "unsupported_response_type").await;
        assert!(!world.browser.leads().contains("access_token") && !world.browser.leads().contains('#'));
    }
}

#[tokio::test]
async fn posted_credentials_are_answered_by_303() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.app.address);
    browser.open(&portal().authorize(&[])).await.follow().await;
    browser.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await;
    assert_eq!(browser.status, 303);
    browser.follow().await;
    assert_eq!(browser.status, 303);
}

#[tokio::test]
async fn the_authorization_endpoint_and_the_pages_are_not_for_scripts_of_other_origins() {
    let app = start().await;
    for path in ["/oauth/authorize", "/sign-in", "/consent", "/device"] {
        for method in [reqwest::Method::GET, reqwest::Method::OPTIONS] {
            let asked = app.http.request(method.clone(), format!("{}{path}", app.address));
            let said = send(asked.header("origin", "https://spa.example")).await;
            assert_eq!(said.header("access-control-allow-origin"), None, "{method} {path}");
        }
    }
}

/// Opens every kind of page: sign-in, consent, device, errors, the form that goes back.
async fn pages(world: &mut World) -> Vec<(String, String, String, String, String)> {
    let consent = partner().authorize(&[]);
    world.browser.open(&consent).await;
    let consent = world.browser.leads();
    let form = Mode::FormPost.address(&portal(), &[]);
    let mut seen = Vec::new();
    for address in ["/sign-in", &consent, "/device", "/oauth/authorize", &form, "/sign-up", "/oauth/logout"] {
        world.browser.open(address).await;
        let header = |name: &str| world.browser.headers[name].to_str().unwrap().to_owned();
        let (policy, frame) = (header("content-security-policy"), header("x-frame-options"));
        seen.push((address.to_owned(), policy, frame, header("referrer-policy"), world.browser.html.clone()));
    }
    seen
}

#[tokio::test]
async fn no_page_can_be_framed() {
    let mut world = World::new().await;
    for (page, policy, frame, ..) in pages(&mut world).await {
        assert!(policy.contains("frame-ancestors 'none'") && frame == "DENY", "{page}: {policy}");
    }
}

#[tokio::test]
async fn pages_send_no_referrer_and_load_nothing_from_others() {
    let mut world = World::new().await;
    for (page, policy, _, referrer, html) in pages(&mut world).await {
        assert_eq!(referrer, "no-referrer", "{page}");
        assert!(policy.starts_with("default-src 'none'"), "{page}: {policy}");
        for part in policy.split(';').filter(|part| part.contains("-src")) {
            assert!(!part.contains("http") && !part.contains('*') && !part.contains("unsafe"), "{page}: {part}");
        }
        for outside in ["src=\"http", "href=\"http", "src=\"//", "@import"] {
            assert!(!html.contains(outside), "{page} has {outside}");
        }
    }
}

#[tokio::test]
async fn answers_by_message_between_windows_are_not_offered() {
    let mut world = World::new().await;
    let said = world.app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert_eq!(said["response_modes_supported"], json!(["query", "form_post"]));
    for mode in ["web_message", "fragment", "query.jwt"] {
        Mode::Query.refused(&mut world, &portal(), &[("response_mode", mode)], "invalid_request").await;
    }
}

#[tokio::test]
async fn a_code_is_used_once_and_a_second_use_revokes_what_it_gave() {
    let mut world = World::new().await;
    let code = portal().code(&mut world.browser, &[]).await;
    let tokens = portal().exchange(&world.app, &code, VERIFIER).await.ok();
    portal().exchange(&world.app, &code, VERIFIER).await.refused(400);
    portal().refresh(&world.app, text(&tokens, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn passwords_are_never_a_grant() {
    let world = World::new().await;
    let form = [("grant_type", "password"), ("username", world.school.owner_email.as_str()), ("password", PASSWORD)];
    let refused = portal().post(&world.app, "/oauth/token", &form).await.refused(400);
    assert_eq!(refused["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn refresh_tokens_are_bound_rotated_and_end_when_idle() {
    let mut world = World::new().await;
    let tokens = portal().tokens(&world.app, &mut world.browser, &[]).await;
    let first = text(&tokens, "refresh_token");
    let native = App { id: "native", secret: None, redirect_uri: String::new() };
    native.refresh(&world.app, first).await.refused(400);
    let wide = [("grant_type", "refresh_token"), ("refresh_token", first), ("scope", "openid phone")];
    portal().post(&world.app, "/oauth/token", &wide).await.refused(400);
    let second = portal().refresh(&world.app, first).await.ok();
    assert_ne!(second["refresh_token"], tokens["refresh_token"]);
    world.later(14 * 86_400 + 1);
    portal().refresh(&world.app, text(&second, "refresh_token")).await.refused(400);
}

#[tokio::test]
async fn access_tokens_are_narrow_and_services_check_audience_and_scope() {
    let mut world = World::new().await;
    let more = [("scope", "openid school.student:read")];
    let tokens = portal().tokens(&world.app, &mut world.browser, &more).await;
    let access = claims(&tokens["access_token"]);
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 300);
    assert!(access["aud"].is_string());
    let narrow = world.app.client(text(&tokens, "access_token"));
    narrow.get("/school/v1/students").await.ok();
    assert_eq!(narrow.get("/identity/v1/members").await.refused(403)["code"], "insufficient_scope");
    // An ID token is for its client: another audience, another type.
    world.app.client(text(&tokens, "id_token")).get("/school/v1/students").await.refused(401);
}

#[tokio::test]
async fn a_token_in_an_address_is_not_looked_at() {
    let mut world = World::new().await;
    let tokens = portal().tokens(&world.app, &mut world.browser, &[]).await;
    for path in ["/oauth/userinfo", "/identity/v1/me"] {
        let asked = world.app.anybody().get(&format!("{path}?access_token={}", text(&tokens, "access_token"))).await;
        assert!([400, 401].contains(&asked.status), "{path}: {}", asked.status);
    }
}

#[tokio::test]
async fn metadata_of_the_server_is_published() {
    let app = start().await;
    let said = app.anybody().get("/.well-known/oauth-authorization-server").await.ok();
    for name in
        ["issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "pushed_authorization_request_endpoint"]
    {
        assert!(said[name].is_string(), "{name}");
    }
}

#[tokio::test]
async fn clients_cannot_choose_an_id_that_is_somebodys() {
    let world = World::new().await;
    let owner = world.app.token(&world.school.slug, &world.school.owner_email, "").await;
    let subject = claims(&json!(owner))["sub"].clone();
    let said = metadata(&json!({"client_id": subject, "sub": subject, "client_name": subject}));
    let made = register(&world.app, &said).await.ok();
    assert!(text(&made, "client_id").starts_with("dyn_") && made["client_id"] != subject);
    // Services can tell people from programs: only programs are marked.
    assert_ne!(claims(&json!(owner)).get("sub_type"), Some(&json!("client")));
}

#[tokio::test]
async fn forwarding_headers_of_strangers_are_not_believed() {
    let app = start_with(|settings| {
        settings.insert("attempts_per_address_per_minute".into(), 2.into());
    })
    .await;
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in").await;
    let token = crate::browser::attribute(browser.html.split("name=\"form_token\"").nth(1).unwrap(), "value").unwrap();
    let cookie = browser.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let mut statuses = Vec::new();
    for last in 1..4 {
        let form = [("form_token", token.as_str()), ("email", "a@b.example"), ("password", "a wild guess")];
        let asked = app.http.post(format!("{}/sign-in", app.address)).header("cookie", &cookie).form(&form);
        let asked = asked.header("x-forwarded-for", format!("192.0.2.{last}")).header("forwarded", "for=192.0.2.9");
        statuses.push(send(asked).await.status);
    }
    assert_eq!(statuses, [422, 422, 429], "one address, whatever it says it is");
}

#[tokio::test]
async fn every_form_is_bound_to_its_browser_and_a_sign_in_changes_the_session() {
    let mut world = World::new().await;
    let mut stranger = Browser::new(&world.app.address);
    for page in ["/sign-in", "/sign-in/organisation", "/consent", "/device", "/device/decision", "/sign-up"] {
        stranger.post(page, &[("form_token".into(), "x".into())]).await;
        assert_eq!(stranger.status, 403, "{page}");
    }
    let sid = async |world: &mut World| {
        let tokens = portal().tokens(&world.app, &mut world.browser, &[]).await;
        claims(&tokens["access_token"])["sid"].clone()
    };
    let before = sid(&mut world).await;
    world.browser.open("/sign-in?continue=%2Foauth%2Fauthorize%3Fx").await;
    world.browser.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await;
    assert_ne!(sid(&mut world).await, before);
}

#[tokio::test]
async fn sign_in_and_reset_tell_nothing_of_accounts() {
    let world = World::new().await;
    for (page, field) in [("/sign-in", ("password", "a wild guess")), ("/forgot-password", ("x", ""))] {
        let mut seen = Vec::new();
        for email in [world.school.owner_email.as_str(), "nobody@uhuru-academy.example"] {
            let mut browser = Browser::new(&world.app.address);
            browser.open(page).await.submit(&[("email", email), field]).await;
            seen.push((browser.status, browser.bare().replace(email, "")));
        }
        assert_eq!(seen[0], seen[1], "{page}");
    }
}

#[tokio::test]
async fn guesses_are_limited_by_account() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.app.address);
    for _ in 0..5 {
        let guess = [("email", world.school.owner_email.as_str()), ("password", "a wild guess")];
        browser.open("/sign-in").await.submit(&guess).await;
    }
    browser.open("/sign-in").await.submit(&[("email", &world.school.owner_email), ("password", PASSWORD)]).await;
    assert_eq!(browser.status, 429);
}

#[tokio::test]
async fn a_reset_link_is_good_for_half_an_hour_and_once() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.app.address);
    browser.open("/forgot-password").await.submit(&[("email", &world.school.owner_email)]).await;
    world.app.settle().await;
    let link = world.app.mailed_link(&world.school.owner_email).await;
    world.later(1801);
    assert_eq!(browser.open(&link).await.status, 410);
}

#[tokio::test]
async fn a_device_code_is_hard_to_guess_and_the_page_says_who_asks() {
    let mut world = World::new().await;
    let begun = tv().post(&world.app, "/oauth/device_authorization", &[("scope", "openid")]).await.ok();
    let code = text(&begun, "user_code");
    assert_eq!(code.len(), 9);
    assert!(code.bytes().filter(|byte| *byte != b'-').all(|byte| b"BCDFGHJKLMNPQRSTVWXZ".contains(&byte)), "{code}");
    world.browser.open("/device").await.submit(&[("user_code", code)]).await;
    assert!(world.browser.html.contains("Class screen") && world.browser.html.contains("Uhuru Academy"));
}

#[tokio::test]
async fn every_authentication_event_is_audited_and_nothing_can_be_taken_out() {
    let mut world = World::new().await;
    world.browser.open(&partner().authorize(&[])).await.follow().await;
    world.browser.submit(&[]).await.follow().await;
    assert!(query(&world.browser.leads(), "code").is_some());
    let mut stranger = Browser::new(&world.app.address);
    stranger.sign_in(&world.school.owner_email, "a wild guess").await;
    let mut conn = world.app.platform.databases().control().await.unwrap();
    for action in ["sign_in", "sign_in_refused", "open", "allow", "authorize"] {
        let count: i64 =
            sqlx::query_scalar("select count(*) from hitaji.audit where service = 'identity' and action = $1")
                .bind(action)
                .fetch_one(&mut *conn)
                .await
                .unwrap();
        assert!(count > 0, "{action}");
    }
}

#[tokio::test]
async fn the_consent_page_shows_client_publisher_organisation_and_scopes() {
    let mut world = World::new().await;
    world.browser.open(&partner().authorize(&[("scope", "openid school.student:read")])).await.follow().await;
    for said in
        ["Partner App", "people who run this platform", "partner.example", "Uhuru Academy", "Know that it is you"]
    {
        assert!(world.browser.html.contains(said), "{said}");
    }
}
