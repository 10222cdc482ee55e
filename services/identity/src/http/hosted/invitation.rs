//! `/invitations/{token}`: an invited person becomes a member, with a new account or the one they have.
use crate::domain::account::{judge_password, normalise_name};
use crate::domain::link::{self, LinkKind};
use crate::domain::request::Parameters;
use crate::http::arrival::arrive_at;
use crate::http::browser::{Browser, Form, PageError, PageResult};
use crate::http::event::{Action, Event, note};
use crate::http::hosted::branding::dress;
use crate::http::hosted::fields::{Errors, typed};
use crate::http::hosted::sign_in::{Checked, check_password};
use crate::http::membership::{self, Joining};
use crate::http::session::{audit, begin};
use crate::store::account::{self, Account};
use crate::store::invitation::{self, Invitation};
use crate::store::session;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use hitaji_core::{TenantId, new_id};
use hitaji_db::Tx;
use hitaji_web::Problem;
use minijinja::{Value, context};
use serde_json::json;
use uuid::Uuid;

/// A link that can be taken, with what people must know of it.
struct Open {
    invitation: Invitation,
    organisation: String,
    inviter: String,
    /// The account that the address has already.
    account: Option<Account>,
    /// Whether that is the account this browser is signed in with.
    signed_in: bool,
}

pub async fn show(browser: Browser, Path(token): Path<String>) -> Response {
    browser.answer(first(&browser, &token).await)
}

pub async fn submit(browser: Browser, Path(token): Path<String>, form: Form) -> Response {
    browser.answer(accept(&browser, &token, &form).await)
}

async fn first(browser: &Browser, token: &str) -> PageResult {
    let open = open(browser, token).await?;
    let values = context! { typed => context! { name => open.invitation.name.clone() } };
    page(browser, StatusCode::OK, &open, values, &Errors::default())
}

async fn open(browser: &Browser, token: &str) -> Result<Open, PageError> {
    let gone = || PageError::Page(StatusCode::GONE, "invitation_gone");
    // Nobody guesses 256 bits, so looking is not counted; a whole staff may come from one address at once.
    let (id, counter) = link::open(&browser.provider.master, LinkKind::Invitation, token).ok_or_else(gone)?;
    let session = browser.session().await?.map(|session| session.account_id);
    let mut conn = browser.ctx.read().await?;
    let invitation =
        invitation::find(&mut conn, id).await?.filter(|found| found.counter == counter).ok_or_else(gone)?;
    if invitation.state != "pending" || invitation.expires_at <= browser.ctx.now() {
        return Err(gone());
    }
    let inviter =
        account::find(&mut conn, invitation.invited_by).await?.map_or_else(String::new, |inviter| inviter.name);
    let account = match &invitation.phone {
        Some(phone) => account::find_by_phone(&mut conn, phone).await?,
        None => account::find_by_email(&mut conn, &invitation.email).await?,
    };
    conn.release();
    dress(browser, invitation.organisation_id).await?;
    let tenant = browser.ctx.databases().describe(TenantId(invitation.organisation_id)).await?;
    Ok(Open {
        signed_in: account.as_ref().is_some_and(|account| session == Some(account.id)),
        organisation: tenant.name.clone(),
        inviter,
        account,
        invitation,
    })
}

async fn accept(browser: &Browser, token: &str, form: &Form) -> PageResult {
    browser.check_form(form)?;
    let open = open(browser, token).await?;
    // A link lives for days and is passed on; an account that is there is opened by a code of minutes.
    if open.invitation.phone.is_some() && open.account.is_some() && !open.signed_in {
        let back = Parameters::default().with("continue", Some(&format!("/invitations/{token}"))).encode();
        return browser.redirect(&format!("/sign-in/phone?{back}"));
    }
    let mut errors = Errors::default();
    let account = match &open.account {
        Some(account) if open.signed_in => Some(account.clone()),
        Some(account) => existing(browser, account, form, &mut errors).await?,
        None => None,
    };
    let new = match &open.account {
        Some(_) => None,
        None => fresh(browser, &open, form, &mut errors).await?,
    };
    if !errors.is_empty() {
        return page(
            browser,
            StatusCode::UNPROCESSABLE_ENTITY,
            &open,
            context! { typed => typed(form, &["name"]) },
            &errors,
        );
    }
    let account = account.or(new.clone()).ok_or(PageError::Page(StatusCode::GONE, "invitation_gone"))?;
    let mut tx = begin(&browser.ctx, account.id).await?;
    if new.is_some() && !insert(browser, &mut tx, &account).await? {
        // The address got an account meanwhile: show the page anew, which then asks for its password.
        tx.rollback().await.map_err(Problem::from)?;
        return first(browser, token).await;
    }
    take(browser, tx, &open.invitation, &account).await?;
    let organisation = open.invitation.organisation_id;
    match browser.session().await?.filter(|_| open.signed_in) {
        Some(session) => stay(browser, session.id, organisation).await,
        None => {
            let amr = if open.invitation.phone.is_some() { ["sms"] } else { ["pwd"] };
            arrive_at(browser, &account, &amr, "/", Some(organisation)).await
        }
    }
}

/// A person who has an account and knows its password.
async fn existing(
    browser: &Browser,
    account: &Account,
    form: &Form,
    errors: &mut Errors,
) -> Result<Option<Account>, PageError> {
    match check_password(browser, account.address(), form.secret("password")).await? {
        Checked::Right(account) => Ok(Some(*account)),
        Checked::Wrong => {
            errors.add(browser, "password", "sign_in_wrong");
            Ok(None)
        }
    }
}

async fn fresh(browser: &Browser, open: &Open, form: &Form, errors: &mut Errors) -> Result<Option<Account>, PageError> {
    let (name, password) = (normalise_name(form.typed("name")), form.secret("password"));
    if name.is_none() {
        errors.add(browser, "name", "name_missing");
    }
    if let Some(phone) = &open.invitation.phone {
        return Ok(name.map(|name| Account {
            email: None,
            phone: Some(phone.clone()),
            phone_verified_at: Some(browser.ctx.now()),
            ..Account::new(new_id(), "", &name, browser.locale)
        }));
    }
    let known = [form.typed("name"), open.invitation.email.as_str(), open.organisation.as_str(), "hitaji"];
    if let Err(problem) = judge_password(password, &known) {
        errors.add(browser, "password", problem.advice);
    }
    let Some(name) = name.filter(|_| errors.is_empty()) else {
        return Ok(None);
    };
    let password_hash = browser.provider.passwords.hash(password).await?;
    let new = Account::new(new_id(), &open.invitation.email, &name, browser.locale);
    Ok(Some(Account { email_verified_at: Some(browser.ctx.now()), password_hash: Some(password_hash), ..new }))
}

async fn insert(browser: &Browser, tx: &mut Tx, account: &Account) -> Result<bool, Problem> {
    audit(tx, "create", "identity.account", Some(account.id), json!({"email": account.email, "name": account.name}));
    Ok(account::insert(tx, account, browser.ctx.now()).await?)
}

/// In the session that the person has, with all that was proven in it.
async fn stay(browser: &Browser, session_id: Uuid, organisation: Uuid) -> PageResult {
    let mut conn = browser.ctx.read().await?;
    session::touch(&mut conn, session_id, Some(organisation), browser.ctx.now()).await?;
    conn.release();
    browser.redirect("/")
}

/// Membership and event: all or nothing.
async fn take(browser: &Browser, mut tx: Tx, invitation: &Invitation, account: &Account) -> Result<(), PageError> {
    let (ctx, now) = (&browser.ctx, browser.ctx.now());
    if !invitation::accept(&mut tx, invitation.id, invitation.counter, account.id, now).await? {
        return Err(PageError::Page(StatusCode::GONE, "invitation_gone"));
    }
    match &invitation.phone {
        Some(phone) => _ = account::give_phone(&mut tx, account.id, phone, now).await?,
        None => account::verify_email(&mut tx, account.id, now).await?,
    }
    let joining = Joining {
        organisation_id: invitation.organisation_id,
        account_id: account.id,
        email: account.email.as_deref(),
        phone: account.phone.as_deref(),
        name: &account.name,
        roles: &invitation.roles,
    };
    membership::join(ctx, &mut tx, &joining).await.map_err(|problem| {
        let full = problem.extra.contains_key("quota");
        if full { PageError::Page(StatusCode::UNPROCESSABLE_ENTITY, "invitation_full") } else { problem.into() }
    })?;
    let what = json!({"account_id": account.id, "roles": invitation.roles});
    audit(&mut tx, "accept", "identity.invitation", Some(invitation.id), what);
    let event = Event {
        organisation_id: Some(invitation.organisation_id),
        ..Event::done(Action::InvitationAccepted, account.id)
    };
    note(ctx.request(), &mut tx, event).await?;
    tx.commit(None).await.map_err(Problem::from)?;
    Ok(())
}

fn page(browser: &Browser, status: StatusCode, open: &Open, values: Value, errors: &Errors) -> PageResult {
    let roles: Vec<String> = open
        .invitation
        .roles
        .iter()
        .map(|role| match browser.text(&format!("role_{role}")) {
            "" => role.replace('_', " "),
            label => label.to_owned(),
        })
        .collect();
    let values = context! {
        organisation => open.organisation.clone(),
        inviter => open.inviter.clone(),
        email => open.invitation.address(),
        by_phone => open.invitation.phone.is_some(),
        roles => roles.join(", "),
        known => open.account.is_some(),
        signed_in => open.signed_in,
        errors => errors.value(),
        ..values
    };
    browser.page_for(status, "invitation.html", values, None)
}
