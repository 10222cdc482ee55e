//! Live topics under bad circumstances: a client that does not read, a token that expires, offsets of another life.
use crate::polling::Polling;
use chrono::TimeDelta;
use hitaji_core::TenantId;
use hitaji_testkit::{Client, TestApp, at};
use serde_json::{Value, json};

const PUPILS: usize = 3;

struct School {
    app: TestApp,
    id: TenantId,
    owner: Client,
    stream: String,
    pupils: Vec<String>,
}

impl School {
    async fn start() -> School {
        let clock = hitaji_core::Clock::fixed(at("2026-05-12T05:00:00Z"));
        let app = TestApp::start_with(clock, |config| config.set("realtime", "buffer", 8)).await;
        let organisation = app.organisation("Uhuru Academy").await;
        let owner = app.owner(&organisation).await;
        let mut csv = "admission_number,first_name,last_name,date_of_birth,year_group,stream\n".to_owned();
        (0..PUPILS).for_each(|n| csv.push_str(&format!("A{n},Pupil,N{n},,7,7 East\n")));
        let import = owner.post_csv("/school/v1/class-list-imports", csv).await.ok();
        let path = format!("/school/v1/class-list-imports/{}/apply", import["id"].as_str().expect("an id"));
        owner.post_once(&path, "apply-the-list", &json!({})).await.ok();
        let streams = owner.get("/school/v1/streams").await.ok();
        let stream = streams["data"][0]["id"].as_str().expect("an id").to_owned();
        let sheet = owner.get(&format!("/school/v1/register-sheets/{stream}")).await.ok();
        let ids = sheet["pupils"].as_array().expect("pupils").iter();
        let pupils = ids.map(|pupil| pupil["student_id"].as_str().expect("an id").to_owned()).collect();
        School { app, id: organisation.id, owner, stream, pupils }
    }

    /// Makes another pupil late: a new version of today's register, and one event.
    async fn correct(&self, turn: usize) {
        let body = json!({"stream_id": self.stream, "date": "2026-05-12", "default": "present",
            "exceptions": [{"student_id": self.pupils[turn % PUPILS], "code": "late"}]});
        self.owner.post_once("/school/v1/attendance-registers", &format!("correction-{turn}"), &body).await.ok();
    }

    /// Subscribes after an offset: the events sent before the answer, and the answer.
    async fn listen(&self, after: Value) -> (Polling, Vec<String>, Value) {
        let polling = Polling::connect(&self.owner).await;
        let mut packet = polling.ask("subscribe", &json!({"topic": "school.attendance", "after": after})).await;
        let mut missed = Vec::new();
        while packet.starts_with("42") {
            missed.push(packet);
            packet = polling.next().await;
        }
        let answer: Value = serde_json::from_str(packet.trim_start_matches("430")).expect("JSON");
        (polling, missed, answer[0].clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_dropped_and_the_others_get_everything() {
    let school = School::start().await;
    let (slow, ..) = school.listen(Value::Null).await;
    let (quick, ..) = school.listen(Value::Null).await;
    for turn in 0..40 {
        school.correct(turn).await;
        let event = quick.next().await;
        assert!(event.contains(&format!("\"version\":{}", turn + 1)), "{event}");
    }
    let mut seen = 0;
    while let Some(packet) = slow.next_or_closed().await {
        seen += usize::from(packet.contains("school.attendance.marked.v1"));
    }
    assert!(seen < 40, "the slow client was kept although it did not read");
    school.app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_comes_once_and_offsets_of_another_life_mean_reload() {
    let school = School::start().await;
    school.correct(0).await;
    school.app.settle().await;
    let (_gone, none, first) = school.listen(Value::Null).await;
    assert!(none.is_empty());
    for turn in 1..=3 {
        school.correct(turn).await;
    }
    school.app.settle().await;
    let (back, missed, answer) = school.listen(first["offset"].clone()).await;
    assert_eq!(answer["recovered"], true, "{answer}");
    let versions: Vec<bool> =
        missed.iter().zip(2..).map(|(packet, version)| packet.contains(&format!("\"version\":{version}"))).collect();
    assert_eq!(versions, [true; 3], "{missed:?}");
    school.correct(4).await;
    assert!(back.next().await.contains("\"version\":5"), "live goes on where the replay ended");
    let stranger = json!({"epoch": hitaji_core::new_id(), "sequence": 1});
    let (_stranger, missed, answer) = school.listen(stranger).await;
    assert_eq!((missed.len(), &answer["recovered"]), (0, &json!(false)), "{answer}");
    school.app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_closes_the_socket() {
    let school = School::start().await;
    let (polling, ..) = school.listen(Value::Null).await;
    school.app.clock.set(school.app.clock.now() + TimeDelta::minutes(6));
    let mut told = false;
    while let Some(packet) = polling.next_or_closed().await {
        told |= packet.contains("expired");
    }
    assert!(told, "the client was not told why");
    school.owner.get("/school/v1/streams").await.refused(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_closes_the_sockets_that_are_open() {
    let school = School::start().await;
    let (listener, ..) = school.listen(Value::Null).await;
    let operator = school.app.operator("operator", "amina@hitaji.example").await;
    let path = format!("/tenancy/v1/organisations/{}/suspend", school.id);
    operator.post(&path, &json!({"reason": "to close its sockets"})).await.ok();
    while let Some(packet) = listener.next_or_closed().await {
        assert!(packet.contains("expired") || packet.starts_with('6'), "{packet}");
    }
}
