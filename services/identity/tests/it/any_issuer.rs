//! Tokens of another issuer open what its settings say, and nothing else.
use crate::keys_of_tests::{TestKey, encoded};
use aws_lc_rs::hmac;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use hitaji_core::Clock;
use hitaji_testkit::{Organisation, TestApp, at, send, until};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

const STUDENTS: &str = "/school/v1/students";

/// A small provider: discovery, keys, and whatever tokens a test wants.
struct Issuer {
    address: String,
    keys: Keys,
}

/// By their ids; the last one signs.
type Keys = Arc<Mutex<Vec<(String, Arc<TestKey>)>>>;
type Served = (String, Keys);

impl Issuer {
    async fn start() -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let keys = Arc::new(Mutex::new(vec![("k1".to_owned(), Arc::new(TestKey::new()))]));
        let discovery = async |State((address, _)): State<Served>| {
            Json(json!({"issuer": address, "jwks_uri": format!("{address}/keys")}))
        };
        let jwks = async |State((_, keys)): State<Served>| {
            let keys = keys.lock().unwrap();
            let keys = keys.iter().map(|(id, key)| {
                let mut jwk = key.jwk();
                jwk["kid"] = json!(id);
                jwk
            });
            let mut all: Vec<Value> = vec![json!({"kty": "novel", "kid": "other"})];
            all.extend(keys);
            Json(json!({ "keys": all }))
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(jwks))
            .with_state((address.clone(), keys.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Issuer { address, keys }
    }

    fn key(&self) -> (String, Arc<TestKey>) {
        self.keys.lock().unwrap().last().unwrap().clone()
    }

    fn claims(&self) -> Value {
        let now = at("2026-05-12T05:00:00Z").timestamp();
        json!({
            "iss": self.address, "aud": ["hitaji-api", "account"], "sub": "f:1:wanjiku", "exp": now + 3600, "iat": now,
            "azp": "their-app", "organization": ["uhuru-academy"], "realm_access": {"roles": ["lehrer", "offline_access"]},
        })
    }

    fn token(&self, change: impl FnOnce(&mut Value, &mut Value)) -> String {
        let (id, key) = self.key();
        let (mut header, mut claims) = (json!({"typ": "JWT", "alg": "ES256", "kid": id}), self.claims());
        change(&mut header, &mut claims);
        key.sign(&header, &claims)
    }
}

async fn start(more: &str) -> (TestApp, Issuer, Organisation) {
    let issuer = Issuer::start().await;
    let text = format!(
        r#"
        issuer = "{}"
        audience = "hitaji-api"
        organisation = "organization"
        organisations = ["uhuru-academy"]
        roles = ["realm_access", "roles"]
        role_map = {{ direktorin = "owner", lehrer = "teacher" }}
        {more}
        "#,
        issuer.address
    );
    let table: toml::Table = text.parse().unwrap();
    let app = TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        config.set("auth", "issuers", vec![toml::Value::from(table)]);
    })
    .await;
    let school = app.organisation("Uhuru Academy").await;
    (app, issuer, school)
}

#[tokio::test]
async fn tokens_of_a_trusted_issuer_work_as_their_roles_do() {
    let (app, issuer, _) = start("").await;
    let head = app.client(&issuer.token(|_, claims| claims["realm_access"]["roles"] = json!(["direktorin"])));
    until("the school is there", async || (head.get(STUDENTS).await.status == 200).then_some(())).await;
    let body = json!({"name": "North Campus"});
    let made = head.post("/school/v1/academic-years", &body).await;
    assert_ne!(made.status, 403, "an owner may: {}", made.body);
    let teacher = app.client(&issuer.token(|_, _| {}));
    let refused = teacher.post("/identity/v1/invitations", &json!({})).await.refused(403);
    assert_eq!(refused["code"], "insufficient_scope");
    // Roles that are not mapped are worth nothing, whatever they are called.
    for roles in [json!(["owner"]), json!(["operator"]), json!([]), json!(null), json!(7)] {
        let nobody = app.client(&issuer.token(|_, claims| claims["realm_access"]["roles"] = roles));
        assert_eq!(nobody.get(STUDENTS).await.refused(403)["code"], "insufficient_scope");
    }
    // The same person is the same subject, also as another application's user; Zitadel writes roles as an object.
    let object = issuer.token(|_, claims| claims["realm_access"]["roles"] = json!({"lehrer": {"1": "uhuru.example"}}));
    let by_object = app.platform.examine(&object).await.unwrap();
    let by_list = app.platform.examine(&issuer.token(|_, _| {})).await.unwrap();
    assert_eq!((by_object.subject, by_object.permissions), (by_list.subject, by_list.permissions));
    assert!(by_list.acr.is_none() && by_list.support.is_none());
}

#[tokio::test]
async fn nothing_else_is_trusted() {
    let (app, issuer, _) = start("").await;
    let other_school = app.organisation("Tumaini School").await;
    let good = app.client(&issuer.token(|_, claims| claims["realm_access"]["roles"] = json!(["direktorin"])));
    until("the school is there", async || (good.get(STUDENTS).await.status == 200).then_some(())).await;
    let now = at("2026-05-12T05:00:00Z").timestamp();
    type Change = Box<dyn FnOnce(&mut Value, &mut Value)>;
    let claim = |name: &'static str, value: Value| -> Change { Box::new(move |_, claims| claims[name] = value) };
    let header = |name: &'static str, value: Value| -> Change { Box::new(move |header, _| header[name] = value) };
    for (name, change) in [
        ("another audience", claim("aud", json!("account"))),
        ("no audience", claim("aud", json!(null))),
        ("unknown issuer", claim("iss", json!("https://id.example"))),
        ("our own issuer", claim("iss", json!(app.address))),
        ("expired", claim("exp", json!(now - 60))),
        ("expiry is a text", claim("exp", json!("9999999999"))),
        ("no expiry", claim("exp", json!(null))),
        ("not good yet", claim("nbf", json!(now + 600))),
        ("no subject", claim("sub", json!(null))),
        ("empty subject", claim("sub", json!(""))),
        ("an ID token", claim("at_hash", json!("x"))),
        ("a logout token", claim("events", json!({}))),
        ("unknown key", header("kid", json!("k2"))),
        ("no key id", header("kid", json!(null))),
        ("no algorithm", header("alg", json!("none"))),
        ("another algorithm", header("alg", json!("ES384"))),
        ("an RSA algorithm", header("alg", json!("RS256"))),
    ] {
        let reply = app.client(&issuer.token(change)).get(STUDENTS).await;
        assert_eq!(reply.status, 401, "{name}: {}", reply.body);
    }
    for (name, organisation) in [
        ("a foreign one", json!(other_school.slug)),
        ("a foreign one by id", json!(other_school.id)),
        ("one that is not there", json!("nowhere")),
        ("an id that is not there", json!("01890a5d-ac96-774b-bcce-b302099a8057")),
        ("several", json!(["uhuru-academy", "tumaini-school"])),
        ("none", json!(null)),
    ] {
        let token = issuer.token(|_, claims| claims["organization"] = organisation);
        let reply = app.client(&token).get(STUDENTS).await;
        assert!([401, 403].contains(&reply.status), "{name}: {} {}", reply.status, reply.body);
        assert_eq!(reply.body["code"], "organisation_mismatch", "{name}");
    }
    confusion(&app, &issuer).await;
    // Nobody of an issuer runs the platform, whatever the token says.
    let wishes = issuer.token(|_, claims| {
        claims["scope"] = json!("hitaji tenancy.organisation:read");
        claims["roles"] = json!(["owner"]);
        claims["realm_access"]["roles"] = json!(["direktorin"]);
    });
    app.client(&wishes).get("/tenancy/v1/operator-audit").await.refused(403);
    let bound = issuer.token(|_, claims| claims["cnf"] = json!({"jkt": "x"}));
    app.client(&bound).get(STUDENTS).await.refused(401);
}

/// The public key as the secret of a symmetric algorithm, no signature at all, somebody else's signature.
async fn confusion(app: &TestApp, issuer: &Issuer) {
    let (id, key) = issuer.key();
    let claims = encoded(issuer.claims().to_string());
    let symmetric = encoded(json!({"typ": "JWT", "alg": "HS256", "kid": id}).to_string());
    let message = format!("{symmetric}.{claims}");
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_bytes());
    let forged = format!("{message}.{}", encoded(hmac::sign(&secret, message.as_bytes())));
    app.client(&forged).get(STUDENTS).await.refused(401);
    let unsigned = encoded(json!({"alg": "none", "kid": id}).to_string());
    app.client(&format!("{unsigned}.{claims}.")).get(STUDENTS).await.refused(401);
    let stranger = TestKey::new().sign(&json!({"typ": "JWT", "alg": "ES256", "kid": id}), &issuer.claims());
    app.client(&stranger).get(STUDENTS).await.refused(401);
}

#[tokio::test]
async fn keys_of_the_issuer_change() {
    let (app, issuer, _) = start("").await;
    let roles = |_: &mut Value, claims: &mut Value| claims["realm_access"]["roles"] = json!(["direktorin"]);
    let old = app.client(&issuer.token(roles));
    until("the school is there", async || (old.get(STUDENTS).await.status == 200).then_some(())).await;
    issuer.keys.lock().unwrap().push(("k2".to_owned(), Arc::new(TestKey::new())));
    let new = app.client(&issuer.token(roles));
    until("the new key is read", async || (new.get(STUDENTS).await.status == 200).then_some(())).await;
    old.get(STUDENTS).await.ok();
}

#[tokio::test]
async fn scopes_narrow_and_accounts_are_named_where_the_settings_say_so() {
    let more = "scopes = \"scope\"\naccount = \"hitaji_account\"\ntyp = \"at+jwt\"\nalgorithms = [\"ES256\"]";
    let (app, issuer, _) = start(more).await;
    let account = "01890a5d-ac96-774b-bcce-b302099a8057";
    let token = |scope: &str| {
        issuer.token(|header, claims| {
            header["typ"] = json!("at+jwt");
            claims["scope"] = json!(scope);
            claims["hitaji_account"] = json!(account);
            claims["realm_access"]["roles"] = json!(["direktorin"]);
        })
    };
    let read = app.client(&token("openid school.student:read"));
    until("the school is there", async || (read.get(STUDENTS).await.status == 200).then_some(())).await;
    read.get("/identity/v1/members").await.refused(403);
    app.client(&token("openid")).get(STUDENTS).await.refused(403);
    app.client(&token("hitaji")).get("/identity/v1/members").await.ok();
    let verified = app.platform.examine(&token("hitaji")).await.unwrap();
    assert_eq!(verified.subject.0.to_string(), account);
    let plain = issuer.token(|_, claims| claims["scope"] = json!("hitaji"));
    app.client(&plain).get(STUDENTS).await.refused(401);
    let request = app.http.get(format!("{}{STUDENTS}", app.address));
    send(request.header("authorization", "Bearer a.b.c")).await.refused(401);
}

#[tokio::test]
async fn our_own_pages_can_be_taken_away() {
    let app = crate::flow::start_with(|settings| {
        settings.insert("sign_in".into(), "external".into());
    })
    .await;
    for page in ["/sign-in", "/sign-up", "/forgot-password", "/oauth/authorize?client_id=hitaji-web", "/oauth/logout"] {
        app.anybody().get(page).await.refused(404);
    }
    app.anybody().get("/oauth/jwks").await.ok();
}
