//! What can go wrong between us and a database.

/// Errors of this crate. Texts are for logs; what a client sees is decided in kernel/web.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("database: {0}")]
    Sql(#[from] sqlx::Error),
    /// No connection can be had in time: the cap is reached, or the server is away.
    #[error("no connection: {0}")]
    Unavailable(&'static str),
    #[error("there is no such organisation")]
    UnknownTenant,
    #[error("the organisation is {0}")]
    InactiveTenant(&'static str),
    #[error("a stored secret cannot be opened: {0}")]
    Secret(&'static str),
    #[error("migration {service} {version}: {reason}")]
    Migration { service: String, version: i32, reason: String },
    #[error("the answer to an idempotent request cannot be stored twice")]
    IdempotencyRace,
    #[error("{0}")]
    Invalid(String),
}

impl DbError {
    /// The violated constraint's name, if that is what happened.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            DbError::Sql(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    /// Whether a value does not fit the type that should hold it: NUL in a text (22021, 22P05), a number (22003) or a
    /// date (22008) out of range.
    pub fn is_unstorable(&self) -> bool {
        match self {
            DbError::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| ["22021", "22P05", "22003", "22008"].contains(&&*code))
            }
            _ => false,
        }
    }

    pub fn code(&self) -> Option<String> {
        match self {
            DbError::Sql(sqlx::Error::Database(error)) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// Whether the server refused the password or the role.
    pub fn is_wrong_password(&self) -> bool {
        matches!(self.code().as_deref(), Some("28P01" | "28000"))
    }

    /// Whether what we know of a tenant's database is out of date: another password, fenced (55000), or gone (3D000).
    pub fn is_stale_placement(&self) -> bool {
        self.is_wrong_password() || matches!(self.code().as_deref(), Some("55000" | "3D000"))
    }

    /// Whether trying again later may help: the server is away, restarting, or out of connections.
    pub fn is_unavailable(&self) -> bool {
        match self {
            DbError::Unavailable(_) | DbError::Sql(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) => true,
            // 08: connection, 40: deadlock and serialisation, 53: resources, 57: operator intervention (shutdown, time-out), 3D000: no such database.
            DbError::Sql(sqlx::Error::Database(error)) => error.code().is_some_and(|code| {
                ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)) || code == "3D000"
            }),
            _ => false,
        }
    }
}
