//! From the outbox to consumers: stamping, delivery with inbox and dead letters, the sweep that misses nothing, jobs.
mod consumer;
mod jobs;
mod outbox;
mod parts;
mod relay;
pub mod retention;

pub use consumer::{Consumer, ConsumerError, Delivery, Handled};
pub use jobs::{Job, JobContext, JobLocks};
pub use outbox::{Offset, head, since};
pub use parts::Parts;
pub use relay::Relay;
