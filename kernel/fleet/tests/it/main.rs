//! Whole databases against a real PostgreSQL: backed up, restored, moved, put back in time, erased.
mod backups;
mod journal;
mod world;
