//! Whole databases against a real PostgreSQL: migrated in waves, backed up, restored, moved, put back in time, erased.
mod backups;
mod directory;
mod drift;
mod fleet;
mod interrupted;
mod journal;
mod leaving;
mod migrations;
mod moving;
mod program;
mod rotation;
mod world;
