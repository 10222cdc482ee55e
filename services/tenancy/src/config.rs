//! Section `[backups]` of the configuration.
use chrono::TimeDelta;
use serde::Deserialize;

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Backups {
    /// Each organisation is backed up as often as its plan says; else only when somebody asks.
    pub automatic: bool,
    /// Each organisation's newest backup is restored and compared so often; 0: never by itself.
    pub prove_days: u32,
    /// How long the operator keeps physical backups and the write-ahead log.
    pub physical_days: u32,
}

impl Backups {
    pub fn physical(&self) -> TimeDelta {
        TimeDelta::days(self.physical_days.into())
    }
}
