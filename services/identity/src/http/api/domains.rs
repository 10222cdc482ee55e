//! `/identity/v1/domains`: domains that an organisation proves to own by a DNS record, and what follows for their people.
use crate::domain::federation::{domain_of, normalise_domain};
use crate::http::api::members::PageParams;
use crate::http::dns::{self, NoAnswer};
use crate::http::provider::Provider;
use crate::store::domain::{self, Row};
use crate::store::{account, federation, upstream};
use chrono::{DateTime, Utc};
use hitaji_core::{ErrorCode, new_id};
use hitaji_db::secrets::random_token;
use hitaji_db::{Audit, DbError, Tx};
use hitaji_web::{Answer, Body, Ctx, Id, Params, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

/// Of one organisation.
const DOMAINS_MAX: i64 = 100;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    /// `school.example`, without anything below or before it.
    domain: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainPatch {
    /// With which provider people of the domain must sign in: an id, or one of the platform's; empty for any way.
    #[serde(default)]
    required_provider: Option<String>,
    /// The role of people of the domain who come by themselves with a provider; empty where they need an invitation.
    #[serde(default)]
    auto_join_role: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct DomainOut {
    id: Uuid,
    domain: String,
    /// The TXT record that proves it.
    record: String,
    verified_at: Option<DateTime<Utc>>,
    checked_at: Option<DateTime<Utc>>,
    required_provider: Option<String>,
    auto_join_role: Option<String>,
    version: i64,
}

pub async fn list(ctx: Ctx, Params(params): Params<PageParams>) -> Result<Answer, Problem> {
    let (limit, after) = params.read::<Uuid>(&ctx)?;
    let mut conn = ctx.read().await?;
    let mut found = domain::list(&mut conn, ctx.tenant().id.0, after.unwrap_or_default(), limit + 1).await?;
    conn.release();
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found.last().filter(|_| more).map(|row| row.id);
    let rows: Vec<_> = found.into_iter().map(DomainOut::from).collect();
    Ok(ctx.page(&rows, limit, next.as_ref()))
}

pub async fn create(ctx: Ctx, Body(asked): Body<NewDomain>) -> Result<Answer, Problem> {
    let organisation_id = ctx.tenant().id.0;
    let malformed = || Problem::field("/domain", "malformed", "Write a domain like school.example.");
    let row = Row {
        id: new_id(),
        organisation_id,
        domain: normalise_domain(&asked.domain).ok_or_else(malformed)?,
        token: random_token(),
        verified_at: None,
        checked_at: None,
        required_provider: None,
        auto_join_role: None,
        version: 1,
    };
    let mut tx = ctx.tx().await?;
    if domain::count(&mut tx, organisation_id).await? >= DOMAINS_MAX {
        return Err(Problem::new(ErrorCode::Conflict, format!("There are {DOMAINS_MAX} domains already.")));
    }
    domain::insert(&mut tx, &row, ctx.now()).await.map_err(taken)?;
    note(&ctx, &mut tx, "create", &row);
    let answer = DomainOut::from(row);
    let location = format!("/identity/v1/domains/{}", answer.id);
    ctx.commit(tx, Answer::created(location, &answer).version(answer.version)).await
}

pub async fn read(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let row = lock(&ctx, &mut tx, id, None).await?;
    tx.rollback().await?;
    let answer = DomainOut::from(row);
    Ok(Answer::ok(&answer).version(answer.version))
}

/// Looks into the DNS.
pub async fn verify(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let mut tx = ctx.tx().await?;
    let asked = lock(&ctx, &mut tx, id, None).await?;
    tx.rollback().await?;
    // No transaction waits for a name server.
    let provider = ctx.parts().get::<Provider>();
    let proven = provider.dns.is_proven(&asked.domain, &asked.token).await.map_err(|NoAnswer| {
        Problem::new(ErrorCode::Unavailable, "No name server answered. Try again later.").retry_after(30)
    })?;
    if !proven {
        let text =
            format!("{} has no TXT record {} yet. It can take an hour.", asked.domain, dns::record(&asked.token));
        return Err(Problem::field("", "not_proven", text));
    }
    let mut tx = ctx.tx().await?;
    let mut row = lock(&ctx, &mut tx, id, None).await?;
    row.verified_at = row.verified_at.or(Some(ctx.now()));
    row.checked_at = Some(ctx.now());
    row.version += 1;
    domain::update(&mut tx, &row).await.map_err(taken)?;
    note(&ctx, &mut tx, "verify", &row);
    let answer = DomainOut::from(row);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

pub async fn change(ctx: Ctx, Id(id): Id, Body(asked): Body<DomainPatch>) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let mut row = lock(&ctx, &mut tx, id, if_match).await?;
    if row.verified_at.is_none() {
        return Err(Problem::new(ErrorCode::Conflict, "Prove the domain first."));
    }
    if let Some(provider) = asked.required_provider {
        row.required_provider = Some(provider).filter(|provider| !provider.is_empty());
        requirable(&ctx, &mut tx, &row).await?;
    }
    if let Some(role) = asked.auto_join_role {
        let known = role.is_empty() || ctx.platform().registry().roles().any(|known| known.key == role);
        if !known {
            return Err(Problem::field("/auto_join_role", "unknown_value", "There is no such role."));
        }
        let given = ctx.platform().registry().role_permissions(&role);
        if !role.is_empty() && given.intersection(&ctx.token().permissions) != given {
            let message = "You cannot give a role that allows more than you may do yourself.";
            return Err(Problem::field("/auto_join_role", "beyond_own", message));
        }
        row.auto_join_role = Some(role).filter(|role| !role.is_empty());
    }
    row.version += 1;
    domain::update(&mut tx, &row).await?;
    note(&ctx, &mut tx, "update", &row);
    let answer = DomainOut::from(row);
    ctx.commit(tx, Answer::ok(&answer).version(answer.version)).await
}

pub async fn remove(ctx: Ctx, Id(id): Id) -> Result<Answer, Problem> {
    let if_match = ctx.request().if_match()?;
    let mut tx = ctx.tx().await?;
    let row = lock(&ctx, &mut tx, id, if_match).await?;
    domain::delete(&mut tx, row.id).await?;
    note(&ctx, &mut tx, "delete", &row);
    ctx.commit(tx, Answer::no_content()).await
}

/// The provider is there, and whoever requires it for themselves has shown that it works: nobody locks themselves out.
async fn requirable(ctx: &Ctx, tx: &mut Tx, row: &Row) -> Result<(), Problem> {
    let Some(provider) = &row.required_provider else { return Ok(()) };
    let own = match Uuid::parse_str(provider) {
        Ok(id) => upstream::lock(tx, ctx.tenant().id.0, id).await?.is_some_and(|found| found.enabled),
        Err(_) => ctx.parts().get::<Provider>().federation.is_configured(provider),
    };
    if !own {
        return Err(Problem::field("/required_provider", "unknown_value", "There is no such provider."));
    }
    let me = account::find(tx, ctx.subject().0).await?;
    let concerned = me.as_ref().and_then(|me| me.email.as_deref()).and_then(domain_of) == Some(row.domain.as_str());
    let by_it = match ctx.token().session {
        Some(session) => federation::session_provider(tx, session).await?.is_some_and(|(known, _)| known == *provider),
        None => false,
    };
    if concerned && !by_it {
        let message = "Sign in with this provider yourself first, so that nobody is locked out.";
        return Err(Problem::field("/required_provider", "untried", message));
    }
    Ok(())
}

async fn lock(ctx: &Ctx, tx: &mut Tx, id: Uuid, if_match: Option<i64>) -> Result<Row, Problem> {
    let row = domain::lock(tx, ctx.tenant().id.0, id).await?.ok_or_else(Problem::not_found)?;
    if if_match.is_some_and(|version| version != row.version) {
        return Err(Problem::new(ErrorCode::Stale, "Somebody changed this domain meanwhile; read it again."));
    }
    Ok(row)
}

fn taken(error: DbError) -> Problem {
    match error.constraint() {
        Some("domain_organisation_key") => Problem::field("/domain", "taken", "This domain is there already."),
        Some("domain_verified_key") => {
            Problem::new(ErrorCode::Conflict, "Another organisation has proven this domain already.")
        }
        _ => error.into(),
    }
}

fn note(ctx: &Ctx, tx: &mut Tx, action: &str, row: &Row) {
    let after = json!({"organisation_id": ctx.tenant().id, "domain": row.domain, "verified_at": row.verified_at,
        "required_provider": row.required_provider, "auto_join_role": row.auto_join_role});
    tx.audit(Audit {
        action,
        resource: "identity.domain",
        record_id: Some(row.id),
        before: None,
        after: Some(after.to_string()),
    });
}

impl From<Row> for DomainOut {
    fn from(row: Row) -> DomainOut {
        DomainOut {
            id: row.id,
            record: dns::record(&row.token),
            domain: row.domain,
            verified_at: row.verified_at,
            checked_at: row.checked_at,
            required_provider: row.required_provider,
            auto_join_role: row.auto_join_role,
            version: row.version,
        }
    }
}
