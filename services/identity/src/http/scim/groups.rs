//! `/scim/v2/Groups`: roles, and who has them. A role's key is its id; roles are neither made nor removed here.
use crate::domain::request::Parameters;
use crate::domain::scim::{self as rules, Fault, Filter, GROUP, MemberChange, filter};
use crate::http::scim::users::{bounds, find, may_touch};
use crate::http::scim::{Directory, NOT_FOUND, ScimBody, ScimError, ScimResult, answer, people, resource};
use crate::store::scim;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_db::Tx;
use serde_json::{Value, json};
use std::collections::HashSet;
use uuid::Uuid;

const FIXED: Fault = Fault { status: 403, scim_type: None, detail: "Groups are the roles of the organisation." };

pub async fn list(directory: Directory) -> Response {
    answer(page(&directory).await)
}

async fn page(directory: &Directory) -> ScimResult {
    let query = Parameters::parse(directory.ctx.request().query());
    let asked = query.first("filter").map(filter).transpose()?;
    let (start, count) = bounds(&query)?;
    let bare = query.first("excludedAttributes").is_some_and(|names| names.split(',').any(|name| name == "members"));
    let fits = |role: &&String| match &asked {
        None => true,
        Some(Filter::Id(id)) => id == *role,
        Some(Filter::DisplayName(name)) => label(directory, role).eq_ignore_ascii_case(name),
        Some(_) => false,
    };
    let roles: Vec<&String> = directory.token.roles.iter().filter(fits).collect();
    let mut tx = directory.tx().await?;
    let mut groups = Vec::new();
    for role in roles.iter().skip((start - 1) as usize).take(count as usize) {
        groups.push(out(directory, &mut tx, role, !bare).await?);
    }
    tx.commit(None).await?;
    Ok(super::list(roles.len() as i64, start, &groups))
}

pub async fn read(directory: Directory, Path(role): Path<String>) -> Response {
    let found = async {
        known(&directory, &role)?;
        let mut tx = directory.tx().await?;
        let group = out(&directory, &mut tx, &role, true).await?;
        tx.commit(None).await?;
        Ok(resource(StatusCode::OK, &group))
    };
    answer(found.await)
}

/// Making and removing one: neither is possible.
pub async fn create(_: Directory) -> Response {
    answer(Err(FIXED.into()))
}

pub async fn replace(directory: Directory, Path(role): Path<String>, ScimBody(body): ScimBody) -> Response {
    let done = async {
        let members = rules::group(&body)?;
        apply(&directory, &role, vec![MemberChange::Replace(members)]).await
    };
    answer(done.await)
}

pub async fn patch(directory: Directory, Path(role): Path<String>, ScimBody(body): ScimBody) -> Response {
    let done = async { apply(&directory, &role, rules::group_patch(&body)?).await };
    answer(done.await)
}

async fn apply(directory: &Directory, role: &str, changes: Vec<MemberChange>) -> ScimResult {
    known(directory, role)?;
    let mut tx = directory.tx().await?;
    for change in changes {
        match change {
            MemberChange::Add(ids) => give(directory, &mut tx, role, &ids).await?,
            MemberChange::Remove(ids) => take(directory, &mut tx, role, &ids).await?,
            MemberChange::Replace(ids) => {
                let wanted: HashSet<Uuid> = ids.iter().copied().collect();
                let now = scim::role_members(&mut tx, directory.token.organisation_id, role).await?;
                let gone: Vec<Uuid> = now.iter().map(|(id, _)| *id).filter(|id| !wanted.contains(id)).collect();
                give(directory, &mut tx, role, &ids).await?;
                take(directory, &mut tx, role, &gone).await?;
            }
        }
    }
    let group = out(directory, &mut tx, role, true).await?;
    tx.commit(None).await?;
    Ok(resource(StatusCode::OK, &group))
}

async fn give(directory: &Directory, tx: &mut Tx, role: &str, ids: &[Uuid]) -> Result<(), ScimError> {
    for id in ids {
        let mut user = find(directory, tx, &id.to_string()).await?;
        if !user.roles.iter().any(|known| known == role) {
            may_touch(directory, &user)?;
            let roles = [user.roles.clone(), vec![role.to_owned()]].concat();
            if roles.len() > 16 {
                return Err(Fault::bad("invalidValue", "Nobody has more than 16 roles.").into());
            }
            people::give(directory, tx, &mut user, roles).await?;
            scim::update_user(tx, &user, directory.ctx.now()).await?;
        }
    }
    Ok(())
}

async fn take(directory: &Directory, tx: &mut Tx, role: &str, ids: &[Uuid]) -> Result<(), ScimError> {
    for id in ids {
        let mut user = find(directory, tx, &id.to_string()).await?;
        if user.roles.iter().any(|known| known == role) {
            may_touch(directory, &user)?;
            let roles = user.roles.iter().filter(|known| *known != role).cloned().collect();
            people::give(directory, tx, &mut user, roles).await?;
            scim::update_user(tx, &user, directory.ctx.now()).await?;
        }
    }
    Ok(())
}

fn known(directory: &Directory, role: &str) -> Result<(), Fault> {
    if directory.token.roles.iter().any(|known| known == role) { Ok(()) } else { Err(NOT_FOUND) }
}

/// What people call a role.
pub fn label(directory: &Directory, role: &str) -> String {
    let found = directory.provider.registry.roles().find(|known| known.key == role);
    found.map_or_else(|| role.to_owned(), |found| found.label.to_owned())
}

async fn out(directory: &Directory, tx: &mut Tx, role: &str, with_members: bool) -> Result<Value, ScimError> {
    let mut body = json!({
        "schemas": [GROUP], "id": role, "displayName": label(directory, role),
        "meta": {"resourceType": "Group", "location": directory.address("Groups", role)},
    });
    if with_members {
        let members = scim::role_members(tx, directory.token.organisation_id, role).await?;
        let member =
            |(id, name): &(Uuid, String)| json!({"value": id, "$ref": directory.address("Users", id), "display": name});
        body["members"] = members.iter().map(member).collect();
    }
    Ok(body)
}
