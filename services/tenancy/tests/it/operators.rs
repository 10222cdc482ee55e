//! Who is an operator, what they see, and what they never see.
use hitaji_contracts::identity::{EndOperator, OperatorMade};
use hitaji_testkit::{Client, TestApp};
use serde_json::json;

#[tokio::test]
async fn an_operator_reads_no_data_of_any_organisation() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let operator = app.operator("owner", "amina@hitaji.example").await;
    for path in [
        "/school/v1/students",
        "/school/v1/resources",
        "/identity/v1/members",
        "/identity/v1/me",
        "/tenancy/v1/organisation",
        "/tenancy/v1/support-grants",
    ] {
        let refused = operator.get(path).await.refused(403);
        assert_eq!(refused["code"], "organisation_mismatch", "{path}");
    }
    operator.patch("/tenancy/v1/organisation", None, &json!({"name": "Mine Now"})).await.refused(403);
    let seen = operator.get(&format!("/tenancy/v1/organisations/{}", school.id)).await.ok();
    assert_eq!(seen["name"], "Uhuru Academy");
    assert!(seen["measures"]["size_bytes"].as_i64().unwrap() > 1_000_000, "{seen}");
    let schema = seen["measures"]["schema"].as_array().unwrap();
    assert!(schema.iter().any(|one| one["service"] == "school" && one["version"] == one["newest"]), "{seen}");
    app.settle().await;
}

#[tokio::test]
async fn members_do_not_reach_what_is_for_operators() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let id = school.id;
    for path in [
        "/tenancy/v1/organisations".to_owned(),
        format!("/tenancy/v1/organisations/{id}"),
        "/tenancy/v1/operator-audit".to_owned(),
        format!("/tenancy/v1/organisations/{id}/support-grants"),
    ] {
        assert_eq!(owner.get(&path).await.refused(403)["code"], "insufficient_scope", "{path}");
        app.anybody().get(&path).await.refused(401);
    }
    let reason = json!({"reason": "because I can"});
    owner.post(&format!("/tenancy/v1/organisations/{id}/suspend"), &reason).await.refused(403);
    // An owner holds everything of the organisation, and nothing of the platform.
    let me = owner.get("/identity/v1/me").await.ok();
    let permissions = me["permissions"].as_array().unwrap();
    assert!(permissions.iter().any(|one| one == "tenancy.organisation:manage"));
    assert!(!permissions.iter().any(|one| one.as_str().unwrap().starts_with("tenancy.organisations:")), "{me}");
    // Asked for by name, it is not given either.
    let named = app.token(&school.slug, &school.owner_email, "tenancy.organisations:read tenancy.support:use").await;
    app.client(&named).get("/tenancy/v1/organisations").await.refused(403);
    app.settle().await;
}

async fn names(client: &Client, query: &str) -> Vec<String> {
    let found = client.get(&format!("/tenancy/v1/organisations{query}")).await.ok();
    found["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn organisations_are_searched_and_paged() {
    let app = TestApp::start().await;
    for name in ["Uhuru Academy", "Nyota Primary", "Uhuru Clinic"] {
        app.organisation(name).await;
    }
    let operator = app.operator("support", "amina@hitaji.example").await;
    assert_eq!(names(&operator, "").await, ["Uhuru Clinic", "Nyota Primary", "Uhuru Academy"], "newest first");
    assert_eq!(names(&operator, "?q=UHURU").await, ["Uhuru Clinic", "Uhuru Academy"]);
    assert_eq!(names(&operator, "?q=nyota-prim").await, ["Nyota Primary"]);
    assert_eq!(names(&operator, "?q=%25").await, Vec::<String>::new(), "no pattern");
    assert_eq!(names(&operator, "?state=suspended").await, Vec::<String>::new());
    operator.get("/tenancy/v1/organisations?state=happy").await.refused(400);
    let first = operator.get("/tenancy/v1/organisations?limit=2").await.ok();
    let next = first["page"]["next"].as_str().unwrap();
    assert_eq!(names(&operator, &format!("?limit=2&cursor={next}")).await, ["Uhuru Academy"]);
    // The cursor is this operator's, of this list.
    operator.get(&format!("/tenancy/v1/organisations?q=x&cursor={next}")).await.refused(400);
    let other = app.operator("support", "baraka@hitaji.example").await;
    other.get(&format!("/tenancy/v1/organisations?limit=2&cursor={next}")).await.refused(400);
    app.settle().await;
}

#[tokio::test]
async fn roles_differ_and_an_end_is_an_end() {
    let app = TestApp::start().await;
    let school = app.organisation("Uhuru Academy").await;
    let suspend = format!("/tenancy/v1/organisations/{}/suspend", school.id);
    let reason = json!({"reason": "unpaid since May"});
    let support = app.operator("support", "amina@hitaji.example").await;
    support.get("/tenancy/v1/organisations").await.ok();
    assert_eq!(support.post(&suspend, &reason).await.refused(403)["code"], "insufficient_scope");
    let operator = app.operator("operator", "amina@hitaji.example").await;
    operator.post(&suspend, &reason).await.ok();
    let asked = EndOperator { email: "amina@hitaji.example".to_owned() };
    let peers = app.platform.peers();
    let ended = peers.ask("test", "identity", reqwest::Method::POST, "/identity/v1/operators/end", &asked);
    let _: OperatorMade = ended.await.unwrap();
    let asked = hitaji_contracts::identity::OperatorTokenRequest {
        organisation: String::new(),
        account: "amina@hitaji.example".to_owned(),
        scope: String::new(),
    };
    let token = peers.ask::<_, serde_json::Value>(
        "test",
        "identity",
        reqwest::Method::POST,
        "/identity/v1/operator-tokens",
        &asked,
    );
    assert_eq!(token.await.unwrap_err().code.status(), 422, "no operator, no token");
    let audit = app
        .control_rows("select action, actor from hitaji.audit where resource = 'identity.operator' order by position")
        .await;
    let actions: Vec<_> = audit.iter().map(|line| line["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["start", "start", "end"]);
    app.settle().await;
}
