//! Where a person belongs just now: current memberships of organisations that are active.
use crate::http::provider::Provider;
use crate::store::account;
use crate::store::organisation::{self, Membership};
use hitaji_contracts::identity::{MembershipChanged, MembershipStarted};
use hitaji_core::{AccountId, PermissionSet, TenantId, new_id};
use hitaji_db::{DbError, Plan, Tenant, TenantState, Tx};
use hitaji_web::{PlatformCtx, Problem, Quota, plan_limit};
use sqlx::PgConnection;
use std::sync::Arc;
use uuid::Uuid;

/// One organisation with what the person is there.
#[derive(Clone)]
pub struct Belonging {
    pub tenant: Arc<Tenant>,
    pub membership_id: Uuid,
    pub roles: Vec<String>,
    /// What the roles allow in the whole organisation.
    pub permissions: PermissionSet,
    /// What the person may do in places beyond that, those below included; at most `PLACES_MAX`.
    pub nodes: Vec<(Uuid, PermissionSet)>,
    /// Everything they are in some place.
    pub placed_roles: Vec<String>,
    pub permission_version: i64,
}

/// Places that one person may be something in, those below included: as many as their tokens can carry.
pub const PLACES_MAX: usize = 16;

/// A person who becomes a member.
pub struct Joining<'a> {
    pub organisation_id: Uuid,
    pub account_id: Uuid,
    /// None for a person who signs in by phone.
    pub email: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub name: &'a str,
    pub roles: &'a [String],
}

/// All organisations that the person can work in, by name.
pub async fn of(ctx: &PlatformCtx, account_id: Uuid) -> Result<Vec<Belonging>, Problem> {
    let mut conn = ctx.read().await?;
    let memberships = organisation::memberships(&mut conn, account_id).await?;
    conn.release();
    let mut belongings = Vec::new();
    for membership in memberships.into_iter().filter(|membership| membership.ready) {
        if let Some(tenant) = active(ctx, membership.organisation_id).await? {
            belongings.push(belonging(ctx, tenant, membership));
        }
    }
    belongings.sort_by(|a, b| a.tenant.name.cmp(&b.tenant.name));
    Ok(belongings)
}

/// Whether the person belongs to an organisation that is suspended or archived.
pub async fn has_inactive(ctx: &PlatformCtx, account_id: Uuid) -> Result<bool, Problem> {
    let mut conn = ctx.read().await?;
    let memberships = organisation::memberships(&mut conn, account_id).await?;
    conn.release();
    for membership in memberships.into_iter().filter(|membership| membership.ready) {
        let tenant = ctx.databases().describe(TenantId(membership.organisation_id)).await?;
        if matches!(tenant.state, TenantState::Suspended | TenantState::Archived) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The organisation, if the person can work in it.
pub async fn at(
    ctx: &PlatformCtx,
    conn: &mut PgConnection,
    account_id: Uuid,
    organisation_id: Uuid,
) -> Result<Option<Belonging>, Problem> {
    let Some(membership) = organisation::membership(conn, organisation_id, account_id).await? else {
        return Ok(None);
    };
    Ok(active(ctx, organisation_id).await?.map(|tenant| belonging(ctx, tenant, membership)))
}

fn belonging(ctx: &PlatformCtx, tenant: Arc<Tenant>, membership: Membership) -> Belonging {
    let provider = ctx.parts().get::<Provider>();
    let permissions = provider.role_permissions(&membership.roles, &membership.own_roles);
    Belonging {
        tenant,
        membership_id: membership.id,
        permissions,
        nodes: provider.node_permissions(&membership, &permissions),
        placed_roles: membership.placed.iter().map(|placed| placed.role.clone()).collect(),
        roles: membership.roles,
        permission_version: membership.permission_version,
    }
}

impl Provider {
    /// What a member may do in each place beyond what they may do everywhere. A place too many is left out: rights are
    /// lost then, never won.
    pub fn node_permissions(&self, membership: &Membership, everywhere: &PermissionSet) -> Vec<(Uuid, PermissionSet)> {
        let mut nodes: Vec<(Uuid, PermissionSet)> = Vec::new();
        for placed in membership.placed.iter() {
            let given = self.role_permissions([&placed.role], &membership.own_roles);
            match nodes.iter_mut().find(|(id, _)| *id == placed.node) {
                Some((_, held)) => *held = held.union(&given),
                None => nodes.push((placed.node, given)),
            }
        }
        nodes.retain(|(_, given)| !given.is_subset(everywhere));
        nodes.truncate(PLACES_MAX);
        nodes
    }
}

/// The one that a slug or id names.
pub fn named<'a>(belongings: &'a [Belonging], hint: &str) -> Option<&'a Belonging> {
    let id = Uuid::parse_str(hint).ok().map(TenantId);
    belongings.iter().find(|belonging| belonging.tenant.slug == hint || Some(belonging.tenant.id) == id)
}

/// Makes somebody a member of a confirmed organisation and tells everyone. False when they are one already. Refused where
/// the organisation's plan has no room for one more member.
pub async fn join(ctx: &PlatformCtx, tx: &mut Tx, joining: &Joining<'_>) -> Result<bool, Problem> {
    let id = TenantId(joining.organisation_id);
    let plan = ctx.databases().describe(id).await?.plan.clone();
    let (members, invited) = organisation::count_people(tx, joining.organisation_id, ctx.now()).await?;
    if members >= plan.users && organisation::roles(tx, joining.organisation_id, joining.account_id).await?.is_none() {
        return Err(plan_full(&plan));
    }
    let joined =
        organisation::join(tx, new_id(), joining.organisation_id, joining.account_id, joining.roles, ctx.now()).await?;
    if joined {
        announce(tx, joining);
        ctx.databases().set_users(tx, id, members + 1 + invited).await?;
    }
    Ok(joined)
}

/// 422: the plan's people are all there.
pub fn plan_full(plan: &Plan) -> Problem {
    let told = plan_limit(Quota::Users, plan);
    let mut problem = Problem::field("", "plan_limit", told.detail.clone());
    problem.extra = told.extra.clone();
    problem
}

pub fn announce(tx: &mut Tx, joining: &Joining<'_>) {
    let event = MembershipStarted {
        tenant_id: TenantId(joining.organisation_id),
        account_id: AccountId(joining.account_id),
        email: joining.email.unwrap_or_default().to_owned(),
        phone: joining.phone.map(str::to_owned),
        name: joining.name.to_owned(),
        roles: joining.roles.to_vec(),
    };
    tx.emit(joining.account_id, &event);
}

/// Tells everyone where the person belongs that their name or address changed.
pub async fn announce_change(tx: &mut Tx, account_id: Uuid) -> Result<(), Problem> {
    let Some(account) = account::find(tx, account_id).await? else { return Ok(()) };
    for membership in organisation::memberships(tx, account_id).await?.into_iter().filter(|membership| membership.ready)
    {
        let event = MembershipChanged {
            tenant_id: TenantId(membership.organisation_id),
            account_id: AccountId(account_id),
            email: account.email.clone().unwrap_or_default(),
            phone: account.phone.clone(),
            name: account.name.clone(),
            roles: membership.roles,
        };
        tx.emit(account_id, &event);
    }
    Ok(())
}

/// The organisation, if anybody can work in it.
pub async fn active(ctx: &PlatformCtx, organisation_id: Uuid) -> Result<Option<Arc<Tenant>>, Problem> {
    match ctx.databases().describe(TenantId(organisation_id)).await {
        Ok(tenant) => Ok(Some(tenant).filter(|tenant| tenant.state == TenantState::Active)),
        Err(DbError::UnknownTenant) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
