//! The state of a running process, and the registry of all services it knows.
use crate::issuers::Issuers;
use crate::keys::KeyRing;
use crate::limits::Limits;
use crate::presented::SeenProofs;
use crate::token::TokenCache;
use crate::{Peers, Service, Topic};
use hitaji_bus::Parts;
use hitaji_core::{Clock, Config, PermissionSet, RoleTemplate, is_operators};
use hitaji_db::{Databases, Place};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::broadcast;

/// What a service sets itself up from.
pub struct Setup<'a> {
    pub config: &'a Config,
    pub databases: &'a Databases,
    pub registry: &'a Registry,
    /// The public address, without a trailing slash: the issuer of tokens.
    pub origin: &'a str,
    /// Tells which databases have newly stamped events.
    pub stamped: &'a broadcast::Sender<Place>,
}

/// All services of the binary, whether this process runs them or not.
#[derive(Clone)]
pub struct Registry(Arc<RegistryInner>);

struct RegistryInner {
    services: Vec<Service>,
    numbers: HashMap<&'static str, u16>,
}

impl Registry {
    /// Checks what must hold over all services: unique names, permission numbers and scopes.
    pub fn new(services: Vec<Service>) -> Result<Registry, String> {
        let mut numbers = HashMap::new();
        let mut taken = HashMap::new();
        for service in &services {
            if services.iter().filter(|other| other.name == service.name).count() > 1 {
                return Err(format!("two services are called {}", service.name));
            }
            for permission in service.permissions {
                if let Some(other) = taken.insert(permission.number, permission.scope) {
                    return Err(format!(
                        "{other} and {} share permission number {}",
                        permission.scope, permission.number
                    ));
                }
                if permission.number >= PermissionSet::CAPACITY
                    || numbers.insert(permission.scope, permission.number).is_some()
                {
                    return Err(format!("permission {} is out of range or declared twice", permission.scope));
                }
            }
            for need in service.needs {
                if !services.iter().any(|other| other.name == *need) {
                    return Err(format!("{} needs {need}, which is not there", service.name));
                }
            }
        }
        Ok(Registry(Arc::new(RegistryInner { services, numbers })))
    }

    pub fn services(&self) -> &[Service] {
        &self.0.services
    }

    pub fn number(&self, scope: &str) -> Option<u16> {
        self.0.numbers.get(scope).copied()
    }

    /// Every permission's scope with its number.
    pub fn scopes(&self) -> impl Iterator<Item = (&'static str, u16)> + '_ {
        self.0.numbers.iter().map(|(scope, number)| (*scope, *number))
    }

    pub fn roles(&self) -> impl Iterator<Item = &'static RoleTemplate> + '_ {
        self.0.services.iter().flat_map(|service| service.roles)
    }

    /// What a role may do in an organisation, over all services that say something of it.
    pub fn role_permissions(&self, key: &str) -> PermissionSet {
        let mut set = PermissionSet::default();
        for role in self.roles().filter(|role| role.key == key) {
            for pattern in role.scopes {
                let prefix = pattern.strip_suffix('*');
                for (scope, number) in self.scopes().filter(|(_, number)| !is_operators(*number)) {
                    if prefix.map_or(scope == *pattern, |prefix| scope.starts_with(prefix)) {
                        set.insert(number);
                    }
                }
            }
        }
        set
    }

    /// The scopes of a set, in alphabetical order.
    pub fn scope_names(&self, set: &PermissionSet) -> Vec<&'static str> {
        let mut names: Vec<_> =
            self.scopes().filter(|(_, number)| set.contains(*number)).map(|(scope, _)| scope).collect();
        names.sort_unstable();
        names
    }

    pub fn topic(&self, name: &str) -> Option<&'static Topic> {
        self.0.services.iter().flat_map(|service| service.topics).find(|topic| topic.name == name)
    }
}

/// What every request of this process can reach, through its `Ctx`. Clones share everything.
#[derive(Clone)]
pub struct Platform(pub(crate) Arc<PlatformInner>);

pub(crate) struct PlatformInner {
    pub databases: Databases,
    pub registry: Registry,
    pub parts: Parts,
    pub peers: Peers,
    /// Of our own identity.
    pub keys: KeyRing,
    pub issuers: Issuers,
    pub tokens: TokenCache,
    pub proofs: SeenProofs,
    pub limits: Limits,
    pub origin: String,
}

impl Platform {
    pub fn databases(&self) -> &Databases {
        &self.0.databases
    }

    pub fn clock(&self) -> &Clock {
        self.0.databases.clock()
    }

    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    pub fn peers(&self) -> &Peers {
        &self.0.peers
    }

    pub fn origin(&self) -> &str {
        &self.0.origin
    }
}
