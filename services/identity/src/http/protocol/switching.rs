//! From one of a person's organisations to another without a new sign-in: a refresh with `organization_id`.
use crate::domain::client::Client;
use crate::domain::policy::Verdict;
use crate::http::federation::entry::{self, Visit};
use crate::http::membership::{self, Belonging};
use crate::http::mint::Proof;
use crate::http::policy::{self, Entry};
use crate::http::protocol::reply::OauthError;
use crate::http::session::audit;
use crate::store::account;
use crate::store::grant::{self, Grant};
use chrono::{DateTime, Utc};
use hitaji_core::new_id;
use hitaji_db::Tx;
use hitaji_web::PlatformCtx;
use serde_json::json;

/// What the person comes with.
pub struct Departure<'a> {
    pub grant: &'a Grant,
    /// The refresh token was used already, and is only borne because its answer may have been lost.
    pub repeated: bool,
    pub last_use: DateTime<Utc>,
}

/// What they have then.
pub struct Arrival {
    pub grant: Grant,
    pub belonging: Belonging,
}

/// A grant of the same family for another organisation; the refresh token that was shown stays good for its own. Membership
/// and the rules of the other organisation are looked at as at a sign-in.
pub async fn switch(
    ctx: &PlatformCtx,
    tx: &mut Tx,
    client: &Client,
    from: &Departure<'_>,
    hint: &str,
) -> Result<Arrival, OauthError> {
    let stranger = || OauthError::invalid_grant("the person is no member of such an organisation");
    if from.repeated || from.grant.organisation_id.is_none() {
        return Err(OauthError::invalid_grant("the refresh token is not valid, not yours, or was used"));
    }
    let belongings = membership::of(ctx, from.grant.account_id).await?;
    let belonging = membership::named(&belongings, hint).ok_or_else(stranger)?.clone();
    // A client of one organisation serves that organisation alone.
    if !client.serves(belonging.tenant.id.0) {
        return Err(stranger());
    }
    // What somebody else's application was allowed, it was allowed in one organisation.
    if client.consent {
        return Err(OauthError::invalid_grant("consent_required: send an authorization request for that organisation"));
    }
    let mut proof = Proof { at: from.grant.auth_time, amr: from.grant.amr.clone() };
    let email = account::find(tx, from.grant.account_id).await?.and_then(|account| account.email);
    let visit = Visit {
        belonging: &belonging,
        session_id: from.grant.session_id,
        email: email.as_deref(),
        proven_at: proof.at,
    };
    if !matches!(entry::enter(tx, &visit, &mut proof.amr).await?, entry::Entry::Free) {
        return Err(OauthError::invalid_grant("login_required: the organisation wants another sign-in"));
    }
    let entry = Entry { proof: &proof, last_use: Some(from.last_use), client: Some(client) };
    let_in(policy::admit(ctx, tx, &belonging, &entry).await?)?;
    let organisation_id = Some(belonging.tenant.id.0);
    let new = Grant { id: new_id(), organisation_id, amr: proof.amr.clone(), ..from.grant.clone() };
    // One family has one branch in each organisation: a thief who branches off ends the owner's branch, who notices.
    grant::prune(tx, from.grant.id, belonging.tenant.id.0, ctx.now()).await?;
    grant::insert(tx, &new, ctx.now()).await?;
    grant::adopt(tx, new.id, from.grant.id).await?;
    let what =
        json!({"client_id": new.client_id, "organisation_id": new.organisation_id, "from": from.grant.organisation_id});
    audit(tx, "switch_organisation", "identity.grant", Some(new.id), what);
    Ok(Arrival { grant: new, belonging })
}

/// At the token endpoint nobody can be asked for more: the client begins again with an authorization request.
pub fn let_in(verdict: Verdict) -> Result<(), OauthError> {
    match verdict {
        Verdict::Admit => Ok(()),
        Verdict::Prove(_) => Err(OauthError::invalid_grant(
            "interaction_required: the organisation asks for a stronger proof; send an authorization request",
        )),
        Verdict::SignIn => {
            Err(OauthError::invalid_grant("login_required: the sign-in is too old; send an authorization request"))
        }
        Verdict::Refuse(why) => Err(OauthError::invalid_grant(why)),
    }
}
