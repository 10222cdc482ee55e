//! Programs: in what standing they act for themselves, which addresses their tokens are for, and what may be given them.
use crate::domain::client::Client;
use crate::domain::program::is_restricted;
use crate::domain::request::Parameters;
use crate::http::membership;
use crate::http::protocol::reply::OauthError;
use crate::http::provider::Provider;
use crate::http::standing::{Program, Standing};
use hitaji_core::{FieldError, PermissionSet, is_operators};
use hitaji_web::{Ctx, PlatformCtx, SubjectType, TOKEN_AUDIENCE};

/// More than any program needs; it bounds what a request can cost.
const SCOPES_MAX: usize = 200;

impl Provider {
    /// What a program that acts for itself may do at most.
    pub fn program_permissions(&self, client: &Client) -> PermissionSet {
        let mut set = PermissionSet::default();
        let open = |scope: &str, number: u16| !is_operators(number) && !is_restricted(scope) && client.may_have(scope);
        self.registry.scopes().filter(|(scope, number)| open(scope, *number)).for_each(|(_, n)| set.insert(n));
        set
    }

    /// A set without what no program may have.
    pub fn without_restricted(&self, whole: &PermissionSet) -> PermissionSet {
        let mut set = PermissionSet::default();
        let kept = |scope: &str, number: u16| whole.contains(number) && !is_restricted(scope);
        self.registry.scopes().filter(|(scope, number)| kept(scope, *number)).for_each(|(_, n)| set.insert(n));
        set
    }
}

/// The client as a program of its organisation.
pub async fn standing(ctx: &PlatformCtx, provider: &Provider, client: &Client) -> Result<Standing, OauthError> {
    let nowhere = OauthError::new("unauthorized_client", "the client belongs to no organisation");
    let organisation_id = client.organisation_id.ok_or(nowhere)?;
    let inactive = OauthError::invalid_grant("the organisation of the client is not active");
    let tenant = membership::active(ctx, organisation_id).await?.ok_or(inactive)?;
    let permissions = provider.program_permissions(client);
    Ok(Standing::Program(Program { tenant, kind: SubjectType::Client, permissions }))
}

/// Tokens are for our own services: a `resource` (RFC 8707) or `audience` (RFC 8693) that names others is refused.
pub fn check_target(provider: &Provider, form: &Parameters) -> Result<(), OauthError> {
    let mut named = form.all("resource").chain(form.all("audience")).filter(|target| !target.is_empty());
    let ours = |target: &str| target == TOKEN_AUDIENCE || target.trim_end_matches('/') == provider.origin;
    if named.all(ours) {
        return Ok(());
    }
    Err(OauthError::new("invalid_target", "tokens are for the issuer's own services only"))
}

/// What is wrong with permissions that somebody wants to give to a program: nobody gives what they do not have, and
/// some no program may have.
pub fn check_scopes(ctx: &Ctx, provider: &Provider, scopes: &[String]) -> Vec<FieldError> {
    if scopes.len() > SCOPES_MAX {
        return vec![FieldError::new("/scopes", "too_long", "Give at most 200 permissions.")];
    }
    let mut errors = Vec::new();
    for (index, scope) in scopes.iter().enumerate() {
        let number = provider.registry.number(scope).filter(|number| !is_operators(*number));
        let (code, message) = match number {
            None => ("unknown_value", "There is no such permission."),
            _ if scopes[..index].contains(scope) => ("repeated", "This permission is named twice."),
            _ if is_restricted(scope) => ("restricted", "Only people can have this permission."),
            _ if !provider.catalogue.is_open_to(scope, &ctx.tenant().products) => {
                ("unknown_value", "Your organisation does not use the product of this permission.")
            }
            Some(number) if !ctx.token().permissions.contains(number) => {
                ("beyond_own", "You can only give permissions that you have yourself.")
            }
            Some(_) => continue,
        };
        errors.push(FieldError::new(format!("/scopes/{index}"), code, message));
    }
    errors
}
