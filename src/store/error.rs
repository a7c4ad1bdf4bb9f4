//! Errors of the store, distinguished as far as a caller can act on them.

use std::time::Duration;

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
    /// There is more to do than the store can do at a time.
    #[error("{0}")]
    Overloaded(Load),
    /// The read took longer than this limit.
    #[error("the read took longer than the {} s that READ_TIMEOUT allows; ask for less, or for a shorter period", .0.as_secs())]
    ReadTimeout(Duration),
    /// The selected extensions of an element, and of what is nested in it, exceed the limit of a response, in bytes.
    #[error(
        "the selected extensions of one element have more than {limit} bytes; select fewer, or nest fewer elements"
    )]
    TooLarge {
        /// The limit.
        limit: i64,
    },
    /// An open transaction reads the reporting view of this name, so that the view cannot be dropped.
    #[error("a transaction that reads the view reporting.{0} is open; nothing was changed")]
    ViewInUse(String),
    /// Something that this program did not create, such as an analyst's view, depends on the reporting view of this
    /// name.
    #[error("another view depends on the view reporting.{0}: drop it first; nothing was changed")]
    ViewNeeded(String),
    /// The database cannot be reached, or it is unknown whether it committed.
    #[error("the database is unavailable")]
    Unavailable(#[source] Option<sqlx::Error>),
    /// A row holds a value that this program never writes.
    #[error("unexpected value in column {column} of {table}")]
    Corrupt {
        /// The table of the row.
        table: &'static str,
        /// The column with the value.
        column: &'static str,
    },
    /// The database refused a statement for a reason that no caller can act on.
    #[error("the database refused a statement")]
    Database(#[source] sqlx::Error),
}

/// The resource that is exhausted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Load {
    /// The writer's queue is full.
    #[error("too many commands are waiting to be written")]
    Commands,
    /// The metadata changed at every attempt to validate the command.
    #[error("the metadata change faster than events can be checked against them")]
    MetadataChanges,
    /// Values and identifiers of events are looked up more slowly than events arrive.
    #[error("too many events are waiting for look-ups in the database")]
    LookUps,
    /// All connections for reads are in use.
    #[error("too many queries, reports and pages are being read")]
    Reads,
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
                // A read-only session, and one that was ended because its transaction was idle, or open, for too long.
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

/// PostgreSQL's code for a statement that exceeded its time limit, or was cancelled.
const QUERY_CANCELED: &str = "57014";

/// PostgreSQL's code for a lock that was not granted in time.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// PostgreSQL's codes for a statement that a standby cancelled, since it had to remove data that the statement reads.
const RECOVERY_CONFLICTS: [&str; 2] = ["40001", "40P01"];

/// Returns whether a standby cancelled a statement. It may succeed if it is repeated.
pub(super) fn is_recovery_conflict(error: &sqlx::Error) -> bool {
    RECOVERY_CONFLICTS.iter().any(|code| has_code(error, code))
}

/// Returns whether a statement exceeded its time limit.
pub(super) fn is_cancelled(error: &sqlx::Error) -> bool {
    has_code(error, QUERY_CANCELED)
}

/// PostgreSQL's code for a `drop` of an object on which another depends.
const DEPENDENT_OBJECTS_STILL_EXIST: &str = "2BP01";

/// Returns whether another object depends on the object to be dropped.
pub(super) fn is_needed(error: &sqlx::Error) -> bool {
    has_code(error, DEPENDENT_OBJECTS_STILL_EXIST)
}

/// Returns whether a lock was not granted in time.
pub(super) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    has_code(error, LOCK_NOT_AVAILABLE)
}

/// PostgreSQL's code of a row that refers to one that does not exist.
const FOREIGN_KEY_VIOLATION: &str = "23503";

/// Returns whether a row was refused because its service does not exist: no table of events refers to anything else.
pub(super) fn is_without_service(error: &sqlx::Error) -> bool {
    has_code(error, FOREIGN_KEY_VIOLATION)
        && violated_constraint(error).is_none_or(|constraint| constraint.ends_with("_service_fk"))
}

/// The constraint that a statement violated, as the migrations name it.
pub(super) fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint).map(without_number)
}

/// A name without the number that a distributed database appends to it.
fn without_number(name: &str) -> &str {
    match name.rsplit_once('_') {
        Some((own, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => own,
        _ => name,
    }
}

/// Returns whether PostgreSQL answered with this code.
pub(super) fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_is_known_with_and_without_the_number_of_a_part_of_its_table() {
        for (named, own) in [
            ("tasks_service_fk", "tasks_service_fk"),
            ("tasks_service_fk_102016", "tasks_service_fk"),
            ("tasks_service_fk_", "tasks_service_fk_"),
            ("tasks_x2", "tasks_x2"),
            ("tasks", "tasks"),
        ] {
            assert_eq!(without_number(named), own);
        }
    }
}
