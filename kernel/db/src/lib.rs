//! Everything between a request and PostgreSQL: the control database, the tenant directory, credentials, the
//! connection governor, transactions that commit state and events together, migrations and databases of tenants.
mod cluster;
mod databases;
mod directory;
mod error;
mod governor;
mod migrate;
mod place;
pub mod private_cluster;
mod roles;
pub mod secrets;
mod tx;

pub use databases::{Databases, Settings, Wake};
pub use directory::{NewTenant, Placement, Search, Tenant, TenantState};
pub use error::DbError;
pub use governor::{Conn, GovernorStats};
pub use migrate::{AppliedMigration, Home, Migration};
pub use place::{HOME_CLUSTER, Place};
pub use tx::{Audit, Begun, IdempotencyKey, Scope, StoredAnswer, Tx};
