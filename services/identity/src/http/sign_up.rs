//! Sign-up: a person and their organisation, the same for the page and for the JSON command. Every step can be
//! repeated with the same organisation id after a crash.
use crate::domain::account::{judge_password, locale_of, normalise_email, normalise_name};
use crate::http::event::{Action, Event, note, note_lock_out};
use crate::http::membership::{Joining, announce};
use crate::http::notices;
use crate::http::passwords::{Busy, Verdict};
use crate::http::provider::Provider;
use crate::http::session::{audit, begin};
use crate::http::throttle::{Try, Wait};
use crate::pages;
use crate::store::account::{self, Account};
use crate::store::organisation;
use axum::http::Method;
use hitaji_contracts::identity::SignUp;
use hitaji_contracts::tenancy::{CreateOrganisation, OrganisationCreated};
use hitaji_core::{ErrorCode, FieldError, TenantId, new_id};
use hitaji_web::{PlatformCtx, Problem};
use serde_json::json;

pub const OWNER: &str = "owner";

/// What has become of a sign-up.
pub struct Done {
    pub account: Account,
    pub organisation_id: TenantId,
    pub slug: String,
}

/// One thing wrong: where, a code for programs, and the key of the text for people.
pub struct Flaw {
    pub pointer: &'static str,
    pub code: &'static str,
    pub text: &'static str,
}

impl Flaw {
    fn new(pointer: &'static str, code: &'static str, text: &'static str) -> Flaw {
        Flaw { pointer, code, text }
    }
}

/// Why there is no new organisation.
pub enum Refused {
    Flaws(Vec<Flaw>),
    /// There is an account with this address, and this is not its password. Said so that it tells nothing.
    Mismatch,
    Wait(Wait),
    Busy,
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused::Problem(error.into())
    }
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Refused {
        Refused::Busy
    }
}

/// A sign-up whose values can be used.
struct Checked {
    email: String,
    name: String,
    locale: &'static str,
    wish: CreateOrganisation,
}

/// Creates the account (or, for a known address, wants its password), records the wish, has tenancy make the
/// organisation, and tells everyone who its owner is.
pub async fn sign_up(ctx: &PlatformCtx, provider: &Provider, asked: &SignUp) -> Result<Done, Refused> {
    provider.throttle.address(Try::SignUp, ctx.request().client_ip).map_err(Refused::Wait)?;
    let checked = check(provider, asked).map_err(Refused::Flaws)?;
    let mut conn = ctx.read().await?;
    let existing = account::find_by_email(&mut conn, &checked.email).await?;
    conn.release();
    let account = match existing {
        Some(account) => known_person(ctx, provider, account, &asked.password).await?,
        None => new_person(ctx, provider, &checked, &asked.password).await?,
    };
    record(ctx, &account, &checked.wish).await?;
    let slug = finish(ctx, &account, checked.wish.id).await?;
    Ok(Done { account, organisation_id: checked.wish.id, slug })
}

async fn known_person(
    ctx: &PlatformCtx,
    provider: &Provider,
    account: Account,
    password: &str,
) -> Result<Account, Refused> {
    let key = format!("{}/any", account.address());
    if let Err(wait) = provider.throttle.account(&key, ctx.now()) {
        note_lock_out(ctx, provider, &key, account.address()).await?;
        return Err(Refused::Wait(wait));
    }
    let verdict = provider.passwords.check(password, account.password_hash.as_deref()).await?;
    if verdict == Verdict::Wrong || account.disabled_at.is_some() {
        let mut tx = begin(ctx, "anonymous").await?;
        audit(&mut tx, "sign_up_refused", "identity.account", Some(account.id), json!(null));
        note(ctx.request(), &mut tx, Event::refused(Action::SignUp, Some(account.id))).await?;
        tx.commit(None).await?;
        return Err(Refused::Mismatch);
    }
    provider.throttle.succeeded(&key);
    Ok(account)
}

async fn new_person(
    ctx: &PlatformCtx,
    provider: &Provider,
    checked: &Checked,
    password: &str,
) -> Result<Account, Refused> {
    let password_hash = provider.passwords.hash(password).await?;
    let id = new_id();
    let mut tx = begin(ctx, id).await?;
    let new = Account {
        password_hash: Some(password_hash),
        ..Account::new(id, &checked.email, &checked.name, checked.locale)
    };
    if !account::insert(&mut tx, &new, ctx.now()).await? {
        // Somebody took the address a moment ago: the same person, twice.
        tx.rollback().await?;
        let mut conn = ctx.read().await?;
        let account = account::find_by_email(&mut conn, &checked.email).await?.ok_or(Refused::Mismatch)?;
        conn.release();
        return known_person(ctx, provider, account, password).await;
    }
    audit(&mut tx, "create", "identity.account", Some(id), json!({"email": checked.email, "name": checked.name}));
    notices::ask_proof(ctx, &mut tx, &new, &checked.email).await?;
    tx.commit(None).await?;
    Ok(new)
}

/// The organisation's row and its owner. An id that others use is refused.
pub async fn record(ctx: &PlatformCtx, account: &Account, wish: &CreateOrganisation) -> Result<(), Problem> {
    let mut tx = begin(ctx, account.id).await?;
    let first = organisation::insert(&mut tx, wish, ctx.now()).await?;
    if first {
        organisation::join(&mut tx, new_id(), wish.id.0, account.id, &[OWNER.to_owned()], ctx.now()).await?;
        audit(&mut tx, "sign_up", "identity.organisation", Some(wish.id.0), json!(wish));
        let event = Event { organisation_id: Some(wish.id.0), ..Event::done(Action::SignUp, account.id) };
        note(ctx.request(), &mut tx, event).await?;
    } else {
        if organisation::roles(&mut tx, wish.id.0, account.id).await?.is_none() {
            return Err(Problem::new(ErrorCode::Conflict, "This organisation id is taken. Send another one."));
        }
        organisation::reword(&mut tx, wish).await?;
    }
    Ok(tx.commit(None).await?)
}

/// Has tenancy make the organisation, and announces its owner the first time. Also used at sign-in, for a sign-up
/// that a crash has cut short.
pub async fn finish(ctx: &PlatformCtx, account: &Account, id: TenantId) -> Result<String, Problem> {
    let mut conn = ctx.read().await?;
    let (wish, _) = organisation::wish(&mut conn, id.0).await?.ok_or_else(Problem::not_found)?;
    conn.release();
    let peers = ctx.platform().peers();
    let made: OrganisationCreated =
        peers.ask("identity", "tenancy", Method::POST, "/tenancy/v1/organisations", &wish).await?;
    let mut tx = begin(ctx, account.id).await?;
    if organisation::confirm(&mut tx, id.0, ctx.now()).await? {
        let joining = Joining {
            organisation_id: id.0,
            account_id: account.id,
            email: account.email.as_deref(),
            phone: account.phone.as_deref(),
            name: &account.name,
            roles: &[OWNER.to_owned()],
        };
        announce(&mut tx, &joining);
        ctx.databases().set_users(&mut tx, id, 1).await?;
        audit(&mut tx, "confirm", "identity.organisation", Some(id.0), json!({"slug": made.slug}));
    }
    tx.commit(None).await?;
    Ok(made.slug)
}

/// All that is wrong at once, in the order of the form.
fn check(provider: &Provider, asked: &SignUp) -> Result<Checked, Vec<Flaw>> {
    let organisation = normalise_name(&asked.organisation).filter(|name| name.chars().count() >= 2);
    let (email, name) = (normalise_email(&asked.email), normalise_name(&asked.name));
    let mut flaws = Vec::new();
    if organisation.is_none() {
        flaws.push(Flaw::new("/organisation", "required", "organisation_missing"));
    }
    flaws.extend(place_flaws(provider, asked));
    if name.is_none() {
        flaws.push(Flaw::new("/name", "required", "name_missing"));
    }
    if email.is_none() {
        flaws.push(Flaw::new("/email", "malformed", "email_malformed"));
    }
    let typed = [asked.organisation.as_str(), asked.name.as_str(), asked.email.as_str(), "hitaji"];
    if let Err(problem) = judge_password(&asked.password, &typed) {
        flaws.push(Flaw::new("/password", problem.code, problem.advice));
    }
    match (organisation, email, name) {
        (Some(organisation), Some(email), Some(name)) if flaws.is_empty() => Ok(Checked {
            email,
            name,
            locale: asked.locale.as_deref().and_then(locale_of).unwrap_or("en"),
            wish: CreateOrganisation {
                id: asked.organisation_id.unwrap_or_else(|| TenantId(new_id())),
                name: organisation,
                slug: asked.slug.clone(),
                country: asked.country.clone(),
                currency: asked.currency.clone(),
                time_zone: asked.time_zone.clone(),
                products: asked.products.clone(),
            },
        }),
        _ => Err(flaws),
    }
}

/// What can be seen of the organisation's place and products without asking tenancy, which knows the rest.
fn place_flaws(provider: &Provider, asked: &SignUp) -> impl Iterator<Item = Flaw> {
    let zone = asked.time_zone.contains('/') || asked.time_zone == "UTC";
    let known = provider.products();
    let product = !asked.products.is_empty()
        && asked.products.iter().all(|product| known.iter().any(|(name, _)| name == product));
    let checks = [
        (asked.slug.as_deref().is_none_or(is_slug), Flaw::new("/slug", "malformed", "slug_malformed")),
        (is_code(&asked.country, 2), Flaw::new("/country", "unknown_value", "country_unknown")),
        (is_code(&asked.currency, 3), Flaw::new("/currency", "unknown_value", "currency_unknown")),
        (zone, Flaw::new("/time_zone", "unknown_value", "time_zone_unknown")),
        (product, Flaw::new("/products", "unknown_value", "product_missing")),
    ];
    checks.into_iter().filter(|(good, _)| !good).map(|(_, flaw)| flaw)
}

fn is_code(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

fn is_slug(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl Refused {
    /// For programs.
    pub fn problem(self) -> Problem {
        match self {
            Refused::Flaws(flaws) => {
                let errors =
                    flaws.iter().map(|flaw| FieldError::new(flaw.pointer, flaw.code, pages::text("en", flaw.text)));
                Problem::validation(errors.collect())
            }
            Refused::Mismatch => Problem::field("/password", "not_accepted", pages::text("en", "sign_up_mismatch")),
            Refused::Wait(Wait(seconds)) => {
                let mut problem =
                    Problem::new(ErrorCode::RateLimited, format!("Too many attempts; go on in {seconds} s."));
                problem.retry_after_s = Some(seconds);
                problem
            }
            Refused::Busy => busy(),
            Refused::Problem(problem) => problem,
        }
    }
}

/// Too many passwords are being checked just now.
pub fn busy() -> Problem {
    let mut problem = Problem::new(ErrorCode::Unavailable, "Too many people sign in just now; try again in a moment.");
    problem.retry_after_s = Some(2);
    problem
}
