//! `/scim/v2/Users`: the people of an organisation.
use crate::domain::account::{normalise_email, normalise_name};
use crate::domain::request::Parameters;
use crate::domain::scim::{self as rules, Fault, Filter, Person, USER, filter};
use crate::http::scim::people::{self, LetIn};
use crate::http::scim::{
    Directory, NOT_FOUND, PAGE_MAX, PROTECTED, ScimBody, ScimError, ScimResult, UNIQUENESS, answer, etag, resource,
};
use crate::store::scim::{self, User};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hitaji_core::new_id;
use hitaji_db::Tx;
use serde_json::{Value, json};
use uuid::Uuid;

const MUTABILITY: Fault = Fault::bad("mutability", "The address of an account is its person's to change.");

pub async fn list(directory: Directory) -> Response {
    answer(page(&directory).await)
}

async fn page(directory: &Directory) -> ScimResult {
    let query = Parameters::parse(directory.ctx.request().query());
    let asked = query.first("filter").map(filter).transpose()?;
    if matches!(asked, Some(Filter::DisplayName(_))) {
        return Err(Fault::bad("invalidFilter", "People are found by id, userName, externalId or active.").into());
    }
    let (start, count) = bounds(&query)?;
    let mut tx = directory.tx().await?;
    let found = scim::users(&mut tx, directory.token.organisation_id, asked.as_ref(), start - 1, count).await?;
    tx.commit(None).await?;
    let users: Vec<Value> = found.1.iter().map(|user| out(directory, user)).collect();
    Ok(super::list(found.0, start, &users))
}

/// `startIndex` from 1 and `count` (RFC 7644 section 3.4.2.4): less than that is taken as that.
pub fn bounds(query: &Parameters) -> Result<(i64, i64), Fault> {
    let number = |name: &str, default: i64| match query.first(name) {
        Some(text) => text.parse::<i64>().map_err(|_| Fault::bad("invalidValue", "startIndex and count are numbers.")),
        None => Ok(default),
    };
    Ok((number("startIndex", 1)?.clamp(1, 1_000_000), number("count", 100)?.clamp(0, PAGE_MAX)))
}

pub async fn read(directory: Directory, Path(id): Path<String>) -> Response {
    let found = async {
        let mut tx = directory.tx().await?;
        let user = find(&directory, &mut tx, &id).await?;
        tx.commit(None).await?;
        Ok(resource(StatusCode::OK, &out(&directory, &user)))
    };
    answer(found.await)
}

pub async fn create(directory: Directory, ScimBody(body): ScimBody) -> Response {
    answer(make(&directory, &body).await)
}

async fn make(directory: &Directory, body: &Value) -> ScimResult {
    let person = rules::person(body)?;
    let named = person.user_name.as_deref().and_then(normalise_email);
    let email = named.or_else(|| person.email.as_deref().and_then(normalise_email));
    let email = email.ok_or(Fault::bad("invalidValue", "userName, or the primary e-mail, is an e-mail address."))?;
    let name = person.name("").as_deref().and_then(normalise_name);
    let now = directory.ctx.now();
    let mut user = User {
        id: new_id(),
        account_id: None,
        name: name.unwrap_or_else(|| email.split('@').next().unwrap_or("?").to_owned()),
        user_name: email,
        external_id: bounded(person.external_id.clone().flatten())?,
        roles: vec![directory.token.default_role.clone()],
        membership_id: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let mut tx = directory.tx().await?;
    let same = Filter::UserName(user.user_name.clone());
    if scim::users(&mut tx, directory.token.organisation_id, Some(&same), 0, 1).await?.0 > 0 {
        return Err(UNIQUENESS.into());
    }
    let mut invitation = None;
    if person.active != Some(false) {
        match people::let_in(directory, &mut tx, &user).await? {
            LetIn::Joined(account_id) => user.account_id = Some(account_id),
            LetIn::Invited(id) => invitation = Some(id),
        }
    }
    if !scim::insert_user(&mut tx, directory.token.organisation_id, &user, invitation).await? {
        return Err(UNIQUENESS.into());
    }
    let made = find(directory, &mut tx, &user.id.to_string()).await?;
    tx.commit(None).await?;
    Ok(resource(StatusCode::CREATED, &out(directory, &made)))
}

pub async fn replace(directory: Directory, Path(id): Path<String>, ScimBody(body): ScimBody) -> Response {
    let done = async {
        let mut person = rules::person(&body)?;
        // What a whole resource leaves out is taken away (RFC 7644 section 3.5.1), except whether the person is active.
        person.external_id = Some(person.external_id.flatten());
        change(&directory, &id, person).await
    };
    answer(done.await)
}

pub async fn patch(directory: Directory, Path(id): Path<String>, ScimBody(body): ScimBody) -> Response {
    let done = async { change(&directory, &id, rules::patch(&body)?).await };
    answer(done.await)
}

async fn change(directory: &Directory, id: &str, person: Person) -> ScimResult {
    let mut tx = directory.tx().await?;
    let mut user = find(directory, &mut tx, id).await?;
    directory.if_match(user.version)?;
    for said in [&person.user_name, &person.email].into_iter().flatten() {
        if normalise_email(said).as_deref() != Some(user.user_name.as_str()) {
            return Err(MUTABILITY.into());
        }
    }
    if let Some(external_id) = person.external_id.clone() {
        user.external_id = bounded(external_id)?;
    }
    if let Some(name) = person.name(&user.name).as_deref().and_then(normalise_name) {
        user.name = name;
    }
    match (person.active, user.membership_id) {
        (Some(false), Some(_)) => {
            may_touch(directory, &user)?;
            people::end(directory, &mut tx, &user).await?;
        }
        (Some(true), None) => {
            may_touch(directory, &user)?;
            people::let_in(directory, &mut tx, &user).await?;
        }
        _ => {}
    }
    scim::update_user(&mut tx, &user, directory.ctx.now()).await?;
    scim::follow_members(&mut tx, directory.token.organisation_id, directory.ctx.now()).await?;
    let user = find(directory, &mut tx, id).await?;
    tx.commit(None).await?;
    Ok(resource(StatusCode::OK, &out(directory, &user)))
}

pub async fn remove(directory: Directory, Path(id): Path<String>) -> Response {
    let done = async {
        let mut tx = directory.tx().await?;
        let user = find(&directory, &mut tx, &id).await?;
        directory.if_match(user.version)?;
        may_touch(&directory, &user)?;
        people::end(&directory, &mut tx, &user).await?;
        scim::delete_user(&mut tx, user.id).await?;
        tx.commit(None).await?;
        Ok::<_, ScimError>(StatusCode::NO_CONTENT.into_response())
    };
    answer(done.await)
}

pub async fn find(directory: &Directory, tx: &mut Tx, id: &str) -> Result<User, ScimError> {
    let id = Uuid::parse_str(id).map_err(|_| NOT_FOUND)?;
    Ok(scim::lock_user(tx, directory.token.organisation_id, id).await?.ok_or(NOT_FOUND)?)
}

/// A directory has power over those only whose roles its token could give: never over the owner who made it, say.
pub fn may_touch(directory: &Directory, user: &User) -> Result<(), Fault> {
    let within = user.roles.iter().all(|role| directory.token.roles.contains(role));
    if within { Ok(()) } else { Err(PROTECTED) }
}

fn bounded(external_id: Option<String>) -> Result<Option<String>, Fault> {
    match external_id {
        Some(id) if id.is_empty() || id.len() > 255 => {
            Err(Fault::bad("invalidValue", "externalId has 1 to 255 characters."))
        }
        other => Ok(other),
    }
}

fn out(directory: &Directory, user: &User) -> Value {
    let (given, family) = user.name.split_once(' ').unwrap_or((&user.name, ""));
    let groups: Vec<Value> = user.roles.iter().filter(|_| user.membership_id.is_some()).map(|role| {
        json!({"value": role, "$ref": directory.address("Groups", role), "display": super::groups::label(directory, role)})
    }).collect();
    let mut body = json!({
        "schemas": [USER], "id": user.id, "userName": user.user_name, "active": user.membership_id.is_some(),
        "displayName": user.name, "name": {"formatted": user.name, "givenName": given, "familyName": family},
        "emails": [{"value": user.user_name, "type": "work", "primary": true}], "groups": groups,
        "meta": {"resourceType": "User", "created": user.created_at, "lastModified": user.updated_at,
            "location": directory.address("Users", user.id), "version": etag(user.version)},
    });
    if let Some(external_id) = &user.external_id {
        body["externalId"] = json!(external_id);
    }
    body
}
