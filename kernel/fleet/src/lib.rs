//! What is done to whole databases of tenants: migrated in waves, copied, moved, backed up, restored, exported, erased.
mod backup;
pub mod bundle;
mod copy;
mod error;
mod fleet;
mod journal;
pub mod leaving;
mod moving;
mod proof;
mod restore;
mod rotation;
mod sealed;
pub mod signature;
pub mod store;
mod tables;

pub use backup::Backup;
pub use error::FleetError;
pub use fleet::{Fleet, Work};
pub use moving::{Moved, What};
pub use restore::Restored;
pub use rotation::Rewrapped;
pub use store::Store;
