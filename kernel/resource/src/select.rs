//! The one place that assembles SQL: from declared names and bound values only.
use crate::{Catalogue, Declared, Reach, find};
use chrono::{DateTime, NaiveDate, Utc};
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_web::Ctx;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Postgres};
use uuid::Uuid;

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Date(Option<NaiveDate>),
    Instant(Option<DateTime<Utc>>),
    Uuid(Option<Uuid>),
    Texts(Vec<String>),
    Integers(Vec<i64>),
    Uuids(Vec<Uuid>),
    Dates(Vec<NaiveDate>),
    Booleans(Vec<bool>),
}

impl Bound {
    fn is_null(&self) -> bool {
        use Bound::{Boolean, Date, Instant, Integer, Text, Uuid};
        matches!(self, Text(None) | Integer(None) | Boolean(None) | Date(None) | Instant(None) | Uuid(None))
    }
}

/// A statement under construction.
#[derive(Default)]
pub(crate) struct Sql {
    pub text: String,
    values: Vec<Bound>,
}

impl Sql {
    pub fn push(&mut self, text: &str) -> &mut Sql {
        self.text.push_str(text);
        self
    }

    /// Adds `$n` for a value.
    pub fn bind(&mut self, value: Bound) -> &mut Sql {
        self.values.push(value);
        self.text.push_str(&format!("${}", self.values.len()));
        self
    }

    /// Adds a value to store; an empty one is the column's default.
    pub fn store(&mut self, value: Bound) -> &mut Sql {
        if value.is_null() { self.push("default") } else { self.bind(value) }
    }

    pub fn query(self) -> Query<'static, Postgres, PgArguments> {
        // Safe: the text holds declared names and placeholders; every value is bound.
        let mut query = sqlx::query(AssertSqlSafe(self.text));
        for value in self.values {
            query = match value {
                Bound::Text(value) => query.bind(value),
                Bound::Integer(value) => query.bind(value),
                Bound::Boolean(value) => query.bind(value),
                Bound::Date(value) => query.bind(value),
                Bound::Instant(value) => query.bind(value),
                Bound::Uuid(value) => query.bind(value),
                Bound::Texts(values) => query.bind(values),
                Bound::Integers(values) => query.bind(values),
                Bound::Uuids(values) => query.bind(values),
                Bound::Dates(values) => query.bind(values),
                Bound::Booleans(values) => query.bind(values),
            };
        }
        query
    }

    /// Adds the caller's reach as a condition on `r`.
    pub fn reach(&mut self, declared: &Declared, ctx: &Ctx) -> &mut Sql {
        match (declared.reach)(ctx) {
            Reach::All => self.push("true"),
            Reach::None => self.push("false"),
            // Relations are between people.
            Reach::Where(_) if ctx.person().is_none() => self.push("false"),
            Reach::Where(condition) => self.condition(condition, &[], ctx),
            Reach::InNodes(condition, nodes) => self.condition(condition, &nodes, ctx),
        }
    }

    fn condition(&mut self, condition: &'static str, nodes: &[Uuid], ctx: &Ctx) -> &mut Sql {
        self.push("(");
        let mut rest = condition;
        while let Some((before, after)) = rest.split_once('{') {
            self.push(before);
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            match name {
                // A program is nobody's teacher or guardian.
                "subject" => self.bind(Bound::Uuid(Some(ctx.person().map_or(Uuid::nil(), |person| person.0)))),
                "nodes" => self.bind(Bound::Uuids(nodes.to_vec())),
                _ => self.bind(Bound::Date(Some(ctx.business_date()))),
            };
            rest = tail;
        }
        self.push(rest).push(")")
    }
}

/// `select` of a record with the titles of its links, and the joins those need. Column order: id, version,
/// created_at, updated_at, then per field one column, or two (id, title) for a link.
pub(crate) fn select(catalogue: Catalogue, def: &ResourceDef) -> Sql {
    let mut sql = Sql::default();
    sql.push("select r.id, r.version, r.created_at, r.updated_at");
    let mut joins = String::new();
    for (index, field) in def.fields.iter().enumerate() {
        sql.push(", ").push(&read_expression(field));
        if let FieldKind::Link(target) = field.kind
            && let Some(target) = find(catalogue, target)
        {
            let alias = format!("l{index}");
            sql.push(", ").push(&title_expression(target, &alias));
            joins.push_str(&format!(" left join {} {alias} on {alias}.id = r.{}", target.table, field.column()));
        }
    }
    sql.push(" from ").push(def.table).push(" r").push(&joins);
    sql
}

/// How a field is read; integers of every width arrive as bigint.
fn read_expression(field: &FieldDef) -> String {
    match field.kind {
        FieldKind::Integer => format!("r.{}::bigint", field.column()),
        _ => format!("r.{}", field.column()),
    }
}

/// The fields that name a record, joined by spaces; a date among them is written as text.
pub(crate) fn title_expression(def: &ResourceDef, alias: &str) -> String {
    let parts: Vec<String> = def
        .title
        .iter()
        .filter_map(|name| def.field(name))
        .map(|field| format!("{alias}.{}", field.column()))
        .collect();
    format!("concat_ws(' ', {})", parts.join(", "))
}
