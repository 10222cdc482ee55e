//! An organisation's rules at its door: asked wherever somebody gets a code or a token for it.
use crate::domain::client::{Client, ClientAuth};
use crate::domain::policy::{Address, Verdict, Visitor};
use crate::http::membership::Belonging;
use crate::http::mint::Proof;
use crate::store::policy;
use chrono::{DateTime, Utc};
use hitaji_web::{PlatformCtx, Problem};
use sqlx::PgConnection;

/// By what somebody wants in.
pub struct Entry<'a> {
    pub proof: &'a Proof,
    /// When this proof last got something for the organisation.
    pub last_use: Option<DateTime<Utc>>,
    /// The application that speaks for the person; none where the person's own browser does.
    pub client: Option<&'a Client>,
}

pub async fn admit(
    ctx: &PlatformCtx,
    conn: &mut PgConnection,
    belonging: &Belonging,
    entry: &Entry<'_>,
) -> Result<Verdict, Problem> {
    let rules = policy::find(conn, belonging.tenant.id.0).await?;
    // An application with a secret speaks from a server of its own; where its people are was looked at when it got its code.
    let from_server = entry.client.is_some_and(|client| !matches!(client.auth, ClientAuth::Public));
    let address = || ctx.request().client_ip.map_or(Address::Unknown, Address::Known);
    let roles: Vec<String> = belonging.roles.iter().chain(&belonging.placed_roles).cloned().collect();
    let visitor = Visitor {
        roles: &roles,
        amr: &entry.proof.amr,
        auth_time: entry.proof.at,
        last_use: entry.last_use,
        address: (!from_server).then(address),
    };
    Ok(rules.judge(&visitor, ctx.now()))
}
