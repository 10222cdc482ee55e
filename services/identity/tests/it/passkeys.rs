//! Passkeys, with an authenticator in software that can also misbehave. Chromium's own is in app/tests/clients/passkey.mjs.
use crate::browser::Browser;
use crate::factors::with_app;
use crate::flow::{claims, portal, start};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::secrets::{random, sha256};
use hitaji_testkit::{PASSWORD, TestApp};
use serde_json::{Value, json};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;

/// One passkey (WebAuthn level 3, section 6).
struct Authenticator {
    pair: EcdsaKeyPair,
    id: [u8; 16],
    user: Option<String>,
    counter: u32,
    flags: u8,
    origin: String,
}

impl Authenticator {
    fn new(app: &TestApp) -> Authenticator {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let (id, flags) = (random::<16>(), PRESENT | VERIFIED);
        Authenticator { pair, id, user: None, counter: 0, flags, origin: app.address.clone() }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["publicKey"]["challenge"].as_str().unwrap();
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    fn data(&mut self, flags: u8) -> Vec<u8> {
        self.counter += 1;
        [sha256(b"localhost").as_slice(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn create(&mut self, options: &Value) -> String {
        self.user = Some(options["publicKey"]["user"]["id"].as_str().unwrap().to_owned());
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        // COSE: EC2, ES256, P-256.
        let key = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat();
        let data = self.data(self.flags | HAS_KEY);
        let data = [data.as_slice(), &[0; 16], &[0, 16], &self.id, &key].concat();
        // {"fmt": "none", "attStmt": {}, "authData": data}
        let object = [
            &[0xa3, 0x63][..],
            b"fmt",
            &[0x64],
            b"none",
            &[0x67],
            b"attStmt",
            &[0xa0, 0x68],
            b"authData",
            &[0x58, data.len() as u8],
            &data,
        ]
        .concat();
        let said = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", options)),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
        });
        self.credential(said)
    }

    fn get(&mut self, options: &Value) -> String {
        let (data, client) = (self.data(self.flags), self.client_data("webauthn.get", options));
        let message = [data.as_slice(), &sha256(&client)].concat();
        let signature = self.pair.sign(&SystemRandom::new(), &message).unwrap();
        let said = json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature),
            "userHandle": self.user,
        });
        self.credential(said)
    }

    fn credential(&self, response: Value) -> String {
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {}}).to_string()
    }
}

/// What the script asks, from the page that the browser is at.
async fn ask(browser: &mut Browser, what: &str, level: &str) -> (String, Value) {
    let (html, url) = (browser.html.clone(), browser.url.clone());
    browser.submit_to("/passkeys/options", &[("for", what), ("level", level)]).await;
    assert_eq!(browser.status, 200, "{}", browser.html);
    let said: Value = serde_json::from_str(&browser.html).unwrap();
    (browser.html, browser.url) = (html, url);
    (said["ceremony"].as_str().unwrap().to_owned(), said["options"].clone())
}

async fn register(browser: &mut Browser, key: &mut Authenticator, name: &str) {
    browser.open("/account/security").await;
    let (ceremony, options) = ask(browser, "register", "").await;
    assert_eq!(options["publicKey"]["rp"]["id"], "localhost");
    assert_eq!(options["publicKey"]["authenticatorSelection"]["residentKey"], "required");
    let credential = key.create(&options);
    let fields = [("name", name), ("ceremony", &ceremony), ("credential", &credential)];
    browser.submit_to("/account/passkeys", &fields).await;
}

async fn sign_in(app: &TestApp, key: &mut Authenticator) -> Browser {
    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in").await;
    let (ceremony, options) = ask(&mut browser, "sign_in", "").await;
    let credential = key.get(&options);
    browser
        .submit_to("/sign-in/passkey", &[("ceremony", &ceremony), ("credential", &credential), ("continue", "/")])
        .await;
    browser
}

#[tokio::test]
async fn a_passkey_signs_in_without_a_password_and_counts_as_two_factors() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut owner = Browser::new(&app.address);
    owner.sign_in(&school.owner_email, PASSWORD).await;
    let mut key = Authenticator::new(&app);
    register(&mut owner, &mut key, "My phone").await;
    assert_eq!(owner.html.matches("<code>").count(), 10, "recovery codes come with the first factor: {}", owner.html);
    let mut browser = sign_in(&app, &mut key).await;
    assert_eq!(browser.leads(), "/");
    let said = claims(&portal().tokens(&app, &mut browser, &[("acr_values", "phr")]).await["access_token"]);
    assert_eq!((&said["acr"], &said["amr"]), (&"phr".into(), &json!(["pop", "user"])));
    browser.open("/account/security").await;
    assert!(browser.html.contains("My phone"));
    let id = browser.between("name=\"id\" value=\"", "\"");
    browser.submit_to("/account/passkeys/remove", &[("id", &id)]).await;
    assert_eq!(browser.leads(), "/account/security?done=passkey_removed");
    assert_eq!(sign_in(&app, &mut key).await.status, 422);
    let mut last = Browser::new(&app.address);
    last.sign_in(&school.owner_email, PASSWORD).await;
    assert_eq!(last.leads(), "/");
}

#[tokio::test]
async fn a_passkey_is_the_second_factor_after_a_password() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let (mut owner, ..) = with_app(&app, &school).await;
    let (mut key, mut other) = (Authenticator::new(&app), Authenticator::new(&app));
    register(&mut owner, &mut key, "My phone").await;
    assert_eq!(owner.leads(), "/account/security?done=passkey_added");
    let mut browser = Browser::new(&app.address);
    browser.sign_in(&school.owner_email, PASSWORD).await.follow().await;
    other.user = key.user.clone();
    for (key, status) in [(&mut other, 422), (&mut key, 303)] {
        let (ceremony, options) = ask(&mut browser, "prove", "").await;
        let credential = key.get(&options);
        browser.submit_to("/sign-in/factor", &[("ceremony", &ceremony), ("credential", &credential)]).await;
        assert_eq!(browser.status, status);
    }
    assert_eq!(browser.leads(), "/");
}

#[tokio::test]
async fn answers_are_taken_once_and_copies_are_noticed() {
    let app = start().await;
    let school = app.organisation("Uhuru Academy").await;
    let mut owner = Browser::new(&app.address);
    owner.sign_in(&school.owner_email, PASSWORD).await;
    let mut key = Authenticator::new(&app);
    register(&mut owner, &mut key, "My phone").await;

    let mut browser = Browser::new(&app.address);
    browser.open("/sign-in").await;
    let (ceremony, options) = ask(&mut browser, "sign_in", "").await;
    let credential = key.get(&options);
    let answer = [("ceremony", ceremony.as_str()), ("credential", &credential), ("continue", "/")];
    browser.submit_to("/sign-in/passkey", &answer).await;
    assert_eq!(browser.status, 303);
    let mut thief = Browser::new(&app.address);
    thief.open("/sign-in").await.submit_to("/sign-in/passkey", &answer).await;
    assert_eq!(thief.status, 422, "the same answer again");

    // Its holder was not verified; another origin; the key of somebody else under the same name.
    key.flags = PRESENT;
    assert_eq!(sign_in(&app, &mut key).await.status, 422);
    key.flags = PRESENT | VERIFIED;
    let origin = std::mem::replace(&mut key.origin, "https://evil.example".into());
    assert_eq!(sign_in(&app, &mut key).await.status, 422);
    key.origin = origin;
    assert_eq!(sign_in(&app, &mut key).await.status, 303);

    key.counter -= 3;
    assert_eq!(sign_in(&app, &mut key).await.status, 422, "its counter went backwards");
    key.counter += 10;
    assert_eq!(sign_in(&app, &mut key).await.status, 422, "it opens nothing any more");
    app.settle().await;
    assert!(app.mails().await.to_string().contains("One of your passkeys was locked"));
}

#[tokio::test]
async fn a_credential_belongs_to_one_account() {
    let app = start().await;
    let (first, second) = (app.organisation("Uhuru Academy").await, app.organisation("Nyota School").await);
    let mut key = Authenticator::new(&app);
    for (school, status) in [(&first, 200), (&second, 422)] {
        let mut owner = Browser::new(&app.address);
        owner.sign_in(&school.owner_email, PASSWORD).await;
        register(&mut owner, &mut key, "My phone").await;
        assert_eq!(owner.status, status, "{}", owner.html);
    }
}
