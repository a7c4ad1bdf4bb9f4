//! Errors of the store, as far as a caller can act on them.

use crate::background::Failure;
use crate::domain::refusal::Refusal;
use crate::domain::violation::Violations;

/// Why the store did not carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The body of the command is not valid.
    #[error("the event is not valid")]
    Invalid(Violations),
    /// The command contradicts recorded data.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A schema of this name exists.
    #[error("an extension schema already has this name")]
    SchemaExists,
    /// No schema of this name exists.
    #[error("no extension schema has this name")]
    UnknownExtension,
    /// No business attribute of this name is in force.
    #[error("no business attribute has this name")]
    UnknownBusinessAttribute,
    /// The writer's queue is full, or the metadata changed at every attempt.
    #[error("too many commands are waiting to be written")]
    Overloaded,
    /// The database cannot be reached, or it is unknown whether it committed.
    #[error("the database is unavailable")]
    Unavailable(#[source] Option<sqlx::Error>),
    /// A row holds a value that this program never writes.
    #[error("unexpected value in column {column} of {table}")]
    Corrupt {
        /// Its table.
        table: &'static str,
        /// Its column.
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

/// Returns whether an error means that the database is unavailable, as opposed to a refused statement.
pub(super) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default();
            // Connection exceptions (08), refused connections (28, 3D), insufficient resources (53), unavailable
            // objects (55), operator intervention (57), system errors (58) and internal errors (XX).
            let class = code.get(..2).unwrap_or_default();
            matches!(class, "08" | "28" | "3D" | "53" | "55" | "57" | "58" | "XX")
                // A read-only session, and one that was ended because its transaction was idle for too long.
                || matches!(&*code, "25006" | "25P03" | "25P04")
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
