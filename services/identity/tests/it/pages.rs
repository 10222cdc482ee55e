//! The pages themselves: sign-up by form, protection of forms, language, headers.
use crate::browser::Browser;
use crate::flow::{portal, start, web};
use hitaji_testkit::PASSWORD;
use std::time::Instant;

const OWNER: &[(&str, &str)] =
    &[("organisation", "Shule ya Uhuru"), ("name", "Amina Otieno"), ("email", "amina@uhuru.example")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    OWNER.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn somebody_signs_up_and_is_signed_in() {
    let app = start().await;
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-up").await;
    let place = [("country", "KE"), ("currency", ""), ("time_zone", ""), ("products", "school"), ("password", "short")];
    browser.submit(&with(&place)).await;
    assert_eq!(browser.status, 422);
    assert!(
        browser.html.contains("value=\"Shule ya Uhuru\"") && browser.html.contains("value=\"amina@uhuru.example\"")
    );
    assert!(!browser.html.contains("value=\"short\""), "a password is never written back");
    let place =
        [("country", "UG"), ("currency", ""), ("time_zone", ""), ("products", "school"), ("password", PASSWORD)];
    let started = Instant::now();
    browser.submit(&with(&place)).await;
    println!("sign-up took {:?}", started.elapsed());
    assert_eq!(browser.leads(), "/");
    let cookie = browser.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let cookie = cookie.into_iter().find(|cookie| cookie.starts_with("hitaji_session=")).unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    app.settle().await;
    let tokens = web(&app).tokens(&app, &mut browser, &[("prompt", "none")]).await;
    let me = app.client(tokens["access_token"].as_str().unwrap()).get("/identity/v1/me").await.ok();
    assert_eq!(me["organisation"]["currency"], "UGX", "what is usual in the country");
    assert_eq!(me["organisation"]["time_zone"], "Africa/Kampala");
}

#[tokio::test]
async fn a_form_of_another_browser_is_refused() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut victim, mut attacker) = (Browser::new(&app.address), Browser::new(&app.address));
    attacker.open("/sign-in").await;
    let token =
        attacker.html.split("name=\"form_token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let fields = |token: &str| {
        [("form_token", token), ("email", school.owner_email.as_str()), ("password", PASSWORD)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
    };
    victim.open("/sign-in").await;
    for token in [token.as_str(), "", "x"] {
        victim.post("/sign-in", &fields(token)).await;
        assert_eq!(victim.status, 403, "{token}");
    }
    attacker.post("/sign-in", &fields(&token)).await;
    assert_eq!(attacker.status, 303, "its own is good");
    for page in ["/sign-up", "/forgot-password", "/sign-in/organisation", "/invitations/x", "/reset-password/x"] {
        victim.post(page, &[]).await;
        assert_eq!(victim.status, 403, "{page}");
    }
}

#[tokio::test]
async fn every_page_is_protected_and_speaks_both_languages() {
    let app = start().await;
    let mut browser = Browser::new(&app.address);
    for page in [
        "/sign-in",
        "/sign-up",
        "/forgot-password",
        "/invitations/x",
        "/reset-password/x",
        "/oauth/logout",
        "/oauth/authorize",
    ] {
        browser.open(page).await;
        let header = |name: &str| browser.headers[name].to_str().unwrap();
        assert!(
            header("content-security-policy")
                .contains("default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self';")
        );
        assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
        assert_eq!(
            (header("x-frame-options"), header("referrer-policy"), header("cache-control")),
            ("DENY", "no-referrer", "no-store")
        );
        let ours = "<script src=\"&#x2f;assets-id&#x2f;";
        assert_eq!(
            browser.html.matches("<script").count(),
            browser.html.matches(ours).count(),
            "{page}: only our script"
        );
        let allowed = header("content-security-policy").contains("script-src 'self'");
        assert_eq!(allowed, page == "/sign-in", "{page}: only where it is needed");
        for forbidden in [" style=\"", "onclick", "http://", "https://"] {
            let html = browser.html.replace("http://www.w3.org/2000/svg", "");
            assert!(!html.contains(forbidden), "{page} has {forbidden}");
        }
    }
    browser.open("/sign-in?lang=sw").await;
    assert!(browser.html.contains("<html lang=\"sw\">") && browser.html.contains("Karibu tena"));
    browser.open("/sign-up").await;
    assert!(browser.html.contains("Anza na taasisi yako"), "the choice is kept");
    let mut other = Browser::new(&app.address);
    other.open(&portal().authorize(&[("ui_locales", "sw")])).await.follow().await;
    assert!(other.html.contains("Karibu tena"), "the client says which");
    let policy = other.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://portal.example;"), "the form ends at the client: {policy}");
    let path = other
        .html
        .replace("&#x2f;", "/")
        .split("href=\"/assets-id/")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    other.open(&format!("/assets-id/{path}")).await;
    assert!(other.headers["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(other.open("/assets-id/other.css").await.status, 404);
}
