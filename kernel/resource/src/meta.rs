//! What screens need to draw lists and forms: the declared resources that the caller may read.
use crate::{Catalogue, Declared, find};
use hitaji_core::resource::{FieldDef, FieldKind, ResourceDef};
use hitaji_web::{Answer, Ctx, Problem, Reach};
use serde_json::{Value, json};

pub(crate) fn describe(catalogue: Catalogue, ctx: &Ctx) -> Result<Answer, Problem> {
    let readable = |declared: &&Declared| {
        ctx.may(declared.def.read_scope)
            || (declared.by_node && ctx.reach(declared.def.read_scope) != Reach::Nodes(Vec::new()))
    };
    let visible = catalogue.iter().filter(readable).map(|declared| declared.def);
    let data: Vec<Value> = visible.map(|def| resource(catalogue, ctx, def)).collect();
    Ok(Answer::ok(&json!({"data": data, "page": {"limit": data.len(), "next": null}})))
}

fn resource(catalogue: Catalogue, ctx: &Ctx, def: &ResourceDef) -> Value {
    let may_write = !def.read_only && ctx.may(def.write_scope);
    json!({
        "name": def.name,
        "path": def.path(),
        "label": def.label,
        "label_one": def.label_one,
        "labels": {"sw": def.label_sw},
        "title": def.title,
        "search": def.fields.iter().any(|field| field.search),
        "can": {"create": may_write, "update": may_write, "delete": !def.read_only && ctx.may(def.delete_scope)},
        "if_match": if def.if_match_required { "required" } else { "optional" },
        "default_sort": def.default_sort,
        "fields": def.fields.iter().map(|field| describe_field(catalogue, field)).collect::<Vec<_>>(),
    })
}

fn describe_field(catalogue: Catalogue, field: &FieldDef) -> Value {
    let kind = match field.kind {
        FieldKind::Text => "text",
        FieldKind::LongText => "long_text",
        FieldKind::Email => "email",
        FieldKind::Phone => "phone",
        FieldKind::Integer => "integer",
        FieldKind::Boolean => "boolean",
        FieldKind::Date => "date",
        FieldKind::Instant => "instant",
        FieldKind::Uuid => "uuid",
        FieldKind::Choice(_) => "choice",
        FieldKind::Link(_) => "link",
    };
    let choices = match field.kind {
        FieldKind::Choice(choices) => json!(
            choices
                .iter()
                .map(|choice| json!({"value": choice.value, "label": choice.label, "labels": {"sw": choice.label_sw}}))
                .collect::<Vec<_>>()
        ),
        _ => Value::Null,
    };
    let link = match field.kind {
        FieldKind::Link(target) => json!({"resource": target, "path": find(catalogue, target).map(ResourceDef::path)}),
        _ => Value::Null,
    };
    json!({
        "name": field.name, "label": field.label, "labels": {"sw": field.label_sw}, "type": kind,
        "required": field.required, "read_only": field.read_only, "list": field.list, "filter": field.filter,
        "sort": field.sort, "max_length": field.max_length, "min": field.min, "max": field.max,
        "choices": choices, "link": link, "help": field.help,
    })
}
