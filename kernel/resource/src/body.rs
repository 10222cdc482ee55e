//! A request body of a resource: known fields only, every value checked against its declaration, all errors at once.
use crate::select::Bound;
use chrono::NaiveDate;
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_core::{ErrorCode, FieldError, normal_phone};
use hitaji_web::Problem;
use serde_json::{Map, Value};
use uuid::Uuid;

const DEFAULT_TEXT_LENGTH: usize = 500;
const LONG_TEXT_LENGTH: usize = 20_000;

/// The checked values of a body, by field.
pub(crate) struct Values {
    pub id: Option<Uuid>,
    pub fields: Vec<(&'static FieldDef, Bound)>,
}

/// Checks a body. With `complete` (a create) required fields must be there; else (a merge patch) only what is sent.
/// `country` is where phone numbers without calling code are of.
pub(crate) fn check(
    def: &'static ResourceDef,
    body: Map<String, Value>,
    complete: bool,
    country: &str,
) -> Result<Values, Problem> {
    let unknown: Vec<FieldError> = body
        .keys()
        .filter(|name| def.field(name).is_none_or(|field| field.read_only) && !(complete && *name == "id"))
        .map(|name| FieldError::new(format!("/{name}"), "unknown_field", format!("`{name}` cannot be set here.")))
        .collect();
    if let Some(first) = unknown.first() {
        let detail = first.message.clone();
        return Err(Problem::new(ErrorCode::Malformed, detail).with_errors(unknown));
    }
    let mut errors = Vec::new();
    let mut values = Values { id: None, fields: Vec::new() };
    for (name, value) in &body {
        if name == "id" {
            match value.as_str().and_then(|text| Uuid::parse_str(text).ok()) {
                Some(id) => values.id = Some(id),
                None => errors.push(FieldError::new("/id", "malformed", "The id is a UUID, best version 7.")),
            }
        } else if let Some(field) = def.field(name) {
            match check_value(field, value, country) {
                Ok(bound) => values.fields.push((field, bound)),
                Err((code, message)) => errors.push(FieldError::new(format!("/{name}"), code, message)),
            }
        }
    }
    if complete {
        let missing =
            def.fields.iter().filter(|field| field.required && !field.read_only && !body.contains_key(field.name));
        errors.extend(missing.map(|field| {
            FieldError::new(format!("/{}", field.name), "required", format!("{} is needed.", field.label))
        }));
    }
    if errors.is_empty() { Ok(values) } else { Err(Problem::validation(errors)) }
}

type Refusal = (&'static str, String);

fn check_value(field: &FieldDef, value: &Value, country: &str) -> Result<Bound, Refusal> {
    if value.is_null() {
        return if field.required {
            Err(("required", format!("{} is needed.", field.label)))
        } else {
            Ok(empty(field))
        };
    }
    let wrong = |what: &str| ("malformed", format!("{} is {what}.", field.label));
    match field.kind {
        FieldKind::Integer => check_integer(field, value.as_i64().ok_or_else(|| wrong("a whole number"))?),
        FieldKind::Boolean => Ok(Bound::Boolean(Some(value.as_bool().ok_or_else(|| wrong("true or false"))?))),
        FieldKind::Date => {
            let date = value.as_str().and_then(calendar_date);
            Ok(Bound::Date(Some(date.ok_or_else(|| wrong("a date like 2026-05-12"))?)))
        }
        FieldKind::Instant => {
            let instant = value.as_str().and_then(|text| text.parse().ok());
            Ok(Bound::Instant(Some(instant.ok_or_else(|| wrong("an instant like 2026-05-12T08:00:00Z"))?)))
        }
        FieldKind::Uuid | FieldKind::Link(_) => {
            let id = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
            Ok(Bound::Uuid(Some(id.ok_or_else(|| wrong("the id of a record"))?)))
        }
        _ => check_text(field, value.as_str().ok_or_else(|| wrong("a text"))?, country),
    }
}

/// `YYYY-MM-DD` and nothing else that a calendar library would take.
pub(crate) fn calendar_date(text: &str) -> Option<NaiveDate> {
    text.parse().ok().filter(|_| text.len() == 10)
}

fn check_integer(field: &FieldDef, value: i64) -> Result<Bound, Refusal> {
    let (min, max) = (field.min.unwrap_or(i64::from(i32::MIN)), field.max.unwrap_or(i64::from(i32::MAX)));
    if (min..=max).contains(&value) {
        return Ok(Bound::Integer(Some(value)));
    }
    Err(("out_of_range", format!("{} is between {min} and {max}.", field.label)))
}

fn check_text(field: &FieldDef, value: &str, country: &str) -> Result<Bound, Refusal> {
    let text = value.trim();
    if text.is_empty() {
        return if field.required {
            Err(("required", format!("{} is needed.", field.label)))
        } else {
            Ok(Bound::Text(None))
        };
    }
    let limit = field.max_length.map_or(DEFAULT_TEXT_LENGTH, |limit| limit as usize);
    let limit = if field.kind == FieldKind::LongText { LONG_TEXT_LENGTH } else { limit };
    if text.chars().count() > limit {
        return Err(("too_long", format!("{} has at most {limit} characters.", field.label)));
    }
    if text.contains('\0') {
        return Err(("malformed", format!("{} contains a character that cannot be stored.", field.label)));
    }
    match field.kind {
        FieldKind::Choice(choices) if !choices.iter().any(|choice| choice.value == text) => {
            let known: Vec<&str> = choices.iter().map(|choice| choice.value).collect();
            Err(("unknown_value", format!("{} is one of: {}.", field.label, known.join(", "))))
        }
        FieldKind::Email if !is_email(text) => Err(("malformed", format!("{} is not an e-mail address.", field.label))),
        FieldKind::Phone => match normal_phone(text, country) {
            Some(phone) => Ok(Bound::Text(Some(phone))),
            None => Err(("malformed", format!("{} is a number like +254712345678.", field.label))),
        },
        _ => Ok(Bound::Text(Some(text.to_owned()))),
    }
}

fn empty(field: &FieldDef) -> Bound {
    match field.kind {
        FieldKind::Integer => Bound::Integer(None),
        FieldKind::Boolean => Bound::Boolean(None),
        FieldKind::Date => Bound::Date(None),
        FieldKind::Instant => Bound::Instant(None),
        FieldKind::Uuid | FieldKind::Link(_) => Bound::Uuid(None),
        _ => Bound::Text(None),
    }
}

/// Enough to catch slips; whether an address works, only a mail can tell.
pub fn is_email(text: &str) -> bool {
    text.len() <= 254
        && !text.contains(char::is_whitespace)
        && text.split_once('@').is_some_and(|(user, host)| {
            !user.is_empty()
                && !host.contains('@')
                && host.split('.').all(|part| !part.is_empty())
                && host.contains('.')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["a@b.ke", "head.teacher+x@uhuru.ac.ke"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["a", "a@b", "@b.ke", "a@b..ke", "a b@c.ke", "a@b@c.ke"] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
