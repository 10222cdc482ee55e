//! SCIM 2.0 as directories speak it (RFC 7643, RFC 7644): filters, people and patches, without I/O.
use serde_json::Value;
use uuid::Uuid;

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
const OPERATIONS_MAX: usize = 100;
const MEMBERS_MAX: usize = 1000;

/// Why a request is refused (RFC 7644 section 3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub scim_type: Option<&'static str>,
    pub detail: &'static str,
}

impl Fault {
    pub const fn bad(scim_type: &'static str, detail: &'static str) -> Fault {
        Fault { status: 400, scim_type: Some(scim_type), detail }
    }
}

const SYNTAX: Fault = Fault::bad("invalidSyntax", "The body is not what SCIM says it is.");
const VALUE: Fault = Fault::bad("invalidValue", "A value is missing or of another kind.");
const PATH: Fault = Fault::bad("invalidPath", "There is no such attribute here.");
const FILTER: Fault = Fault::bad("invalidFilter", "Filters here are one attribute, eq, and one value.");

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    Id(String),
    UserName(String),
    ExternalId(String),
    Active(bool),
    DisplayName(String),
}

/// `attribute eq value`: what directories ask for.
pub fn filter(text: &str) -> Result<Filter, Fault> {
    let mut parts = text.trim().splitn(3, char::is_whitespace);
    let (Some(attribute), Some(operator), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(FILTER);
    };
    if !operator.eq_ignore_ascii_case("eq") {
        return Err(FILTER);
    }
    let value: Value = serde_json::from_str(value.trim()).map_err(|_| FILTER)?;
    let text = || value.as_str().map(str::to_owned).ok_or(FILTER);
    let attribute = attribute.rsplit("User:").next().unwrap_or_default().to_ascii_lowercase();
    match attribute.as_str() {
        "id" => text().map(Filter::Id),
        "username" | "emails" | "emails.value" => text().map(Filter::UserName),
        "externalid" => text().map(Filter::ExternalId),
        "displayname" => text().map(Filter::DisplayName),
        "active" => boolean(&value).map(Filter::Active).ok_or(FILTER),
        _ => Err(FILTER),
    }
}

/// What a request says of a person; what it does not say stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    pub user_name: Option<String>,
    pub email: Option<String>,
    /// Some(None) takes it away.
    pub external_id: Option<Option<String>>,
    pub formatted: Option<String>,
    pub given: Option<String>,
    pub family: Option<String>,
    pub display: Option<String>,
    pub active: Option<bool>,
}

impl Person {
    /// The name where `current` is what is known so far.
    pub fn name(&self, current: &str) -> Option<String> {
        if self.given.is_some() || self.family.is_some() {
            let (given, family) = current.split_once(' ').unwrap_or((current, ""));
            let given = self.given.as_deref().unwrap_or(given);
            return Some(format!("{given} {}", self.family.as_deref().unwrap_or(family)));
        }
        self.formatted.clone().or_else(|| self.display.clone())
    }

    fn set(&mut self, attribute: &str, value: &Value) -> Result<(), Fault> {
        let text = || value.as_str().map(str::to_owned).ok_or(VALUE);
        match attribute.to_ascii_lowercase().as_str() {
            "username" => self.user_name = Some(text()?),
            "externalid" if value.is_null() => self.external_id = Some(None),
            "externalid" => self.external_id = Some(Some(text()?)),
            "displayname" => self.display = Some(text()?),
            "active" => self.active = Some(boolean(value).ok_or(VALUE)?),
            "name.formatted" => self.formatted = Some(text()?),
            "name.givenname" => self.given = Some(text()?),
            "name.familyname" => self.family = Some(text()?),
            "name" => {
                for (part, value) in value.as_object().ok_or(VALUE)? {
                    self.set(&format!("name.{part}"), value)?;
                }
            }
            "emails" => self.email = primary(value)?.or(self.email.take()),
            _ => {}
        }
        Ok(())
    }
}

/// Azure writes "True" where SCIM has true.
fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// The primary address, else the first.
fn primary(value: &Value) -> Result<Option<String>, Fault> {
    let emails = value.as_array().ok_or(VALUE)?;
    let chosen = emails.iter().find(|email| email["primary"] == Value::Bool(true)).or(emails.first());
    Ok(chosen.and_then(|email| email["value"].as_str()).map(str::to_owned))
}

fn has_schema(body: &Value, schema: &str) -> Result<(), Fault> {
    let schemas = body.get("schemas").and_then(Value::as_array).ok_or(SYNTAX)?;
    let named = schemas.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(schema)));
    if named { Ok(()) } else { Err(SYNTAX) }
}

/// A whole person (RFC 7643 section 4.1). Attributes that we do not keep are ignored.
pub fn person(body: &Value) -> Result<Person, Fault> {
    has_schema(body, USER)?;
    let mut person = Person::default();
    for (attribute, value) in body.as_object().ok_or(SYNTAX)? {
        person.set(attribute, value)?;
    }
    Ok(person)
}

/// An operation of a patch: what it does, where, and with what.
type Operation<'a> = (String, Option<&'a str>, &'a Value);

/// The operations of a patch (RFC 7644 section 3.5.2).
fn operations(body: &Value) -> Result<Vec<Operation<'_>>, Fault> {
    has_schema(body, PATCH)?;
    let listed = body.get("Operations").or(body.get("operations")).and_then(Value::as_array).ok_or(SYNTAX)?;
    if listed.is_empty() || listed.len() > OPERATIONS_MAX {
        return Err(SYNTAX);
    }
    let read = |operation: &'_ Value| {
        let name = operation["op"].as_str()?.to_ascii_lowercase();
        ["add", "replace", "remove"].contains(&name.as_str()).then_some(name)
    };
    let each = listed.iter().map(|operation| {
        let name = read(operation).ok_or(SYNTAX)?;
        Ok((name, operation["path"].as_str(), operation.get("value").unwrap_or(&Value::Null)))
    });
    each.collect()
}

pub fn patch(body: &Value) -> Result<Person, Fault> {
    let mut person = Person::default();
    for (name, path, value) in operations(body)? {
        match (name.as_str(), path) {
            ("remove", Some(path)) if path.eq_ignore_ascii_case("externalId") => person.external_id = Some(None),
            ("remove", Some(_)) => {}
            ("remove", None) => return Err(Fault::bad("noTarget", "Say what to remove.")),
            (_, Some(path)) => person.set_path(path, value)?,
            (_, None) => {
                for (path, value) in value.as_object().ok_or(VALUE)? {
                    person.set_path(path, value)?;
                }
            }
        }
    }
    Ok(person)
}

impl Person {
    /// A path like `emails[type eq "work"].value`, or with the schema before it.
    fn set_path(&mut self, path: &str, value: &Value) -> Result<(), Fault> {
        let bare = path.strip_prefix(USER).map_or(path, |rest| rest.trim_start_matches(':'));
        let lower = bare.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("emails[") {
            let fits = rest.ends_with("].value");
            self.email = Some(value.as_str().filter(|_| fits).ok_or(PATH)?.to_owned());
            return Ok(());
        }
        self.set(bare, value)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Add(Vec<Uuid>),
    Remove(Vec<Uuid>),
    Replace(Vec<Uuid>),
}

/// Who comes into a group and who goes.
pub fn group_patch(body: &Value) -> Result<Vec<MemberChange>, Fault> {
    let mut changes = Vec::new();
    for (name, path, value) in operations(body)? {
        let members = match path {
            Some(path) => path,
            // `{"members": […]}`; other attributes of a role stay as they are.
            None => match value.get("members") {
                Some(members) => {
                    changes.push(change(&name, ids(members)?));
                    continue;
                }
                None => continue,
            },
        };
        let lower = members.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("members[value eq \"").and_then(|rest| rest.strip_suffix("\"]")) {
            let id = Uuid::parse_str(rest).map_err(|_| PATH)?;
            changes.push(change(&name, vec![id]));
        } else if lower == "members" && name == "remove" && value.is_null() {
            changes.push(MemberChange::Replace(Vec::new()));
        } else if lower == "members" {
            changes.push(change(&name, ids(value)?));
        } else if lower != "displayname" && lower != "externalid" {
            return Err(PATH);
        }
    }
    Ok(changes)
}

/// The members of a whole group.
pub fn group(body: &Value) -> Result<Vec<Uuid>, Fault> {
    has_schema(body, GROUP)?;
    body.get("members").map_or(Ok(Vec::new()), ids)
}

fn change(name: &str, ids: Vec<Uuid>) -> MemberChange {
    match name {
        "add" => MemberChange::Add(ids),
        "remove" => MemberChange::Remove(ids),
        _ => MemberChange::Replace(ids),
    }
}

fn ids(value: &Value) -> Result<Vec<Uuid>, Fault> {
    let listed = match value {
        Value::Array(listed) => listed.as_slice(),
        one => std::slice::from_ref(one),
    };
    if listed.len() > MEMBERS_MAX {
        return Err(Fault::bad("tooMany", "At most 1000 members in one request."));
    }
    listed.iter().map(|member| member["value"].as_str().and_then(|id| Uuid::parse_str(id).ok()).ok_or(VALUE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_are_one_comparison() {
        assert_eq!(filter(r#"userName eq "A@b.example""#), Ok(Filter::UserName("A@b.example".into())));
        assert_eq!(filter(r#"USERNAME EQ "a b""#), Ok(Filter::UserName("a b".into())));
        assert_eq!(filter("active eq true"), Ok(Filter::Active(true)));
        assert_eq!(filter(r#"active eq "False""#), Ok(Filter::Active(false)));
        assert_eq!(filter(r#"externalId eq "7""#), Ok(Filter::ExternalId("7".into())));
        for bad in ["", "userName", "userName sw \"a\"", "userName eq a", r#"userName eq "a" or id eq "b""#, "x eq 1"] {
            assert_eq!(filter(bad), Err(FILTER), "{bad}");
        }
    }

    #[test]
    fn azures_patches_are_understood() {
        let body = json!({"schemas": [PATCH], "Operations": [
            {"op": "Replace", "path": "active", "value": "False"},
            {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "a@b.example"},
            {"op": "replace", "value": {"name.givenName": "Amina", "externalId": "x"}},
            {"op": "remove", "path": "title"},
        ]});
        let read = patch(&body).unwrap();
        assert_eq!((read.active, read.email.as_deref()), (Some(false), Some("a@b.example")));
        assert_eq!(read.external_id, Some(Some("x".into())));
        assert_eq!(read.name("Grace Otieno").as_deref(), Some("Amina Otieno"));
        assert_eq!(Person::default().name("Grace Otieno"), None);
    }

    #[test]
    fn what_is_no_scim_is_refused() {
        assert_eq!(person(&json!({"userName": "a"})), Err(SYNTAX));
        assert_eq!(person(&json!({"schemas": [GROUP], "userName": "a"})), Err(SYNTAX));
        assert_eq!(person(&json!({"schemas": [USER], "userName": 7})), Err(VALUE));
        let with = |operations: Value| patch(&json!({"schemas": [PATCH], "Operations": operations}));
        assert_eq!(with(json!([])), Err(SYNTAX));
        assert_eq!(with(json!([{"op": "destroy"}])), Err(SYNTAX));
        assert_eq!(with(json!([{"op": "remove"}])).unwrap_err().scim_type, Some("noTarget"));
        assert_eq!(with(json!([{"op": "add", "path": "emails[type eq \"work\"].kind", "value": "x"}])), Err(PATH));
    }

    #[test]
    fn members_come_and_go() {
        let id = Uuid::from_u128(7);
        let with = |operation: Value| group_patch(&json!({"schemas": [PATCH], "Operations": [operation]}));
        let member = json!([{"value": id}]);
        assert_eq!(
            with(json!({"op": "Add", "path": "members", "value": member})),
            Ok(vec![MemberChange::Add(vec![id])])
        );
        let path = format!("members[value eq \"{id}\"]");
        assert_eq!(with(json!({"op": "remove", "path": path})), Ok(vec![MemberChange::Remove(vec![id])]));
        assert_eq!(with(json!({"op": "remove", "path": "members"})), Ok(vec![MemberChange::Replace(vec![])]));
        assert_eq!(
            with(json!({"op": "replace", "value": {"members": member}})),
            Ok(vec![MemberChange::Replace(vec![id])])
        );
        assert_eq!(with(json!({"op": "add", "path": "owners", "value": member})), Err(PATH));
    }
}
