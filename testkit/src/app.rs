//! One platform of a test's own: all services in one process, on a database of its own.
use crate::client::Client;
use crate::postgres::test_postgres;
use crate::wait::until;
use chrono::{DateTime, Utc};
use hitaji::{mail_catcher, runtime};
use hitaji_contracts::identity::{MakeOperator, OperatorMade, OperatorToken, OperatorTokenRequest};
use hitaji_core::{Clock, Config, TenantId, new_id};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, Place};
use hitaji_web::{Assembled, Platform};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Good enough for the password rules, and nobody's.
pub const PASSWORD: &str = "kijani kibichi na mawingu";

pub struct TestApp {
    pub address: String,
    /// Where mail can be read: `/messages`.
    pub mail: String,
    pub clock: Clock,
    pub platform: Platform,
    pub http: reqwest::Client,
    /// The file store; it goes with the platform.
    pub files: TempDir,
}

/// An organisation with its owner.
#[derive(Clone, Debug)]
pub struct Organisation {
    pub id: TenantId,
    pub slug: String,
    pub owner_email: String,
}

impl TestApp {
    /// Starts at 08:00 in Nairobi on Tuesday, 12 May 2026, and stands still there until the test moves the clock.
    pub async fn start() -> TestApp {
        let at = "2026-05-12T05:00:00Z".parse().expect("an instant");
        TestApp::start_with(Clock::fixed(at), |_| {}).await
    }

    /// Starts with a clock and changes to the configuration.
    pub async fn start_with(clock: Clock, change: impl FnOnce(&mut Config)) -> TestApp {
        let public = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (smtp, page) = (bind().await, bind().await);
        let origin = format!("http://localhost:{}", public.local_addr().expect("an address").port());
        let mail = format!("http://localhost:{}", page.local_addr().expect("an address").port());
        let mut config = runtime::load_config(None).expect("the default configuration");
        config.set("server", "origin", origin.clone());
        config.set("database", "admin_url", test_postgres().await);
        config.set("database", "control", format!("test_{}", &new_id().simple().to_string()[22..]));
        config.set("database", "warm", 0);
        config.set("backups", "automatic", false);
        config.set("backups", "prove_days", 0);
        let files = TempDir::with_prefix("hitaji-files-").expect("a folder");
        config.set("files", "store", files.path().display().to_string());
        config.set("keys", "master", MasterKey::generate().to_base64());
        config.set("identity", "smtp_url", format!("smtp://{}", smtp.local_addr().expect("an address")));
        change(&mut config);
        let assembled = runtime::build(&config, &[], clock.clone()).expect("the platform assembles");
        assembled.platform.databases().prepare().await.expect("the control database is made");
        mail_catcher::start(smtp, page);
        serve(&assembled, public);
        TestApp {
            address: origin,
            mail,
            clock,
            platform: assembled.platform.clone(),
            http: reqwest::Client::new(),
            files,
        }
    }

    /// A client without a token.
    pub fn anybody(&self) -> Client {
        Client { http: self.http.clone(), address: self.address.clone(), token: None }
    }

    pub fn client(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.anybody() }
    }

    /// Signs an organisation up with the product School, in Kenya.
    pub async fn organisation(&self, name: &str) -> Organisation {
        let email = format!("owner@{}.example", name.to_lowercase().replace(' ', "-"));
        let body = json!({
            "organisation": name, "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi", "products": ["school"],
            "name": "Wanjiku Kamau", "email": email, "password": PASSWORD,
        });
        let done = self.anybody().post("/identity/v1/sign-ups", &body).await.ok();
        self.settle().await;
        let id = serde_json::from_value(done["organisation_id"].clone()).expect("an id");
        Organisation { id, slug: done["slug"].as_str().expect("a slug").to_owned(), owner_email: email }
    }

    /// A client in the name of a member, with all that their roles give.
    pub async fn member(&self, organisation: &Organisation, email: &str) -> Client {
        self.client(&self.token(&organisation.slug, email, "").await)
    }

    pub async fn owner(&self, organisation: &Organisation) -> Client {
        self.member(organisation, &organisation.owner_email).await
    }

    /// A token by the operator's right, minted like any other.
    pub async fn token(&self, slug: &str, email: &str, scope: &str) -> String {
        let request =
            OperatorTokenRequest { organisation: slug.to_owned(), account: email.to_owned(), scope: scope.to_owned() };
        let asked =
            self.platform.peers().ask("test", "identity", http::Method::POST, "/identity/v1/operator-tokens", &request);
        asked.await.map(|token: OperatorToken| token.access_token).expect("a token")
    }

    /// Makes somebody an operator of the platform who has just signed in; answers their client.
    pub async fn operator(&self, role: &str, email: &str) -> Client {
        let asked = MakeOperator { email: email.to_owned(), role: role.to_owned(), name: None };
        let made = self.platform.peers().ask("test", "identity", http::Method::POST, "/identity/v1/operators", &asked);
        let _: OperatorMade = made.await.expect("an operator");
        self.settle().await;
        self.client(&self.token("", email, "").await)
    }

    /// Invites somebody and accepts by the link in the mail, as a browser would; answers their client.
    pub async fn join(&self, organisation: &Organisation, role: &str, name: &str, email: &str) -> Client {
        let body = json!({"email": email, "name": name, "roles": [role]});
        self.owner(organisation).await.post("/identity/v1/invitations", &body).await.ok();
        let link = self.mailed_link(email).await;
        let mut browser = hitaji::commands::demo::Browser::new().expect("a browser");
        browser.open(&link).await.expect("the invitation's page");
        browser.submit(&[("name", name), ("password", PASSWORD)]).await.expect("the invitation is accepted");
        self.settle().await;
        self.member(organisation, email).await
    }

    /// The link in the newest mail to an address, after all mails that are due were sent.
    pub async fn mailed_link(&self, email: &str) -> String {
        self.settle().await;
        hitaji::commands::demo::mailed_link(&self.http, &self.mail, email).await.expect("a mail with a link")
    }

    pub async fn mails(&self) -> Value {
        self.http.get(format!("{}/messages", self.mail)).send().await.expect("mails").json().await.expect("JSON")
    }

    /// Waits until every event committed so far has reached its consumers; fails when one cannot be handled.
    pub async fn settle(&self) {
        let databases = self.platform.databases();
        until("every event is delivered", async || {
            let mut behind = waiting(databases, &Place::Control).await;
            for (place, ..) in databases.tenant_places().await.expect("the directory") {
                behind += waiting(databases, &place).await;
            }
            (behind == 0).then_some(())
        })
        .await;
    }

    /// The events of one service at an organisation, oldest first: (type, data).
    pub async fn events(&self, tenant: TenantId) -> Vec<(String, Value)> {
        let mut conn = self.platform.databases().tenant(tenant, "").await.expect("the tenant's database");
        sqlx::query_as("select type, data::jsonb from hitaji.outbox order by position")
            .fetch_all(&mut *conn)
            .await
            .expect("events")
    }

    /// Rows of a statement on an organisation's database, as JSON objects.
    pub async fn rows(&self, tenant: TenantId, sql: &str) -> Vec<Value> {
        self.rows_at(&Place::Tenant(tenant), sql).await
    }

    /// Rows of a statement on the control database, as JSON objects.
    pub async fn control_rows(&self, sql: &str) -> Vec<Value> {
        self.rows_at(&Place::Control, sql).await
    }

    async fn rows_at(&self, place: &Place, sql: &str) -> Vec<Value> {
        let mut conn = self.platform.databases().place(place).await.expect("a connection");
        let sql = format!("select to_jsonb(row) from ({sql}) row");
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *conn).await.expect("rows")
    }
}

/// A further process with some of the services, beside a platform with the same configuration; answers its address. It
/// runs no jobs and delivers no events.
pub async fn beside(config: &Config, services: &[&str], clock: Clock) -> String {
    let services: Vec<String> = services.iter().map(|name| (*name).to_owned()).collect();
    let assembled = runtime::build(config, &services, clock).expect("the platform assembles");
    let listener = bind().await;
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(hitaji_web::serve(listener, assembled.router.clone(), std::future::pending()));
    address
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a free port")
}

fn serve(assembled: &Assembled, listener: TcpListener) {
    // It ends with the test's runtime.
    assembled.start_background().detach_all();
    tokio::spawn(hitaji_web::serve(listener, assembled.router.clone(), std::future::pending()));
}

/// Events that are not stamped, and consumers that have not read what is.
async fn waiting(databases: &Databases, place: &Place) -> i64 {
    // A database that is being moved or erased is not there for a moment: then nothing is known yet.
    let Ok(mut conn) = databases.place(place).await else { return 1 };
    let count = sqlx::query_scalar(
        "select (select count(*) from hitaji.outbox where sequence is null)
              + (select count(*) from hitaji.consumer join hitaji.outbox_head using (service)
                 where consumer.sequence < outbox_head.sequence)
              + (select count(*) from hitaji.dead_letter)",
    )
    .fetch_one(&mut *conn)
    .await;
    count.unwrap_or(1)
}

/// For tests with a moving clock: an instant from its text.
pub fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}
