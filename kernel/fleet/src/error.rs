//! What can go wrong with a whole database.
use hitaji_db::DbError;

/// Errors of this crate; texts are for operators.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("file store: {0}")]
    Store(#[from] object_store::Error),
    #[error("file: {0}")]
    Io(#[from] std::io::Error),
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// What was read is not what was written: cut short, changed, or for somebody else.
    #[error("{0}")]
    Damaged(String),
    /// The copy differs from the original.
    #[error("the copy differs: {}", .0.join("; "))]
    Differs(Vec<String>),
    #[error("it was cancelled")]
    Cancelled,
    #[error("{0}")]
    Refused(String),
}

impl From<sqlx::Error> for FleetError {
    fn from(error: sqlx::Error) -> FleetError {
        FleetError::Db(error.into())
    }
}
