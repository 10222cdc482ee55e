//! Organisations and their databases: made once, closed to everybody else, cleaned up after a crash.
use chrono::TimeDelta;
use hitaji_bus::JobContext;
use hitaji_db::secrets::scram_verifier;
use hitaji_testkit::{PASSWORD, Reply, TestApp, at, test_postgres};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use std::str::FromStr as _;

const ID: &str = "01890000-0000-7000-8000-0000000000aa";

fn sign_up(email: &str, organisation: &str) -> Value {
    json!({"organisation": organisation, "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi", "products": ["school"],
        "name": "Wanjiku Kamau", "email": email, "password": PASSWORD})
}

async fn post_all(app: &TestApp, bodies: Vec<Value>) -> Vec<Reply> {
    let sent = bodies.into_iter().map(|body| {
        let client = app.anybody();
        tokio::spawn(async move { client.post("/identity/v1/sign-ups", &body).await })
    });
    let replies = futures::future::join_all(sent.collect::<Vec<_>>()).await;
    replies.into_iter().map(|reply| reply.expect("an answer")).collect()
}

#[tokio::test]
async fn a_repeated_sign_up_makes_one_organisation() {
    let app = TestApp::start().await;
    let mut body = sign_up("owner@uhuru.example", "Uhuru Academy");
    body["organisation_id"] = json!(ID);
    let at_once = post_all(&app, vec![body.clone(); 5]).await;
    let again = app.anybody().post("/identity/v1/sign-ups", &body).await;
    for reply in at_once.iter().chain([&again]) {
        assert_eq!((reply.status, &reply.body["organisation_id"]), (201, &json!(ID)), "{}", reply.body);
        assert_eq!(reply.body["slug"], "uhuru-academy");
        assert_eq!(reply.body["account_id"], again.body["account_id"]);
    }
    app.settle().await;
    let counts = "select (select count(*) from directory.tenant) as tenants, (select count(*) from directory.database where state = 'claimed') as claimed,
        (select count(*) from identity.membership) as members, (select count(*) from identity.account) as accounts,
        (select count(*) from hitaji.outbox where type = 'tenancy.organisation.activated.v1') as activations,
        (select count(*) from hitaji.outbox where type = 'identity.membership.started.v1') as owners";
    let expected = json!({"tenants": 1, "claimed": 1, "members": 1, "accounts": 1, "activations": 1, "owners": 1});
    assert_eq!(app.control_rows(counts).await, [expected]);
    // The id is somebody's: another person's wish for it is refused.
    let mut foreign = sign_up("thief@elsewhere.example", "Stolen Academy");
    foreign["organisation_id"] = json!(ID);
    app.anybody().post("/identity/v1/sign-ups", &foreign).await.refused(409);
    let token = app.token("uhuru-academy", "owner@uhuru.example", "").await;
    assert_eq!(app.client(&token).get("/tenancy/v1/organisation").await.ok()["name"], "Uhuru Academy");
    app.settle().await;
}

#[tokio::test]
async fn organisations_of_one_name_get_names_of_their_own() {
    let app = TestApp::start().await;
    let bodies = (0..6).map(|n| sign_up(&format!("owner{n}@uhuru.example"), "Uhuru Academy")).collect();
    let mut slugs: Vec<String> = post_all(&app, bodies)
        .await
        .into_iter()
        .map(|reply| reply.ok()["slug"].as_str().expect("a slug").to_owned())
        .collect();
    slugs.sort_unstable();
    assert_eq!(
        slugs,
        [
            "uhuru-academy",
            "uhuru-academy-2",
            "uhuru-academy-3",
            "uhuru-academy-4",
            "uhuru-academy-5",
            "uhuru-academy-6"
        ]
    );
    let mut wished = sign_up("owner9@uhuru.example", "Another School");
    wished["slug"] = json!("uhuru-academy");
    let refusal = app.anybody().post("/identity/v1/sign-ups", &wished).await.refused(422);
    assert_eq!(refusal["errors"][0]["pointer"], "/slug");
    let databases = app.control_rows("select count(distinct name) as names, count(distinct login_role) as roles from directory.database where state = 'claimed'").await;
    assert_eq!(databases, [json!({"names": 6, "roles": 6})]);
    app.settle().await;
}

/// Where an organisation's data is, with the password of its role.
struct Opened {
    database: String,
    role: String,
    password: String,
    sealed: Vec<u8>,
}

async fn opened(app: &TestApp, id: hitaji_core::TenantId) -> Opened {
    let mut conn = app.platform.databases().control().await.expect("the control database");
    let (database, role, sealed): (String, String, Vec<u8>) =
        sqlx::query_as("select name, login_role, password from directory.database where tenant_id = $1")
            .bind(id.0)
            .fetch_one(&mut *conn)
            .await
            .expect("a row");
    let keys = app.platform.databases().data_keys(id).await.expect("the organisation's keys");
    let plain = keys.open("database-password", &sealed).expect("our own secret");
    Opened { database, role, password: String::from_utf8(plain).expect("text"), sealed }
}

async fn connect(database: &str, role: Option<&Opened>) -> Result<PgConnection, sqlx::Error> {
    let options = PgConnectOptions::from_str(&test_postgres().await).expect("a URL").database(database);
    let options = match role {
        Some(opened) => options.username(&opened.role).password(&opened.password),
        None => options,
    };
    PgConnection::connect_with(&options).await
}

#[tokio::test]
async fn a_role_connects_to_its_own_database_and_nowhere_else() {
    let app = TestApp::start().await;
    let (first, second) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let (mine, theirs) = (opened(&app, first.id).await, opened(&app, second.id).await);
    let mut own = connect(&mine.database, Some(&mine)).await.expect("its own database");
    sqlx::query("select count(*) from school.student").execute(&mut own).await.expect("its own tables");
    for statement in [
        "create table school.mine (id int)",
        "drop table school.student",
        "create role intruder",
        "alter table school.student disable row level security",
        "delete from hitaji.audit",
        "update hitaji.audit set actor = 'x'",
        "delete from school.attendance_mark_history",
        "copy school.student to program 'id'",
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut own).await.expect_err(statement);
        assert_eq!(
            refused.as_database_error().and_then(|error| error.code()).as_deref(),
            Some("42501"),
            "{statement}: {refused}"
        );
    }
    let control: String = {
        let mut conn = app.platform.databases().control().await.expect("the control database");
        sqlx::query_scalar("select current_database()::text").fetch_one(&mut *conn).await.expect("a name")
    };
    let mut admin = connect("postgres", None).await.expect("the operator");
    let every: Vec<String> = sqlx::query_scalar("select datname::text from pg_database order by 1")
        .fetch_all(&mut admin)
        .await
        .expect("databases");
    assert!([&control, &theirs.database].iter().all(|name| every.contains(name)));
    for database in every.iter().filter(|name| {
        **name != mine.database && (name.starts_with(&control) || ["postgres", "template1"].contains(&name.as_str()))
    }) {
        let refused =
            connect(database, Some(&mine)).await.err().unwrap_or_else(|| panic!("the role can connect to {database}"));
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert!(matches!(code.as_deref(), Some("42501" | "55000")), "{database}: {refused}");
    }
    let open: Vec<String> = sqlx::query_scalar("select datname::text from pg_database where starts_with(datname, $1) and has_database_privilege('public', oid, 'connect')")
        .bind(&control).fetch_all(&mut admin).await.expect("databases");
    assert_eq!(open, Vec::<String>::new(), "PUBLIC may connect");
    app.settle().await;
}

#[tokio::test]
async fn credentials_rest_sealed() {
    let app = TestApp::start().await;
    let (first, second) = (app.organisation("Aardvark House").await, app.organisation("Zebra House").await);
    let (mine, theirs) = (opened(&app, first.id).await, opened(&app, second.id).await);
    assert_ne!(mine.password, theirs.password);
    assert!(
        mine.password.len() >= 43 && !mine.sealed.windows(8).any(|window| mine.password.as_bytes().starts_with(window))
    );
    let keys = app.platform.databases().data_keys(second.id).await.expect("the other organisation's keys");
    assert!(keys.open("database-password", &mine.sealed).is_err(), "a secret moved to another organisation stays shut");
    let mut admin = connect("postgres", None).await.expect("the operator");
    let stored: String = sqlx::query_scalar("select rolpassword from pg_authid where rolname = $1")
        .bind(&mine.role)
        .fetch_one(&mut admin)
        .await
        .expect("a verifier");
    assert!(stored.starts_with("SCRAM-SHA-256$") && !stored.contains(&mine.password));
    assert_ne!(scram_verifier(&mine.password), scram_verifier(&mine.password), "salted");
    let accounts = app.control_rows("select password_hash from identity.account").await;
    assert!(
        accounts.iter().all(|row| row["password_hash"].as_str().is_some_and(|hash| hash.starts_with("$argon2id$")))
    );
    // What a member of staff with the database sees of secrets in events, audit and stored answers: nothing.
    let texts = app.control_rows("select coalesce(string_agg(line::text, ' '), '') as text from (select data::text as line from hitaji.outbox
        union all select coalesce(after::text, '') from hitaji.audit union all select encode(body, 'escape') from hitaji.idempotency) all_lines").await;
    let text = texts[0]["text"].as_str().expect("a text");
    assert!(!text.contains(PASSWORD) && !text.contains(&mine.password) && !text.contains("$argon2id$"));
    app.settle().await;
}

#[tokio::test]
async fn what_a_crash_left_half_made_is_removed_or_finished() {
    let app = TestApp::start().await;
    let kept = app.organisation("Aardvark House").await;
    let databases = app.platform.databases();
    let control = &opened(&app, kept.id).await.database;
    let (name, role) = (format!("{control}_orphan"), format!("{control}_orphan_role"));
    let mut admin = connect("postgres", None).await.expect("the operator");
    sqlx::raw_sql(AssertSqlSafe(format!("create role \"{role}\" login; "))).execute(&mut admin).await.expect("a role");
    sqlx::raw_sql(AssertSqlSafe(format!("create database \"{name}\""))).execute(&mut admin).await.expect("a database");
    let mut conn = databases.control().await.expect("the control database");
    sqlx::query("insert into directory.database (id, name, state, template, login_role, password) values (gen_random_uuid(), $1, 'creating', 't', $2, ''),
        (gen_random_uuid(), $1 || '2', 'ready', 'an_old_template', $2 || '2', '')")
        .bind(&name).bind(&role).execute(&mut *conn).await.expect("rows of a process that died");
    // Organisations whose sign-up was cut short: without a database, and with one.
    sqlx::query(
        "insert into directory.tenant (id, slug, name, country, currency, time_zone, products, state)
        values ($1::uuid, 'half-made', 'Half Made', 'KE', 'KES', 'Africa/Nairobi', '{school}', 'provisioning')",
    )
    .bind(ID)
    .execute(&mut *conn)
    .await
    .expect("an organisation");
    conn.release();
    assert_eq!(
        databases.reap(TimeDelta::days(36_500)).await.expect("the reaper runs"),
        1,
        "young ones may be under way; an old template's never is"
    );
    app.clock.set(at("2126-05-12T05:00:00Z"));
    assert_eq!(databases.reap(TimeDelta::minutes(3)).await.expect("the reaper runs"), 1);
    let left: i64 = sqlx::query_scalar("select (select count(*) from pg_database where datname = $1) + (select count(*) from pg_roles where rolname = $2)")
        .bind(&name).bind(&role).fetch_one(&mut admin).await.expect("a count");
    assert_eq!(left, 0);
    assert_eq!(databases.reap(TimeDelta::minutes(3)).await.expect("the reaper runs"), 0);

    run_job(&app, "tenancy.resume").await;
    run_job(&app, "tenancy.resume").await;
    app.settle().await;
    let states = app.control_rows("select slug, state from directory.tenant order by slug").await;
    assert_eq!(
        states,
        [json!({"slug": "aardvark-house", "state": "active"}), json!({"slug": "half-made", "state": "active"})]
    );
    let years =
        app.rows(serde_json::from_value(json!(ID)).expect("an id"), "select name from school.academic_year").await;
    assert_eq!(years, [json!({"name": "2126"})], "the finished organisation's school has begun");
    app.settle().await;
}

async fn run_job(app: &TestApp, name: &str) {
    let context = JobContext { databases: app.platform.databases().clone(), parts: app.platform.parts().clone() };
    let services = app.platform.registry().services();
    let job =
        services.iter().flat_map(|service| service.jobs).find(|job| job.name == name).expect("a job of this name");
    (job.run)(context).await.expect("the job runs");
}
