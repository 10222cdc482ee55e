//! What is done to whole databases of tenants: migrated in waves, copied, moved, backed up, restored, exported, erased.
mod backup;
pub mod bundle;
mod copy;
mod error;
mod fleet;
mod journal;
mod moving;
mod restore;
mod sealed;
pub mod store;
mod tables;

pub use backup::Backup;
pub use error::FleetError;
pub use fleet::{Fleet, Work};
pub use moving::{Moved, What};
pub use restore::Restored;
pub use store::Store;
