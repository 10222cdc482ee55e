//! `private_key_jwt` (RFC 7523) as FAPI 2.0 wants it.
use crate::flow::start_with;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_testkit::{Reply, TestApp, at, send};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client's key pairs, one of each kind.
struct Keys {
    ec: EncodingKey,
    ed: EncodingKey,
    rsa: EncodingKey,
    public: Value,
}

fn keys() -> Keys {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let ed_document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(ed_document.as_ref()).unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
    let n = rsa.public_key().modulus().big_endian_without_leading_zero().to_vec();
    let e = rsa.public_key().exponent().big_endian_without_leading_zero().to_vec();
    let public = json!({"keys": [
        {"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y), "kid": "ec", "use": "sig", "alg": "ES256"},
        {"kty": "OKP", "crv": "Ed25519", "x": text(ed.public_key().as_ref()), "kid": "ed"},
        {"kty": "RSA", "n": text(&n), "e": text(&e), "kid": "rsa"},
    ]});
    // jsonwebtoken's backend takes an RSA key as PKCS #1, wrapped or not.
    let der: Pkcs8V1Der = rsa.as_der().unwrap();
    let pem = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
        base64::engine::general_purpose::STANDARD.encode(der.as_ref())
    );
    Keys {
        ec: EncodingKey::from_ec_der(ec.to_pkcs8v1().unwrap().as_ref()),
        ed: EncodingKey::from_ed_der(ed_document.as_ref()),
        rsa: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
        public,
    }
}

async fn platform(keys: &Keys) -> TestApp {
    let table = json!({"jwks": keys.public, "id": "signer", "grants": ["client_credentials", "refresh_token"]});
    let table: toml::Table = toml::from_str(&toml::to_string(&table).unwrap()).unwrap();
    start_with(|settings| settings["clients"].as_array_mut().unwrap().push(toml::Value::Table(table))).await
}

fn good(app: &TestApp, jti: &str) -> Value {
    let now = app.clock.now().timestamp();
    json!({"iss": "signer", "sub": "signer", "aud": app.address, "iat": now, "exp": now + 60, "jti": jti})
}

fn header(algorithm: Algorithm, key_id: Option<&str>) -> Header {
    let mut header = Header::new(algorithm);
    header.kid = key_id.map(str::to_owned);
    header
}

fn signed(keys: &Keys, claims: &Value) -> String {
    encode(&header(Algorithm::ES256, Some("ec")), claims, &keys.ec).unwrap()
}

/// At the revocation endpoint: 200 says no more than that the client proved itself.
async fn present(app: &TestApp, assertion: &str) -> Reply {
    let form = [("token", "x"), ("client_assertion", assertion), ("client_assertion_type", KIND)];
    send(app.http.post(format!("{}/oauth/revoke", app.address)).form(&form)).await
}

#[tokio::test]
async fn oidcc_ensure_client_assertion_with_iss_aud_succeeds() {
    let keys = keys();
    let app = platform(&keys).await;
    assert_eq!(present(&app, &signed(&keys, &good(&app, "issuer"))).await.status, 200);
}

#[tokio::test]
async fn a_client_proves_itself_by_each_kind_of_key_at_every_endpoint() {
    let keys = keys();
    let app = platform(&keys).await;
    let signatures = [
        (header(Algorithm::ES256, Some("ec")), &keys.ec),
        (header(Algorithm::ES256, None), &keys.ec),
        (header(Algorithm::EdDSA, Some("ed")), &keys.ed),
        (header(Algorithm::PS256, Some("rsa")), &keys.rsa),
        (header(Algorithm::RS256, None), &keys.rsa),
    ];
    for (number, (header, key)) in signatures.into_iter().enumerate() {
        let assertion = encode(&header, &good(&app, &format!("kind {number}")), key).unwrap();
        assert_eq!(present(&app, &assertion).await.status, 200, "{header:?}");
    }
    for (path, status, error) in
        [("/oauth/token", 400, "unauthorized_client"), ("/oauth/introspect", 200, ""), ("/oauth/revoke", 200, "")]
    {
        let assertion = signed(&keys, &good(&app, path));
        let form = [
            ("token", "x"),
            ("grant_type", "client_credentials"),
            ("client_id", "signer"),
            ("client_assertion", &assertion),
            ("client_assertion_type", KIND),
        ];
        let reply = send(app.http.post(format!("{}{path}", app.address)).form(&form)).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.body);
        assert!(error.is_empty() || reply.body["error"] == error, "{}", reply.body);
    }
    let discovery = app.anybody().get("/.well-known/openid-configuration").await.ok();
    assert!(discovery["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("private_key_jwt")));
}

#[tokio::test]
async fn an_assertion_is_good_once() {
    let keys = keys();
    let app = platform(&keys).await;
    let assertion = signed(&keys, &good(&app, "once"));
    let asked = futures::future::join_all((0..8).map(|_| present(&app, &assertion))).await;
    assert_eq!(asked.iter().filter(|reply| reply.status == 200).count(), 1, "also of many at once");
    let again = signed(&keys, &{
        let mut claims = good(&app, "once");
        claims["exp"] = json!(app.clock.now().timestamp() + 90);
        claims
    });
    let refused = present(&app, &again).await;
    assert!(refused.header("www-authenticate").is_some());
    assert_eq!(refused.refused(401)["error"], "invalid_client", "the identifier is what counts");
    assert_eq!(present(&app, &signed(&keys, &good(&app, "twice"))).await.status, 200);
}

/// A good assertion but for one claim is refused.
async fn refuses(name: &str, value: impl Fn(&TestApp) -> Value) {
    let keys = keys();
    let app = platform(&keys).await;
    let mut claims = good(&app, name);
    match value(&app) {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    assert_eq!(present(&app, &signed(&keys, &claims)).await.refused(401)["error"], "invalid_client");
}

#[tokio::test]
async fn fapi2_security_profile_final_par_test_array_as_audience_fails() {
    refuses("aud", |app| json!([app.address])).await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_client_assertion_with_exp_is_5_minutes_in_past_fails() {
    refuses("exp", |app| json!(app.clock.now().timestamp() - 300)).await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_client_assertion_with_no_sub_fails() {
    refuses("sub", |_| Value::Null).await;
}

#[tokio::test]
async fn fapi2_security_profile_final_ensure_client_assertion_with_wrong_aud_fails() {
    refuses("aud", |_| json!("https://other.example")).await;
}

#[tokio::test]
async fn an_assertion_says_who_for_whom_and_until_when() {
    let keys = keys();
    let app = platform(&keys).await;
    let now = app.clock.now().timestamp();
    let token_endpoint = format!("{}/oauth/token", app.address);
    for (name, value) in [
        ("aud", json!([app.address])),
        ("aud", json!([app.address, "https://other.example"])),
        ("aud", json!(token_endpoint)),
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("sub", Value::Null),
        ("sub", json!("portal")),
        ("iss", json!("portal")),
        ("exp", json!(now - 300)),
        ("exp", json!(now - 10)),
        ("exp", json!(now + 3600)),
        ("exp", json!((now + 60).to_string())),
        ("exp", Value::Null),
        ("nbf", json!(now + 60)),
        ("iat", json!(now + 60)),
        ("jti", Value::Null),
    ] {
        let mut claims = good(&app, &format!("{name} {value}"));
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            _ => claims[name] = value.clone(),
        }
        let refused = present(&app, &signed(&keys, &claims)).await.refused(401);
        assert_eq!(refused["error"], "invalid_client", "{name} {value}");
    }
    app.clock.set(at("2026-05-12T05:01:09Z"));
    let mut grace = good(&app, "grace");
    grace["exp"] = json!(now + 60);
    assert_eq!(present(&app, &signed(&keys, &grace)).await.status, 200, "nine seconds late");
}

#[tokio::test]
async fn nobody_elses_signature_counts() {
    let (own, others) = (keys(), keys());
    let app = platform(&own).await;
    let claims = good(&app, "x");
    let none =
        format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(claims.to_string()));
    // The public key as a shared secret: the old trick.
    let public = URL_SAFE_NO_PAD.decode(own.public["keys"][0]["x"].as_str().unwrap()).unwrap();
    let shared = encode(&header(Algorithm::HS256, Some("ec")), &claims, &EncodingKey::from_secret(&public)).unwrap();
    let mut typed = header(Algorithm::ES256, Some("ec"));
    typed.typ = Some("at+jwt".into());
    let genuine = signed(&own, &claims);
    for bad in [
        signed(&others, &claims),
        encode(&header(Algorithm::ES256, Some("rsa")), &claims, &own.ec).unwrap(),
        encode(&header(Algorithm::ES256, Some("unknown")), &claims, &own.ec).unwrap(),
        encode(&typed, &claims, &own.ec).unwrap(),
        none,
        shared,
        format!("{genuine}.x"),
        genuine[..genuine.len() - 2].to_owned(),
        "a.b.c".into(),
        "x".into(),
    ] {
        assert_eq!(present(&app, &bad).await.refused(401)["error"], "invalid_client", "{bad}");
    }
    assert_eq!(present(&app, &genuine).await.status, 200, "none of those used it up");
}

#[tokio::test]
async fn one_way_at_a_time() {
    let keys = keys();
    let app = platform(&keys).await;
    let assertion = signed(&keys, &good(&app, "one"));
    let whole = [("token", "x"), ("client_assertion", assertion.as_str()), ("client_assertion_type", KIND)];
    let post = |form: Vec<(&'static str, String)>, basic: bool| {
        let mut request = app.http.post(format!("{}/oauth/revoke", app.address));
        if basic {
            request = request.basic_auth("portal", Some("portal-secret"));
        }
        send(request.form(&form))
    };
    let with = |more: &[(&'static str, &str)], without: &str| {
        let all = whole.iter().chain(more).filter(|(name, _)| *name != without);
        all.map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
    };
    for (form, basic) in [
        (with(&[], ""), true),
        (with(&[("client_secret", "x")], ""), false),
        (with(&[], "client_assertion"), false),
        (with(&[], "client_assertion_type"), false),
        (with(&[("client_assertion", "y")], ""), false),
    ] {
        assert_eq!(post(form, basic).await.refused(400)["error"], "invalid_request");
    }
    let mut saml = with(&[], "client_assertion_type");
    saml.push(("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer".to_owned()));
    post(saml, false).await.refused(401);
    post(with(&[("client_id", "portal")], ""), false).await.refused(401);
    // A client with keys has no secret, and one without a secret is not public for that.
    let bare = vec![("token", "x".to_owned()), ("client_id", "signer".to_owned())];
    post(bare, false).await.refused(401);
    assert_eq!(post(with(&[("client_id", "signer")], ""), false).await.status, 200);
}

#[tokio::test]
async fn an_organisations_program_may_have_keys_too() {
    let keys = keys();
    let app = platform(&keys).await;
    let owner = app.owner(&app.organisation("Uhuru Academy").await).await;
    let body =
        |jwks: &Value| json!({"name": "Signer", "kind": "service", "scopes": ["school.staff:read"], "jwks": jwks});
    let mut private = keys.public.clone();
    private["keys"][0]["d"] = json!("AAAA");
    owner.post("/identity/v1/clients", &body(&private)).await.refused(422);
    let made = owner.post("/identity/v1/clients", &body(&keys.public)).await.ok();
    assert_eq!((&made["auth"], &made["client_secret"]), (&json!("private_key_jwt"), &Value::Null));
    let id = made["id"].as_str().unwrap();
    let mut claims = good(&app, "own");
    (claims["iss"], claims["sub"]) = (json!(id), json!(id));
    let assertion = signed(&keys, &claims);
    let form =
        [("grant_type", "client_credentials"), ("client_assertion", &assertion), ("client_assertion_type", KIND)];
    let tokens = send(app.http.post(format!("{}/oauth/token", app.address)).form(&form)).await.ok();
    app.client(tokens["access_token"].as_str().unwrap()).get("/school/v1/staff").await.ok();
    app.settle().await;
}
