//! For every operation a request that succeeds: the walks over the whole API start from these.
use crate::operations::Operation;
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_testkit::{Client, Organisation, PASSWORD, Reply, TestApp, send};
use reqwest::RequestBuilder;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicI64, Ordering};

/// An organisation with a class, and ever new values for records.
pub struct World<'a> {
    pub app: &'a TestApp,
    pub organisation: Organisation,
    pub owner: Client,
    /// Somebody who runs the platform.
    pub operator: Client,
    /// Stands in every text, so that it can be found where it must not be.
    pub marker: &'static str,
    stream: String,
    pupil: String,
    serial: AtomicI64,
}

/// Where a request goes and what it carries.
#[derive(Clone, Debug)]
pub struct Sample {
    pub path: String,
    pub body: Body,
    pub version: Option<i64>,
}

#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Value),
    Csv(String),
}

const CSV_HEADER: &str = "admission_number,first_name,last_name,date_of_birth,year_group,stream\n";

impl Sample {
    pub fn at(path: &str) -> Sample {
        Sample { path: path.to_owned(), body: Body::None, version: None }
    }

    pub fn json(path: impl Into<String>, body: Value) -> Sample {
        Sample { path: path.into(), body: Body::Json(body), version: None }
    }

    /// The request of an operation in a client's name, without a key.
    pub fn request(&self, operation: &Operation, client: &Client) -> RequestBuilder {
        let mut request = client.request(operation.method.clone(), &self.path);
        if let Some(version) = self.version {
            request = request.header("if-match", format!("\"{version}\""));
        }
        match &self.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::Csv(text) => request.header("content-type", "text/csv").body(text.clone()),
        }
    }

    /// The same request with another body and content type.
    pub fn raw(&self, operation: &Operation, client: &Client, content_type: &str, body: Vec<u8>) -> RequestBuilder {
        let bare = Sample { body: Body::None, ..self.clone() };
        bare.request(operation, client).header("content-type", content_type).body(body)
    }

    /// Sends it with a key where the operation takes one.
    pub async fn send(&self, operation: &Operation, client: &Client, key: &str) -> Reply {
        let mut request = self.request(operation, client);
        if operation.parameter("Idempotency-Key").is_some() {
            request = request.header("idempotency-key", format!("\"{key}\""));
        }
        send(request).await
    }

    /// The path with one more query parameter.
    pub fn asking(&self, parameter: &str) -> Sample {
        let mark = if self.path.contains('?') { '&' } else { '?' };
        Sample { path: format!("{}{mark}{parameter}", self.path), ..self.clone() }
    }

    /// With one more member in the JSON body.
    pub fn with(&self, name: &str, value: Value) -> Sample {
        let mut sample = self.clone();
        if let Body::Json(Value::Object(members)) = &mut sample.body {
            members.insert(name.to_owned(), value);
        }
        sample
    }
}

impl<'a> World<'a> {
    pub async fn new(app: &'a TestApp, name: &str, marker: &'static str) -> World<'a> {
        let organisation = app.organisation(name).await;
        let owner = app.owner(&organisation).await;
        let operator = app.operator("owner", &format!("{}@platform.example", marker.to_lowercase())).await;
        let mut world = World {
            app,
            organisation,
            owner,
            operator,
            marker,
            stream: String::new(),
            pupil: String::new(),
            serial: AtomicI64::new(0),
        };
        let import = world.import(&format!("{marker}-0,{marker},Pupil,,{marker} 1,{marker} 1 East")).await;
        world.apply(&import).await;
        world.stream = world.first("streams").await;
        world.pupil = world.first("students").await;
        // Lists of what only commands make have a row to show.
        world.invitation().await;
        world.application().await;
        app.settle().await;
        let register = world.register(119);
        world.owner.post_once("/school/v1/attendance-registers", "a-first-register", &register).await.ok();
        world
    }

    /// Who may do it: somebody of the organisation, or of the platform.
    pub fn client(&self, operation: &Operation) -> &Client {
        if operation.operator_scope().is_some() { &self.operator } else { &self.owner }
    }

    /// Another organisation in a state from which the action leads on.
    pub async fn elsewhere(&self, serial: i64, action: &str) -> Organisation {
        let made = self.app.organisation(&format!("{} Elsewhere {serial}", self.marker)).await;
        if action == "resume" {
            let path = format!("/tenancy/v1/organisations/{}/suspend", made.id);
            self.operator.post(&path, &json!({"reason": "to be resumed"})).await.ok();
        }
        made
    }

    /// A request of the operator for access to an organisation; its path at the operator's side.
    async fn support_grant(&self, organisation: &Organisation) -> String {
        let path = format!("/tenancy/v1/organisations/{}/support-grants", organisation.id);
        let body = json!({"reason": format!("{} asked", self.marker), "access": "read", "hours": 1});
        let made = self.operator.post(&path, &body).await.ok();
        format!("{path}/{}", made["id"].as_str().expect("an id"))
    }

    /// A request for access to this organisation; an earlier one that is open is ended.
    async fn own_support_grant(&self) -> String {
        let seen = self.owner.get("/tenancy/v1/support-grants").await.ok();
        let open = |grant: &Value| ["requested", "granted"].iter().any(|state| grant["state"] == *state);
        for grant in seen["data"].as_array().into_iter().flatten().filter(|grant| open(grant)) {
            let path = format!("/tenancy/v1/support-grants/{}/end", grant["id"].as_str().expect("an id"));
            self.owner.post(&path, &Value::Null).await.ok();
        }
        let path = self.support_grant(&self.organisation).await;
        path.rsplit('/').next().expect("an id").to_owned()
    }

    async fn of_platform(&self, operation: &Operation, serial: i64) -> Option<Sample> {
        let path = operation.path.as_str();
        let (reason, marker) = (json!({"reason": format!("{} {serial}", self.marker)}), self.marker);
        let sample = match path.strip_prefix("/tenancy/v1").unwrap_or(path) {
            "/organisations/{id}" => Sample::at(&path.replace("{id}", &self.organisation.id.to_string())),
            "/organisations/{id}/support-grants" if !operation.writes() => {
                self.own_support_grant().await;
                Sample::at(&path.replace("{id}", &self.organisation.id.to_string()))
            }
            "/organisations/{id}/support-grants" => {
                let made = self.elsewhere(serial, "").await;
                let body = json!({"reason": format!("{marker} {serial}"), "access": "read", "hours": 1});
                Sample::json(path.replace("{id}", &made.id.to_string()), body)
            }
            _ if path.starts_with("/tenancy/v1/organisations/{id}/support-grants/{grant_id}") => {
                let grant = self.support_grant(&self.elsewhere(serial, "").await).await;
                let rest = path.rsplit("{grant_id}").next().unwrap_or_default();
                let version = operation.writes().then_some(1);
                Sample { version, ..Sample::at(&format!("{grant}{rest}")) }
            }
            _ if path.starts_with("/tenancy/v1/organisations/{id}/") => {
                let action = path.rsplit('/').next().unwrap_or_default();
                let made = self.elsewhere(serial, action).await;
                Sample::json(path.replace("{id}", &made.id.to_string()), reason)
            }
            "/support-grants" => {
                self.own_support_grant().await;
                Sample::at(path)
            }
            _ if path.starts_with("/tenancy/v1/support-grants/{id}/") => {
                let grant = self.own_support_grant().await;
                Sample { version: Some(1), ..Sample::at(&path.replace("{id}", &grant)) }
            }
            "/identity/v1/support-tokens" => {
                let grant = self.own_support_grant().await;
                self.owner.post(&format!("/tenancy/v1/support-grants/{grant}/grant"), &Value::Null).await.ok();
                Sample::json(path, json!({"grant_id": grant}))
            }
            "/operator-audit" => Sample::at(&format!("{path}?organisation={}", self.organisation.id)),
            _ => return None,
        };
        Some(sample)
    }

    async fn first(&self, resource: &str) -> String {
        let found = self.owner.get(&format!("/school/v1/{resource}")).await.ok();
        found["data"][0]["id"].as_str().expect("a record").to_owned()
    }

    async fn import(&self, row: &str) -> String {
        let made = self.owner.post_csv("/school/v1/class-list-imports", format!("{CSV_HEADER}{row}\n")).await.ok();
        format!("/school/v1/class-list-imports/{}", made["id"].as_str().expect("an id"))
    }

    async fn apply(&self, import: &str) {
        let key = format!("apply-{:08}", self.next());
        self.owner.post_once(&format!("{import}/apply"), &key, &json!({})).await.ok();
    }

    /// A member of the organisation who is nobody else in the test: the ids of their membership and account.
    async fn somebody(&self, serial: i64) -> (String, String) {
        let email = format!("{}{serial}@members.example", self.marker.to_lowercase());
        self.app.join(&self.organisation, "teacher", self.marker, &email).await;
        let members = self.owner.get("/identity/v1/members?limit=200").await.ok();
        let found = members["data"].as_array().into_iter().flatten().find(|member| member["email"] == email);
        let member = found.expect("the new member");
        let id = |name: &str| member[name].as_str().expect("an id").to_owned();
        (id("id"), id("account_id"))
    }

    pub fn next(&self) -> i64 {
        self.serial.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A request for the operation that will succeed, about records made for it.
    pub async fn sample(&self, operation: &Operation) -> Sample {
        match self.declared(operation) {
            Some(def) => self.of_resource(operation, def).await,
            None => self.of_command(operation).await,
        }
    }

    /// The declared resource whose plain operation this is.
    fn declared(&self, operation: &Operation) -> Option<&'static ResourceDef> {
        let services = self.app.platform.registry().services();
        let mut all = services.iter().flat_map(|service| service.resources.iter().copied());
        all.find(|def| operation.path == def.path() || operation.path == format!("{}/{{id}}", def.path()))
    }

    async fn of_resource(&self, operation: &Operation, def: &'static ResourceDef) -> Sample {
        let collection = def.path();
        if operation.path == collection {
            return match operation.method {
                http::Method::POST => Sample::json(collection, self.values(def).await),
                _ => {
                    self.record(def).await;
                    Sample::at(&collection)
                }
            };
        }
        let path = format!("{collection}/{}", self.record(def).await);
        match operation.method {
            http::Method::PATCH => {
                let field = def.fields.iter().find(|field| !field.read_only && !field.required).or(def.fields.first());
                let field = field.expect("a resource has fields");
                let value = self.value(field, self.next()).await;
                Sample { version: Some(1), ..Sample::json(path, json!({field.name: value})) }
            }
            http::Method::DELETE => Sample { version: Some(1), ..Sample::at(&path) },
            _ => Sample::at(&path),
        }
    }

    /// Makes a record of a resource; its id.
    pub async fn record(&self, def: &'static ResourceDef) -> String {
        let made = self.owner.post(&def.path(), &self.values(def).await).await.ok();
        made["id"].as_str().expect("an id").to_owned()
    }

    async fn values(&self, def: &'static ResourceDef) -> Value {
        let (mut values, serial) = (Map::new(), self.next());
        for field in def.fields.iter().filter(|field| field.required && !field.read_only) {
            values.insert(field.name.to_owned(), self.value(field, serial).await);
        }
        Value::Object(values)
    }

    /// A value no other record has. Years of their own keep intervals apart.
    async fn value(&self, field: &FieldDef, serial: i64) -> Value {
        let marker = self.marker;
        match field.kind {
            FieldKind::Text | FieldKind::LongText => json!(format!("{marker} {serial}")),
            FieldKind::Email => json!(format!("{marker}{serial}@people.example").to_lowercase()),
            FieldKind::Phone => json!(format!("+2547{serial:08}")),
            FieldKind::Integer => json!(field.min.unwrap_or(1)),
            FieldKind::Boolean => json!(true),
            FieldKind::Date if field.name == "starts_on" => json!(format!("{}-01-01", 2100 + serial)),
            FieldKind::Date => json!(format!("{}-02-01", 2100 + serial)),
            FieldKind::Instant => json!("2026-05-12T05:00:00Z"),
            FieldKind::Uuid => json!(self.pupil),
            FieldKind::Choice(choices) => json!(choices[0].value),
            FieldKind::Link(target) => {
                let services = self.app.platform.registry().services();
                let mut all = services.iter().flat_map(|service| service.resources.iter().copied());
                json!(Box::pin(self.record(all.find(|def| def.name == target).expect("the link's resource"))).await)
            }
        }
    }

    async fn of_command(&self, operation: &Operation) -> Sample {
        let (marker, serial, path) = (self.marker, self.next(), operation.path.as_str());
        let name = operation.name();
        if let Some(sample) = self.of_storage(operation, serial).await {
            return sample;
        }
        if let Some(sample) = self.of_platform(operation, serial).await {
            return sample;
        }
        if let Some(sample) = self.of_identity(operation, serial).await {
            return sample;
        }
        match name.split_once("/v1").map_or("", |(_, rest)| rest) {
            "/invitations/{id}" | "/invitations/{id}/resend" => {
                let version = (operation.method != http::Method::GET).then_some(1);
                Sample { version, ..Sample::at(&path.replace("{id}", &self.invitation().await)) }
            }
            "/invitations" if operation.writes() => Sample::json(path, self.invited(serial)),
            "/members/{id}/sign-out" | "/accounts/{id}/sign-out" => {
                let (membership, account) = self.somebody(serial).await;
                let id = if path.contains("/members/") { membership } else { account };
                Sample::json(path.replace("{id}", &id), json!({"reason": format!("{marker} {serial}")}))
            }
            "/sign-ups" => Sample::json(path, self.sign_up(serial)),
            "/organisation" if operation.writes() => Sample::json(path, json!({"name": format!("{marker} {serial}")})),
            "/attendance-registers" => Sample::json(path, self.register(serial)),
            "/register-sheets/{id}" => Sample::at(&path.replace("{id}", &self.stream)),
            "/attendance-days/{date}" => Sample::at(&path.replace("{date}", "2026-05-12")),
            "/class-list-imports" => {
                Sample { body: Body::Csv(format!("{CSV_HEADER}{}\n", self.row(serial))), ..Sample::at(path) }
            }
            "/class-list-imports/template.csv" => Sample::at(path),
            _ if path.starts_with("/school/v1/class-list-imports/{id}") => {
                let import = self.import(&self.row(serial)).await;
                let path = path.replace("/school/v1/class-list-imports/{id}", &import).replace("{row_number}", "1");
                match operation.content_type() {
                    Some(_) if operation.method == http::Method::PATCH => {
                        Sample::json(path, json!({"last_name": format!("{marker} {serial}")}))
                    }
                    Some(_) => Sample::json(path, json!({})),
                    None => Sample::at(&path),
                }
            }
            _ => {
                assert!(!path.contains('{') && !operation.writes(), "say in samples.rs what a good {name} looks like");
                Sample::at(path)
            }
        }
    }

    /// Somebody who was invited and came.
    pub async fn member(&self, serial: i64) -> Value {
        let email = format!("{}{serial}@members.example", self.marker).to_lowercase();
        self.app.join(&self.organisation, "teacher", &format!("{} {serial}", self.marker), &email).await;
        let members = self.owner.get("/identity/v1/members?limit=200").await.ok();
        let mut found = members["data"].as_array().into_iter().flatten();
        found.find(|member| member["email"] == email).cloned().expect("the member")
    }

    fn row(&self, serial: i64) -> String {
        let marker = self.marker;
        format!("{marker}-{serial},{marker},Pupil,,{marker} 1,{marker} 1 East")
    }

    /// A register of a day of its own.
    fn register(&self, serial: i64) -> Value {
        let day = chrono::NaiveDate::from_ymd_opt(2026, 5, 12).expect("a day") - chrono::TimeDelta::days(serial % 120);
        let exceptions = json!([{"student_id": self.pupil, "code": "late", "reason": self.marker}]);
        let roll_call = if serial / 120 % 2 == 0 { "morning" } else { "afternoon" };
        json!({"stream_id": self.stream, "date": day, "roll_call": roll_call, "default": "present", "exceptions": exceptions})
    }

    /// This morning's register with one exception.
    pub fn register_of_today(&self) -> Value {
        self.register(0)
    }

    /// The address of a class list that is not applied.
    pub async fn a_preview(&self) -> String {
        self.import(&self.row(self.next())).await
    }

    fn invited(&self, serial: i64) -> Value {
        let marker = self.marker;
        json!({"email": format!("{marker}{serial}@people.example").to_lowercase(), "name": format!("{marker} {serial}"), "roles": ["teacher"]})
    }

    async fn invitation(&self) -> String {
        let made = self.owner.post("/identity/v1/invitations", &self.invited(self.next())).await.ok();
        made["id"].as_str().expect("an id").to_owned()
    }

    fn sign_up(&self, serial: i64) -> Value {
        let email = format!("{}{serial}@founders.example", self.marker).to_lowercase();
        json!({"organisation": format!("{} {serial}", self.marker), "country": "KE", "currency": "KES", "time_zone": "Africa/Nairobi",
            "products": ["school"], "name": "Some Body", "email": email, "password": PASSWORD})
    }

    /// Everything stored of the organisation, as one hash a table: in its own database, and of it in the control database.
    pub async fn fingerprint(&self) -> Value {
        self.app.settle().await;
        let id = self.organisation.id;
        let tables = self
            .app
            .rows(
                id,
                "select schemaname || '.' || tablename as name from pg_tables
            where schemaname in ('school', 'hitaji') and tablename not in ('consumer', 'inbox') order by 1",
            )
            .await;
        let mut prints = Map::new();
        for table in tables.iter().filter_map(|row| row["name"].as_str()) {
            let sql = format!("select md5(string_agg(line::text, ',' order by line::text)) as hash from {table} line");
            prints.insert(table.to_owned(), self.app.rows(id, &sql).await[0]["hash"].clone());
        }
        for (table, column) in [
            ("identity.membership", "organisation_id"),
            ("identity.invitation", "organisation_id"),
            ("identity.client", "organisation_id"),
            ("identity.api_key", "organisation_id"),
            ("identity.consent", "organisation_id"),
            ("identity.role", "organisation_id"),
            ("identity.node", "organisation_id"),
            ("identity.policy", "organisation_id"),
            ("identity.branding", "organisation_id"),
            ("directory.tenant", "id"),
            ("tenancy.support_grant", "organisation_id"),
        ] {
            let sql = format!(
                "select md5(string_agg(line::text, ',' order by line::text)) as hash from {table} line where {column} = '{id}'"
            );
            prints.insert(table.to_owned(), self.app.control_rows(&sql).await[0]["hash"].clone());
        }
        Value::Object(prints)
    }
}
