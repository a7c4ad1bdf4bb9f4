//! Purges: deletion of the services that started before a moment (docs/api.md §7).

use super::ids::PurgeId;
use super::json::{Json, Members};
use super::reader::ObjectReader;
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// The services that a purge deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeOperation {
    /// All services.
    All,
    /// Open services.
    Started,
    /// Completed services.
    Completed,
    /// Open services without a customer.
    StartedAnonymous,
    /// Completed services without a customer.
    CompletedAnonymous,
}

impl PurgeOperation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 5] =
        [Self::All, Self::Started, Self::Completed, Self::StartedAnonymous, Self::CompletedAnonymous];

    /// The operation as the API names it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::All => "purge.service.all",
            Self::Started => "purge.service.started",
            Self::Completed => "purge.service.completed",
            Self::StartedAnonymous => "purge.service.started.anonymous",
            Self::CompletedAnonymous => "purge.service.completed.anonymous",
        }
    }

    /// The operation with this name in the API.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.word() == word)
    }
}

/// Whether a purge is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeState {
    /// Some of its services may still be visible.
    Running,
    /// None of its services are visible.
    Done,
}

/// A recorded purge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Its identifier.
    pub purge_id: PurgeId,
    /// The services that it deletes.
    pub operation: PurgeOperation,
    /// Services that started before this moment are deleted.
    pub limit: Timestamp,
    /// Whether it is over.
    pub state: PurgeState,
    /// The number of services that it has deleted.
    pub purged: i64,
    /// When it was accepted.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// The command that purges services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PurgeServices {
    /// The services to purge.
    pub operation: PurgeOperation,
    /// Only services that started before this moment are purged.
    pub limit: Timestamp,
}

impl PurgeServices {
    /// Reads the body, which must have `limit` and `operation` and nothing else.
    pub fn read(body: &Members<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let limit = reader.timestamp("limit");
        if limit.is_none() && reader.violations.is_empty() {
            reader.add_violation("limit", "limit must be given");
        }
        let operation = match reader.take("operation") {
            Some(Json::String(word)) => PurgeOperation::parse(word),
            _ => None,
        };
        if operation.is_none() {
            let words: Vec<_> = PurgeOperation::ALL.into_iter().map(PurgeOperation::word).collect();
            reader.add_violation("operation", format!("expected one of {}", words.join(", ")));
        }
        reader.refuse_rest();
        match (operation, limit) {
            (Some(operation), Some(limit)) => reader.violations.or(Self { operation, limit }),
            _ => Err(reader.violations),
        }
    }
}
