//! What becomes of a person whom a directory makes, changes or takes away.
use crate::domain::federation::domain_of;
use crate::http::membership::{self, Joining, plan_full};
use crate::http::scim::{Directory, ScimError};
use crate::http::session::audit;
use crate::store::account::{self, Account};
use crate::store::invitation::{self, Invitation};
use crate::store::rights::begin_change;
use crate::store::scim::{self, User};
use crate::store::{domain, member, organisation};
use chrono::{SubsecRound as _, TimeDelta};
use hitaji_contracts::identity::{InvitationSent, MembershipChanged, MembershipEnded};
use hitaji_core::{AccountId, new_id};
use hitaji_db::Tx;
use serde_json::json;
use uuid::Uuid;

const INVITATION_LIFETIME: TimeDelta = TimeDelta::days(7);

/// How somebody was let in.
pub enum LetIn {
    Joined(Uuid),
    Invited(Uuid),
}

/// Lets a person in: at once where the organisation proved the domain of their address, else by an invitation that they
/// accept themselves. So no directory makes strangers members, and none takes over an account that somebody opened with
/// an address that was never theirs.
pub async fn let_in(directory: &Directory, tx: &mut Tx, user: &User) -> Result<LetIn, ScimError> {
    let (ctx, organisation_id) = (&directory.ctx, directory.token.organisation_id);
    let rule = domain::verified(tx, domain_of(&user.user_name).unwrap_or_default()).await?;
    let own = rule.is_some_and(|rule| rule.organisation_id == organisation_id);
    let known = account::find_by_email(tx, &user.user_name).await?;
    let doubtful = known.as_ref().is_some_and(|known| known.email_verified_at.is_none() || known.disabled_at.is_some());
    if !own || doubtful {
        return invite(directory, tx, user).await.map(LetIn::Invited);
    }
    let account = match known {
        Some(known) => known,
        None => {
            let new = Account::new(new_id(), &user.user_name, &user.name, "en");
            let new = Account { email_verified_at: Some(ctx.now()), ..new };
            account::insert(tx, &new, ctx.now()).await?;
            let what = json!({"email": new.email, "name": new.name, "organisation_id": organisation_id});
            audit(tx, "create", "identity.account", Some(new.id), what);
            new
        }
    };
    let joining = Joining {
        organisation_id,
        account_id: account.id,
        email: account.email.as_deref(),
        phone: account.phone.as_deref(),
        name: &account.name,
        roles: &user.roles,
    };
    membership::join(ctx, tx, &joining).await?;
    let what = json!({"account_id": account.id, "roles": user.roles, "organisation_id": organisation_id});
    audit(tx, "create", "identity.membership", None, what);
    Ok(LetIn::Joined(account.id))
}

async fn invite(directory: &Directory, tx: &mut Tx, user: &User) -> Result<Uuid, ScimError> {
    let (now, organisation_id) = (directory.ctx.now(), directory.token.organisation_id);
    invitation::expire(tx, organisation_id, &user.user_name, now).await?;
    if let Some((id, _)) = invitation::newest_pending(tx, &user.user_name, Some(organisation_id), now).await? {
        return Ok(id);
    }
    let (members, invited) = organisation::count_people(tx, organisation_id, now).await?;
    if members + invited >= directory.tenant.plan.users {
        return Err(plan_full(&directory.tenant.plan).into());
    }
    let new = Invitation {
        id: new_id(),
        organisation_id,
        email: user.user_name.clone(),
        phone: None,
        name: user.name.clone(),
        roles: user.roles.clone(),
        locale: "en".into(),
        state: "pending".into(),
        counter: 1,
        invited_by: directory.token.created_by,
        expires_at: (now + INVITATION_LIFETIME).trunc_subsecs(6),
        version: 1,
    };
    invitation::insert(tx, &new, now).await?;
    directory.ctx.databases().set_users(tx, directory.tenant.id, members + invited + 1).await?;
    tx.emit(new.id, &InvitationSent { tenant_id: directory.tenant.id, invitation_id: new.id });
    let what = json!({"email": new.email, "name": new.name, "roles": new.roles, "organisation_id": organisation_id});
    audit(tx, "create", "identity.invitation", Some(new.id), what);
    Ok(new.id)
}

/// Ends a membership: its tokens are honoured no more.
pub async fn end(directory: &Directory, tx: &mut Tx, user: &User) -> Result<(), ScimError> {
    let (now, tenant_id) = (directory.ctx.now(), directory.tenant.id);
    let (Some(membership_id), Some(account_id)) = (user.membership_id, user.account_id) else {
        return Ok(scim::uninvite(tx, tenant_id.0, &user.user_name, now).await?);
    };
    begin_change(tx, tenant_id.0).await?;
    if !member::end(tx, membership_id, now).await? {
        return Ok(());
    }
    tx.emit(account_id, &MembershipEnded { tenant_id, account_id: AccountId(account_id) });
    audit(tx, "end", "identity.membership", Some(membership_id), json!({"organisation_id": tenant_id}));
    let (members, invited) = organisation::count_people(tx, tenant_id.0, now).await?;
    directory.ctx.databases().set_users(tx, tenant_id, members + invited).await?;
    tx.deny(membership_id);
    Ok(())
}

/// Gives a person other roles. Nobody is without any: the token's usual one takes the place of the last.
pub async fn give(
    directory: &Directory,
    tx: &mut Tx,
    user: &mut User,
    mut roles: Vec<String>,
) -> Result<(), ScimError> {
    begin_change(tx, directory.tenant.id.0).await?;
    if roles.is_empty() {
        roles.push(directory.token.default_role.clone());
    }
    if roles == user.roles {
        return Ok(());
    }
    user.roles = roles;
    let (Some(membership_id), Some(account_id)) = (user.membership_id, user.account_id) else { return Ok(()) };
    scim::set_roles(tx, membership_id, &user.roles).await?;
    if let Some(account) = account::find(tx, account_id).await? {
        let changed = MembershipChanged {
            tenant_id: directory.tenant.id,
            account_id: AccountId(account_id),
            email: account.email.unwrap_or_default(),
            phone: account.phone,
            name: account.name,
            roles: user.roles.clone(),
        };
        tx.emit(account_id, &changed);
    }
    let what = json!({"roles": user.roles, "organisation_id": directory.tenant.id});
    audit(tx, "update", "identity.membership", Some(membership_id), what);
    Ok(())
}
