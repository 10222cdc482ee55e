//! `/consent`: a person allows an application of somebody else what it wants, or does not.
use crate::domain::client::Client;
use crate::domain::consent::{covers, is_sensitive};
use crate::domain::request::{self, Destination, Parameters, Refusal};
use crate::http::browser::{Browser, Form, PageError, PageResult, continue_to};
use crate::http::hosted::sign_in::parameters_of;
use crate::http::protocol::authorize::{Granting, Next, decide, destination_of};
use crate::http::protocol::pushed::Journey;
use crate::http::protocol::respond::{back, refused};
use crate::http::session::{audit, begin};
use crate::store::consent::{self, Allowed};
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::{TenantId, new_id};
use hitaji_db::Tx;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;
use url::Url;

/// A request that waits for the person's word.
struct Waiting {
    journey: Journey,
    destination: Destination,
    granting: Box<Granting>,
}

pub async fn show(browser: Browser) -> Response {
    let query = Parameters::parse(browser.ctx.request().query());
    let target = continue_to(query.first("continue"));
    let result = async {
        match waiting(&browser, &target).await? {
            Some(waiting) => page(&browser, &target, &waiting).await,
            None => browser.redirect(&target),
        }
    };
    browser.answer(result.await)
}

pub async fn submit(browser: Browser, form: Form) -> Response {
    browser.answer(decided(&browser, &form).await)
}

/// The request, if it is one that must be asked about; whatever else follows from it is authorize's to say.
async fn waiting(browser: &Browser, target: &str) -> Result<Option<Waiting>, PageError> {
    let journey = Journey::of(browser, parameters_of(target)).await?;
    let destination = destination_of(browser, &journey).await?;
    let Ok(asked) = request::read(&journey.parameters) else { return Ok(None) };
    Ok(match decide(browser, &destination, &asked).await? {
        Next::Consent(granting) => Some(Waiting { journey, destination, granting }),
        _ => None,
    })
}

async fn page(browser: &Browser, target: &str, waiting: &Waiting) -> PageResult {
    let (client, granting) = (&waiting.destination.client, &waiting.granting);
    let organisation = granting.standing.tenant().map(|tenant| tenant.name.clone()).unwrap_or_default();
    let another = Parameters::default().with("continue", Some(target)).encode();
    let values = context! {
        target => target,
        client => client.name.clone(),
        about => about(browser, client, &waiting.destination.redirect_uri).await?,
        organisation => organisation,
        address => granting.session.address(),
        groups => groups(browser, &granting.wanted),
        scopes => granting.wanted.join(" "),
        another => format!("/sign-in?{another}"),
    };
    browser.page_for(StatusCode::OK, "consent.html", values, Some(&waiting.destination.redirect_uri))
}

async fn decided(browser: &Browser, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let target = continue_to(form.0.first("continue"));
    let Some(waiting) = waiting(browser, &target).await? else {
        return browser.redirect(&target);
    };
    let (client, granting) = (&waiting.destination.client, &waiting.granting);
    let mut tx = begin(&browser.ctx, granting.session.account_id).await?;
    if form.typed("decision") != "allow" {
        waiting.journey.use_up(&mut tx, browser).await?;
        audit(&mut tx, "deny", "identity.consent", None, json!({"client_id": client.id}));
        tx.commit(None).await.map_err(Problem::from)?;
        let refusal = Refusal::new("access_denied", "the person did not allow it");
        return back(browser, &waiting.destination, &refused(&refusal), false);
    }
    if !covers(&shown(form), &granting.wanted) {
        // Their roles gave more since the page was shown: nobody allows what they did not see.
        return page(browser, &target, &waiting).await;
    }
    remember(browser, &mut tx, client, granting).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    browser.redirect(&waiting.journey.going_on(browser, &[("prompt", None)]).await?)
}

/// What the page showed when it was answered.
pub fn shown(form: &Form) -> Vec<String> {
    form.0.first("scopes").unwrap_or_default().split_ascii_whitespace().map(str::to_owned).collect()
}

/// Writes down that the person allowed it.
pub async fn remember(browser: &Browser, tx: &mut Tx, client: &Client, granting: &Granting) -> Result<(), Problem> {
    let Some(tenant) = granting.standing.tenant() else { return Ok(()) };
    let allowed = Allowed {
        account_id: granting.session.account_id,
        client_id: &client.id,
        organisation_id: tenant.id.0,
        scopes: &granting.wanted,
    };
    consent::allow(tx, new_id(), &allowed, browser.ctx.now()).await?;
    let what = json!({"client_id": client.id, "organisation_id": tenant.id, "scopes": granting.wanted});
    audit(tx, "allow", "identity.consent", None, what);
    Ok(())
}

/// Whose application it is, and where it lives: a name alone can be anybody's.
pub async fn about(browser: &Browser, client: &Client, address: &str) -> Result<String, Problem> {
    let place = Url::parse(address).ok().map(|url| url.host_str().unwrap_or(url.scheme()).to_owned());
    let mut text = match client.organisation_id {
        Some(id) => {
            let owner = browser.ctx.databases().describe(TenantId(id)).await?;
            browser.text("client_of_organisation").replace("{organisation}", &owner.name)
        }
        None if client.registered => browser.text("client_unknown").to_owned(),
        None => browser.text("client_of_platform").to_owned(),
    };
    if let Some(place) = place {
        text = format!("{text} {}", browser.text("client_at").replace("{place}", &place));
    }
    Ok(text)
}

/// Scopes in words: about the person first, then each service's.
pub fn groups(browser: &Browser, wanted: &[String]) -> Vec<Value> {
    let item = |scope: &str, text: &str| context! { text => text, sensitive => is_sensitive(scope) };
    let standard: Vec<Value> = wanted
        .iter()
        .map(|scope| (scope, browser.text(&format!("scope_{scope}"))))
        .filter(|(_, text)| !text.is_empty())
        .map(|(scope, text)| item(scope, text))
        .collect();
    let mut groups = Vec::new();
    if !standard.is_empty() {
        groups.push(context! { title => browser.text("scopes_of_yourself"), items => standard });
    }
    for service in browser.provider.registry.services() {
        let permissions = service.permissions.iter();
        let items: Vec<Value> = permissions
            .filter(|permission| wanted.iter().any(|scope| scope == permission.scope))
            .map(|permission| item(permission.scope, permission.description))
            .collect();
        if !items.is_empty() {
            let label = browser.text(&format!("product_{}", service.name));
            groups.push(context! { title => if label.is_empty() { service.summary } else { label }, items => items });
        }
    }
    groups
}
