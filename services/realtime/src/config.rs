//! Section `[realtime]` of the configuration.
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// How often outboxes are looked at for events that another process stamped.
    pub poll_ms: u64,
    /// Messages that wait for one socket before it is dropped as too slow.
    pub buffer: usize,
    /// Sockets one organisation may have open in this process.
    pub sockets_per_organisation: usize,
    /// The longest catch-up; who missed more is told to reload.
    pub replay: i64,
}
