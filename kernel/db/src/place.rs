//! Where a connection leads: a database, and the role we speak to it with.
use hitaji_core::TenantId;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Control,
    /// An organisation's database.
    Tenant(TenantId),
    /// The database of one service of an organisation, where that service has one of its own.
    Service(TenantId, &'static str),
    /// The migrator's role on a named database of a cluster; its connections are not kept.
    Admin {
        cluster: String,
        database: String,
    },
}

impl Place {
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Place::Tenant(id) | Place::Service(id, _) => Some(*id),
            Place::Control | Place::Admin { .. } => None,
        }
    }
}

/// The cluster that holds the control database: the one that the configuration names.
pub const HOME_CLUSTER: &str = "home";
