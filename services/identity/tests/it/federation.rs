//! Signing in with other OpenID providers: who gets in, who is connected, and who is not.
use crate::browser::Browser;
use crate::flow::{claims, start_with, web};
use hitaji_core::Clock;
use hitaji_testkit::{CLIENT_ID, CLIENT_SECRET, Client, OpenidProvider, Organisation, PASSWORD, TestApp, at};
use serde_json::{Value, json};

const AMINA: &str = "amina@uhuru.example";

/// A platform with a provider for everybody, called Upendo.
pub async fn platform() -> (TestApp, OpenidProvider) {
    let provider = OpenidProvider::start(at("2026-05-12T05:00:00Z")).await;
    let configured = format!(
        r#"providers = [{{ id = "upendo", kind = "oidc", label = "Upendo", issuer = "{}", client_id = "{CLIENT_ID}",
           client_secret = "{CLIENT_SECRET}", trust_mfa = true }}]"#,
        provider.issuer
    );
    let configured: toml::Table = configured.parse().unwrap();
    let app = start_with(|settings| settings.extend(configured)).await;
    (app, provider)
}

/// From our button to the provider and back to our answer.
pub async fn come_by(browser: &mut Browser, key: &str, target: &str) {
    let query = format!("/sign-in/with/{key}?continue={}", target.replace('&', "%26").replace('?', "%3F"));
    browser.open(&query).await;
    browser.follow().await;
    browser.follow().await;
}

/// Says that somebody's address was proven, as a mail would.
async fn prove_address(app: &TestApp, email: &str) {
    let mut conn = app.platform.databases().control().await.unwrap();
    let sql = format!("update identity.account set email_verified_at = created_at where email = '{email}'");
    sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut *conn).await.unwrap();
}

async fn begin() -> (TestApp, OpenidProvider, Organisation, Client) {
    let (app, provider) = platform().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    (app, provider, school, owner)
}

async fn connected(app: &TestApp, browser: &mut Browser) {
    come_by(browser, "upendo", "/").await;
    let page = browser.leads();
    assert!(page.starts_with("/sign-in/connect/"), "{page}");
    browser.open(&page).await;
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/", "{}", browser.html);
    app.settle().await;
}

#[tokio::test]
async fn an_account_is_connected_once_by_its_password_and_then_opens_without() {
    let (app, provider, school, _) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in").await;
    assert!(browser.html.contains("Continue with Upendo"), "{}", browser.html);
    come_by(&mut browser, "upendo", "/").await;
    let page = browser.leads();
    browser.open(&page).await;
    assert!(browser.html.contains(AMINA) && browser.html.contains("Upendo"));
    browser.submit(&[("password", "not the password")]).await;
    assert_eq!(browser.status, 422, "no link without the password");
    assert!(app.control_rows("select id from identity.external_identity").await.is_empty());
    assert_eq!(Browser::new(&app.address).open(&page).await.status, 410, "the page is this browser's");
    browser.submit(&[("password", PASSWORD)]).await;
    assert_eq!(browser.leads(), "/");
    assert_eq!(browser.open(&page).await.status, 410, "the page is used up");
    let asked = provider.asked();
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["redirect_uri"], format!("{}/sign-in/callback/upendo", app.address));

    let mut again = Browser::new(&app.address);
    come_by(&mut again, "upendo", "/").await;
    assert_eq!(again.leads(), "/", "no password any more");
    let token = claims(&web(&app).tokens(&app, &mut again, &[]).await["access_token"]);
    assert_eq!((&token["amr"], &token["acr"]), (&json!(["fed"]), &json!("urn:hitaji:acr:single")));
    let rows = app.control_rows("select subject, email from identity.external_identity").await;
    assert_eq!(rows, [json!({"subject": "amina", "email": AMINA})]);
    assert!(app.control_rows("select id from identity.federation_attempt").await.is_empty(), "nothing is left over");
    app.settle().await;
}

#[tokio::test]
async fn whoever_is_signed_in_only_confirms_and_two_factors_are_believed_where_trusted() {
    let (app, provider, school, _) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    let mut browser = Browser::new(&app.address);
    browser.sign_in(AMINA, PASSWORD).await;
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(provider.asked()["prompt"], "login", "who is signed in proves it anew");
    let page = browser.leads();
    browser.open(&page).await;
    assert!(!browser.html.contains("name=\"password\""));
    browser.submit(&[]).await;
    assert_eq!(browser.leads(), "/");
    provider.script(|script| script.claims = json!({"amr": ["pwd", "mfa"]}));
    let mut again = Browser::new(&app.address);
    come_by(&mut again, "upendo", "/").await;
    let token = claims(&web(&app).tokens(&app, &mut again, &[]).await["access_token"]);
    assert_eq!((&token["amr"], &token["acr"]), (&json!(["fed", "mfa"]), &json!("urn:hitaji:acr:two")));
    app.settle().await;
}

#[tokio::test]
async fn an_address_that_is_not_proven_connects_nothing() {
    let (app, provider, school, _) = begin().await;
    for not in [json!(false), Value::Null, json!("false")] {
        provider.script(|script| script.claims = json!({"email": school.owner_email, "email_verified": not}));
        let mut browser = Browser::new(&app.address);
        come_by(&mut browser, "upendo", "/").await;
        assert_eq!(browser.status, 403);
        assert!(browser.html.contains("not confirmed there"), "{}", browser.html);
    }
    // Proven there, but never here: somebody else may have signed up with it.
    provider.script(|script| script.claims = json!({"email": school.owner_email}));
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 403);
    assert!(browser.html.contains("Confirm your e-mail address first"));
    prove_address(&app, &school.owner_email).await;
    connected(&app, &mut Browser::new(&app.address)).await;
}

#[tokio::test]
async fn another_subject_with_the_same_address_is_another_person() {
    let (app, provider, school, _) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    connected(&app, &mut Browser::new(&app.address)).await;
    provider.script(|script| script.claims = json!({"sub": "impostor"}));
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 403);
    assert!(browser.html.contains("connected with somebody else"), "{}", browser.html);
    // The address may change as long as the subject stays.
    provider.script(|script| script.claims = json!({"email": "amina.new@else.example"}));
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
}

#[tokio::test]
async fn tokens_that_are_not_for_us_open_nothing() {
    let (app, provider, school, _) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    connected(&app, &mut Browser::new(&app.address)).await;
    let now = at("2026-05-12T05:00:00Z").timestamp();
    let bad = [
        (json!({"nonce": "another"}), "ES256"),
        (json!({"nonce": null}), "ES256"),
        (json!({"aud": "somebody-else"}), "ES256"),
        (json!({"aud": [CLIENT_ID, "somebody-else"]}), "ES256"),
        (json!({"azp": "somebody-else"}), "ES256"),
        (json!({"iss": "http://localhost:1"}), "ES256"),
        (json!({"exp": now - 120}), "ES256"),
        (json!({"exp": "2099"}), "ES256"),
        (json!({"iat": now + 3600}), "ES256"),
        (json!({}), "none"),
        (json!({}), "HS256"),
        (json!({}), "other"),
    ];
    for (change, algorithm) in bad {
        provider.script(|script| (script.claims, script.algorithm) = (change.clone(), algorithm));
        let mut browser = Browser::new(&app.address);
        come_by(&mut browser, "upendo", "/").await;
        assert_eq!(browser.status, 400, "{change} {algorithm}");
        assert!(browser.html.contains("could not be accepted"), "{change} {algorithm}");
        assert!(!browser.headers.contains_key("set-cookie"), "{change} {algorithm}");
    }
    let refused = app
        .control_rows(
            "select after->>'reason' as reason from hitaji.audit where action = 'sign_in_refused' order by position",
        )
        .await;
    let reasons: Vec<_> = refused.iter().map(|row| row["reason"].as_str().unwrap_or_default()).collect();
    let expected =
        ["nonce", "nonce", "aud", "azp", "azp", "iss", "exp", "signature", "iat", "header", "alg", "signature"];
    assert_eq!(reasons, expected);
}

#[tokio::test]
async fn an_answer_counts_once_in_its_browser_from_its_provider_and_in_time() {
    let (app, provider, school, owner) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    connected(&app, &mut Browser::new(&app.address)).await;
    let before = provider.exchanges();
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in/with/upendo").await;
    browser.follow().await;
    let answer = browser.leads();
    let mut thief = Browser::new(&app.address);
    thief.open("/sign-in").await;
    assert_eq!(thief.open(&answer).await.status, 400, "the state of another browser");
    // Mix-up: what one provider answered is brought to the address of another.
    let second = OpenidProvider::start(at("2026-05-12T05:00:00Z")).await;
    let body = json!({"kind": "oidc", "label": "Second", "issuer": second.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let made = owner.post("/identity/v1/providers", &body).await.ok();
    let key = made["id"].as_str().unwrap();
    let swapped = answer.replace("/callback/upendo", &format!("/callback/{key}"));
    assert_eq!(browser.open(&swapped).await.status, 400, "the address of another provider");
    assert_eq!(browser.open(&answer).await.leads(), "/");
    assert_eq!(browser.open(&answer).await.status, 400, "a callback is taken once");
    assert_eq!(provider.exchanges(), before + 1);
    for iss in [Some(second.issuer.clone()), None] {
        provider.script(|script| script.iss = iss.clone());
        come_by(&mut browser, "upendo", "/").await;
        assert_eq!(browser.status, 400, "{iss:?}");
    }
    assert_eq!((provider.exchanges(), second.exchanges()), (before + 1, 0), "no code went to the wrong one");
    let issuer = provider.issuer.clone();
    provider.script(|script| script.iss = Some(issuer));
    browser.open("/sign-in/with/upendo").await;
    browser.follow().await;
    app.clock.set(at("2026-05-12T05:10:01Z"));
    let late = browser.leads();
    assert_eq!(browser.open(&late).await.status, 400, "ten minutes");
    app.settle().await;
}

#[tokio::test]
async fn what_goes_wrong_at_the_provider_is_said_clearly() {
    let (app, provider, _, _) = begin().await;
    let mut browser = Browser::new(&app.address);
    provider.script(|script| script.error = Some("access_denied"));
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 403);
    assert!(browser.html.contains("You were not signed in"));
    assert_eq!(browser.open("/sign-in/with/nobody").await.status, 404);
    assert_eq!(browser.open("/sign-in/with/00000000-0000-0000-0000-000000000000").await.status, 404);
    provider.script(|script| script.error = None);
    browser.open("/sign-in/with/upendo").await;
    browser.follow().await;
    provider.stop();
    browser.follow().await;
    assert_eq!(browser.status, 502);
    assert!(browser.html.contains("does not answer"), "{}", browser.html);
    let gone = OpenidProvider::start(at("2026-05-12T05:00:00Z")).await;
    gone.stop();
}

#[tokio::test]
async fn strangers_need_an_invitation() {
    let (app, _provider, school, owner) = begin().await;
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 403);
    assert!(browser.html.contains("invitation to this e-mail address"));
    assert!(app.control_rows("select id from identity.account where email like 'amina%'").await.is_empty());
    let body = json!({"email": AMINA, "name": "Amina", "roles": ["teacher"]});
    owner.post("/identity/v1/invitations", &body).await.ok();
    come_by(&mut browser, "upendo", "/").await;
    let page = browser.leads();
    assert!(page.starts_with("/invitations/"), "{page}");
    browser.open(&page).await;
    assert!(!browser.html.contains("name=\"password\"") && browser.html.contains("Uhuru Academy"));
    browser.submit(&[]).await;
    assert_eq!(browser.leads(), "/");
    app.settle().await;
    let tokens = web(&app).tokens(&app, &mut browser, &[]).await;
    assert_eq!(claims(&tokens["access_token"])["amr"], json!(["fed"]), "accepting does not turn it into a password");
    let me = app.client(tokens["access_token"].as_str().unwrap());
    assert_eq!(me.get("/identity/v1/me").await.ok()["account"]["name"], "Amina Otieno");
    // The only way to sign in stays until there is another.
    let mine = me.get("/identity/v1/me/identities").await.ok();
    assert_eq!((&mine["data"][0]["label"], &mine["data"][0]["email"]), (&json!("Upendo"), &json!(AMINA)));
    let path = format!("/identity/v1/me/identities/{}", mine["data"][0]["id"].as_str().unwrap());
    assert_eq!(me.delete(&path).await.refused(409)["code"], "conflict");
    assert_eq!(app.owner(&school).await.delete(&path).await.status, 404, "nobody else's");
}

#[tokio::test]
async fn a_connection_can_be_taken_back() {
    let (app, _provider, school, _) = begin().await;
    let me = app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    connected(&app, &mut Browser::new(&app.address)).await;
    let mine = me.get("/identity/v1/me/identities").await.ok();
    let path = format!("/identity/v1/me/identities/{}", mine["data"][0]["id"].as_str().unwrap());
    assert_eq!(me.delete(&path).await.status, 204);
    assert_eq!(me.delete(&path).await.status, 404);
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert!(browser.leads().starts_with("/sign-in/connect/"), "the password is asked for again");
}

#[tokio::test]
async fn organisations_keep_their_own_providers() {
    let (app, provider, school, owner) = begin().await;
    let body = json!({"kind": "oidc", "label": "Uhuru SSO", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let made = owner.post("/identity/v1/providers", &body).await;
    assert!(made.header("location").is_some());
    let made = made.ok();
    assert!(!made.to_string().contains("provider secret") && made["has_secret"] == json!(true));
    let path = format!("/identity/v1/providers/{}", made["id"].as_str().unwrap());
    assert_eq!(made["redirect_uri"], format!("{}/sign-in/callback/{}", app.address, made["id"].as_str().unwrap()));
    let sealed = app.control_rows("select encode(client_secret, 'escape') as text from identity.provider").await;
    assert!(!sealed[0].to_string().contains("provider secret"), "at rest it is sealed");
    assert_eq!(owner.post("/identity/v1/providers", &body).await.refused(422)["errors"][0]["code"], "taken");
    let works = owner.post(&format!("{path}/test"), &json!({})).await.ok();
    assert_eq!((&works["works"], &works["issuer"]), (&json!(true), &json!(provider.issuer)));
    for (wrong, pointer) in [
        (json!({"issuer": "http://10.0.0.1/"}), "/issuer"),
        (json!({"issuer": "https://169.254.169.254/"}), "/issuer"),
        (json!({"issuer": "http://op.example/"}), "/issuer"),
        (json!({"issuer": null}), "/issuer"),
        (json!({"kind": "saml"}), "/kind"),
        (json!({"scopes": ["email"]}), "/scopes"),
        (json!({"client_id": ""}), "/client_id"),
        (json!({"label": " "}), "/label"),
    ] {
        let mut body = body.clone();
        body["label"] = json!("Other");
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        let refused = owner.post("/identity/v1/providers", &body).await.refused(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{wrong}");
    }
    let google = json!({"kind": "google", "label": "Google", "client_id": "x"});
    assert_eq!(owner.post("/identity/v1/providers", &google).await.ok()["issuer"], "https://accounts.google.com");
    let microsoft = json!({"kind": "microsoft", "label": "M", "tenant": "9188", "client_id": "x"});
    let microsoft = owner.post("/identity/v1/providers", &microsoft).await.ok();
    assert_eq!(microsoft["issuer"], "https://login.microsoftonline.com/9188/v2.0");

    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    for reply in [
        stranger.get(&path).await,
        stranger.patch(&path, None, &json!({"enabled": false})).await,
        stranger.delete(&path).await,
        stranger.post(&format!("{path}/test"), &json!({})).await,
    ] {
        reply.refused(404);
    }
    assert_eq!(stranger.get("/identity/v1/providers").await.ok()["data"], json!([]));
    let teacher = app.join(&school, "teacher", "Juma Ali", "juma@uhuru.example").await;
    teacher.get("/identity/v1/providers").await.refused(403);

    let mut browser = Browser::new(&app.address);
    browser.open(&web(&app).authorize(&[("organization", &school.slug)])).await;
    browser.follow().await;
    assert!(browser.html.contains("Continue with Uhuru SSO"), "{}", browser.html);
    browser.open("/sign-in").await;
    assert!(!browser.html.contains("Uhuru SSO"), "not on everybody's page");
    owner.patch(&path, Some(9), &json!({"enabled": false})).await.refused(412);
    assert_eq!(owner.patch(&path, Some(1), &json!({"enabled": false})).await.ok()["version"], json!(2));
    assert_eq!(browser.open(&format!("/sign-in/with/{}", made["id"].as_str().unwrap())).await.status, 404);
    assert_eq!(owner.delete(&path).await.status, 204);
    provider.stop();
}

#[tokio::test]
async fn an_organisations_provider_speaks_for_its_proven_domains_only() {
    let (app, provider, school, owner) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    let body = json!({"kind": "oidc", "label": "SSO", "issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET});
    let made = owner.post("/identity/v1/providers", &body).await.ok();
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, made["id"].as_str().unwrap(), "/").await;
    assert_eq!(browser.status, 403, "no domain is proven, so its word for an address counts nothing");
    assert!(browser.html.contains("not confirmed there"));
}

#[tokio::test]
async fn the_clock_is_ours() {
    // A token of tomorrow is none of today, whatever the machine's own clock says.
    let (app, provider) = platform().await;
    app.clock.set(at("2026-05-13T05:00:00Z"));
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 400, "yesterday's token has expired");
    provider.script(|script| script.now = at("2026-05-13T05:00:00Z"));
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.status, 403, "and today's is that of a stranger");
    let _: &Clock = &app.clock;
}

#[tokio::test]
async fn an_organisations_own_provider_does_not_speak_for_the_account_itself() {
    let (app, _provider, school, _) = begin().await;
    app.join(&school, "teacher", "Amina Otieno", AMINA).await;
    connected(&app, &mut Browser::new(&app.address)).await;
    let mut browser = Browser::new(&app.address);
    come_by(&mut browser, "upendo", "/").await;
    assert_eq!(browser.leads(), "/");
    assert_eq!(browser.open("/account/app").await.status, 200, "everybody's provider is a proof");
    let mut conn = app.platform.databases().control().await.unwrap();
    sqlx::query("update identity.session_provider set organisation_id = $1")
        .bind(school.id.0)
        .execute(&mut *conn)
        .await
        .unwrap();
    conn.release();
    for page in ["/account/app", "/account/phone"] {
        browser.open(page).await;
        assert!(browser.leads().starts_with("/sign-in/factor?"), "{page}: what the account itself knows is asked for");
    }
}
