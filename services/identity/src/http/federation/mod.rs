//! Signing in with other OpenID providers: which there are, how they are asked, and what follows from what they say.
pub mod attempt;
pub mod callback;
pub mod connect;
pub mod discovery;
pub mod entry;

use crate::config::Settings;
use crate::domain::federation::Kind;
use crate::http::browser::PageError;
use crate::http::federation::discovery::Discoveries;
use crate::http::outgoing::{Failed, Outgoing};
use crate::http::provider::Provider;
use crate::store::upstream::{self, Row};
use axum::http::StatusCode;
use hitaji_db::DbError;
use hitaji_db::secrets::MasterKey;
use hitaji_web::{PlatformCtx, Problem};
use std::sync::Arc;
use uuid::Uuid;

/// Owner and purpose of sealed client secrets.
const OWNER: &str = "identity";
const SECRET: &str = "provider-secret";

/// A provider that people can sign in with.
pub struct Upstream {
    /// The id of its row, or its name in the configuration.
    pub key: String,
    /// Whose own it is; none for the platform's.
    pub organisation_id: Option<Uuid>,
    pub kind: Kind,
    /// On its button.
    pub label: String,
    pub issuer: String,
    pub client_id: String,
    pub(crate) secret: Option<String>,
    pub scopes: Vec<String>,
    pub trust_mfa: bool,
}

/// What identity keeps of other providers for the life of a process.
pub struct Federation {
    pub outgoing: Outgoing,
    pub discoveries: Discoveries,
    configured: Vec<Arc<Upstream>>,
}

impl Federation {
    pub fn new(settings: &Settings, origin: &str) -> Result<Federation, String> {
        let outgoing = Outgoing::new(origin)?;
        let configured = settings.upstreams()?;
        if let Some(wrong) = configured.iter().find(|upstream| !outgoing.may_ask(&upstream.issuer)) {
            return Err(format!("identity.providers: the issuer of {} is no public https address", wrong.key));
        }
        let configured = configured.into_iter().map(Arc::new).collect();
        Ok(Federation { outgoing, discoveries: Discoveries::default(), configured })
    }

    /// The provider of this key, where people may sign in with it now.
    pub async fn find(&self, ctx: &PlatformCtx, key: &str) -> Result<Option<Arc<Upstream>>, Problem> {
        if let Some(found) = self.configured.iter().find(|upstream| upstream.key == key) {
            return Ok(Some(found.clone()));
        }
        let Ok(id) = Uuid::parse_str(key) else { return Ok(None) };
        let mut conn = ctx.read().await?;
        let row = upstream::find(&mut conn, id).await?;
        conn.release();
        let Some(row) = row.filter(|row| row.enabled) else { return Ok(None) };
        // From a copy of an organisation nothing may leave.
        if ctx.parts().get::<Provider>().is_neutralised(row.organisation_id).await? {
            return Ok(None);
        }
        Ok(Some(Arc::new(Upstream::open(row, ctx.databases().master())?)))
    }

    /// Key and label of those that a sign-in page shows: the platform's, and those of the organisation it is for.
    pub async fn offered(
        &self,
        ctx: &PlatformCtx,
        organisation: Option<&str>,
    ) -> Result<Vec<(String, String)>, Problem> {
        let label = |upstream: &Arc<Upstream>| (upstream.key.clone(), upstream.label.clone());
        let mut offered: Vec<_> = self.configured.iter().map(label).collect();
        let Some(id) = organisation_of(ctx, organisation).await? else { return Ok(offered) };
        let mut conn = ctx.read().await?;
        let own = upstream::list(&mut conn, id, Uuid::nil(), 20).await?;
        conn.release();
        offered.extend(own.into_iter().filter(|row| row.enabled).map(|row| (row.id.to_string(), row.label)));
        Ok(offered)
    }

    /// Whether there is such a provider that an organisation can use.
    pub fn is_configured(&self, key: &str) -> bool {
        self.configured.iter().any(|upstream| upstream.key == key)
    }
}

impl Upstream {
    pub fn open(row: Row, master: &MasterKey) -> Result<Upstream, DbError> {
        let secret = row.client_secret.as_deref().map(|sealed| master.open(OWNER, SECRET, sealed)).transpose()?;
        let secret = secret.map(String::from_utf8).transpose();
        Ok(Upstream {
            key: row.id.to_string(),
            organisation_id: Some(row.organisation_id),
            kind: Kind::parse(&row.kind).unwrap_or(Kind::Oidc),
            label: row.label,
            issuer: row.issuer,
            client_id: row.client_id,
            secret: secret.map_err(|_| DbError::Secret("a client secret is not text"))?,
            scopes: row.scopes,
            trust_mfa: row.trust_mfa,
        })
    }

    /// Where it sends people back. One address for each provider, so that an answer of one can never pass for an answer
    /// of another (RFC 9700 section 4.4.2.2), also where it does not say `iss`.
    pub fn redirect_uri(&self, origin: &str) -> String {
        redirect_uri(origin, &self.key)
    }
}

pub fn redirect_uri(origin: &str, key: &str) -> String {
    format!("{origin}/sign-in/callback/{key}")
}

pub fn seal_secret(master: &MasterKey, secret: &str) -> Vec<u8> {
    master.seal(OWNER, SECRET, secret.as_bytes())
}

/// Seals anew, by today's master key, what an earlier one sealed; returns how many secrets.
pub async fn rewrap(databases: &hitaji_db::Databases) -> Result<usize, DbError> {
    let master = databases.master();
    let mut conn = databases.control().await?;
    let mut changed = 0;
    for (id, sealed) in upstream::secrets(&mut conn).await? {
        if !master.is_current(&sealed) {
            let anew = master.seal(OWNER, SECRET, &master.open(OWNER, SECRET, &sealed)?);
            upstream::reseal(&mut conn, id, &sealed, &anew).await?;
            changed += 1;
        }
    }
    conn.release();
    Ok(changed)
}

/// The page for a provider that does not answer as it should.
fn down(upstream: &Upstream, failed: Failed) -> PageError {
    tracing::warn!(
        provider = upstream.key,
        reason = failed.code(),
        "another OpenID provider does not answer as it should"
    );
    PageError::Page(StatusCode::BAD_GATEWAY, "federation_down")
}

/// The organisation that a slug or id names.
async fn organisation_of(ctx: &PlatformCtx, hint: Option<&str>) -> Result<Option<Uuid>, Problem> {
    let Some(hint) = hint.filter(|hint| hint.len() <= 100) else { return Ok(None) };
    if let Ok(id) = Uuid::parse_str(hint) {
        return Ok(Some(id));
    }
    Ok(ctx.databases().find_by_slug(hint).await?.map(|tenant| tenant.id.0))
}
