//! Random requests across organisations: any route, any of the ids there are, any token; whatever comes back carries nothing of
//! an organisation whose token it was not. `HITAJI_TRIES` says how many (a million on demand).
use crate::operations::{Operation, operations};
use crate::samples::World;
use hitaji_core::Clock;
use hitaji_db::secrets::random;
use hitaji_testkit::{Client, Reply, TestApp, at, send};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const TRIES: usize = 2_000;
const AT_ONCE: usize = 8;
const MARKERS: [&str; 3] = ["Aardvark", "Zebra", "Mongoose"];

/// What is known of one organisation.
struct House {
    marker: &'static str,
    client: Client,
}

/// Everything that a try is put together from.
struct Pool {
    houses: Vec<House>,
    operations: Vec<Operation>,
    /// Ids of records of all organisations, and of nothing.
    ids: Vec<String>,
    cursors: Vec<String>,
}

fn dice(below: usize) -> usize {
    usize::try_from(u32::from_be_bytes(random())).expect("small") % below.max(1)
}

fn pick<T>(from: &[T]) -> &T {
    &from[dice(from.len())]
}

/// Ids and cursors that an answer shows.
fn gather(value: &Value, ids: &mut Vec<String>, cursors: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| match value.as_str() {
            Some(text) if text.len() == 36 && text.matches('-').count() == 4 => ids.push(text.to_owned()),
            Some(text) if name == "next" => cursors.push(text.to_owned()),
            _ => gather(value, ids, cursors),
        }),
        Value::Array(items) => items.iter().for_each(|item| gather(item, ids, cursors)),
        _ => {}
    }
}

impl Pool {
    async fn new(app: &TestApp) -> Pool {
        let mut ids = vec![hitaji_core::new_id().to_string()];
        let (mut houses, mut cursors) = (Vec::new(), Vec::new());
        // What erases or moves an organisation, or signs up another, is tried one by one elsewhere.
        let stays = |operation: &Operation| {
            let path = operation.path.as_str();
            operation.operator_scope().is_none() && !path.ends_with("/sign-ups") && !path.contains("/exports")
        };
        let operations: Vec<Operation> = operations(app).await.into_iter().filter(stays).collect();
        for (name, marker) in
            [("Aardvark House", MARKERS[0]), ("Zebra House", MARKERS[1]), ("Mongoose House", MARKERS[2])]
        {
            let world = World::new(app, name, marker).await;
            ids.push(world.organisation.id.to_string());
            for operation in operations.iter().filter(|operation| operation.method == http::Method::GET) {
                if !operation.path.contains('{') {
                    let reply = world.owner.get(&format!("{}?limit=1", operation.path)).await;
                    let plain = if reply.status == 400 { world.owner.get(&operation.path).await } else { reply };
                    gather(&plain.body, &mut ids, &mut cursors);
                }
            }
            houses.push(House { marker, client: world.owner.clone() });
        }
        Pool { houses, operations, ids, cursors }
    }

    fn path(&self, operation: &Operation) -> String {
        let mut path = operation.path.clone();
        while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
            let value = if path[from..to].contains("date") { "2026-05-12" } else { pick(&self.ids) };
            path.replace_range(from..=to, value);
        }
        let mut query = Vec::new();
        if let Some(parameters) = operation.doc["parameters"].as_array() {
            for parameter in parameters.iter().filter(|parameter| parameter["in"] == "query") {
                let name = parameter["name"].as_str().unwrap_or_default();
                match (dice(4), name) {
                    (0, "cursor") if !self.cursors.is_empty() => query.push(format!("cursor={}", pick(&self.cursors))),
                    (0, "limit") => query.push(format!("limit={}", dice(300))),
                    (0, "q") => query.push(format!("q={}", pick(&MARKERS))),
                    (0, _) => query.push(format!("{name}={}", pick(&self.ids))),
                    _ => {}
                }
            }
        }
        if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
    }

    /// A body by the operation's schema, with ids of anybody.
    fn body(&self, operation: &Operation, house: &House) -> Value {
        let schema = &operation.doc["requestBody"]["content"]["application/json"]["schema"];
        self.value(schema, operation, house, 0)
    }

    fn value(&self, schema: &Value, operation: &Operation, house: &House, depth: usize) -> Value {
        if let Some(name) = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
            return self.value(&operation.schemas[name], operation, house, depth + 1);
        }
        if let Some(choices) = schema["enum"].as_array() {
            return pick(choices).clone();
        }
        let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str()).unwrap_or("string");
        match (kind, schema["format"].as_str()) {
            ("object", _) if depth < 4 => {
                let members = schema["properties"].as_object().into_iter().flatten();
                let chosen = members.filter(|_| dice(3) > 0);
                Value::Object(
                    chosen
                        .map(|(name, inner)| (name.clone(), self.value(inner, operation, house, depth + 1)))
                        .collect::<Map<_, _>>(),
                )
            }
            ("array", _) if depth < 4 => json!([self.value(&schema["items"], operation, house, depth + 1)]),
            ("integer" | "number", _) => json!(dice(100)),
            ("boolean", _) => json!(dice(2) == 0),
            (_, Some("uuid")) => json!(pick(&self.ids)),
            (_, Some("date")) => json!(format!("2026-05-{:02}", 1 + dice(28))),
            (_, Some("email")) => json!(format!("{}{}@people.example", house.marker.to_lowercase(), dice(1000))),
            _ => {
                if dice(2) == 0 {
                    json!(pick(&self.ids))
                } else {
                    json!(format!("{} {}", house.marker, dice(1000)))
                }
            }
        }
    }

    /// One try; says what leaked, if anything did.
    async fn attempt(&self) -> Option<String> {
        let (operation, house) = (pick(&self.operations), pick(&self.houses));
        let path = self.path(operation);
        let mut request = house.client.request(operation.method.clone(), &path);
        if operation.writes() {
            request = request.header("idempotency-key", format!("\"try-{:08}\"", dice(50_000_000)));
            request = match operation.content_type() {
                Some("application/json") => request.json(&self.body(operation, house)),
                Some(other) => request.header("content-type", other).body("admission_number,first_name\n1,One\n"),
                None => request,
            };
        }
        let reply = send(request).await;
        let asked = path.to_lowercase();
        let leaked = self.houses.iter().find(|other| {
            let marker = other.marker.to_lowercase();
            other.marker != house.marker && !asked.contains(&marker) && tells_of(&reply, &marker)
        });
        let failed = reply.status == 500;
        (leaked.is_some() || failed).then(|| {
            format!(
                "{} as {}: {} {}",
                operation.method,
                house.marker,
                reply.status,
                cut(&format!("{path} → {}", reply.body))
            )
        })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(600).collect()
}

fn tells_of(reply: &Reply, marker: &str) -> bool {
    format!("{} {:?}", reply.body, reply.headers).to_lowercase().contains(marker)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_never_cross_organisations() {
    let tries: usize = std::env::var("HITAJI_TRIES").ok().and_then(|text| text.parse().ok()).unwrap_or(TRIES);
    let app = TestApp::start_with(Clock::fixed(at("2026-05-12T05:00:00Z")), |config| {
        for name in ["subject_per_s", "subject_burst", "organisation_per_s", "organisation_burst"] {
            config.set("limits", name, 1_000_000);
        }
    })
    .await;
    let pool = Arc::new(Pool::new(&app).await);
    assert!(pool.ids.len() > 60 && pool.operations.len() > 80, "{} ids", pool.ids.len());
    let workers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut found = Vec::new();
                for _ in 0..tries / AT_ONCE {
                    found.extend(pool.attempt().await);
                }
                found
            })
        })
        .collect();
    let mut found = Vec::new();
    for worker in workers {
        found.extend(worker.await.expect("a worker"));
    }
    assert!(
        found.is_empty(),
        "{} of {tries}:\n{}",
        found.len(),
        found.into_iter().take(10).collect::<Vec<_>>().join("\n")
    );
    // Nor did anything of one get into another's database.
    let tenants = app.control_rows("select id, slug from directory.tenant").await;
    for tenant in &tenants {
        let id = serde_json::from_value(tenant["id"].clone()).expect("an id");
        let tables = app
            .rows(
                id,
                "select schemaname || '.' || tablename as name from pg_tables where schemaname in ('school', 'hitaji')",
            )
            .await;
        for table in tables.iter().filter_map(|row| row["name"].as_str()) {
            for marker in MARKERS
                .iter()
                .filter(|marker| !tenant["slug"].as_str().unwrap_or_default().contains(&marker.to_lowercase()))
            {
                let sql = format!("select count(*) as rows from {table} line where line::text ilike '%{marker}%'");
                assert_eq!(app.rows(id, &sql).await[0]["rows"], 0, "{marker} in {table} of {}", tenant["slug"]);
            }
        }
    }
}
