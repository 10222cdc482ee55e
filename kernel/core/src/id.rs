//! Identifiers: UUIDv7 everywhere, newtypes where two kinds could be confused.
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A fresh UUIDv7.
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id_type!(
    /// An organisation; it owns one database.
    TenantId
);
id_type!(
    /// A person's account on the platform, the same in every organisation.
    AccountId
);
