//! A small school: classes with pupils by class list, teachers and guardians with accounts.
use hitaji_testkit::{Client, Organisation, TestApp};
use serde_json::{Value, json};

pub const TUESDAY: &str = "2026-05-12";

const COLUMNS: &str = "admission_number,first_name,last_name,date_of_birth,year_group,stream,guardian1_name,guardian1_phone,\
    guardian1_email,guardian1_sms,guardian2_name,guardian2_phone,guardian2_email,guardian2_sms\n";

pub struct School {
    pub app: TestApp,
    pub organisation: Organisation,
    pub owner: Client,
}

impl School {
    /// An organisation without pupils.
    pub async fn empty() -> School {
        let app = TestApp::start().await;
        let organisation = app.organisation("Uhuru Academy").await;
        let owner = app.owner(&organisation).await;
        School { app, organisation, owner }
    }

    /// 7 East and 7 West with 3 pupils. `s1` has guardians G1 (SMS) and G2 (no SMS), `s2` has G3 and G4 (both SMS).
    pub async fn with_classes(pupils_in_east: usize) -> School {
        let school = School::empty().await;
        let mut csv = COLUMNS.to_owned();
        for n in 1..=pupils_in_east {
            let guardians = match n {
                1 => "Grace One,+254700000001,g1@families.example,yes,Gideon Two,+254700000002,g2@families.example,no",
                2 => {
                    "Gladys Three,+254700000003,g3@families.example,yes,George Four,+254700000004,g4@families.example,yes"
                }
                _ => ",,,,,,,",
            };
            csv.push_str(&format!("s{n},Pupil,{n:02},,Grade 7,7 East,{guardians}\n"));
        }
        for n in 1..=3 {
            csv.push_str(&format!(
                "w{n},West,{n:02},,Grade 7,7 West,Wema {n},+25471000000{n},west{n}@families.example,yes,,,,\n"
            ));
        }
        school.import(&csv).await;
        school
    }

    /// Uploads and applies a class list.
    pub async fn import(&self, csv: &str) -> Value {
        self.import_as("import-once", csv).await
    }

    /// The same with another Idempotency-Key, for a second list.
    pub async fn import_as(&self, key: &str, csv: &str) -> Value {
        let import = self.owner.post_csv("/school/v1/class-list-imports", csv).await.ok();
        let apply = format!("/school/v1/class-list-imports/{}/apply", import["id"].as_str().expect("an id"));
        self.owner.post_once(&apply, &format!("import-{key}"), &json!({})).await.ok()
    }

    /// All records of a list, over all its pages.
    pub async fn all(&self, client: &Client, resource: &str, query: &str) -> Vec<Value> {
        let (mut rows, mut path) = (Vec::new(), format!("/school/v1/{resource}?limit=200&{query}"));
        loop {
            let page = client.get(&path).await.ok();
            rows.extend(page["data"].as_array().expect("a list").iter().cloned());
            let Some(next) = page["page"]["next"].as_str() else { return rows };
            path = format!("/school/v1/{resource}?limit=200&{query}&cursor={next}");
        }
    }

    /// The id of the one record that a query finds.
    pub async fn find(&self, resource: &str, query: &str) -> String {
        let found = self.owner.get(&format!("/school/v1/{resource}?{query}")).await.ok();
        let rows = found["data"].as_array().expect("a list");
        assert_eq!(rows.len(), 1, "{resource}?{query}: {found}");
        rows[0]["id"].as_str().expect("an id").to_owned()
    }

    pub async fn student(&self, admission_number: &str) -> String {
        self.find("students", &format!("admission_number={admission_number}")).await
    }

    pub async fn stream(&self, name: &str) -> String {
        self.find("streams", &format!("name={}", name.replace(' ', "%20"))).await
    }

    /// A member of staff with an account who is class teacher of `stream`.
    pub async fn class_teacher(&self, name: &str, email: &str, stream: &str) -> Client {
        let staff = self.owner.post("/school/v1/staff", &json!({"name": name, "email": email})).await.ok();
        let path = format!("/school/v1/streams/{}", self.stream(stream).await);
        self.owner.patch(&path, Some(1), &json!({"class_teacher": staff["id"]})).await.ok();
        self.app.join(&self.organisation, "teacher", name, email).await
    }

    /// Rows of a statement on the organisation's database, as JSON objects.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        self.app.rows(self.organisation.id, sql).await
    }

    /// The data of every event of one type, oldest first.
    pub async fn events(&self, kind: &str) -> Vec<Value> {
        let all = self.app.events(self.organisation.id).await;
        all.into_iter().filter(|(found, _)| found == kind).map(|(_, data)| data).collect()
    }
}
