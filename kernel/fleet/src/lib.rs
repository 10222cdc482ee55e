//! What is done to whole databases of tenants: migrated in waves, copied, moved, backed up, restored, exported, erased.
pub mod drift;
pub mod migrate;
pub mod shadow;
