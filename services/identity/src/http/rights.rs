//! What somebody may give to others: never more than they hold themselves, read anew, not taken from an older token.
use crate::domain::role::{OWNER, OwnRole};
use crate::http::provider::Provider;
use crate::store::organisation;
use crate::store::rights;
use hitaji_core::{FieldError, PermissionSet};
use hitaji_web::{Ctx, Problem};
use sqlx::PgConnection;
use std::sync::Arc;

/// The rights of whoever asks, with the organisation's own roles.
pub struct Rights {
    provider: Arc<Provider>,
    products: Vec<String>,
    /// What they hold in the whole organisation by their token and still by their roles.
    held: PermissionSet,
    pub is_owner: bool,
    pub own: Vec<OwnRole>,
}

impl Rights {
    pub async fn of(ctx: &Ctx, conn: &mut PgConnection) -> Result<Rights, Problem> {
        let (provider, organisation_id) = (ctx.parts().get::<Provider>(), ctx.tenant().id.0);
        let own = rights::own_roles(conn, organisation_id, None).await?;
        let (mut held, mut is_owner) = (ctx.token().permissions, false);
        if ctx.token().membership.is_some() {
            let now = organisation::roles(conn, organisation_id, ctx.subject().0).await?.unwrap_or_default();
            held = held.intersection(&provider.role_permissions(&now, &own));
            is_owner = now.iter().any(|role| role == OWNER);
        }
        Ok(Rights { provider, products: ctx.tenant().products.clone(), held, is_owner, own })
    }

    /// What these roles allow.
    pub fn permissions(&self, roles: &[String]) -> PermissionSet {
        self.provider.role_permissions(roles, &self.own)
    }

    pub fn scopes(&self, scopes: &[String]) -> PermissionSet {
        self.provider.numbers(scopes)
    }

    /// Everything a member may do anywhere.
    pub fn of_member(&self, roles: &[String], placed: &[String]) -> PermissionSet {
        self.permissions(roles).union(&self.permissions(placed))
    }

    /// Whether the asker holds all of it. A permission of a product that the organisation lacks is in no token, and worth
    /// nothing.
    pub fn cover(&self, given: &PermissionSet) -> bool {
        !self.provider.registry.scopes().any(|(scope, number)| {
            given.contains(number)
                && !self.held.contains(number)
                && self.provider.catalogue.is_open_to(scope, &self.products)
        })
    }

    pub fn is_role(&self, key: &str) -> bool {
        self.own.iter().any(|own| own.key == key) || self.provider.registry.roles().any(|known| known.key == key)
    }

    /// All that is wrong with roles that are to be given. `pointer` leads to the list.
    pub fn check_roles(&self, roles: &[String], pointer: &str) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if roles.len() > 16 {
            errors.push(FieldError::new(pointer.to_owned(), "too_long", "A person has at most 16 roles."));
        }
        for (index, role) in roles.iter().enumerate() {
            if !self.is_role(role) {
                errors.push(FieldError::new(format!("{pointer}/{index}"), "unknown_value", "There is no such role."));
            } else if roles[..index].contains(role) {
                errors.push(FieldError::new(format!("{pointer}/{index}"), "repeated", "This role is named twice."));
            }
        }
        if errors.is_empty() && !self.cover(&self.permissions(roles)) {
            let message = "You can only give roles whose permissions you have yourself.";
            errors.push(FieldError::new(pointer.to_owned(), "beyond_own", message));
        }
        errors
    }
}
