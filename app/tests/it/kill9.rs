//! A hundred times kill -9 in the middle of taking registers: no mark lost, none doubled, every event delivered.
use crate::process::{Process, Setting, free_port};
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest};
use hitaji_core::{Clock, TenantId};
use hitaji_testkit::{Client, PASSWORD, moment, until};
use hitaji_web::{Assembled, Platform};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Mutex;

const KILLS: usize = 100;
const STREAMS: usize = 4;
const PUPILS: usize = 20;
const WRITERS: usize = 2;

/// What was acknowledged: per register, how often it was written, and who is late now.
type Ledger = Arc<Mutex<HashMap<(String, String), (i64, String)>>>;

#[tokio::test(flavor = "multi_thread")]
async fn no_register_is_lost_or_doubled_by_a_hundred_kills() {
    let port = free_port();
    let setting = Setting::new(format!("http://localhost:{port}")).await;
    let mut process = Process::serve(&setting, port, &[]).await;
    let school = School::make(&setting).await;
    let (ledger, stop) = (Ledger::default(), Arc::new(AtomicBool::new(false)));
    let writers: Vec<_> =
        (0..WRITERS).map(|n| tokio::spawn(school.clone().write(n, ledger.clone(), stop.clone()))).collect();
    let mut chance = 0x5eed_u64;
    for _ in 0..KILLS {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        moment(20 + (chance >> 33) % 250).await;
        process.kill();
        process = Process::serve(&setting, port, &[]).await;
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.expect("a writer that ended in order");
    }
    let ledger = ledger.lock().await.clone();
    assert!(ledger.len() >= KILLS / 4, "only {} registers were written", ledger.len());
    school.wait_until_delivered().await;
    school.compare(&ledger).await;
    drop(process);
}

#[derive(Clone)]
struct School {
    platform: Platform,
    client: Client,
    tenant: TenantId,
    /// Stream ids with the ids of their pupils.
    streams: Vec<(String, Vec<String>)>,
}

impl School {
    async fn make(setting: &Setting) -> School {
        let assembled: Assembled =
            hitaji::runtime::build(&setting.config(), &[], Clock::system()).expect("it assembles");
        let mut client = Client { http: reqwest::Client::new(), address: setting.origin.clone(), token: None };
        let sign_up = json!({
            "organisation": "Uhuru Academy", "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
            "products": ["school"], "name": "Wanjiku", "email": "owner@uhuru.example", "password": PASSWORD,
        });
        let done = client.post("/identity/v1/sign-ups", &sign_up).await.ok();
        let request = OperatorTokenRequest {
            organisation: done["slug"].as_str().expect("a slug").into(),
            account: "owner@uhuru.example".into(),
            scope: String::new(),
        };
        let peers = assembled.platform.peers();
        let asked = peers.ask("test", "identity", http::Method::POST, "/identity/v1/operator-tokens", &request).await;
        let token: OperatorToken = asked.expect("a token");
        client.token = Some(token.access_token);
        let tenant = serde_json::from_value(done["organisation_id"].clone()).expect("an id");
        let mut school = School { platform: assembled.platform.clone(), client, tenant, streams: Vec::new() };
        school.fill().await;
        school
    }

    async fn fill(&mut self) {
        self.wait_until_delivered().await;
        let mut csv = "admission_number,first_name,last_name,date_of_birth,year_group,stream,guardian1_name,guardian1_phone,guardian1_sms\n".to_owned();
        for n in 0..STREAMS * PUPILS {
            csv.push_str(&format!("A{n},Pupil,N{n},,7,7 {},Guardian {n},+2547000{n:05},yes\n", n % STREAMS));
        }
        let import = self.client.post_csv("/school/v1/class-list-imports", csv).await.ok();
        let path = format!("/school/v1/class-list-imports/{}/apply", import["id"].as_str().expect("an id"));
        self.client.post_once(&path, "apply-once-and-for-all", &json!({})).await.ok();
        let streams = self.client.get("/school/v1/streams").await.ok();
        for stream in streams["data"].as_array().expect("streams") {
            let id = stream["id"].as_str().expect("an id").to_owned();
            let sheet = self.client.get(&format!("/school/v1/register-sheets/{id}")).await.ok();
            let pupils = sheet["pupils"].as_array().expect("pupils");
            let ids = pupils.iter().map(|pupil| pupil["student_id"].as_str().expect("an id").to_owned());
            self.streams.push((id, ids.collect()));
        }
    }

    /// Takes and corrects registers until told to stop; each request is repeated with its key until it is answered.
    async fn write(self, writer: usize, ledger: Ledger, stop: Arc<AtomicBool>) {
        let today = self.platform.clock().now().date_naive();
        let mut turn = writer;
        while !stop.load(Ordering::SeqCst) {
            let (stream, pupils) = &self.streams[turn % STREAMS];
            let roll_call = if (turn / STREAMS).is_multiple_of(2) { "morning" } else { "afternoon" };
            let day = (today - chrono::Days::new((turn / STREAMS / 2 % 60) as u64)).to_string();
            let late = &pupils[turn / 7 % pupils.len()];
            let body = json!({"stream_id": stream, "date": day, "roll_call": roll_call, "default": "present",
                "exceptions": [{"student_id": late, "code": "late"}]});
            if self.submit(&format!("turn-{turn:08}"), &body).await {
                let mut ledger = ledger.lock().await;
                let entry = ledger.entry((stream.clone(), format!("{day} {roll_call}"))).or_insert((0, String::new()));
                if entry.1 != *late {
                    *entry = (entry.0 + 1, late.clone());
                }
            }
            turn += WRITERS;
        }
    }

    /// True when the register was written; false on days that have no register (another year).
    async fn submit(&self, key: &str, body: &Value) -> bool {
        loop {
            let request = self.client.request(http::Method::POST, "/school/v1/attendance-registers");
            let sent = request.header("idempotency-key", format!("\"{key}\"")).json(body).send().await;
            match sent.map(|response| response.status().as_u16()) {
                Ok(200 | 201) => return true,
                Ok(422) => return false,
                Ok(409 | 500..) | Err(_) => moment(20).await,
                Ok(status) => panic!("{status} for {body}"),
            }
        }
    }

    /// Until the school has begun and every event is numbered; the server's relay does both.
    async fn wait_until_delivered(&self) {
        until("all events are delivered", async || {
            let mut conn = self.platform.databases().tenant(self.tenant, "school").await.expect("a connection");
            let left: i64 = sqlx::query_scalar(
                "select (select count(*) from hitaji.outbox where sequence is null)
                      + (select case when exists (select from school.academic_year) then 0 else 1 end)",
            )
            .fetch_one(&mut *conn)
            .await
            .expect("a count");
            (left == 0).then_some(())
        })
        .await;
    }

    async fn compare(&self, ledger: &HashMap<(String, String), (i64, String)>) {
        let mut conn = self.platform.databases().tenant(self.tenant, "school").await.expect("a connection");
        let stored: Vec<(String, String, i64, String, i64, i64)> = sqlx::query_as(
            "select register.stream_id::text, register.date || ' ' || register.roll_call, register.version,
                 (select string_agg(mark.student_id::text, ',') from school.attendance_mark mark
                  where mark.register_id = register.id and mark.code = 'late'),
                 (select count(*) from school.attendance_mark mark where mark.register_id = register.id),
                 (select count(*) from hitaji.outbox event
                  where event.type = 'school.attendance.marked.v1' and event.subject = register.id::text)
             from school.attendance_register register",
        )
        .fetch_all(&mut *conn)
        .await
        .expect("registers");
        assert_eq!(stored.len(), ledger.len(), "a register was lost or made up");
        for (stream, day, version, late, marks, events) in stored {
            let (versions, who) = &ledger[&(stream.clone(), day.clone())];
            assert_eq!((version, &late), (*versions, who), "{stream} {day}");
            assert_eq!(marks, PUPILS as i64, "{stream} {day}");
            assert_eq!(events, version, "{stream} {day}: one event for each version");
        }
        let (events, last): (i64, i64) =
            sqlx::query_as("select count(*), max(sequence) from hitaji.outbox where service = 'school'")
                .fetch_one(&mut *conn)
                .await
                .expect("sequences");
        assert_eq!(events, last, "the sequence has no holes");
    }
}
