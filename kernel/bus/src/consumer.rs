//! A consumer: a named function that makes the effect of an event, at most once per event.
use crate::Parts;
use futures::future::BoxFuture;
use hitaji_core::CloudEvent;
use hitaji_db::{DbError, Home, Tx};

/// One event at one consumer. The effect goes into `tx`, which also writes the inbox row; the caller commits.
pub struct Delivery<'a> {
    pub tx: &'a mut Tx,
    pub event: &'a CloudEvent,
    pub parts: &'a Parts,
}

/// What a consumer's function answers.
pub type Handled<'a> = BoxFuture<'a, Result<(), ConsumerError>>;

/// Why an effect was not made; the event is tried again, later and later, then set aside as a dead letter.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("payload: {0}")]
    Payload(#[from] serde_json::Error),
    #[error("{0}")]
    Other(String),
}

impl From<sqlx::Error> for ConsumerError {
    fn from(error: sqlx::Error) -> ConsumerError {
        ConsumerError::Db(error.into())
    }
}

/// Declared in a service's `lib.rs`.
#[derive(Clone, Copy)]
pub struct Consumer {
    /// Unique: `school.members`. Its position is kept under this name.
    pub name: &'static str,
    /// The service whose effect it is.
    pub service: &'static str,
    /// The service whose events it reads.
    pub source: &'static str,
    /// Event types; others are skipped.
    pub types: &'static [&'static str],
    /// Where that service publishes from.
    pub source_home: Home,
    /// Where the effect is made: the control database, or the database of the event's tenant.
    pub home: Home,
    pub handle: for<'a> fn(Delivery<'a>) -> Handled<'a>,
}
