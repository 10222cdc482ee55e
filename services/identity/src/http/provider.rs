//! What identity keeps for the life of a process.
use crate::config::Settings;
use crate::domain::client::Client;
use crate::domain::scope::{Catalogue, Known};
use crate::events::Mailer;
use crate::http::dns::Dns;
use crate::http::federation::Federation;
use crate::http::keys::Keys;
use crate::http::passwords::Passwords;
use crate::http::throttle::Throttle;
use crate::pages::Pages;
use crate::store::client;
use hitaji_bus::Parts;
use hitaji_core::{PermissionSet, TenantId};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, DbError};
use hitaji_web::{Denylist, Registry, Setup};
use std::sync::Arc;
use uuid::Uuid;

/// The OpenID provider.
pub struct Provider {
    pub settings: Settings,
    /// The configured ones; others are in the database.
    pub clients: Vec<Arc<Client>>,
    pub catalogue: Catalogue,
    pub registry: Registry,
    pub keys: Keys,
    pub passwords: Passwords,
    pub throttle: Throttle,
    pub pages: Pages,
    pub mailer: Mailer,
    pub master: MasterKey,
    pub databases: Databases,
    /// The issuer: the public address without a trailing slash.
    pub origin: String,
    pub denylist: Denylist,
    /// Other providers that people sign in with.
    pub federation: Federation,
    pub dns: Dns,
}

/// Reads the configuration; nothing is opened yet.
pub fn setup(setup: &Setup) -> Result<Parts, String> {
    let settings: Settings = setup.config.section("identity").map_err(|error| error.to_string())?;
    let known = setup.registry.services().iter().flat_map(|service| {
        let product = service.product.then_some(service.name);
        service.permissions.iter().map(move |permission| Known {
            scope: permission.scope,
            number: permission.number,
            product,
        })
    });
    let provider = Provider {
        clients: settings.clients(setup.origin)?.into_iter().map(Arc::new).collect(),
        catalogue: Catalogue::new(known.collect()),
        registry: setup.registry.clone(),
        keys: Keys::default(),
        passwords: Passwords::default(),
        throttle: Throttle::new(&settings),
        pages: Pages::new()?,
        mailer: Mailer::new(&settings)?,
        master: setup.databases.master().clone(),
        databases: setup.databases.clone(),
        origin: setup.origin.to_owned(),
        denylist: setup.denylist.clone(),
        dns: Dns::new(&settings.dns_server)?,
        federation: Federation::new(&settings, setup.origin)?,
        settings,
    };
    let mut parts = Parts::default();
    parts.insert(provider);
    Ok(parts)
}

impl Provider {
    /// A client by its id: a configured one, else a registered one.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, DbError> {
        if let Some(client) = self.clients.iter().find(|client| client.id == id) {
            return Ok(Some(client.clone()));
        }
        if id.len() > 100 {
            return Ok(None);
        }
        let mut conn = self.databases.control().await?;
        let found = client::find(&mut conn, id, self.databases.clock().now()).await?;
        conn.release();
        Ok(found.map(Arc::new))
    }

    /// One of our own.
    pub fn own_client(&self, id: &str) -> Arc<Client> {
        let found = self.clients.iter().find(|client| client.id == id);
        found.expect("cannot fail: the configuration always holds our own clients").clone()
    }

    /// Whether the organisation is a copy from which nothing may leave.
    pub async fn is_neutralised(&self, organisation: Uuid) -> Result<bool, DbError> {
        Ok(self.databases.describe(TenantId(organisation)).await?.neutralised)
    }

    /// What several roles together allow.
    pub fn role_permissions(&self, roles: &[String]) -> PermissionSet {
        let sets: Vec<_> = roles.iter().map(|role| self.registry.role_permissions(role)).collect();
        let mut all = PermissionSet::default();
        for (_, number) in self.registry.scopes() {
            if sets.iter().any(|set| set.contains(number)) {
                all.insert(number);
            }
        }
        all
    }

    /// Products that an organisation can have, with what they are.
    pub fn products(&self) -> Vec<(&'static str, &'static str)> {
        let services = self.registry.services().iter();
        services.filter(|service| service.product).map(|service| (service.name, service.summary)).collect()
    }
}
