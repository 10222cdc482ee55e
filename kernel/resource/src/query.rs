//! A list's query string: filters, search, sort, paging. Unknown parameters are refused.
use crate::body::calendar_date;
use crate::select::{Bound, Sql};
use hitaji_core::ErrorCode;
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_web::{Problem, page_limit};
use uuid::Uuid;

const MAX_FILTER_VALUES: usize = 200;
const MAX_SEARCH_WORDS: usize = 8;

/// One declared field in the order of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sort {
    pub field: &'static FieldDef,
    pub descending: bool,
}

#[derive(Debug)]
pub(crate) enum Test {
    AnyOf,
    Compare(&'static str),
    IsNull(bool),
}

#[derive(Debug)]
pub(crate) struct Filter {
    field: &'static FieldDef,
    test: Test,
    value: Bound,
}

/// A checked list request.
pub(crate) struct ListQuery {
    pub limit: i64,
    pub cursor: Option<String>,
    pub count: bool,
    pub sort: Vec<Sort>,
    pub filters: Vec<Filter>,
    pub search: Vec<String>,
}

fn malformed(detail: String) -> Problem {
    Problem::new(ErrorCode::Malformed, detail)
}

impl ListQuery {
    pub fn parse(def: &'static ResourceDef, query: &str) -> Result<ListQuery, Problem> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|_| malformed("The query string cannot be read.".into()))?;
        let mut list = ListQuery {
            limit: page_limit(None)?,
            cursor: None,
            count: false,
            sort: parse_sort(def, def.default_sort)?,
            filters: Vec::new(),
            search: Vec::new(),
        };
        for (name, value) in pairs {
            match name.as_str() {
                "limit" => list.limit = page_limit(Some(&value))?,
                "cursor" => list.cursor = Some(value),
                "count" => list.count = parse_boolean("count", &value)?,
                "sort" => list.sort = parse_sort(def, &value)?,
                "q" if def.fields.iter().any(|field| field.search) => list.search = search_words(&value),
                _ => list.filters.push(parse_filter(def, &name, &value)?),
            }
        }
        Ok(list)
    }

    /// Adds every filter and search word as a condition on `r`.
    pub fn conditions(&self, def: &ResourceDef, sql: &mut Sql) {
        for Filter { field, test, value } in &self.filters {
            let column = format!(" and r.{}", field.column());
            match test {
                Test::AnyOf => sql.push(&column).push(" = any(").bind(value.clone()).push(")"),
                Test::Compare("<>") => sql.push(&column).push(" is distinct from ").bind(value.clone()),
                Test::Compare(operator) => sql.push(&column).push(" ").push(operator).push(" ").bind(value.clone()),
                Test::IsNull(true) => sql.push(&column).push(" is null"),
                Test::IsNull(false) => sql.push(&column).push(" is not null"),
            };
        }
        for word in &self.search {
            let pattern = format!("%{}%", word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"));
            sql.push(" and (");
            for (index, field) in def.fields.iter().filter(|field| field.search).enumerate() {
                sql.push(if index > 0 { " or r." } else { "r." }).push(field.name).push(" ilike ");
                sql.bind(Bound::Text(Some(pattern.clone())));
            }
            sql.push(")");
        }
    }
}

fn search_words(text: &str) -> Vec<String> {
    text.split_whitespace().take(MAX_SEARCH_WORDS).map(str::to_owned).collect()
}

fn parse_boolean(name: &str, value: &str) -> Result<bool, Problem> {
    value.parse().map_err(|_| malformed(format!("{name} is true or false.")))
}

fn parse_sort(def: &'static ResourceDef, text: &str) -> Result<Vec<Sort>, Problem> {
    text.split(',')
        .map(|part| {
            let (name, descending) = part.strip_prefix('-').map_or((part, false), |name| (name, true));
            let field = def.field(name).filter(|field| field.sort).ok_or_else(|| {
                let known: Vec<&str> = def.fields.iter().filter(|field| field.sort).map(|field| field.name).collect();
                malformed(format!("This list is not sorted by `{name}`; choose from: {}.", known.join(", ")))
            })?;
            Ok(Sort { field, descending })
        })
        .collect()
}

fn parse_filter(def: &'static ResourceDef, name: &str, value: &str) -> Result<Filter, Problem> {
    let (field_name, operator) = match name.split_once('[') {
        Some((field, rest)) => (field, rest.strip_suffix(']').unwrap_or("")),
        None => (name, "in"),
    };
    let field = def.field(field_name).filter(|field| field.filter).ok_or_else(|| {
        let known: Vec<&str> = def.fields.iter().filter(|field| field.filter).map(|field| field.name).collect();
        malformed(format!("There is no filter `{field_name}` here; there are: {}.", known.join(", ")))
    })?;
    let (test, value) = match operator {
        "in" => (Test::AnyOf, many(field, value)?),
        "gte" => (Test::Compare(">="), one(field, value)?),
        "gt" => (Test::Compare(">"), one(field, value)?),
        "lte" => (Test::Compare("<="), one(field, value)?),
        "lt" => (Test::Compare("<"), one(field, value)?),
        "ne" => (Test::Compare("<>"), one(field, value)?),
        "null" => (Test::IsNull(parse_boolean(name, value)?), Bound::Boolean(None)),
        _ => return Err(malformed(format!("`{name}`: filters take gte, gt, lte, lt, ne and null in brackets."))),
    };
    Ok(Filter { field, test, value })
}

fn many(field: &FieldDef, value: &str) -> Result<Bound, Problem> {
    let parts: Vec<&str> = value.split(',').collect();
    if parts.len() > MAX_FILTER_VALUES {
        return Err(malformed(format!("`{}` takes at most {MAX_FILTER_VALUES} values.", field.name)));
    }
    let wrong = || malformed(format!("`{}`: {value} is not a value of this field.", field.name));
    Ok(match field.kind {
        FieldKind::Integer => {
            Bound::Integers(parts.iter().map(|part| part.parse().ok()).collect::<Option<_>>().ok_or_else(wrong)?)
        }
        FieldKind::Uuid | FieldKind::Link(_) => {
            Bound::Uuids(parts.iter().map(|part| Uuid::parse_str(part).ok()).collect::<Option<_>>().ok_or_else(wrong)?)
        }
        FieldKind::Date => {
            Bound::Dates(parts.iter().map(|part| calendar_date(part)).collect::<Option<_>>().ok_or_else(wrong)?)
        }
        FieldKind::Boolean | FieldKind::Instant => return one_as_list(field, value),
        FieldKind::Choice(choices) => {
            if parts.iter().any(|part| !choices.iter().any(|choice| choice.value == *part)) {
                return Err(wrong());
            }
            Bound::Texts(parts.into_iter().map(str::to_owned).collect())
        }
        _ => Bound::Texts(parts.into_iter().map(str::to_owned).collect()),
    })
}

/// Kinds of which a list would be pointless: one value, tested through an array of text.
fn one_as_list(field: &FieldDef, value: &str) -> Result<Bound, Problem> {
    match one(field, value)? {
        Bound::Boolean(Some(value)) => Ok(Bound::Booleans(vec![value])),
        _ => Err(malformed(format!("`{}` is filtered by a range: [gte] and [lt].", field.name))),
    }
}

pub(crate) fn one(field: &FieldDef, value: &str) -> Result<Bound, Problem> {
    let wrong = || malformed(format!("`{}`: {value} is not a value of this field.", field.name));
    Ok(match field.kind {
        FieldKind::Integer => Bound::Integer(Some(value.parse().map_err(|_| wrong())?)),
        FieldKind::Boolean => Bound::Boolean(Some(value.parse().map_err(|_| wrong())?)),
        FieldKind::Date => Bound::Date(Some(calendar_date(value).ok_or_else(wrong)?)),
        FieldKind::Instant => Bound::Instant(Some(value.parse().map_err(|_| wrong())?)),
        FieldKind::Uuid | FieldKind::Link(_) => Bound::Uuid(Some(Uuid::parse_str(value).map_err(|_| wrong())?)),
        _ => Bound::Text(Some(value.to_owned())),
    })
}
