//! A session that ends in one process is over in every other within a second, also where the news got lost on the way.
use crate::polling::Polling;
use crate::process::{Process, Setting, free_port};
use hitaji_core::Clock;
use hitaji_testkit::{Client, PASSWORD, until};
use reqwest::Url;
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const EMAIL: &str = "owner@uhuru.example";

/// A browser that is signed in at the first process, with the token and ID token of our own client.
struct SignedIn {
    http: reqwest::Client,
    origin: String,
    access_token: String,
    id_token: String,
}

impl SignedIn {
    async fn at(origin: &str) -> SignedIn {
        let http = reqwest::Client::builder().cookie_store(true).redirect(Policy::none()).build().expect("a client");
        let page = http.get(format!("{origin}/sign-in")).send().await.expect("a page").text().await.expect("text");
        let form = page.split("name=\"form_token\"").nth(1).and_then(|rest| rest.split("value=\"").nth(1));
        let form_token = form.and_then(|rest| rest.split('"').next()).expect("a form token");
        let typed = [("form_token", form_token), ("email", EMAIL), ("password", PASSWORD)];
        let signed_in = http.post(format!("{origin}/sign-in")).form(&typed).send().await.expect("an answer");
        assert_eq!(signed_in.status(), 303);
        let redirect_uri = format!("{origin}/callback");
        let asked = [
            ("response_type", "code"),
            ("client_id", "hitaji-web"),
            ("redirect_uri", &redirect_uri),
            ("scope", "openid hitaji"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let url = Url::parse_with_params(&format!("{origin}/oauth/authorize"), &asked).expect("an address");
        let answer = http.get(url).send().await.expect("an answer");
        let location = answer.headers()["location"].to_str().expect("text").to_owned();
        let location = Url::parse(&location).expect("an address");
        let code = location.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", "hitaji-web"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let answer = http.post(format!("{origin}/oauth/token")).form(&form).send().await.expect("an answer");
        let tokens: Value = answer.json().await.expect("JSON");
        let text = |name: &str| tokens[name].as_str().expect("a token").to_owned();
        SignedIn { origin: origin.to_owned(), access_token: text("access_token"), id_token: text("id_token"), http }
    }

    async fn sign_out(&self) {
        let url = Url::parse_with_params(&format!("{}/oauth/logout", self.origin), [("id_token_hint", &self.id_token)]);
        let answer = self.http.get(url.expect("an address")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }

    fn client(&self, address: &str) -> Client {
        Client { http: reqwest::Client::new(), address: address.to_owned(), token: Some(self.access_token.clone()) }
    }
}

/// Two processes of one platform: all services, and one that has no identity.
async fn two() -> (Setting, Process, Process) {
    let (first, second) = (free_port(), free_port());
    let origin = format!("http://localhost:{first}");
    let setting = Setting::new(origin.clone()).await;
    let setting = setting.with("PEERS__IDENTITY", &origin).with("PEERS__TENANCY", &origin);
    let one = Process::serve(&setting, first, &[]).await;
    let sign_up = json!({
        "organisation": "Uhuru Academy", "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
        "products": ["school"], "name": "Wanjiku", "email": EMAIL, "password": PASSWORD,
    });
    let anybody = Client { http: reqwest::Client::new(), address: origin, token: None };
    anybody.post("/identity/v1/sign-ups", &sign_up).await.ok();
    let other = Process::serve(&setting, second, &["school", "realtime"]).await;
    (setting, one, other)
}

/// How long until the other process refuses the token.
async fn refused_after(client: &Client, since: Instant) -> Duration {
    until("the other process refuses the token", async || {
        let reply = client.get("/school/v1/academic-years").await;
        (reply.status == 401).then(|| since.elapsed())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_in_one_process_is_over_in_the_other() {
    let (setting, _one, other) = two().await;
    let person = SignedIn::at(&setting.origin).await;
    let client = person.client(&other.address);
    client.get("/school/v1/academic-years").await.ok();
    let live = Polling::connect(&client).await;
    person.sign_out().await;
    let since = Instant::now();
    let took = refused_after(&client, since).await;
    while let Some(packet) = live.next_or_closed().await {
        assert!(packet.contains("expired") || packet.starts_with('6'), "{packet}");
    }
    println!("refused after {took:?}, its live connection closed after {:?}", since.elapsed());
    assert!(since.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_while_nobody_listens_is_read_afterwards() {
    let (setting, one, other) = two().await;
    let (first, second) = (SignedIn::at(&setting.origin).await, SignedIn::at(&setting.origin).await);
    let clients = [first.client(&other.address), second.client(&other.address)];
    for client in &clients {
        client.get("/school/v1/academic-years").await.ok();
    }
    let assembled = hitaji::runtime::build(&setting.config(), &[], Clock::system()).expect("it assembles");
    let databases = assembled.platform.databases();
    let mut admin = databases.admin(hitaji_db::HOME_CLUSTER, databases.control_name()).await.expect("an administrator");
    let listening = "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = current_database() and query like 'LISTEN%' and pid <> pg_backend_pid()";
    let cut: Vec<bool> = sqlx::query_scalar(listening).fetch_all(&mut *admin).await.expect("connections");
    assert!(cut.len() >= 2, "both processes listened: {cut:?}");
    first.sign_out().await;
    let took = refused_after(&clients[0], Instant::now()).await;
    println!("refused after {took:?} although the listening connection was cut");
    assert!(took < Duration::from_secs(5));
    until("both listen again", async || {
        let listening =
            "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";
        let count: i64 = sqlx::query_scalar(listening).fetch_one(&mut *admin).await.expect("a count");
        (count >= 2).then_some(())
    })
    .await;
    second.sign_out().await;
    let took = refused_after(&clients[1], Instant::now()).await;
    println!("refused after {took:?} once it was back");
    // A process that starts afterwards has read them before it believes its first token.
    let port = free_port();
    let late = Process::serve(&setting, port, &["school"]).await;
    for person in [&first, &second] {
        person.client(&late.address).get("/school/v1/academic-years").await.refused(401);
    }
    drop(one);
}
