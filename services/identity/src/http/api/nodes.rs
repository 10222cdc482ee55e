//! `/identity/v1/nodes`: the organisation's branches, campuses and departments, as a tree.
use crate::http::api::given;
use crate::http::api::members::PageParams;
use crate::http::membership::PLACES_MAX;
use crate::store::node::{self, Node};
use crate::store::rights::{begin_change, most_places};
use hitaji_core::{ErrorCode, FieldError, new_id};
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

const NODES_MAX: i64 = 500;
const KINDS: [&str; 3] = ["branch", "campus", "department"];

#[derive(Serialize, JsonSchema)]
pub struct NodeOut {
    id: Uuid,
    /// The place it belongs to; none for one at the top.
    parent_id: Option<Uuid>,
    name: String,
    /// `branch`, `campus` or `department`.
    kind: String,
    version: i64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    #[serde(default)]
    parent_id: Option<Uuid>,
    name: String,
    /// `branch`, `campus` or `department`.
    kind: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodePatch {
    /// null moves it to the top.
    #[serde(default, deserialize_with = "given")]
    #[schemars(with = "Option<Uuid>")]
    parent_id: Option<Option<Uuid>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    kind: Option<String>,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut nodes = node::list(&mut conn, ctx.tenant().id.0, after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = nodes.len() > limit as usize;
    nodes.truncate(limit as usize);
    let next = nodes.last().filter(|_| more).map(|node| node.id);
    let rows: Vec<_> = nodes.into_iter().map(NodeOut::from).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut conn = ctx.read().await?;
    let found = node::find(&mut conn, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    conn.release();
    let version = found.version;
    Ok(Answer::ok(&NodeOut::from(found)).version(version))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewNode>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    begin_change(&mut tx, ctx.tenant().id.0).await?;
    let new = Node {
        id: new_id(),
        parent_id: asked.parent_id,
        name: asked.name.trim().to_owned(),
        kind: asked.kind,
        version: 1,
    };
    check(&ctx, &mut tx, &new).await?;
    if node::count(&mut tx, ctx.tenant().id.0).await? >= NODES_MAX {
        return Err(Problem::field("", "too_many", "An organisation has at most 500 places."));
    }
    node::insert(&mut tx, ctx.tenant().id.0, &new, ctx.now()).await.map_err(taken)?;
    within_limit(&ctx, &mut tx).await?;
    note(&ctx, &mut tx, "create", None, Some(&new));
    let location = format!("/identity/v1/nodes/{}", new.id);
    ctx.commit(tx, Answer::created(location, &NodeOut::from(new)).version(1)).await
}

pub async fn update(ctx: Ctx, Id(id): Id, Body(asked): Body<NodePatch>) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let before = begin(&ctx, &mut tx, id).await?;
    let after = Node {
        parent_id: asked.parent_id.unwrap_or(before.parent_id),
        name: asked.name.map_or_else(|| before.name.clone(), |name| name.trim().to_owned()),
        kind: asked.kind.unwrap_or_else(|| before.kind.clone()),
        version: before.version + 1,
        ..before.clone()
    };
    check(&ctx, &mut tx, &after).await?;
    if !node::update(&mut tx, &after, ctx.now()).await.map_err(taken)? {
        return Err(Problem::field("/parent_id", "circle", "A place cannot stand below itself."));
    }
    within_limit(&ctx, &mut tx).await?;
    note(&ctx, &mut tx, "update", Some(&before), Some(&after));
    let version = after.version;
    ctx.commit(tx, Answer::ok(&NodeOut::from(after)).version(version)).await
}

pub async fn remove(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let found = begin(&ctx, &mut tx, id).await?;
    if !node::archive(&mut tx, id, ctx.now()).await? {
        return Err(Problem::new(ErrorCode::Conflict, "There are places below this one. Move or remove them first."));
    }
    note(&ctx, &mut tx, "delete", Some(&found), None);
    ctx.commit(tx, Answer::no_content()).await
}

/// The place, while nothing else changes what people may do.
async fn begin(ctx: &Ctx, tx: &mut Tx, id: Uuid) -> Result<Node, Problem> {
    let if_match = ctx.request().if_match()?;
    begin_change(tx, ctx.tenant().id.0).await?;
    let found = node::find(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != found.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this place meanwhile; read it again."));
    }
    Ok(found)
}

async fn check(ctx: &Ctx, tx: &mut Tx, node: &Node) -> Result<(), Problem> {
    let mut errors = Vec::new();
    if !(1..=120).contains(&node.name.chars().count()) {
        errors.push(FieldError::new("/name", "required", "Give the place a name of at most 120 letters."));
    }
    if !KINDS.contains(&node.kind.as_str()) {
        errors.push(FieldError::new("/kind", "unknown_value", "A place is a branch, a campus or a department."));
    }
    if let Some(parent) = node.parent_id
        && node::find(tx, ctx.tenant().id.0, parent).await?.is_none()
    {
        errors.push(FieldError::new("/parent_id", "unknown_value", "There is no such place."));
    }
    if errors.is_empty() { Ok(()) } else { Err(Problem::validation(errors)) }
}

/// Nobody comes to be something in more places than a token carries.
async fn within_limit(ctx: &Ctx, tx: &mut Tx) -> Result<(), Problem> {
    if most_places(tx, ctx.tenant().id.0).await? <= PLACES_MAX as i64 {
        return Ok(());
    }
    let message =
        "Somebody would have roles in more than 16 places. Give them the role in the whole organisation instead.";
    Err(Problem::field("/parent_id", "too_many_places", message))
}

fn taken(error: DbError) -> Problem {
    match error.constraint() {
        Some("node_name_key") => Problem::field("/name", "taken", "There is a place of this name here already."),
        _ => error.into(),
    }
}

fn note(ctx: &Ctx, tx: &mut Tx, action: &str, before: Option<&Node>, after: Option<&Node>) {
    let text = |node: &Node| {
        let organisation_id = ctx.tenant().id;
        json!({"name": node.name, "kind": node.kind, "parent_id": node.parent_id, "organisation_id": organisation_id})
            .to_string()
    };
    let record_id = before.or(after).map(|node| node.id);
    tx.audit(Audit { action, resource: "identity.node", record_id, before: before.map(text), after: after.map(text) });
}

impl From<Node> for NodeOut {
    fn from(node: Node) -> NodeOut {
        NodeOut { id: node.id, parent_id: node.parent_id, name: node.name, kind: node.kind, version: node.version }
    }
}
