//! Plans: every limit bites at its number and leaves the way out open, owners are warned before, and the ledger adds up.
use hitaji_bus::JobContext;
use hitaji_contracts::tenancy::QuotaWarned;
use hitaji_core::{Clock, Event as _, TenantId};
use hitaji_tenancy::plans::{self, PlanChange};
use hitaji_testkit::{Client, Organisation, TestApp, at, send, until};
use serde_json::{Value, json};

const STUDENTS: &str = "/school/v1/students";
const INVITATIONS: &str = "/identity/v1/invitations";
const CSV: &str =
    "admission_number,first_name,last_name,date_of_birth,year_group,stream\n1,Amina,Otieno,,Grade 1,Grade 1 East\n";

async fn app() -> TestApp {
    let clock = Clock::fixed(at("2026-05-12T05:00:00Z"));
    TestApp::start_with(clock, |config| {
        for (name, value) in [
            ("subject_per_s", 10_000),
            ("subject_burst", 10_000),
            ("organisation_per_s", 10_000),
            ("organisation_burst", 10_000),
        ] {
            config.set("limits", name, value);
        }
    })
    .await
}

/// Makes the plan `free` as small as the test wants it, and gives it to the organisation.
async fn on_small_plan(app: &TestApp, organisation: &Organisation, column: &str, limit: i64) {
    let databases = app.platform.databases();
    let mut conn = databases.control().await.expect("a connection");
    let sql = format!("update directory.plan set {column} = $1 where key = 'free'");
    sqlx::query(sqlx::AssertSqlSafe(sql)).bind(limit).execute(&mut *conn).await.expect("a smaller plan");
    conn.release();
    let changed = plans::change(databases, organisation.id, "free", "test").await.expect("a change of plan");
    assert_eq!(changed, PlanChange::Changed);
}

async fn usage(client: &Client) -> Value {
    client.get("/tenancy/v1/usage").await.ok()
}

async fn limit(client: &Client, kind: &str) -> Value {
    let usage = usage(client).await;
    let limits = usage["limits"].as_array().expect("limits");
    limits.iter().find(|limit| limit["kind"] == kind).expect("the limit").clone()
}

/// Runs a service's periodic work now.
async fn run_job(app: &TestApp, name: &str) {
    let services = app.platform.registry().services();
    let job = services.iter().flat_map(|service| service.jobs).find(|job| job.name == name).expect("the job");
    let context = JobContext { databases: app.platform.databases().clone(), parts: app.platform.parts().clone() };
    (job.run)(context).await.expect("the job runs");
}

async fn warnings(app: &TestApp, id: TenantId) -> Vec<Value> {
    let kind = QuotaWarned::TYPE;
    let rows = app
        .control_rows(&format!(
            "select data from hitaji.outbox where type = '{kind}' and data->>'tenant_id' = '{id}' order by position"
        ))
        .await;
    rows.into_iter().map(|row| row["data"].clone()).collect()
}

fn invited(number: usize) -> Value {
    json!({"email": format!("teacher{number}@people.example"), "name": format!("Teacher {number}"), "roles": ["teacher"]})
}

/// A record that can be deleted: its address.
async fn year_group(owner: &Client) -> String {
    let made = owner.post("/school/v1/year-groups", &json!({"name": "Grade 9", "position": 9})).await.ok();
    format!("/school/v1/year-groups/{}", made["id"].as_str().expect("an id"))
}

async fn delete(client: &Client, path: &str) -> u16 {
    send(client.request(reqwest::Method::DELETE, path).header("if-match", "\"1\"")).await.status
}

#[tokio::test]
async fn people_are_invited_up_to_the_plans_number() {
    let app = app().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Zebra House").await);
    on_small_plan(&app, &school, "users", 3).await;
    let owner = app.owner(&school).await;
    let first = owner.post(INVITATIONS, &invited(1)).await.ok();
    owner.post(INVITATIONS, &invited(2)).await.ok();
    let refused = owner.post(INVITATIONS, &invited(3)).await.refused(422);
    assert_eq!(refused["errors"][0]["code"], "plan_limit");
    assert_eq!(refused["quota"], json!({"kind": "users", "plan": "free", "limit": 3}));
    assert!(refused["detail"].as_str().is_some_and(|text| text.contains("Free") && text.contains('3')), "{refused}");
    // The way out: withdraw one, and there is room for another.
    let path = format!("{INVITATIONS}/{}", first["id"].as_str().expect("an id"));
    assert_eq!(owner.delete(&path).await.status, 204);
    app.join(&school, "teacher", "Teacher 3", "teacher3@people.example").await;
    // The owner, a teacher, and one who has not answered.
    assert_eq!(limit(&owner, "users").await["used"], 3);
    // Another organisation's people are its own matter.
    app.owner(&other).await.post(INVITATIONS, &invited(9)).await.ok();
    // A link that was sent before the plan became smaller is not taken, and stays open.
    let link = app.mailed_link("teacher2@people.example").await;
    let mut conn = app.platform.databases().control().await.expect("a connection");
    sqlx::raw_sql("update directory.plan set users = 2 where key = 'free'").execute(&mut *conn).await.expect("smaller");
    conn.release();
    until("the smaller plan is known", async || (limit(&owner, "users").await["limit"] == 2).then_some(())).await;
    let mut browser = hitaji::commands::demo::Browser::new().expect("a browser");
    browser.open(&link).await.expect("the invitation's page");
    let taken = browser.submit(&[("name", "Teacher 2"), ("password", hitaji_testkit::PASSWORD)]).await;
    assert!(taken.is_err(), "there is no room");
    let open = app.control_rows("select state from identity.invitation where email = 'teacher2@people.example'").await;
    assert_eq!(open, [json!({"state": "pending"})]);
    app.settle().await;
}

#[tokio::test]
async fn requests_of_a_day_end_at_the_plans_number_and_begin_again_at_midnight_there() {
    let app = app().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Zebra House").await);
    let owner = app.owner(&school).await;
    let group = year_group(&owner).await;
    on_small_plan(&app, &school, "requests_per_day", 20).await;
    let used = limit(&owner, "requests").await["used"].as_i64().expect("a number");
    for number in used..20 {
        assert_eq!(owner.get(STUDENTS).await.status, 200, "request {number}");
    }
    let reply = owner.get(STUDENTS).await;
    // 08:00 in Nairobi: sixteen hours to midnight.
    assert_eq!(reply.header("retry-after"), Some((16 * 3600 + 1).to_string().as_str()));
    let refused = reply.refused(429);
    assert_eq!((&refused["code"], &refused["quota"]["kind"]), (&json!("rate_limited"), &json!("requests")));
    // What an owner needs goes on: usage, settings, people, and deleting.
    let told = limit(&owner, "requests").await;
    assert!(told["share"].as_i64() >= Some(100), "{told}");
    assert_eq!(told["resets_at"], "2026-05-12T21:00:00Z");
    owner.patch("/tenancy/v1/organisation", None, &json!({"name": "Uhuru School"})).await.ok();
    owner.get("/identity/v1/members").await.ok();
    assert_eq!(delete(&owner, &group).await, 204);
    app.owner(&other).await.get(STUDENTS).await.ok();
    // Booked or not, the day's number is the same.
    app.platform.databases().book_usage().await.expect("booked");
    owner.get(STUDENTS).await.refused(429);
    // Midnight in Nairobi is 21:00 in UTC.
    app.clock.set(at("2026-05-12T20:59:59Z"));
    let owner = app.owner(&school).await;
    owner.get(STUDENTS).await.refused(429);
    app.clock.set(at("2026-05-12T21:00:00Z"));
    app.owner(&school).await.get(STUDENTS).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn a_full_storage_refuses_writes_and_nothing_else() {
    let app = app().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Zebra House").await);
    let owner = app.owner(&school).await;
    let import = owner.post_csv("/school/v1/class-list-imports", CSV).await.ok();
    let group = year_group(&owner).await;
    run_job(&app, "tenancy.measure").await;
    let stored = limit(&owner, "storage").await["used"].as_i64().expect("bytes");
    assert!(stored > 1 << 20, "{stored}");
    on_small_plan(&app, &school, "storage_bytes", stored).await;
    let refused = owner.post_csv("/school/v1/class-list-imports", CSV).await.refused(403);
    assert_eq!((&refused["code"], &refused["quota"]["plan"]), (&json!("plan_limit"), &json!("free")));
    owner.get(STUDENTS).await.ok();
    owner.get("/identity/v1/me").await.ok();
    owner.patch("/tenancy/v1/organisation", None, &json!({"name": "Uhuru School"})).await.ok();
    let id = import["id"].as_str().expect("an id");
    owner.post(&format!("/school/v1/class-list-imports/{id}/discard"), &json!({})).await.ok();
    assert_eq!(delete(&owner, &group).await, 204);
    app.owner(&other).await.post_csv("/school/v1/class-list-imports", CSV).await.ok();
    // A larger plan, and work goes on at once.
    plans::change(app.platform.databases(), school.id, "large", "test").await.expect("a change of plan");
    owner.post_csv("/school/v1/class-list-imports", CSV).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn messages_end_at_the_plans_number_but_for_those_of_signing_in() {
    let app = app().await;
    let school = app.organisation("Uhuru Academy").await;
    on_small_plan(&app, &school, "messages_per_month", 2).await;
    let owner = app.owner(&school).await;
    let first = owner.post(INVITATIONS, &invited(1)).await.ok();
    app.settle().await;
    owner.post(INVITATIONS, &invited(2)).await.ok();
    app.settle().await;
    let refused = owner.post(INVITATIONS, &invited(3)).await.refused(403);
    assert_eq!((&refused["code"], &refused["quota"]["kind"]), (&json!("plan_limit"), &json!("messages")));
    let path = format!("{INVITATIONS}/{}", first["id"].as_str().expect("an id"));
    assert_eq!(owner.post(&format!("{path}/resend"), &json!({})).await.status, 403);
    // A forgotten password is mailed whatever is used up.
    let mut browser = hitaji::commands::demo::Browser::new().expect("a browser");
    browser.open(&format!("{}/forgot-password", app.address)).await.expect("the page");
    // Its answer is a page, and not a way elsewhere.
    let _ = browser.submit(&[("email", &school.owner_email)]).await;
    app.settle().await;
    app.mailed_link(&school.owner_email).await;
    app.platform.databases().book_usage().await.expect("booked");
    assert_eq!(limit(&owner, "messages").await["used"], 2);
    assert_eq!(owner.post(INVITATIONS, &invited(3)).await.status, 403);
    // A new month in Nairobi.
    app.clock.set(at("2026-05-31T21:00:00Z"));
    app.owner(&school).await.post(INVITATIONS, &invited(3)).await.ok();
    app.settle().await;
}

#[tokio::test]
async fn owners_are_warned_once_at_80_and_once_at_95_percent() {
    let app = app().await;
    let (school, other) = (app.organisation("Uhuru Academy").await, app.organisation("Zebra House").await);
    on_small_plan(&app, &school, "users", 20).await;
    let owner = app.owner(&school).await;
    let set = async |users: i64| {
        let databases = app.platform.databases();
        let mut conn = databases.control().await.expect("a connection");
        databases.set_users(&mut conn, school.id, users).await.expect("set");
        conn.release();
        run_job(&app, "tenancy.warn").await;
        run_job(&app, "tenancy.warn").await;
        app.settle().await;
    };
    set(15).await;
    assert_eq!(warnings(&app, school.id).await, Vec::<Value>::new());
    set(16).await;
    set(17).await;
    let told = warnings(&app, school.id).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["kind"], &told[0]["percent"], &told[0]["used"]), (&json!("users"), &json!(80), &json!(16)));
    app.settle().await;
    let link = app.mailed_link(&school.owner_email).await;
    assert!(link.ends_with("/settings/usage"), "{link}");
    set(19).await;
    set(20).await;
    let told = warnings(&app, school.id).await;
    assert_eq!(told.iter().map(|one| one["percent"].as_i64()).collect::<Vec<_>>(), [Some(80), Some(95)]);
    assert_eq!(limit(&owner, "users").await["share"], 100);
    assert_eq!(warnings(&app, other.id).await, Vec::<Value>::new());
    // Nothing of it was counted as the organisation's own messages.
    assert_eq!(limit(&owner, "messages").await["used"], 0);
    // The next month warns anew, both at once as one.
    app.clock.set(at("2026-06-02T05:00:00Z"));
    run_job(&app, "tenancy.warn").await;
    app.settle().await;
    assert_eq!(warnings(&app, school.id).await.len(), 3);
}

/// The sum of a column over the ledger's lines: of organisations and the platform, and of processes.
async fn sums(app: &TestApp, column: &str) -> (i64, i64) {
    let sql = format!(
        "select (select sum({column}) from directory.usage_minute)::bigint as parts, (select sum({column}) from directory.usage_process)::bigint as total"
    );
    let row = &app.control_rows(&sql).await[0];
    (row["parts"].as_i64().expect("a sum"), row["total"].as_i64().expect("a sum"))
}

#[tokio::test]
async fn the_ledger_adds_up_to_what_the_process_used() {
    let app = app().await;
    let (busy, idle) = (app.organisation("Uhuru Academy").await, app.organisation("Zebra House").await);
    let databases = app.platform.databases();
    run_job(&app, "tenancy.measure").await;
    databases.book_usage().await.expect("booked");
    let owner = app.owner(&busy).await;
    owner.post_csv("/school/v1/class-list-imports", CSV).await.ok();
    let mut sent = (0, 0);
    for round in 0..8 {
        let asked = (0..25).map(|_| owner.get(STUDENTS));
        for reply in futures::future::join_all(asked).await {
            assert_eq!(reply.status, 200, "{}", reply.body);
            sent = (sent.0 + 1, sent.1 + reply.body.to_string().len() as i64);
        }
        // Booked in several pieces, as a process does over several minutes.
        app.clock.set(at("2026-05-12T05:00:00Z") + chrono::TimeDelta::seconds(30 * (round + 1)));
        databases.book_usage().await.expect("booked");
    }
    run_job(&app, "tenancy.measure").await;
    app.settle().await;
    databases.book_usage().await.expect("booked");
    for column in ["requests", "errors", "cpu_us", "database_us", "rows", "bytes_in", "bytes_out", "messages"] {
        let (parts, total) = sums(&app, column).await;
        assert!((parts - total).abs() * 50 <= total, "{column}: {parts} of {total}");
    }
    let of = async |id: TenantId, table: &str| {
        let sql = format!(
            "select sum(requests)::bigint as requests, sum(cpu_us)::bigint as cpu_us, sum(database_us)::bigint as database_us, sum(rows)::bigint as rows,
             sum(bytes_in)::bigint as bytes_in, sum(bytes_out)::bigint as bytes_out from directory.{table} where tenant_id = '{id}'"
        );
        app.control_rows(&sql).await.remove(0)
    };
    let (minutes, days) = (of(busy.id, "usage_minute").await, of(busy.id, "usage_day").await);
    assert_eq!(minutes, days, "days are the sum of their minutes");
    assert_eq!(minutes["requests"], sent.0 + 1, "{minutes}");
    assert!(
        minutes["bytes_out"].as_i64() >= Some(sent.1) && minutes["bytes_in"] == CSV.len() as i64,
        "{minutes} {sent:?}"
    );
    for column in ["cpu_us", "database_us", "rows"] {
        assert!(minutes[column].as_i64() > Some(0), "{column}: {minutes}");
    }
    // What the busy one did is not the idle one's: that has only its sign-up's events.
    let idle = of(idle.id, "usage_minute").await;
    assert!(idle["requests"].is_null() || idle["requests"] == 0, "{idle}");
    // The question itself is not answered yet.
    assert_eq!(limit(&app.owner(&busy).await, "requests").await["used"], sent.0 + 1);
}

/// The process's CPU time against an independent clock, and what part of it is in the organisations' own lines.
#[tokio::test]
async fn the_processes_total_is_the_kernels_own_count() {
    let app = app().await;
    let school = app.organisation("Uhuru Academy").await;
    let owner = app.owner(&school).await;
    let databases = app.platform.databases();
    databases.book_usage().await.expect("booked");
    let (_, total_before) = sums(&app, "cpu_us").await;
    let before = cpu_ms_of_this_process();
    for _ in 0..20 {
        futures::future::join_all((0..25).map(|_| owner.get(STUDENTS))).await;
    }
    databases.book_usage().await.expect("booked");
    let counted = cpu_ms_of_this_process() - before;
    let (_, total) = sums(&app, "cpu_us").await;
    let booked = (total - total_before) / 1_000;
    // The kernel's own count comes in hundredths of a second.
    assert!((booked - counted).abs() <= counted / 50 + 30, "{booked} ms booked, {counted} ms counted");
}

/// User and system time from /proc, in milliseconds.
fn cpu_ms_of_this_process() -> i64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("procfs");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    let ticks: i64 = fields[11..13].iter().map(|ticks| ticks.parse::<i64>().expect("a number")).sum();
    ticks * 10
}
