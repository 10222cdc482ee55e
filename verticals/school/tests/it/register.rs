//! Story E1: a whole-class register, idempotent, corrected, with messages to the right guardians.
use crate::world::{School, TUESDAY};
use hitaji_testkit::{Client, at};
use serde_json::{Value, json};

const REGISTERS: &str = "/school/v1/attendance-registers";
const NOTICE: &str = "school.guardian_notice.due.v1";
const MARKED: &str = "school.attendance.marked.v1";

/// The school of the story with its people.
struct Story {
    school: School,
    t1: Client,
    t2: Client,
    head: Client,
    east: String,
    /// Ids of s1 to s5.
    pupils: Vec<String>,
}

impl Story {
    async fn begin() -> Story {
        let school = School::with_classes(40).await;
        let t1 = school.class_teacher("Tabitha One", "t1@uhuru.example", "7 East").await;
        let t2 = school.class_teacher("Tom Two", "t2@uhuru.example", "7 West").await;
        let head = school.app.join(&school.organisation, "head_teacher", "Hawa Head", "head@uhuru.example").await;
        let mut pupils = Vec::new();
        for n in 1..=5 {
            pupils.push(school.student(&format!("s{n}")).await);
        }
        // 11 to 13 May; the day after is the first day back.
        let leave =
            json!({"student": pupils[2], "starts_on": "2026-05-11", "ends_on": "2026-05-14", "reason": "Wedding"});
        school.owner.post("/school/v1/leaves", &leave).await.ok();
        let east = school.stream("7 East").await;
        Story { school, t1, t2, head, east, pupils }
    }

    /// Default present; absent s1, s2, s3; late s4, s5.
    fn register(&self) -> Value {
        let codes = ["absent", "absent", "absent", "late", "late"];
        let exceptions: Vec<Value> =
            self.pupils.iter().zip(codes).map(|(id, code)| json!({"student_id": id, "code": code})).collect();
        json!({"stream_id": self.east, "date": TUESDAY, "default": "present", "exceptions": exceptions})
    }

    /// The same with s1 late.
    fn corrected(&self) -> Value {
        let mut register = self.register();
        register["exceptions"][0]["code"] = json!("late");
        register
    }

    async fn count(&self, sql: &str) -> i64 {
        self.school.rows(sql).await[0]["count"].as_i64().expect("a count")
    }

    /// Marks, marks beyond their first version, kept versions, SMS jobs, register events.
    async fn totals(&self) -> [i64; 5] {
        self.school.app.settle().await;
        let marks = self.count("select count(*) from school.attendance_mark").await;
        let changed = self.count("select count(*) from school.attendance_mark where version > 1").await;
        let history = self.count("select count(*) from school.attendance_mark_history").await;
        let (notices, marked) = (self.school.events(NOTICE).await.len(), self.school.events(MARKED).await.len());
        [marks, changed, history, notices as i64, marked as i64]
    }
}

fn counts(present: i64, late: i64, absent: i64, excused: i64) -> Value {
    json!({"enrolled": 40, "present": present, "late": late, "absent": absent, "excused": excused})
}

#[tokio::test]
async fn a_register_sent_three_times_is_taken_once() {
    let story = Story::begin().await;
    let body = story.register();
    let first = story.t1.post_once(REGISTERS, "K1-of-the-story", &body).await;
    assert_eq!((first.status, first.header("etag")), (201, Some("\"1\"")), "{}", first.body);
    assert_eq!(first.body["counts"], counts(35, 2, 2, 1));
    assert_eq!((&first.body["rate"], &first.body["changed"]), (&json!("94.87"), &json!(40)));
    assert_eq!((&first.body["version"], &first.body["taken_by"]), (&json!(1), &json!("Tabitha One")));
    assert_eq!(story.totals().await, [40, 0, 0, 3, 1]);

    let again = story.t1.post_once(REGISTERS, "K1-of-the-story", &body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
    assert_eq!(again.header("location"), first.header("location"));

    let with_new_key = story.t1.post_once(REGISTERS, "K2-of-the-story", &body).await;
    assert_eq!((with_new_key.status, with_new_key.header("idempotent-replayed")), (200, None));
    assert_eq!((&with_new_key.body["version"], &with_new_key.body["changed"]), (&json!(1), &json!(0)));
    assert_eq!(with_new_key.body["counts"], counts(35, 2, 2, 1));
    assert_eq!(story.totals().await, [40, 0, 0, 3, 1]);
    story.school.app.settle().await;
}

#[tokio::test]
async fn messages_go_to_guardians_who_agreed_and_a_correction_to_who_was_told() {
    let story = Story::begin().await;
    story.t1.post_once(REGISTERS, "K1-of-the-story", &story.register()).await.ok();
    let told = |notices: &[Value]| -> Vec<(String, String)> {
        let mut told: Vec<_> = notices
            .iter()
            .map(|notice| (notice["guardian_id"].to_string(), notice["notice"].as_str().unwrap_or_default().to_owned()))
            .collect();
        told.sort();
        told
    };
    let mut expected = Vec::new();
    for guardian in ["g1", "g3", "g4"] {
        let id = story.school.find("guardians", &format!("email={guardian}@families.example")).await;
        expected.push((format!("\"{id}\""), "absent".to_owned()));
    }
    let to_g1 = expected[0].0.clone();
    expected.sort();
    let notices = story.school.events(NOTICE).await;
    assert_eq!(told(&notices), expected);
    assert_eq!(notices[0]["send_after"], "2026-05-12T05:10:00Z", "a correction can win for ten minutes");

    let correction = story.t1.post_once(REGISTERS, "K3-of-the-story", &story.corrected()).await;
    assert_eq!(
        (correction.status, &correction.body["version"], &correction.body["changed"]),
        (200, &json!(2), &json!(1))
    );
    assert_eq!((&correction.body["counts"], &correction.body["rate"]), (&counts(35, 3, 1, 1), &json!("97.44")));
    assert_eq!(story.totals().await, [40, 1, 1, 4, 2]);
    let fourth = story.school.events(NOTICE).await.pop().expect("a notice");
    assert_eq!((fourth["guardian_id"].to_string(), &fourth["notice"]), (to_g1, &json!("arrived_late")));
    let versions = format!(
        "select version, code from school.attendance_mark where student_id = '{0}'
         union all select version, code from school.attendance_mark_history where student_id = '{0}' order by version",
        story.pupils[0]
    );
    assert_eq!(
        story.school.rows(&versions).await,
        [json!({"version": 1, "code": "absent"}), json!({"version": 2, "code": "late"})]
    );

    // There and back: nobody is told twice of the same thing.
    story.t1.post_once(REGISTERS, "K4-of-the-story", &story.register()).await.ok();
    story.t1.post_once(REGISTERS, "K5-of-the-story", &story.corrected()).await.ok();
    assert_eq!(story.totals().await, [40, 1, 3, 4, 4]);
    story.school.app.settle().await;
}

#[tokio::test]
async fn what_is_refused_changes_nothing() {
    let story = Story::begin().await;
    story.t1.post_once(REGISTERS, "K1-of-the-story", &story.register()).await.ok();
    let before = story.totals().await;
    let closure = json!({"name": "Madaraka Day", "starts_on": "2026-06-01", "ends_on": "2026-06-02"});
    story.school.owner.post("/school/v1/closures", &closure).await.ok();

    story.t2.post_once(REGISTERS, "other-class", &story.register()).await.refused(404);
    let on = |date: &str| {
        let mut register = story.corrected();
        register["date"] = json!(date);
        register
    };
    let refusal = story.t1.post_once(REGISTERS, "closure-day", &on("2026-06-01")).await.refused(422);
    assert_eq!(refusal["errors"][0]["pointer"], "/date");
    let refusal = story.t1.post_once(REGISTERS, "future-day", &on("2026-12-01")).await.refused(422);
    assert_eq!(
        (&refusal["errors"][0]["pointer"], &refusal["errors"][0]["code"]),
        (&json!("/date"), &json!("future_date"))
    );
    let refusal = story.t1.post_once(REGISTERS, "outside-year", &on("2025-12-01")).await.refused(422);
    assert_eq!(refusal["errors"][0]["code"], "outside_year");
    let mut foreign = story.corrected();
    foreign["exceptions"][4]["student_id"] = json!(story.school.student("w1").await);
    let refusal = story.t1.post_once(REGISTERS, "not-in-class", &foreign).await.refused(422);
    let error = &refusal["errors"][0];
    assert_eq!((&error["pointer"], &error["code"]), (&json!("/exceptions/4/student_id"), &json!("not_in_class")));
    story.t1.post(REGISTERS, &story.corrected()).await.refused(400);
    let stale = {
        let mut stale = story.corrected();
        stale["base_version"] = json!(7);
        story.t1.post_once(REGISTERS, "stale-base", &stale).await.refused(412)
    };
    assert_eq!((&stale["code"], &stale["current"]["version"]), (&json!("stale"), &json!(1)));
    assert_eq!(story.totals().await, before);

    // On the closed day itself the reason is the closure.
    story.school.app.clock.set(at("2026-06-01T06:00:00Z"));
    let t1 = story.school.app.member(&story.school.organisation, "t1@uhuru.example").await;
    let refusal = t1.post_once(REGISTERS, "closure-today", &on("2026-06-01")).await.refused(422);
    assert_eq!(refusal["errors"][0]["code"], "closed_day");
    assert_eq!(story.totals().await, before);
    story.school.app.settle().await;
}

#[tokio::test]
async fn everybody_sees_what_is_theirs() {
    let story = Story::begin().await;
    let school = &story.school;
    story.t1.post_once(REGISTERS, "K1-of-the-story", &story.register()).await.ok();
    let g1 = school.app.join(&school.organisation, "guardian", "Grace One", "g1@families.example").await;
    g1.get(&format!("/school/v1/students/{}", story.pupils[0])).await.ok();
    g1.get(&format!("/school/v1/students/{}", story.pupils[1])).await.refused(404);
    let pupils = g1.get("/school/v1/students").await.ok();
    assert_eq!(pupils["data"].as_array().map(Vec::len), Some(1));
    let marks = g1.get("/school/v1/attendance-marks").await.ok();
    assert_eq!(marks["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&marks["data"][0]["student"]["id"], &marks["data"][0]["code"]),
        (&json!(story.pupils[0]), &json!("absent"))
    );
    let of_s2 = g1.get(&format!("/school/v1/attendance-marks?student={}", story.pupils[1])).await.ok();
    assert_eq!(of_s2["data"], json!([]));
    g1.get(&format!("/school/v1/register-sheets/{}", story.east)).await.refused(404);
    g1.post_once(REGISTERS, "by-a-guardian", &story.corrected()).await.refused(403);

    let sheet = format!("/school/v1/register-sheets/{}?date={TUESDAY}", story.east);
    story.t2.get(&sheet).await.refused(404);
    let seen = story.t1.get(&sheet).await;
    assert_eq!(seen.header("etag"), Some("\"1\""));
    assert_eq!((&seen.body["counts"], &seen.body["rate"]), (&counts(35, 2, 2, 1), &json!("94.87")));
    let on_leave =
        seen.body["pupils"].as_array().into_iter().flatten().find(|pupil| pupil["student_id"] == story.pupils[2]);
    let on_leave = on_leave.expect("s3 is on the sheet");
    assert_eq!((&on_leave["planned"], &on_leave["code"]), (&json!("excused"), &json!("excused")));
    let sheets = story.t2.get("/school/v1/register-sheets").await.ok();
    let titles: Vec<_> =
        sheets["data"].as_array().into_iter().flatten().map(|sheet| &sheet["stream"]["title"]).collect();
    assert_eq!(titles, ["7 West"]);
    school.app.settle().await;
}

#[tokio::test]
async fn the_head_teachers_day_shows_the_counts() {
    let story = Story::begin().await;
    let path = format!("/school/v1/attendance-days/{TUESDAY}");
    let day = story.head.get(&path).await.ok();
    assert_eq!((&day["registers"], &day["rate"]), (&json!({"taken": 0, "total": 2}), &Value::Null));
    story.t1.post_once(REGISTERS, "K1-of-the-story", &story.register()).await.ok();
    let day = story.head.get(&path).await.ok();
    assert_eq!(day["registers"], json!({"taken": 1, "total": 2}));
    assert_eq!((&day["counts"], &day["rate"]), (&counts(35, 2, 2, 1), &json!("94.87")));
    assert_eq!(day["trend"], json!([{"date": TUESDAY, "rate": "94.87"}]));
    let away: Vec<_> = day["absentees"].as_array().expect("a list").iter().map(|pupil| &pupil["code"]).collect();
    assert_eq!(away, ["absent", "absent", "late", "late"]);
    let s1 =
        day["absentees"].as_array().and_then(|all| all.iter().find(|pupil| pupil["student"]["id"] == story.pupils[0]));
    let whom = s1.map(|pupil| &pupil["guardians"]).expect("s1 is away");
    assert_eq!(whom[0], json!({"name": "Grace One", "phone": "+254700000001"}), "first to be called");

    story.t1.post_once(REGISTERS, "K3-of-the-story", &story.corrected()).await.ok();
    let day = story.head.get(&path).await.ok();
    assert_eq!((&day["counts"], &day["rate"]), (&counts(35, 3, 1, 1), &json!("97.44")));
    let latest = story.school.events(MARKED).await.pop().expect("an event");
    assert_eq!((&latest["version"], &latest["rate"], &latest["late"]), (&json!(2), &json!("97.44"), &json!(3)));
    story.t1.get(&path).await.refused(403);
    story.school.app.settle().await;
}
