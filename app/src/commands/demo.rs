//! The demo: a school as it could be, made by the same requests that people's browsers send.
mod browser;
mod data;

use crate::commands::ask::Place;
use crate::runtime::Failure;
pub use browser::{Browser, mailed_link};
use chrono::{Datelike as _, Days, NaiveDate, Weekday};
use data::Dice;
use hitaji_contracts::identity::{MakeOperator, OperatorMade, OperatorToken, OperatorTokenRequest, SignUp, SignedUp};
use hitaji_web::Peers;
use http::Method;
use reqwest::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Of every demo account. It protects nothing: the demo is on this machine and its people do not exist.
pub const PASSWORD: &str = "twiga mrefu hula majani";

const SCHOOL_DAYS: u64 = 50;
const PARALLEL: usize = 6;
const TRIES: usize = 30;

/// An account of the demo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DemoAccount {
    pub email: String,
    pub password: String,
    pub name: String,
    pub role: String,
    pub organisation: String,
}

pub async fn run(place: &Place) -> Result<(), Failure> {
    let (state, assembled) = (place.running()?, place.platform().await?);
    let peers = assembled.platform.peers().clone();
    for account in fill(peers, &state.origin, &state.mail_address, &place.data_dir).await? {
        super::inspect::print(&format!("{:<34} {:<14} {}\n", account.email, account.role, account.organisation))?;
    }
    Ok(())
}

pub async fn wait_until_ready(address: &str) -> Result<(), Failure> {
    let client = Client::new();
    for _ in 0..600 {
        let ready = client.get(format!("{address}/readyz")).send().await;
        if ready.is_ok_and(|response| response.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err("the server does not answer".into())
}

/// Makes the demo, or finds the one made before in this data folder.
pub async fn fill(peers: Peers, address: &str, mail: &str, data_dir: &Path) -> Result<Vec<DemoAccount>, Failure> {
    let record = data_dir.join("demo.json");
    if let Ok(text) = fs::read_to_string(&record) {
        return Ok(serde_json::from_str(&text)?);
    }
    tracing::info!("making the demo school; this takes some seconds");
    let demo = Demo { http: Client::new(), address: address.to_owned(), mail: mail.to_owned(), peers };
    let half_made = |error| format!("{error}\nThe demo is half made: remove {} and start again.", data_dir.display());
    let mut accounts = demo.uhuru().await.map_err(half_made)?;
    accounts.extend(demo.nyota().await.map_err(half_made)?);
    accounts.push(demo.operator().await.map_err(half_made)?);
    fs::write(&record, serde_json::to_vec_pretty(&accounts)?)?;
    Ok(accounts)
}

#[derive(Clone)]
struct Demo {
    http: Client,
    address: String,
    mail: String,
    peers: Peers,
}

impl Demo {
    async fn uhuru(&self) -> Result<Vec<DemoAccount>, Failure> {
        let owner = self.sign_up("Uhuru Academy", "Wanjiku Kamau", "wanjiku@uhuru.example").await?;
        let school = School { demo: self.clone(), token: self.token(&owner).await? };
        let organisation = owner.organisation.clone();
        let mut dice = Dice::new(7);
        let teachers = school.hire(&mut dice).await?;
        school.import(data::class_list(&mut dice, &data::streams(), 40)).await?;
        school.assign(&teachers).await?;
        let calendar = school.calendar().await?;
        let mut accounts = vec![owner];
        for (role, name, email) in data::people() {
            self.invite(&school.token, role, name, email).await?;
            accounts.push(account(role, name, email, &organisation));
        }
        school.term_of_marks(&mut dice, &calendar).await?;
        Ok(accounts)
    }

    /// A second, small organisation, to see that the two know nothing of each other.
    async fn nyota(&self) -> Result<Vec<DemoAccount>, Failure> {
        let owner = self.sign_up("Nyota Primary", "Baraka Mushi", "baraka@nyota.example").await?;
        let school = School { demo: self.clone(), token: self.token(&owner).await? };
        let streams = [("Grade 1".to_owned(), "1 North".to_owned()), ("Grade 2".to_owned(), "2 North".to_owned())];
        school.import(data::class_list(&mut Dice::new(11), &streams, 30)).await?;
        Ok(vec![owner])
    }

    /// Somebody who runs the platform: signs in at /console.
    async fn operator(&self) -> Result<DemoAccount, Failure> {
        let (name, email) = ("Amina Abdi", "amina@hitaji.example");
        let asked = MakeOperator { email: email.into(), role: "owner".into(), name: Some(name.into()) };
        let made = self.peers.ask("demo", "identity", Method::POST, "/identity/v1/operators", &asked).await;
        let _: OperatorMade = made.map_err(|problem| problem.detail.clone())?;
        let link = mailed_link(&self.http, &self.mail, email).await?;
        let mut browser = Browser::new()?;
        browser.open(&link).await?;
        browser.submit(&[("password", PASSWORD)]).await?;
        Ok(account("operator", name, email, "/console"))
    }

    async fn sign_up(&self, organisation: &str, name: &str, email: &str) -> Result<DemoAccount, Failure> {
        let body = SignUp {
            organisation_id: None,
            organisation: organisation.into(),
            slug: None,
            country: "KE".into(),
            currency: "KES".into(),
            time_zone: "Africa/Nairobi".into(),
            products: vec!["school".into()],
            name: name.into(),
            email: email.into(),
            password: PASSWORD.into(),
            locale: None,
        };
        let answer = send(self.http.post(format!("{}/identity/v1/sign-ups", self.address)).json(&body)).await?;
        let done: SignedUp = serde_json::from_value(answer)?;
        Ok(account("owner", name, email, &done.slug))
    }

    async fn token(&self, account: &DemoAccount) -> Result<String, Failure> {
        let request = OperatorTokenRequest {
            organisation: account.organisation.clone(),
            account: account.email.clone(),
            scope: String::new(),
        };
        let asked = self.peers.ask("demo", "identity", Method::POST, "/identity/v1/operator-tokens", &request).await;
        let token: OperatorToken = asked.map_err(|problem| problem.detail.clone())?;
        Ok(token.access_token)
    }

    /// Invites somebody and accepts by the link in the mail, as they would.
    async fn invite(&self, token: &str, role: &str, name: &str, email: &str) -> Result<(), Failure> {
        let body = json!({"email": email, "name": name, "roles": [role]});
        let request = self.http.post(format!("{}/identity/v1/invitations", self.address)).bearer_auth(token);
        send(request.json(&body)).await?;
        let link = mailed_link(&self.http, &self.mail, email).await?;
        let mut browser = Browser::new()?;
        browser.open(&link).await?;
        browser.submit(&[("name", name), ("password", PASSWORD)]).await
    }
}

fn account(role: &str, name: &str, email: &str, organisation: &str) -> DemoAccount {
    DemoAccount {
        email: email.into(),
        password: PASSWORD.into(),
        name: name.into(),
        role: role.into(),
        organisation: organisation.into(),
    }
}

/// Sends, and turns a problem into its text. Told to wait, it waits: the demo is quicker than any person.
async fn send(request: RequestBuilder) -> Result<Value, Failure> {
    for _ in 0..TRIES {
        let response = request.try_clone().ok_or("a request that cannot be repeated")?.send().await?;
        let (status, url) = (response.status(), response.url().path().to_owned());
        let wait = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        if let Some(seconds) = wait.filter(|_| !status.is_success()) {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            continue;
        }
        let body: Value = response.json().await.unwrap_or(Value::Null);
        return if status.is_success() { Ok(body) } else { Err(format!("{url}: {status} {body}").into()) };
    }
    Err("the server stays too busy for the demo".into())
}

/// A school seen with its owner's token.
#[derive(Clone)]
struct School {
    demo: Demo,
    token: String,
}

impl School {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.demo.http.request(method, format!("{}/school/v1{path}", self.demo.address)).bearer_auth(&self.token)
    }

    /// A teacher for every stream; the two of the demo's accounts among them. Returns ids by stream.
    async fn hire(&self, dice: &mut Dice) -> Result<Vec<(String, String)>, Failure> {
        let mut teachers = Vec::new();
        for (_, stream) in data::streams() {
            let (name, email) = match data::class_teacher(&stream) {
                Some((name, email)) => (name.to_owned(), Some(email)),
                None => (format!("{} {}", dice.pick(data::FIRST_NAMES).0, dice.pick(data::LAST_NAMES)), None),
            };
            let body = json!({"name": name, "email": email, "job_title": "Class teacher"});
            let made = send(self.request(Method::POST, "/staff").json(&body)).await?;
            teachers.push((stream, made["id"].as_str().unwrap_or_default().to_owned()));
        }
        Ok(teachers)
    }

    /// The school learns of itself by an event, a moment after the sign-up.
    async fn begun(&self) -> Result<(), Failure> {
        for _ in 0..600 {
            let years = send(self.request(Method::GET, "/academic-years")).await?;
            if years["data"].as_array().is_some_and(|years| !years.is_empty()) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err("the school did not begin".into())
    }

    async fn import(&self, csv: String) -> Result<(), Failure> {
        self.begun().await?;
        let upload = self.request(Method::POST, "/class-list-imports?file_name=class-list.csv");
        let import = send(upload.header("content-type", "text/csv").body(csv)).await?;
        let path = format!("/class-list-imports/{}/apply", import["id"].as_str().unwrap_or_default());
        let apply = self.request(Method::POST, &path).header("idempotency-key", uuid_text(&import)).json(&json!({}));
        send(apply).await.map(|_| ())
    }

    async fn assign(&self, teachers: &[(String, String)]) -> Result<(), Failure> {
        let streams = send(self.request(Method::GET, "/streams?limit=200")).await?;
        for stream in streams["data"].as_array().into_iter().flatten() {
            let teacher = teachers.iter().find(|(name, _)| stream["name"] == name.as_str());
            if let Some((_, teacher)) = teacher {
                let path = format!("/streams/{}", stream["id"].as_str().unwrap_or_default());
                send(self.request(Method::PATCH, &path).json(&json!({"class_teacher": teacher}))).await?;
            }
        }
        Ok(())
    }

    /// A term around today, and the school days of it up to today.
    async fn calendar(&self) -> Result<Vec<NaiveDate>, Failure> {
        let years = send(self.request(Method::GET, "/academic-years")).await?;
        let sheets = send(self.request(Method::GET, "/attendance-days/2026-01-01")).await?;
        let today: NaiveDate = sheets["business_date"].as_str().unwrap_or_default().parse()?;
        let year = years["data"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|year| covers(year, today))
            .ok_or("no academic year")?;
        let first: NaiveDate = year["starts_on"].as_str().unwrap_or_default().parse()?;
        let last: NaiveDate = year["last_day"].as_str().unwrap_or_default().parse()?;
        let starts_on = (today - Days::new(SCHOOL_DAYS * 7 / 5)).max(first);
        let last_day = (today + Days::new(28)).min(last);
        let term = json!({"academic_year": year["id"], "name": "Term 3", "starts_on": starts_on, "last_day": last_day});
        send(self.request(Method::POST, "/terms").json(&term)).await?;
        let weekday = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        Ok(starts_on.iter_days().take_while(|day| *day <= today).filter(weekday).collect())
    }

    /// Registers of all classes on all days; today five classes are still to be taken, 7 East among them.
    async fn term_of_marks(&self, dice: &mut Dice, days: &[NaiveDate]) -> Result<(), Failure> {
        let streams = send(self.request(Method::GET, "/streams?limit=200")).await?;
        let today = days.last().copied();
        let mut running = JoinSet::new();
        for stream in streams["data"].as_array().into_iter().flatten() {
            let id = stream["id"].as_str().unwrap_or_default().to_owned();
            let sheet = send(self.request(Method::GET, &format!("/register-sheets/{id}"))).await?;
            let pupils: Vec<String> = sheet["pupils"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|pupil| pupil["student_id"].as_str().map(str::to_owned))
                .collect();
            let late_today = data::UNTAKEN_TODAY.iter().any(|name| stream["name"] == *name);
            let mine = days.iter().filter(|day| !(late_today && Some(**day) == today));
            let bodies: Vec<Value> = mine.map(|day| register(dice, &id, *day, &pupils)).collect();
            if running.len() >= PARALLEL {
                running.join_next().await.ok_or("no task")???;
            }
            let school = self.clone();
            running.spawn(async move { school.take(bodies).await });
        }
        while let Some(done) = running.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn take(&self, bodies: Vec<Value>) -> Result<(), Failure> {
        for body in bodies {
            let key = format!("\"demo-{}-{}\"", body["stream_id"].as_str().unwrap_or_default(), body["date"])
                .replace(['"', ' '], "");
            let request = self.request(Method::POST, "/attendance-registers").header("idempotency-key", key);
            send(request.json(&body)).await?;
        }
        Ok(())
    }
}

fn register(dice: &mut Dice, stream: &str, day: NaiveDate, pupils: &[String]) -> Value {
    let monday = u32::from(day.weekday() == Weekday::Mon);
    let exceptions: Vec<Value> = pupils
        .iter()
        .filter_map(|pupil| match dice.below(100) {
            roll if roll < 4 + monday => Some(json!({"student_id": pupil, "code": "absent"})),
            roll if roll < 7 + monday => Some(json!({"student_id": pupil, "code": "late"})),
            7 | 8 => Some(json!({"student_id": pupil, "code": "excused", "reason": "Clinic"})),
            _ => None,
        })
        .collect();
    json!({"stream_id": stream, "date": day, "default": "present", "exceptions": exceptions})
}

fn covers(year: &Value, day: NaiveDate) -> bool {
    let date = |field: &str| year[field].as_str().and_then(|text| text.parse::<NaiveDate>().ok());
    date("starts_on").is_some_and(|first| first <= day) && date("last_day").is_some_and(|last| last >= day)
}

fn uuid_text(record: &Value) -> String {
    format!("\"{}\"", record["id"].as_str().unwrap_or_default())
}
