//! The declarative resource engine: from one declaration a table's API with checks, reach, audit, events and metadata.
//! Not generic: every resource is data ([`ResourceDef`]), and one set of functions serves them all.
mod body;
mod http;
mod list;
mod meta;
mod query;
mod row;
mod schema;
mod select;

use hitaji_core::resource::ResourceDef;
use hitaji_web::{Access, Ctx, Idempotency, Route};
use uuid::Uuid;

/// Which rows of a resource the caller reaches; one function serves lists, single reads and writes alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    All,
    None,
    /// An SQL condition on the row `r`. `{subject}` stands for the account's id, `{today}` for the business date.
    Where(&'static str),
    /// The same, with `{nodes}` for places of the organisation.
    InNodes(&'static str, Vec<Uuid>),
}

/// A resource with its reach: what a service lists in `resources.rs`.
#[derive(Clone, Copy)]
pub struct Declared {
    pub def: &'static ResourceDef,
    pub reach: fn(&Ctx) -> Reach,
    /// Reading is allowed to whoever may read in one place; `reach` then asks in which.
    pub by_node: bool,
}

/// All declared resources of one service; links resolve among them.
pub type Catalogue = &'static [Declared];

fn find(catalogue: Catalogue, name: &str) -> Option<&'static ResourceDef> {
    catalogue.iter().map(|declared| declared.def).find(|def| def.name == name)
}

/// The routes of every declared resource, and the one that describes them to screens.
pub fn routes(catalogue: Catalogue) -> Vec<Route> {
    let mut routes = vec![
        Route::get("/resources", Access::Member("says only what the token may read"), move |ctx: Ctx| async move {
            meta::describe(catalogue, &ctx)
        })
        .summary("The declared resources that the token may read, with their fields")
        .answers_schema(200, Some(schema::list(schema::anything()))),
    ];
    routes.extend(catalogue.iter().flat_map(|declared| resource_routes(catalogue, declared)));
    routes
}

fn resource_routes(catalogue: Catalogue, declared: &'static Declared) -> Vec<Route> {
    let def = declared.def;
    let (collection, single) = (format!("/{}", def.name), format!("/{}/{{id}}", def.name));
    let record = || Some(schema::record(def));
    let mut list = Route::get(collection.clone(), Access::Scope(def.read_scope), move |ctx: Ctx| {
        list::list(catalogue, declared, ctx)
    })
    .summary(format!("List {}", def.label.to_lowercase()))
    .answers_schema(200, Some(schema::list(schema::record(def))))
    .list();
    for (name, description) in schema::list_parameters(def) {
        list = list.parameter(name, description);
    }
    let read = Route::get(single.clone(), Access::Scope(def.read_scope), move |ctx, id| {
        http::read(catalogue, declared, ctx, id)
    })
    .summary(format!("Read a {}", def.label_one.to_lowercase()))
    .answers_schema(200, record());
    let (list, read) = if declared.by_node { (list.by_node(), read.by_node()) } else { (list, read) };
    if def.read_only {
        return vec![list, read];
    }
    let create = Route::post(collection, Access::Scope(def.write_scope), move |ctx, body| {
        http::create(catalogue, declared, ctx, body)
    })
    .summary(format!("Create a {}", def.label_one.to_lowercase()))
    .body_schema("application/json", schema::input(def, true))
    .idempotency(Idempotency::Accepted)
    .answers_schema(201, record())
    .answers_schema(200, record());
    let change = Route::patch(single.clone(), Access::Scope(def.write_scope), move |ctx, id, body| {
        http::update(catalogue, declared, ctx, id, body)
    })
    .summary(format!("Change a {}", def.label_one.to_lowercase()))
    .body_schema("application/json", schema::input(def, false))
    .if_match()
    .answers_schema(200, record());
    let delete = Route::delete(single, Access::Scope(def.delete_scope), move |ctx, id| {
        http::delete(catalogue, declared, ctx, id)
    })
    .summary(format!("Delete a {}", def.label_one.to_lowercase()))
    .if_match()
    .answers_schema(204, None);
    vec![list, read, create, change, delete]
}
