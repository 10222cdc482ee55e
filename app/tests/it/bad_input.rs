//! Bad input of every sort: each gets its clear problem, and nothing is changed.
use crate::operations::flaws_of_problem;
use crate::samples::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hitaji_db::TenantState;
use hitaji_testkit::{Client, Reply, TestApp, at, send};
use http::Method;
use serde_json::{Value, json};

const ME: &str = "/identity/v1/me";
const REGISTERS: &str = "/school/v1/attendance-registers";

#[track_caller]
fn refused(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &reply.body["code"]), (status, &json!(code)), "{}", reply.body);
    assert_eq!(flaws_of_problem(reply), Vec::<String>::new());
}

#[tokio::test]
async fn bodies_too_large_are_refused_before_they_are_read() {
    let app = TestApp::start().await;
    let world = World::new(&app, "Aardvark House", "Aardvark").await;
    let before = world.fingerprint().await;
    let large = serde_json::to_vec(&json!({"admission_number": "x".repeat(11 << 20)})).expect("JSON");
    for path in ["/school/v1/students", REGISTERS, "/identity/v1/sign-ups", "/identity/v1/invitations"] {
        let request = world.owner.request(Method::POST, path).header("content-type", "application/json");
        refused(
            &send(request.header("idempotency-key", "\"eleven-megabytes\"").body(large.clone())).await,
            413,
            "too_large",
        );
    }
    let upload = world.owner.post_csv("/school/v1/class-list-imports", vec![b'x'; 26 << 20]).await;
    refused(&upload, 413, "too_large");
    let just_right = json!({"admission_number": "A1", "first_name": "Amina", "last_name": "x".repeat((1 << 20) - 200)});
    refused(&world.owner.post("/school/v1/students", &just_right).await, 422, "validation");
    assert_eq!(world.fingerprint().await, before);
    app.settle().await;
}

/// The token with one character of one part exchanged.
fn bent(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let middle = parts[part].len() / 2;
    let other = if parts[part].as_bytes()[middle] == b'A' { "B" } else { "A" };
    parts[part].replace_range(middle..=middle, other);
    parts.join(".")
}

/// The token's claims changed and its signature kept.
fn reworded(token: &str, change: impl FnOnce(&mut Value)) -> String {
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).expect("base64")).expect("claims");
    change(&mut claims);
    format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2])
}

#[tokio::test]
async fn only_our_own_unbent_tokens_are_taken() {
    let (app, other) = (TestApp::start().await, TestApp::start().await);
    let (mine, stranger) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let good = app.token(&mine.slug, &mine.owner_email, "").await;
    app.client(&good).get(ME).await.ok();
    let elsewhere = other.organisation("Aardvark House").await;
    let header = |header: Value| URL_SAFE_NO_PAD.encode(header.to_string());
    let rest = good.split_once('.').expect("a token").1;
    let claims = rest.split_once('.').expect("a token").0;
    let bad = [
        bent(&good, 0),
        bent(&good, 1),
        bent(&good, 2),
        reworded(&good, |claims| claims["org_id"] = json!(stranger.id)),
        reworded(&good, |claims| claims["exp"] = json!(4_000_000_000_i64)),
        format!("{}.{claims}.", header(json!({"alg": "none", "typ": "at+jwt"}))),
        format!("{}.{claims}.AAAA", header(json!({"alg": "HS256", "typ": "at+jwt", "kid": "x"}))),
        format!("{}.{rest}", header(json!({"alg": "ES256", "typ": "at+jwt", "kid": "../../etc/passwd"}))),
        other.token(&elsewhere.slug, &elsewhere.owner_email, "").await,
        good[..good.len() - 1].to_owned(),
        format!("{good}{good}"),
        String::new(),
        "x".repeat(8_000),
    ];
    for token in bad {
        refused(&app.client(&token).get(ME).await, 401, "unauthenticated");
    }
    for header in ["", "Bearer", "Basic YTpi", "Peer x.y", &format!("Token {good}"), &good] {
        refused(
            &send(app.anybody().request(Method::GET, ME).header("authorization", header)).await,
            401,
            "unauthenticated",
        );
    }
    app.client(&good).get(ME).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn a_token_ends_with_its_time_and_with_its_organisation() {
    let app = TestApp::start().await;
    let organisation = app.organisation("Aardvark House").await;
    let client = app.owner(&organisation).await;
    client.get(ME).await.ok();
    app.clock.set(at("2026-05-12T05:04:59Z"));
    client.get(ME).await.ok();
    app.clock.set(at("2026-05-12T05:06:00Z"));
    for path in [ME, "/school/v1/students", "/tenancy/v1/organisation"] {
        let reply = client.get(path).await;
        refused(&reply, 401, "unauthenticated");
        assert!(reply.header("www-authenticate").is_some_and(|text| text.contains("invalid_token")));
    }
    let client = app.owner(&organisation).await;
    client.get(ME).await.ok();
    set_state(&app, &organisation, TenantState::Suspended).await;
    for path in [ME, "/school/v1/students", "/tenancy/v1/organisation"] {
        refused(&client.get(path).await, 403, "organisation_inactive");
    }
    refused(&client.post("/school/v1/subjects", &json!({"name": "Music"})).await, 403, "organisation_inactive");
    set_state(&app, &organisation, TenantState::Active).await;
    assert_eq!(client.get("/school/v1/subjects").await.ok()["data"], json!([]));
    app.settle().await;
}

async fn set_state(app: &TestApp, organisation: &hitaji_testkit::Organisation, state: TenantState) {
    let databases = app.platform.databases();
    let mut conn = databases.control().await.expect("the control database");
    assert!(databases.set_state(&mut conn, organisation.id, state, None).await.expect("the database answers"));
    databases.forget(organisation.id);
}

/// Sends the same request fifty times at once; gives the replies.
async fn fifty_times(client: &Client, path: &'static str, key: Option<&'static str>, body: &Value) -> Vec<Reply> {
    let sent = (0..50).map(|_| {
        let (client, body) = (client.clone(), body.clone());
        tokio::spawn(async move {
            match key {
                Some(key) => client.post_once(path, key, &body).await,
                None => client.post(path, &body).await,
            }
        })
    });
    let replies = futures::future::join_all(sent.collect::<Vec<_>>()).await;
    replies.into_iter().map(|reply| reply.expect("an answer")).collect()
}

#[tokio::test]
async fn fifty_identical_requests_at_once_have_one_effect() {
    let app = TestApp::start().await;
    let world = World::new(&app, "Aardvark House", "Aardvark").await;
    let register = world.register_of_today();
    let student = json!({"admission_number": "FIFTY", "first_name": "Amina", "last_name": "Otieno"});
    let invited = json!({"email": "fifty@people.example", "name": "Fifty Times", "roles": ["teacher"]});
    let cases = [
        (
            REGISTERS,
            "fifty-registers",
            "select count(*) from school.attendance_register where date = '2026-05-12' and roll_call = 'morning'",
            &register,
        ),
        (
            "/school/v1/students",
            "fifty-students",
            "select count(*) from school.student where admission_number = 'FIFTY'",
            &student,
        ),
        ("/identity/v1/invitations", "fifty-invitations", "", &invited),
    ];
    for (path, key, counted, body) in cases {
        let replies = fifty_times(&world.owner, path, Some(key), body).await;
        let fresh: Vec<&Reply> = replies
            .iter()
            .filter(|reply| reply.status == 201 && reply.header("idempotent-replayed").is_none())
            .collect();
        assert_eq!(fresh.len(), 1, "{path}");
        for reply in &replies {
            match reply.status {
                201 => assert_eq!(reply.body, fresh[0].body),
                409 => refused(reply, 409, "idempotency_in_progress"),
                status => panic!("{path}: {status} {}", reply.body),
            }
        }
        let effects = match counted {
            "" => {
                app.control_rows("select count(*) from identity.invitation where email = 'fifty@people.example'").await
            }
            sql => app.rows(world.organisation.id, sql).await,
        };
        assert_eq!(effects[0]["count"], 1, "{path}");
        let again = world.owner.post_once(path, key, body).await;
        assert_eq!(
            (again.status, again.header("idempotent-replayed"), &again.body),
            (201, Some("true"), &fresh[0].body)
        );
    }
    app.settle().await;
}

#[tokio::test]
async fn fifty_requests_without_a_key_are_told_apart_by_what_they_make() {
    let app = TestApp::start().await;
    let world = World::new(&app, "Aardvark House", "Aardvark").await;
    let body = json!({"id": "01890000-0000-7000-8000-00000000000b", "admission_number": "FIFTY", "first_name": "Amina", "last_name": "Otieno"});
    let replies = fifty_times(&world.owner, "/school/v1/students", None, &body).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[48], statuses[49]), (200, 200, 201), "{statuses:?}");
    let made = app
        .rows(
            world.organisation.id,
            "select type from hitaji.outbox where subject = '01890000-0000-7000-8000-00000000000b'",
        )
        .await;
    assert_eq!(made.len(), 1);
    app.settle().await;
}

#[tokio::test]
async fn a_character_that_cannot_be_stored_is_the_senders_mistake() {
    let app = TestApp::start().await;
    let world = World::new(&app, "Aardvark House", "Aardvark").await;
    let nul = "a\u{0}b";
    let mut register = world.register_of_today();
    register["exceptions"][0]["reason"] = json!(nul);
    let import = world.a_preview().await;
    let before = world.fingerprint().await;
    let sign_up = json!({"organisation": nul, "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi", "products": ["school"],
        "name": "Some Body", "email": "nul@founders.example", "password": hitaji_testkit::PASSWORD});
    let posts = [
        (REGISTERS, register),
        ("/school/v1/students", json!({"admission_number": nul, "first_name": "A", "last_name": "B"})),
        ("/identity/v1/invitations", json!({"email": "nul@people.example", "name": nul, "roles": ["teacher"]})),
        ("/identity/v1/invitations", json!({"email": "n\u{0}l@people.example", "name": "N", "roles": ["teacher"]})),
        ("/identity/v1/sign-ups", sign_up),
    ];
    for (path, body) in posts {
        let reply = world.owner.post_once(path, "a-nul-in-the-body", &body).await;
        assert!(matches!(reply.status, 400 | 422), "{path}: {} {}", reply.status, reply.body);
        assert_eq!(flaws_of_problem(&reply), Vec::<String>::new());
    }
    for (path, body) in [
        (format!("{import}/rows/1"), json!({"last_name": nul})),
        ("/tenancy/v1/organisation".to_owned(), json!({"name": nul})),
    ] {
        let reply = world.owner.patch(&path, None, &body).await;
        assert!(matches!(reply.status, 400 | 422), "{path}: {} {}", reply.status, reply.body);
    }
    for path in [
        "/school/v1/students/%00",
        "/school/v1/students/%FF",
        "/school/v1/attendance-days/%00",
        "/school/v1/attendance-days/2026-13-01",
    ] {
        refused(&world.owner.get(path).await, 404, "not_found");
    }
    assert_eq!(world.fingerprint().await, before);
    app.settle().await;
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there() {
    let app = TestApp::start().await;
    let organisation = app.organisation("Aardvark House").await;
    let owner = app.owner(&organisation).await;
    for path in [
        "/school/v1/nothing",
        "/school/v2/students",
        "/school/v1",
        "/school/v1/students/x/y",
        "/tenancy/v1/organisation-states",
        "/identity/v1/operator-tokens",
    ] {
        let reply = owner.get(path).await;
        assert!(matches!(reply.status, 404 | 405), "{path}: {}", reply.status);
        assert_eq!(flaws_of_problem(&reply), Vec::<String>::new(), "{path}");
    }
    // What services ask each other is not there for people.
    let wish = json!({"id": organisation.id, "name": "Stolen", "country": "KE", "currency": "KES", "time_zone": "UTC", "products": []});
    refused(&owner.post("/tenancy/v1/organisations", &wish).await, 404, "not_found");
    let asked = json!({"organisation": organisation.slug, "account": organisation.owner_email, "scope": ""});
    for client in [&owner, &app.anybody()] {
        refused(&client.post("/identity/v1/operator-tokens", &asked).await, 404, "not_found");
    }
    for (method, path) in [
        (Method::PUT, "/school/v1/students"),
        (Method::DELETE, "/school/v1/students"),
        (Method::POST, "/tenancy/v1/organisation"),
    ] {
        refused(&send(owner.request(method, path)).await, 405, "method_not_allowed");
    }
    for (name, value) in [("if-match", ""), ("if-match", "1"), ("if-match", "\"1\", \"2\"")] {
        let request = owner
            .request(Method::PATCH, "/tenancy/v1/organisation")
            .header(name, value)
            .json(&json!({"name": "Zebra"}));
        refused(&send(request).await, 412, "stale");
    }
    refused(
        &send(owner.request(Method::PATCH, "/tenancy/v1/organisation").header("content-type", "").body("{}")).await,
        415,
        "unsupported_media_type",
    );
    let long = send(owner.request(Method::GET, ME).header("x-long", "x".repeat(400_000))).await;
    assert_eq!(long.status, 431);
    assert_eq!(owner.get("/tenancy/v1/organisation").await.ok()["name"], "Aardvark House");
    app.settle().await;
}
