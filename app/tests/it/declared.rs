//! Every declared resource against its table: columns, types, what may be empty, constraints, indexes.
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_testkit::{Organisation, TestApp};
use serde_json::Value;

/// Resources of some dozens of rows at most: sorting them needs no index.
const FEW: [&str; 4] = ["academic-years", "terms", "closures", "year-groups"];

struct Table {
    columns: Vec<Value>,
    constraints: Vec<String>,
    /// The first columns of its indexes.
    indexed: Vec<String>,
}

async fn table(app: &TestApp, organisation: &Organisation, def: &ResourceDef) -> Table {
    let columns = format!(
        "select column_name, data_type, is_nullable = 'YES' as nullable, column_default is not null as has_default, character_maximum_length as length
         from information_schema.columns where table_schema || '.' || table_name = '{}'",
        def.table
    );
    // Indexes that are unique are also named by what they refuse.
    let constraints = format!(
        "select conname::text as name from pg_constraint where conrelid = '{0}'::regclass
         union all select indexrelid::regclass::text from pg_index where indrelid = '{0}'::regclass and indisunique",
        def.table
    );
    let indexed = format!(
        "select attname::text as name from pg_index join pg_attribute on attrelid = indrelid and attnum = indkey[0]
         where indrelid = '{}'::regclass",
        def.table
    );
    let names = |rows: Vec<Value>| -> Vec<String> {
        rows.iter()
            .filter_map(|row| row["name"].as_str())
            .map(|name| name.rsplit('.').next().unwrap_or(name).to_owned())
            .collect()
    };
    Table {
        columns: app.rows(organisation.id, &columns).await,
        constraints: names(app.rows(organisation.id, &constraints).await),
        indexed: names(app.rows(organisation.id, &indexed).await),
    }
}

fn stored_as(field: &FieldDef) -> &'static [&'static str] {
    match field.kind {
        FieldKind::Text | FieldKind::LongText | FieldKind::Email | FieldKind::Phone | FieldKind::Choice(_) => &["text"],
        FieldKind::Integer => &["integer", "bigint", "smallint"],
        FieldKind::Boolean => &["boolean"],
        FieldKind::Date => &["date"],
        FieldKind::Instant => &["timestamp with time zone"],
        FieldKind::Uuid | FieldKind::Link(_) => &["uuid"],
    }
}

/// What of the declaration the table does not bear out.
fn flaws(def: &ResourceDef, table: &Table, names: &[&str]) -> Vec<String> {
    let mut flaws = Vec::new();
    let mut say = |what: String| flaws.push(format!("{}: {what}", def.name));
    let column = |name: &str| table.columns.iter().find(|column| column["column_name"] == name);
    for (name, kind) in [
        ("id", "uuid"),
        ("version", "bigint"),
        ("created_at", "timestamp with time zone"),
        ("updated_at", "timestamp with time zone"),
    ] {
        if column(name).is_none_or(|column| column["data_type"] != kind || column["nullable"] == true) {
            say(format!("{name} is no {kind} not null"));
        }
    }
    for field in def.fields {
        let Some(column) = column(&field.column()) else {
            say(format!("there is no column {}", field.column()));
            continue;
        };
        if !stored_as(field).iter().any(|kind| column["data_type"] == *kind) {
            say(format!("{} is {} and stored as {}", field.name, "declared otherwise", column["data_type"]));
        }
        let (nullable, has_default) = (column["nullable"] == true, column["has_default"] == true);
        if field.required && !field.read_only && (nullable || has_default) {
            say(format!("{} is required, and the table takes nothing too", field.name));
        }
        if !field.required && !nullable && !has_default {
            say(format!("{} is optional, and the table wants a value", field.name));
        }
        if column["length"].as_i64() != field.max_length.map(i64::from).filter(|_| !column["length"].is_null()) {
            say(format!("{} has another length in the table: {}", field.name, column["length"]));
        }
        if let FieldKind::Link(target) = field.kind
            && !names.contains(&target)
        {
            say(format!("{} links to {target}, which is not declared", field.name));
        }
    }
    for constraint in def.constraints {
        if !table.constraints.iter().any(|name| name == constraint.constraint) {
            say(format!("there is no constraint {}", constraint.constraint));
        }
        if def.field(constraint.field).is_none() {
            say(format!("{} is about no field", constraint.constraint));
        }
    }
    for name in def.title.iter().copied().chain([def.default_sort.trim_start_matches('-')]) {
        if def.field(name).is_none() {
            say(format!("title or sort names {name}, which is no field"));
        }
    }
    for field in def.fields.iter().filter(|field| field.sort && !FEW.contains(&def.name)) {
        if !table.indexed.contains(&field.column()) {
            say(format!("sorts by {}, which no index serves", field.name));
        }
    }
    flaws
}

#[tokio::test]
async fn every_declared_resource_fits_its_table() {
    let app = TestApp::start().await;
    let organisation = app.organisation("Uhuru Academy").await;
    let services = app.platform.registry().services();
    let (mut found, mut seen) = (Vec::new(), 0);
    for service in services {
        let names: Vec<&str> = service.resources.iter().map(|def| def.name).collect();
        for def in service.resources {
            seen += 1;
            found.extend(flaws(def, &table(&app, &organisation, def).await, &names));
        }
    }
    assert!(seen >= 13, "only {seen} resources are declared");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    app.settle().await;
}

/// A column that the API does not show is one somebody forgot, or says here why not.
#[tokio::test]
async fn every_column_of_a_declared_table_is_declared() {
    let app = TestApp::start().await;
    let organisation = app.organisation("Uhuru Academy").await;
    let mut hidden = Vec::new();
    for def in app.platform.registry().services().iter().flat_map(|service| service.resources) {
        let own = ["id", "version", "created_at", "updated_at"];
        for column in table(&app, &organisation, def).await.columns {
            let name = column["column_name"].as_str().unwrap_or_default();
            if !own.contains(&name) && !def.fields.iter().any(|field| field.column() == name) {
                hidden.push(format!("{}.{name}", def.table));
            }
        }
    }
    assert!(hidden.is_empty(), "{hidden:?}");
    app.settle().await;
}
