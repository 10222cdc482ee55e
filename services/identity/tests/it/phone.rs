//! Signing in by phone: codes by text, against a simulated gateway.
use crate::browser::Browser;
use crate::flow::{claims, start_with, web};
use hitaji_testkit::{PASSWORD, TEXTS_KEY, TestApp, TextGateway, until};
use serde_json::json;

const NUMBER: &str = "+254712345678";

async fn world() -> (TestApp, TextGateway, Browser) {
    let gateway = TextGateway::start().await;
    let address = gateway.address.clone();
    let app = start_with(move |settings| {
        settings.insert("texts_url".into(), format!("africastalking:{address}").into());
        settings.insert("texts_username".into(), "sandbox".into());
        settings.insert("texts_key".into(), TEXTS_KEY.into());
    })
    .await;
    let browser = Browser::new(&app.address);
    (app, gateway, browser)
}

/// The newest code that was sent to a number.
async fn code(gateway: &TextGateway, number: &str, count: usize) -> String {
    let text = until("a text arrives", async || {
        let texts = gateway.texts(number);
        (texts.len() >= count).then(|| texts.last().cloned()).flatten()
    })
    .await;
    text.split(' ').next().unwrap().to_owned()
}

/// The owner proves that a number is theirs.
async fn own(app: &TestApp, gateway: &TextGateway, browser: &mut Browser, email: &str) {
    browser.sign_in(email, PASSWORD).await;
    browser.open("/account/phone").await;
    assert_eq!(browser.status, 200, "{} {:?}", browser.html, browser.location());
    browser.submit(&[("phone", "0712 345 678")]).await;
    browser.follow().await;
    let digits = code(gateway, NUMBER, 1).await;
    assert_eq!(browser.submit(&[("digits", &digits)]).await.leads(), "/account");
    app.settle().await;
}

#[tokio::test]
async fn a_code_signs_its_person_in_once() {
    let (app, gateway, mut browser) = world().await;
    let school = app.organisation("Uhuru Academy").await;
    own(&app, &gateway, &mut browser, &school.owner_email).await;
    assert_eq!(
        app.rows(school.id, "select phone from school.member").await,
        [json!({"phone": NUMBER})],
        "the products know the number too"
    );

    let mut phone = Browser::new(&app.address);
    let target = web(&app).authorize(&[]);
    phone.open(&target).await.follow().await;
    assert!(phone.html.contains("/sign-in/phone?continue="), "{}", phone.html);
    let link = phone.html.split("href=\"/sign-in/phone").nth(1).unwrap().split('"').next().unwrap().to_owned();
    phone.open(&format!("/sign-in/phone{}", link.replace("&#x2f;", "/"))).await;
    phone.submit(&[("phone", "+254 712-345-678")]).await.follow().await;
    let page = phone.url.clone();
    let digits = code(&gateway, NUMBER, 2).await;
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert_eq!(phone.submit(&[("digits", wrong)]).await.status, 422);
    let back = phone.submit(&[("digits", &format!("{} {}", &digits[..3], &digits[3..]))]).await.follow().await.leads();
    let code = crate::browser::query(&back, "code").expect("a code");
    let tokens = web(&app).exchange(&app, &code, crate::flow::VERIFIER).await.ok();
    let said = claims(&tokens["access_token"]);
    assert_eq!((said["amr"].clone(), said["acr"].clone()), (json!(["sms"]), json!("urn:hitaji:acr:single")));

    let mut thief = Browser::new(&app.address);
    thief.open(&page).await;
    assert_eq!(thief.submit(&[("digits", &digits)]).await.status, 422, "a code is good once");
}

#[tokio::test]
async fn nobody_learns_who_has_a_number() {
    let (app, gateway, mut browser) = world().await;
    let school = app.organisation("Uhuru Academy").await;
    own(&app, &gateway, &mut browser, &school.owner_email).await;
    let mut answers = Vec::new();
    for number in [NUMBER, "+254799999999"] {
        let mut stranger = Browser::new(&app.address);
        stranger.open("/sign-in/phone").await.submit(&[("phone", number)]).await;
        let leads = stranger.leads();
        stranger.follow().await;
        let id = crate::browser::query(&leads, "code").unwrap();
        answers.push((stranger.status, stranger.bare().replace(&id, "")));
    }
    assert_eq!(answers[0], answers[1]);
    code(&gateway, NUMBER, 2).await;
    app.settle().await;
    assert!(gateway.texts("+254799999999").is_empty());
}

#[tokio::test]
async fn guesses_run_out_and_texts_are_rationed() {
    let (app, gateway, mut browser) = world().await;
    let school = app.organisation("Uhuru Academy").await;
    own(&app, &gateway, &mut browser, &school.owner_email).await;
    let mut guesser = Browser::new(&app.address);
    guesser.open("/sign-in/phone").await.submit(&[("phone", NUMBER)]).await.follow().await;
    let digits = code(&gateway, NUMBER, 2).await;
    let wrong = if digits == "123456" { "654321" } else { "123456" };
    for _ in 0..5 {
        assert_eq!(guesser.submit(&[("digits", wrong)]).await.status, 422);
    }
    assert_eq!(guesser.submit(&[("digits", &digits)]).await.status, 422, "the right one comes too late");
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(guesser.open("/sign-in/phone").await.submit(&[("phone", NUMBER)]).await.status);
    }
    assert!(statuses.contains(&303) && statuses.last() == Some(&429), "{statuses:?}");
}

#[tokio::test]
async fn a_number_is_refused_kindly_and_unreachable_ones_end_quietly() {
    let (app, _gateway, mut browser) = world().await;
    let school = app.organisation("Uhuru Academy").await;
    for bad in ["", "12", "abc", "+0712345678"] {
        browser.open("/sign-in/phone").await.submit(&[("phone", bad)]).await;
        assert_eq!(browser.status, 422, "{bad}");
    }
    browser.sign_in(&school.owner_email, PASSWORD).await;
    browser.open("/account/phone").await.submit(&[("phone", hitaji_testkit::UNREACHABLE)]).await;
    assert_eq!(browser.status, 303);
    app.settle().await;
}

#[tokio::test]
async fn without_a_gateway_there_is_no_such_way() {
    let app = crate::flow::start().await;
    let mut browser = Browser::new(&app.address);
    assert!(!browser.open("/sign-in").await.html.contains("/sign-in/phone"));
    assert_eq!(browser.open("/sign-in/phone").await.status, 404);
}

#[tokio::test]
async fn somebody_without_mail_is_invited_by_phone_and_comes_back_by_it() {
    let (app, gateway, _) = world().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let asked = json!({"phone": "0733 111 222", "name": "Achieng Were", "roles": ["guardian"]});
    let made = owner.post("/identity/v1/invitations", &asked).await.ok();
    assert_eq!((made["phone"].clone(), made["email"].clone()), (json!("+254733111222"), json!(null)));
    owner.post("/identity/v1/invitations", &asked).await.refused(409);
    for bad in [json!({"phone": "12"}), json!({}), json!({"phone": "0733111222", "email": "a@b.example"})] {
        let mut body = json!({"name": "X", "roles": ["guardian"]});
        body.as_object_mut().unwrap().extend(bad.as_object().unwrap().clone());
        owner.post("/identity/v1/invitations", &body).await.refused(422);
    }
    let text = until("a text arrives", async || gateway.texts("+254733111222").pop()).await;
    let link = text.rsplit(' ').next().unwrap().to_owned();
    let mut guardian = Browser::new(&app.address);
    guardian.open(&link).await;
    assert!(!guardian.html.contains("name=\"password\""), "{}", guardian.html);
    assert_eq!(guardian.submit(&[("name", "Achieng Were")]).await.leads(), "/");
    app.settle().await;
    let members = owner.get("/identity/v1/members").await.ok();
    let member = members["data"].as_array().unwrap().iter().find(|member| member["phone"] == "+254733111222").cloned();
    assert_eq!(member.expect("a member")["email"], json!(null));
    assert_eq!(Browser::new(&app.address).open(&link).await.status, 410, "a link is good once");

    let mut later = Browser::new(&app.address);
    later.open("/sign-in/phone").await.submit(&[("phone", "0733111222")]).await.follow().await;
    let digits = code(&gateway, "+254733111222", 2).await;
    assert_eq!(later.submit(&[("digits", &digits)]).await.leads(), "/");
}
