//! What identity keeps for the life of a process.
use crate::config::Settings;
use crate::domain::client::Client;
use crate::domain::role::OwnRole;
use crate::domain::scope::{Catalogue, Known};
use crate::events::Mailer;
use crate::http::dns::Dns;
use crate::http::federation::Federation;
use crate::http::keys::Keys;
use crate::http::passkeys;
use crate::http::passwords::Passwords;
use crate::http::texts::Texts;
use crate::http::throttle::Throttle;
use crate::pages::Pages;
use crate::store::client;
use hitaji_bus::Parts;
use hitaji_core::{PermissionSet, TenantId, is_operators};
use hitaji_db::secrets::MasterKey;
use hitaji_db::{Databases, DbError};
use hitaji_web::{Registry, Setup};
use std::sync::Arc;
use uuid::Uuid;
use webauthn_rs::Webauthn;

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
    /// None where the public address is an IP address: WebAuthn knows names only.
    pub webauthn: Option<Webauthn>,
    pub pages: Pages,
    pub mailer: Mailer,
    /// How texts reach phones; none where they do not.
    pub texts: Option<Texts>,
    pub master: MasterKey,
    pub databases: Databases,
    /// The issuer: the public address without a trailing slash.
    pub origin: String,
    /// SHA-256 of the token by which applications register themselves; none where they may not.
    pub registration: Option<[u8; 32]>,
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
        webauthn: passkeys::relying_party(setup.origin)?,
        pages: Pages::new()?,
        mailer: Mailer::new(&settings)?,
        texts: Texts::new(&settings)?,
        master: setup.databases.master().clone(),
        databases: setup.databases.clone(),
        origin: setup.origin.to_owned(),
        registration: settings.registration_token()?,
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

    /// What several roles together allow. `own` are roles that the organisation made itself; they come before a role that
    /// a product ships under the same key.
    pub fn role_permissions<'a>(&self, roles: impl IntoIterator<Item = &'a String>, own: &[OwnRole]) -> PermissionSet {
        let one = |role: &String| match own.iter().find(|known| known.key == *role) {
            Some(own) => self.numbers(&own.scopes),
            None => self.registry.role_permissions(role),
        };
        roles.into_iter().fold(PermissionSet::default(), |all, role| all.union(&one(role)))
    }

    /// The permissions with these names; never one of the people who run the platform.
    pub fn numbers(&self, scopes: &[String]) -> PermissionSet {
        let mut set = PermissionSet::default();
        let known = scopes.iter().filter_map(|scope| self.registry.number(scope));
        known.filter(|number| !is_operators(*number)).for_each(|number| set.insert(number));
        set
    }

    /// Products that an organisation can have, with what they are.
    pub fn products(&self) -> Vec<(&'static str, &'static str)> {
        let services = self.registry.services().iter();
        services.filter(|service| service.product).map(|service| (service.name, service.summary)).collect()
    }
}
