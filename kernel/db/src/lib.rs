//! Everything between a request and PostgreSQL: the control database, the tenant directory, credentials, the
//! connection governor, transactions that commit state and events together, migrations and databases of tenants.
pub mod catalogue;
pub mod cluster;
mod databases;
pub mod denials;
pub mod directory;
mod error;
mod governor;
pub mod keys;
pub mod meter;
mod metering;
pub mod migrate;
mod place;
pub mod private_cluster;
mod provision;
pub mod roles;
pub mod secrets;
mod tx;

pub use databases::{Databases, Settings, Wake};
pub use denials::Denylist;
pub use directory::plan::Plan;
pub use directory::{NewTenant, Search, Tenant, TenantState};
pub use error::DbError;
pub use governor::{Conn, Governor, GovernorLimits, GovernorStats};
pub use keys::DataKeys;
pub use metering::PLATFORM;
pub use migrate::{AppliedMigration, Home, Migration};
pub use place::{HOME_CLUSTER, Place};
pub use tx::{Audit, Begun, IdempotencyKey, Scope, StoredAnswer, Tx};
