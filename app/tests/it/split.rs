//! One process or several behind a reverse proxy: a client cannot tell which, byte for byte (but for ids and times).
use crate::polling::Polling;
use crate::process::{Process, Setting, free_port};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use hitaji_contracts::identity::{OperatorToken, OperatorTokenRequest};
use hitaji_core::Clock;
use hitaji_testkit::{Client, PASSWORD, Reply, until};
use serde_json::json;
use std::collections::HashMap;

/// Which process answers which paths, as a deployment's proxy would say it.
const ROUTES: [(&str, &str); 4] =
    [("/school", "school"), ("/tenancy", "tenancy"), ("/socket.io", "realtime"), ("/", "identity")];

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_answer_as_one() {
    let port = free_port();
    let setting = Setting::new(format!("http://localhost:{port}")).await;
    let one = Process::serve(&setting, port, &[]).await;
    let whole = Transcript::record(&setting).await;
    drop(one);

    let (proxy, school, identity, tenancy, realtime) =
        (free_port(), free_port(), free_port(), free_port(), free_port());
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let setting = Setting::new(format!("http://localhost:{proxy}"))
        .await
        .with("PEERS__SCHOOL", &at(school))
        .with("PEERS__IDENTITY", &at(identity))
        .with("PEERS__TENANCY", &at(tenancy))
        .with("PEERS__REALTIME", &at(realtime));
    let mut processes = Vec::new();
    for (service, port) in [("identity", identity), ("tenancy", tenancy), ("realtime", realtime), ("school", school)] {
        processes.push(Process::serve(&setting, port, &[service]).await);
    }
    let ports =
        HashMap::from([("school", school), ("identity", identity), ("tenancy", tenancy), ("realtime", realtime)]);
    let targets = ROUTES.map(|(prefix, service)| (prefix, at(ports[service])));
    start_proxy(proxy, targets).await;
    let split = Transcript::record(&setting).await;
    for (one, several) in whole.lines.iter().zip(&split.lines) {
        assert_eq!(one, several);
    }
    assert_eq!(whole.lines.len(), split.lines.len());
}

/// Forwards each request to the process that has its path.
async fn start_proxy(port: u16, targets: [(&'static str, String); 4]) {
    async fn forward(
        State((http, targets)): State<(reqwest::Client, [(&'static str, String); 4])>,
        request: Request,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let target = targets.iter().find(|(prefix, _)| path.starts_with(prefix)).expect("a target for every path");
        let bytes = to_bytes(body, 32 << 20).await.expect("a whole body");
        let sent = http.request(parts.method, format!("{}{path}", target.1)).headers(parts.headers).body(bytes);
        let answer = sent.send().await.expect("the process answers");
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if !["transfer-encoding", "connection", "content-length"].contains(&name.as_str()) {
                response = response.header(name, value);
            }
        }
        response.body(Body::from(answer.bytes().await.expect("a whole answer"))).expect("an answer")
    }
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the proxy's port");
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let router = Router::new().fallback(forward).with_state((http, targets));
    tokio::spawn(hitaji_web::serve(listener, router, std::future::pending()));
}

/// What a client saw, with ids, times and secrets replaced.
struct Transcript {
    lines: Vec<String>,
    seen: HashMap<String, String>,
}

impl Transcript {
    async fn record(setting: &Setting) -> Transcript {
        let mut transcript = Transcript { lines: Vec::new(), seen: HashMap::new() };
        let mut client = Client { http: reqwest::Client::new(), address: setting.origin.clone(), token: None };
        transcript.note("no token", &client.get("/school/v1/students").await);
        transcript.note("no such route", &client.get("/school/v1/nothing").await);
        let sign_up = json!({
            "organisation": "Uhuru Academy", "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
            "products": ["school"], "name": "Wanjiku", "email": "owner@uhuru.example", "password": PASSWORD,
        });
        let done = client.post("/identity/v1/sign-ups", &sign_up).await;
        transcript.note("sign up", &done);
        let slug = done.ok()["slug"].as_str().expect("a slug").to_owned();
        client.token = Some(token(setting, &slug).await);
        transcript.work(&client).await;
        transcript.live(&client).await;
        transcript
    }

    async fn work(&mut self, client: &Client) {
        for path in ["/identity/v1/me", "/tenancy/v1/organisation", "/identity/v1/members", "/school/v1/resources"] {
            self.note(path, &client.get(path).await);
        }
        let mut csv = "admission_number,first_name,last_name,date_of_birth,year_group,stream\n".to_owned();
        (0..30).for_each(|n| csv.push_str(&format!("A{n:02},Pupil,N{n:02},,7,7 East\n")));
        wait_for_year(client).await;
        let import = client.post_csv("/school/v1/class-list-imports", csv).await;
        self.note("import", &import);
        let id = import.ok()["id"].as_str().expect("an id").to_owned();
        let path = format!("/school/v1/class-list-imports/{id}/apply");
        for _ in 0..2 {
            self.note("apply", &client.post_once(&path, "apply-the-list", &json!({})).await);
        }
        self.note("reused key", &client.post_once(&path, "apply-the-list", &json!({"skip_invalid": true})).await);
        let list = client.get("/school/v1/students?limit=10&sort=-last_name&count=true").await;
        self.note("list", &list);
        let next = list.ok()["page"]["next"].as_str().expect("a cursor").to_owned();
        self.note("next", &client.get(&format!("/school/v1/students?limit=10&sort=-last_name&cursor={next}")).await);
        self.note("unknown", &client.post("/school/v1/students", &json!({"shoe_size": 41})).await);
        self.note("missing", &client.post("/school/v1/students", &json!({"first_name": "Amina"})).await);
        self.note("wrong method", &client.delete("/school/v1/students").await);
    }

    /// A register taken in one process reaches a socket of another.
    async fn live(&mut self, client: &Client) {
        let polling = Polling::connect(client).await;
        let offset = polling.ask("subscribe", &json!({"topic": "school.attendance", "after": null})).await;
        assert!(offset.contains("\"ok\":true"), "{offset}");
        let streams = client.get("/school/v1/streams").await.ok();
        let sheet = format!("/school/v1/register-sheets/{}", streams["data"][0]["id"].as_str().expect("an id"));
        let sheet = client.get(&sheet).await;
        self.note("sheet", &sheet);
        let sheet = sheet.ok();
        let body = json!({"stream_id": streams["data"][0]["id"], "date": sheet["business_date"], "default": "present",
            "exceptions": [{"student_id": sheet["pupils"][3]["student_id"], "code": "absent"}]});
        self.note("register", &client.post_once("/school/v1/attendance-registers", "register-of-today", &body).await);
        let event = polling.next().await;
        assert!(event.contains("school.attendance.marked.v1") && event.contains("\"absent\":1"), "{event}");
    }

    fn note(&mut self, what: &str, reply: &Reply) {
        let mut headers: Vec<String> = reply
            .headers
            .iter()
            .filter(|(name, _)| {
                !["date", "x-request-id", "ratelimit", "content-length", "transfer-encoding"].contains(&name.as_str())
            })
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or("?")))
            .collect();
        headers.sort();
        let line = format!("{what}: {} {} {}", reply.status, headers.join(" | "), reply.body);
        let line = self.anonymous(&line);
        self.lines.push(line);
    }

    /// Ids become #1, #2 … in the order they are first seen; instants, cursors and limits left become placeholders.
    fn anonymous(&mut self, line: &str) -> String {
        let mut out = Vec::new();
        for word in line.split_inclusive(['"', ',', '/', ' ', '>', '?', '&', ';', '=']) {
            let bare = word.trim_end_matches(['"', ',', '/', ' ', '>', '?', '&', ';', '=']);
            let end = &word[bare.len()..];
            let shown = if uuid::Uuid::parse_str(bare).is_ok() {
                let next = format!("#{}", self.seen.len() + 1);
                self.seen.entry(bare.to_owned()).or_insert(next).clone()
            } else if bare.len() > 60 && !bare.contains(' ') {
                "LONG".to_owned()
            } else if bare.contains('T') && bare.ends_with('Z') && bare.parse::<chrono::DateTime<chrono::Utc>>().is_ok()
            {
                "TIME".to_owned()
            } else {
                bare.to_owned()
            };
            out.push(shown + end);
        }
        out.concat()
    }
}

async fn token(setting: &Setting, slug: &str) -> String {
    let assembled = hitaji::runtime::build(&setting.config(), &[], Clock::system()).expect("it assembles");
    let (organisation, account, scope) = (slug.to_owned(), "owner@uhuru.example".to_owned(), String::new());
    let request = OperatorTokenRequest { organisation, account, scope };
    let peers = assembled.platform.peers();
    let asked = peers.ask("test", "identity", http::Method::POST, "/identity/v1/operator-tokens", &request).await;
    asked.map(|token: OperatorToken| token.access_token).expect("a token")
}

async fn wait_for_year(client: &Client) {
    until("the school has its first year", async || {
        let years = client.get("/school/v1/academic-years").await.ok();
        years["data"][0].is_object().then_some(())
    })
    .await;
}
