//! What can go wrong in the store, as far as a caller can act on it.

use crate::background::Failure;
use crate::domain::refusal::Refusal;
use crate::domain::violation::Violations;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The command's body is not valid.
    #[error("the event is not valid")]
    Invalid(Violations),
    /// What is on record stands against the command.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A living schema has the name.
    #[error("there is an extension schema of this name")]
    SchemaExists,
    /// No living schema has the name.
    #[error("there is no extension schema of this name")]
    UnknownExtension,
    /// No business attribute in force has the name.
    #[error("there is no business attribute of this name")]
    UnknownBusinessAttribute,
    /// More is waiting to be written than the queue holds.
    #[error("too much is waiting to be written")]
    Overloaded,
    /// The database cannot be reached, or it is not known whether it committed.
    #[error("the database is unavailable")]
    Unavailable(#[source] Option<sqlx::Error>),
    /// A row does not read as what it should be.
    #[error("column {column} of {table} holds something else than it should")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The database refused a statement for a reason that no caller can act on.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_outage(&error) { Self::Unavailable(Some(error)) } else { Self::Database(error) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(Some(cause)) => Self::Outage(cause.into()),
            StoreError::Unavailable(None) => Self::Outage(error.into()),
            _ => Self::Fault(error.into()),
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        if is_outage(&error) { Self::Outage(error.into()) } else { Self::Fault(error.into()) }
    }
}

/// Whether an error says that the database is away rather than that it disliked a statement.
pub(super) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refusal) => {
            // Connection exceptions, no way in (28, 3D, 55), insufficient resources, operator intervention, system and
            // internal errors.
            let class = refusal.code().map(|code| code.chars().take(2).collect::<String>());
            matches!(class.as_deref(), Some("08" | "28" | "3D" | "53" | "55" | "57" | "58" | "XX"))
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
