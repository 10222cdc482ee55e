//! An operator in an organisation: only by its consent, only for a time, only as far, always shown.
use hitaji_contracts::identity::{EndOperator, OperatorMade};
use hitaji_testkit::{Client, Organisation, Reply, TestApp, at, until};
use serde_json::{Value, json};

struct Scene {
    app: TestApp,
    school: Organisation,
    owner: Client,
    operator: Client,
}

async fn scene() -> Scene {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let operator = app.operator("support", "amina@hitaji.example").await;
    Scene { app, school, owner, operator }
}

impl Scene {
    fn path(&self) -> String {
        format!("/tenancy/v1/organisations/{}/support-grants", self.school.id)
    }

    async fn ask(&self, access: &str, hours: i32) -> Value {
        let body = json!({"reason": "the class list does not import", "access": access, "hours": hours});
        self.operator.post(&self.path(), &body).await.ok()
    }

    async fn decide(&self, grant: &Value, how: &str) -> Reply {
        self.owner
            .post(&format!("/tenancy/v1/support-grants/{}/{how}", grant["id"].as_str().unwrap()), &json!(null))
            .await
    }

    async fn token(&self, grant: &Value) -> Reply {
        self.operator.post("/identity/v1/support-tokens", &json!({"grant_id": grant["id"]})).await
    }

    /// The same operator with a fresh token: the clock has moved.
    async fn again(&mut self, instant: &str) {
        self.app.clock.set(at(instant));
        self.operator = self.app.operator("support", "amina@hitaji.example").await;
        self.owner = self.app.owner(&self.school).await;
    }
}

#[tokio::test]
async fn without_consent_there_is_no_way_in() {
    let scene = scene().await;
    let asked = scene.ask("read", 2).await;
    assert_eq!((&asked["state"], &asked["version"]), (&json!("requested"), &json!(1)));
    scene.token(&asked).await.refused(409);
    let seen = scene.owner.get("/tenancy/v1/support-grants").await.ok();
    assert_eq!(seen["data"][0]["operator_name"], "amina");
    assert_eq!(seen["data"][0]["operator_email"], "amina@hitaji.example");
    let body = json!({"reason": "again", "access": "read", "hours": 2});
    scene.operator.post(&scene.path(), &body).await.refused(409);
    assert_eq!(scene.decide(&asked, "refuse").await.ok()["state"], "refused");
    scene.token(&asked).await.refused(409);
    scene.decide(&asked, "grant").await.refused(409);
    // A stranger's owner and another operator get nothing.
    let other = scene.app.organisation("Nyota Primary").await;
    let stranger = scene.app.owner(&other).await;
    let asked = scene.ask("read", 2).await;
    let path = format!("/tenancy/v1/support-grants/{}/grant", asked["id"].as_str().unwrap());
    stranger.post(&path, &json!(null)).await.refused(404);
    assert_eq!(stranger.get("/tenancy/v1/support-grants").await.ok()["data"], json!([]));
    scene.decide(&asked, "grant").await.ok();
    let colleague = scene.app.operator("owner", "baraka@hitaji.example").await;
    colleague.post("/identity/v1/support-tokens", &json!({"grant_id": asked["id"]})).await.refused(404);
    for hours in [0, 9] {
        let body = json!({"reason": "too long", "access": "read", "hours": hours});
        colleague.post(&scene.path(), &body).await.refused(422);
    }
    scene.app.settle().await;
}

#[tokio::test]
async fn consent_opens_reading_for_its_hours_and_no_longer() {
    let mut scene = scene().await;
    let asked = scene.ask("read", 1).await;
    let granted = scene.decide(&asked, "grant").await.ok();
    assert_eq!(granted["expires_at"], "2026-05-12T06:00:00Z");
    let token = scene.token(&granted).await.ok();
    assert_eq!(token["expires_in"], 300);
    let inside = scene.app.client(token["access_token"].as_str().unwrap());
    inside.get("/school/v1/students").await.ok();
    let me = inside.get("/identity/v1/me").await.ok();
    assert_eq!(me["organisation"]["slug"], scene.school.slug.as_str());
    let guardian = json!({"name": "Nobody", "email": "nobody@people.example"});
    assert_eq!(inside.post("/school/v1/guardians", &guardian).await.refused(403)["code"], "insufficient_scope");
    inside.patch("/tenancy/v1/organisation", None, &json!({"name": "Mine Now"})).await.refused(403);
    inside.get("/tenancy/v1/organisations").await.refused(403);
    scene.again("2026-05-12T05:58:00Z").await;
    assert_eq!(scene.token(&granted).await.ok()["expires_in"], 120, "never beyond the consent");
    scene.again("2026-05-12T06:00:00Z").await;
    scene.token(&granted).await.refused(409);
    let seen = scene.owner.get("/tenancy/v1/support-grants").await.ok();
    assert_eq!(seen["data"][0]["state"], "expired", "past access stays to be seen");
    scene.decide(&granted, "end").await.refused(409);
    scene.ask("read", 1).await;
    scene.app.settle().await;
}

#[tokio::test]
async fn what_support_changes_stands_in_the_audit_trail_of_the_organisation() {
    let scene = scene().await;
    let asked = scene.ask("write", 8).await;
    scene.decide(&asked, "grant").await.ok();
    let token = scene.token(&asked).await.ok();
    let inside = scene.app.client(token["access_token"].as_str().unwrap());
    inside.post("/school/v1/guardians", &json!({"name": "Grace Otieno", "email": "grace@people.example"})).await.ok();
    inside
        .post("/identity/v1/invitations", &json!({"email": "x@y.example", "name": "X", "roles": ["owner"]}))
        .await
        .refused(403);
    let path = format!("/tenancy/v1/support-grants/{}/end", asked["id"].as_str().unwrap());
    inside.post(&path, &json!(null)).await.refused(403);
    let lines =
        scene.app.rows(scene.school.id, "select actor from hitaji.audit where resource = 'school.guardian'").await;
    let actor = format!("operator:{}", asked["operator_id"].as_str().unwrap());
    assert_eq!(lines[0]["actor"], actor.as_str());
    scene.app.settle().await;
}

#[tokio::test]
async fn an_end_is_honoured_at_once_and_everything_is_written_down() {
    let scene = scene().await;
    let asked = scene.ask("read", 2).await;
    scene.decide(&asked, "grant").await.ok();
    let token = scene.token(&asked).await.ok();
    let inside = scene.app.client(token["access_token"].as_str().unwrap());
    inside.get("/school/v1/students").await.ok();
    assert_eq!(scene.decide(&asked, "end").await.ok()["state"], "ended");
    scene.token(&asked).await.refused(409);
    until("the token that was out is refused", async || {
        (inside.get("/school/v1/students").await.status == 401).then_some(())
    })
    .await;
    let path = format!("/tenancy/v1/operator-audit?organisation={}", scene.school.id);
    let audit = scene.operator.get(&path).await.ok();
    let actions: Vec<_> =
        audit["data"].as_array().unwrap().iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["end", "support_token", "grant", "request"]);
    let own = scene.ask("read", 2).await;
    let path = format!("{}/{}", scene.path(), own["id"].as_str().unwrap());
    assert_eq!(scene.operator.get(&path).await.ok()["state"], "requested");
    assert_eq!(scene.operator.post(&format!("{path}/end"), &json!(null)).await.ok()["state"], "ended");
    scene.app.settle().await;
}

#[tokio::test]
async fn who_is_an_operator_no_more_has_no_access() {
    let scene = scene().await;
    let asked = scene.ask("read", 2).await;
    scene.decide(&asked, "grant").await.ok();
    let token = scene.token(&asked).await.ok();
    let inside = scene.app.client(token["access_token"].as_str().unwrap());
    let body = EndOperator { email: "amina@hitaji.example".to_owned() };
    let peers = scene.app.platform.peers();
    let ended = peers.ask("test", "identity", reqwest::Method::POST, "/identity/v1/operators/end", &body);
    let _: OperatorMade = ended.await.unwrap();
    scene.app.settle().await;
    let seen = scene.owner.get("/tenancy/v1/support-grants").await.ok();
    assert_eq!(seen["data"][0]["state"], "ended");
    inside.get("/school/v1/students").await.refused(401);
}
