//! What is done to whole databases of tenants: migrated in waves, copied, moved, backed up, restored, exported, erased.
mod backup;
pub mod bundle;
mod copy;
pub mod drift;
mod error;
mod fleet;
mod journal;
pub mod leaving;
pub mod migrate;
mod moving;
mod proof;
mod restore;
mod rotation;
mod sealed;
pub mod shadow;
pub mod signature;
pub mod store;
mod tables;

pub use backup::{Backup, find as find_backups};
pub use error::FleetError;
pub use fleet::{Fleet, Work};
pub use moving::{Moved, What};
pub use restore::Restored;
pub use rotation::Rewrapped;
pub use store::Store;
