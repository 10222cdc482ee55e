//! Programs that act for themselves: let in by their organisation, as far as its people may.
use crate::flow::{claims, start, start_with, text};
use hitaji_testkit::{Client, Organisation, Reply, TestApp, at, send};
use serde_json::{Value, json};

const CLIENTS: &str = "/identity/v1/clients";

/// What an organisation's own programs hold.
pub struct Robot {
    pub id: String,
    pub secret: String,
}

impl Robot {
    pub async fn post(&self, app: &TestApp, path: &str, form: &[(&str, &str)]) -> Reply {
        let request = app.http.post(format!("{}{path}", app.address)).basic_auth(&self.id, Some(&self.secret));
        send(request.form(form)).await
    }

    pub async fn token(&self, app: &TestApp, more: &[(&str, &str)]) -> Reply {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(more);
        self.post(app, "/oauth/token", &form).await
    }

    pub async fn client(&self, app: &TestApp) -> Client {
        app.client(text(&self.token(app, &[]).await.ok(), "access_token"))
    }
}

pub fn service(scopes: &[&str]) -> Value {
    json!({"name": "Timetable", "kind": "service", "scopes": scopes})
}

pub async fn robot(owner: &Client, scopes: &[&str]) -> Robot {
    let made = owner.post(CLIENTS, &service(scopes)).await.ok();
    Robot { id: text(&made, "id").to_owned(), secret: text(&made, "client_secret").to_owned() }
}

pub async fn school(app: &TestApp) -> (Organisation, Client) {
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let pupil = json!({"admission_number": "A1", "first_name": "Amina", "last_name": "Otieno"});
    owner.post("/school/v1/students", &pupil).await.ok();
    (school, owner)
}

pub fn codes(refusal: &Value) -> Vec<String> {
    let all = refusal["errors"].as_array().into_iter().flatten();
    all.map(|error| format!("{} {}", text(error, "pointer"), text(error, "code"))).collect()
}

#[tokio::test]
async fn a_program_sees_what_its_permissions_open_in_its_own_organisation() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let robot = robot(&owner, &["school.student:read", "school.everyone:read"]).await;
    let tokens = robot.token(&app, &[]).await.ok();
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    assert_eq!(tokens["scope"], "school.everyone:read school.student:read");
    let said = claims(&tokens["access_token"]);
    assert_eq!((&said["sub_type"], &said["client_id"]), (&json!("client"), &json!(robot.id)));
    assert_eq!((&said["org_id"], &said["sid"]), (&json!(school.id), &Value::Null));
    let again = claims(&robot.token(&app, &[]).await.ok()["access_token"]);
    assert_eq!((&again["sub"], again["jti"] == said["jti"]), (&said["sub"], false), "the same program");
    let accounts = app.control_rows("select id from identity.account").await;
    assert!(!accounts.iter().any(|account| account["id"] == said["sub"]), "and no account");

    let program = app.client(text(&tokens, "access_token"));
    let pupils = program.get("/school/v1/students").await.ok();
    assert_eq!(pupils["data"].as_array().unwrap().len(), 1);
    program.get("/school/v1/guardians").await.refused(403);
    program.post("/school/v1/students", &json!({})).await.refused(403);
    program.get("/identity/v1/members").await.refused(403);
    program.get("/identity/v1/me").await.refused(404);
    program.get("/oauth/userinfo").await.refused(403);
    app.settle().await;
}

#[tokio::test]
async fn no_relation_reaches_a_program_and_its_work_bears_its_name() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let narrow = robot(&owner, &["school.student:read", "school.student:write"]).await;
    let program = narrow.client(&app).await;
    assert_eq!(program.get("/school/v1/students").await.ok()["data"], json!([]), "it is nobody's teacher");
    let known = text(&owner.get("/school/v1/students").await.ok()["data"][0], "id").to_owned();
    program.get(&format!("/school/v1/students/{known}")).await.refused(404);
    let wide = robot(&owner, &["school.student:read", "school.student:write", "school.everyone:read"]).await;
    let pupil = json!({"admission_number": "A2", "first_name": "Juma", "last_name": "Otieno"});
    wide.client(&app).await.post("/school/v1/students", &pupil).await.ok();
    app.settle().await;
    let actor = format!("client:{}", wide.id);
    let audited = app.rows(school.id, &format!("select action from hitaji.audit where actor = '{actor}'")).await;
    assert_eq!(audited.len(), 1, "{audited:?}");
    let told = app.rows(school.id, &format!("select type from hitaji.outbox where actor = '{actor}'")).await;
    assert!(!told.is_empty());
    let given = format!("select after from hitaji.audit where actor = '{actor}' and resource = 'identity.client'");
    assert_eq!(app.control_rows(&given).await.len(), 1, "the token was noted");
}

#[tokio::test]
async fn a_program_gets_what_it_asks_for_as_far_as_it_may() {
    let app = start_with(|settings| {
        let clients = settings["clients"].as_array_mut().unwrap();
        let text = r#"c = [
            { id = "homeless", secret = "homeless-secret", grants = ["client_credentials"] },
            { id = "people-only", secret = "people-secret", redirect_uris = ["https://p.example/cb"] },
        ]"#;
        let more: toml::Table = text.parse().unwrap();
        clients.extend(more["c"].as_array().unwrap().clone());
    })
    .await;
    let (_, owner) = school(&app).await;
    let robot = robot(&owner, &["school.student:read", "school.staff:read"]).await;
    let narrow = robot.token(&app, &[("scope", "openid profile school.staff:read school.term:read")]).await.ok();
    assert_eq!(narrow["scope"], "school.staff:read");
    for scope in ["school.student:write", "openid", "nonsense", "tenancy.organisations:read"] {
        assert_eq!(robot.token(&app, &[("scope", scope)]).await.refused(400)["error"], "invalid_scope", "{scope}");
    }
    for resource in [app.address.as_str(), "hitaji"] {
        robot.token(&app, &[("resource", resource)]).await.ok();
    }
    let two = [("resource", app.address.as_str()), ("resource", "https://elsewhere.example/")];
    assert_eq!(robot.token(&app, &two).await.refused(400)["error"], "invalid_target");
    let of = |id: &str, secret: &str| Robot { id: id.into(), secret: secret.into() };
    let refused = of("homeless", "homeless-secret").token(&app, &[]).await.refused(400);
    assert_eq!(refused["error"], "unauthorized_client");
    assert_eq!(of("people-only", "people-secret").token(&app, &[]).await.refused(400)["error"], "unauthorized_client");
    let wrong = of(&robot.id, "guess").token(&app, &[]).await;
    assert!(wrong.header("www-authenticate").is_some_and(|value| value.starts_with("Basic")));
    wrong.refused(401);
    app.settle().await;
}

#[tokio::test]
async fn a_program_that_is_ended_is_ended_at_once() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let robot = robot(&owner, &["school.staff:read"]).await;
    let program = robot.client(&app).await;
    program.get("/school/v1/staff").await.ok();
    let path = format!("{CLIENTS}/{}", robot.id);
    assert_eq!(owner.delete(&path).await.status, 204);
    program.get("/school/v1/staff").await.refused(401);
    assert_eq!(robot.token(&app, &[]).await.refused(401)["error"], "invalid_client");
    assert_eq!(owner.get(&path).await.ok()["status"], "disabled");
    owner.patch(&path, None, &json!({"name": "Again"})).await.refused(409);
    owner.post(&format!("{path}/rotate"), &json!({})).await.refused(409);
    app.settle().await;
}

#[tokio::test]
async fn where_nobody_can_work_no_program_can() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let soon = json!({"name": "Soon", "kind": "service", "scopes": ["school.staff:read"], "expires_at": "2026-05-13T00:00:00Z"});
    let made = owner.post(CLIENTS, &soon).await.ok();
    let robot = Robot { id: text(&made, "id").into(), secret: text(&made, "client_secret").into() };
    robot.token(&app, &[]).await.ok();
    let operator = app.operator("owner", "op@platform.example").await;
    let suspend = format!("/tenancy/v1/organisations/{}/suspend", school.id);
    operator.post(&suspend, &json!({"reason": "not paid for"})).await.ok();
    assert_eq!(robot.token(&app, &[]).await.refused(400)["error"], "invalid_grant");
    operator.post(&suspend.replace("suspend", "resume"), &json!({"reason": "paid for"})).await.ok();
    robot.token(&app, &[]).await.ok();
    app.clock.set(at("2026-05-13T00:00:00Z"));
    robot.token(&app, &[]).await.refused(401);
    app.settle().await;
}

#[tokio::test]
async fn nobody_lets_in_a_program_that_may_more_than_they() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let strong = robot(&owner, &["school.student:write"]).await;
    let scope = "identity.client:manage identity.client:read school.student:read";
    let narrow = app.client(&app.token(&school.slug, &school.owner_email, scope).await);
    let wanted = [
        "school.student:read",
        "school.student:write",
        "identity.member:manage",
        "no.such:thing",
        "tenancy.organisations:read",
        "school.student:read",
    ];
    let refused = narrow.post(CLIENTS, &service(&wanted)).await.refused(422);
    assert_eq!(
        codes(&refused),
        [
            "/scopes/1 beyond_own",
            "/scopes/2 restricted",
            "/scopes/3 unknown_value",
            "/scopes/4 unknown_value",
            "/scopes/5 repeated"
        ]
    );
    let path = format!("{CLIENTS}/{}", strong.id);
    assert_eq!(codes(&narrow.post(&format!("{path}/rotate"), &json!({})).await.refused(422)), ["/scopes beyond_own"]);
    narrow.patch(&path, None, &json!({"name": "Mine"})).await.refused(422);
    let own = robot(&narrow, &["school.student:read"]).await;
    let widened =
        narrow.patch(&format!("{CLIENTS}/{}", own.id), None, &json!({"scopes": ["school.student:write"]})).await;
    assert_eq!(codes(&widened.refused(422)), ["/scopes/0 beyond_own"]);
    // A program cannot make another, whatever it was given.
    let program = robot(&owner, &["identity.client:read"]).await.client(&app).await;
    program.get(CLIENTS).await.ok();
    program.post(CLIENTS, &service(&["identity.client:read"])).await.refused(403);
    let head = app.join(&school, "head_teacher", "Grace Mwangi", "grace@uhuru.example").await;
    head.get(CLIENTS).await.refused(403);
    app.settle().await;
}

#[tokio::test]
async fn another_organisation_finds_no_program() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let stranger = app.owner(&app.organisation("Nyota School").await).await;
    let robot = robot(&owner, &["school.staff:read"]).await;
    let path = format!("{CLIENTS}/{}", robot.id);
    stranger.get(&path).await.refused(404);
    stranger.patch(&path, None, &json!({"name": "Mine"})).await.refused(404);
    stranger.delete(&path).await.refused(404);
    for action in ["rotate", "retire-old"] {
        stranger.post(&format!("{path}/{action}"), &json!({})).await.refused(404);
    }
    assert_eq!(stranger.get(CLIENTS).await.ok()["data"], json!([]));
    let list = owner.get(CLIENTS).await.ok();
    assert!(list["data"][0]["client_secret"].is_null() && !list.to_string().contains(&robot.secret));
    let stored = app.control_rows("select row_to_json(c)::text as line from identity.client c").await;
    assert!(!stored[0].to_string().contains(&robot.secret));
    app.settle().await;
}

#[tokio::test]
async fn secrets_overlap_for_seven_days() {
    let app = start().await;
    let (school, owner) = school(&app).await;
    let old = robot(&owner, &["school.staff:read"]).await;
    let path = format!("{CLIENTS}/{}", old.id);
    let rotated = owner.post(&format!("{path}/rotate"), &json!({})).await.ok();
    assert_eq!(rotated["version"], 2);
    let new = Robot { id: old.id.clone(), secret: text(&rotated, "client_secret").into() };
    old.token(&app, &[]).await.ok();
    new.token(&app, &[]).await.ok();
    owner.post(&format!("{path}/rotate"), &json!({})).await.refused(409);
    app.clock.set(at("2026-05-19T05:00:00Z"));
    old.token(&app, &[]).await.refused(401);
    new.token(&app, &[]).await.ok();
    let owner = app.owner(&school).await;
    let third = owner.post(&format!("{path}/rotate"), &json!({})).await.ok();
    new.token(&app, &[]).await.ok();
    assert_eq!(owner.post(&format!("{path}/retire-old"), &json!({})).await.ok()["old_secret_until"], Value::Null);
    new.token(&app, &[]).await.refused(401);
    Robot { id: old.id, secret: text(&third, "client_secret").into() }.token(&app, &[]).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn what_is_registered_is_checked() {
    let app = start().await;
    let (_, owner) = school(&app).await;
    let web = |uri: &str| json!({"name": "Portal", "kind": "web", "redirect_uris": [uri], "scopes": []});
    for uri in ["http://portal.example/cb", "javascript:alert(1)", "https://portal.example/cb#x", "/cb"] {
        let refused = owner.post(CLIENTS, &web(uri)).await.refused(422);
        assert_eq!(codes(&refused), ["/redirect_uris not_allowed"], "{uri}");
    }
    let made = owner.post(CLIENTS, &web("https://portal.example/cb")).await.ok();
    assert_eq!((&made["auth"], &made["kind"]), (&json!("client_secret"), &json!("web")));
    let path = format!("{CLIENTS}/{}", text(&made, "id"));
    let changed =
        owner.patch(&path, Some(1), &json!({"name": "Gate", "expires_at": "2027-01-01T00:00:00Z"})).await.ok();
    assert_eq!((&changed["name"], &changed["expires_at"]), (&json!("Gate"), &json!("2027-01-01T00:00:00Z")));
    owner.patch(&path, Some(1), &json!({"name": "Stale"})).await.refused(412);
    assert_eq!(owner.patch(&path, Some(2), &json!({"expires_at": null})).await.ok()["expires_at"], Value::Null);
    let native = json!({"name": "App", "kind": "native", "redirect_uris": ["http://127.0.0.1/cb"]});
    let made = owner.post(CLIENTS, &native).await.ok();
    assert_eq!((&made["auth"], &made["client_secret"]), (&json!("none"), &Value::Null));
    let mut acting = native.clone();
    acting["token_exchange"] = json!(true);
    assert_eq!(codes(&owner.post(CLIENTS, &acting).await.refused(422)), ["/token_exchange not_allowed"]);
    let mut service = service(&[]);
    service["redirect_uris"] = json!(["https://x.example/"]);
    service["expires_at"] = json!("2026-05-12T05:00:00Z");
    let refused = owner.post(CLIENTS, &service).await.refused(422);
    assert_eq!(codes(&refused), ["/expires_at past", "/scopes required", "/redirect_uris unknown_value"]);
    app.settle().await;
}
