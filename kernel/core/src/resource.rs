//! What a declared resource is: plain data that `#[derive(Resource)]` writes and the engine reads.

/// A kind of value: how it is stored, checked, filtered and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    Text,
    LongText,
    Email,
    Phone,
    Integer,
    Boolean,
    Date,
    Instant,
    Uuid,
    /// A closed set of values.
    Choice(&'static [Choice]),
    /// A reference to a record of the named resource of the same service; the column is the field's name + `_id`.
    Link(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub value: &'static str,
    pub label: &'static str,
    pub label_sw: &'static str,
}

/// One field of a resource.
#[derive(Clone, Copy, Debug)]
pub struct FieldDef {
    /// In JSON; the column has the same name, or name + `_id` for a link.
    pub name: &'static str,
    pub label: &'static str,
    pub label_sw: &'static str,
    pub kind: FieldKind,
    pub required: bool,
    pub read_only: bool,
    /// Shown as a column of lists.
    pub list: bool,
    pub filter: bool,
    pub sort: bool,
    pub search: bool,
    pub max_length: Option<u32>,
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub help: Option<&'static str>,
}

impl FieldDef {
    /// The column that stores the field.
    pub fn column(&self) -> String {
        match self.kind {
            FieldKind::Link(_) => format!("{}_id", self.name),
            _ => self.name.to_owned(),
        }
    }
}

/// One constraint of the database and the field whose value breaks it.
#[derive(Clone, Copy, Debug)]
pub struct ConstraintDef {
    pub constraint: &'static str,
    pub field: &'static str,
    pub message: &'static str,
}

/// A declared resource: a table with its API, checks, audit, events, OpenAPI and screens.
#[derive(Clone, Copy, Debug)]
pub struct ResourceDef {
    pub service: &'static str,
    /// In paths: `year-groups`.
    pub name: &'static str,
    /// With its schema: `school.year_group`. It has `id`, `version`, `created_at` and `updated_at`.
    pub table: &'static str,
    /// In scopes and event types: `school.year_group`.
    pub permission: &'static str,
    pub read_scope: &'static str,
    pub write_scope: &'static str,
    pub delete_scope: &'static str,
    /// Types of the events that the engine publishes.
    pub created_event: &'static str,
    pub updated_event: &'static str,
    pub deleted_event: &'static str,
    pub label: &'static str,
    pub label_one: &'static str,
    pub label_sw: &'static str,
    /// Fields whose values, joined by a space, name a record to people.
    pub title: &'static [&'static str],
    /// A declared sort, e.g. `last_name` or `-date`.
    pub default_sort: &'static str,
    /// No create, change or delete through the API: commands write it.
    pub read_only: bool,
    /// Whether a change must name the version it was made on (428 when missing).
    pub if_match_required: bool,
    pub fields: &'static [FieldDef],
    pub constraints: &'static [ConstraintDef],
}

impl ResourceDef {
    pub fn field(&self, name: &str) -> Option<&'static FieldDef> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn path(&self) -> String {
        format!("/{}/v1/{}", self.service, self.name)
    }
}

/// Implemented by `#[derive(Resource)]`.
pub trait Resource {
    const DEF: &'static ResourceDef;
}
