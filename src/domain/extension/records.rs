//! Changes of extension records by requests of their own, outside events (docs/api.md §4).

use super::schema::{Schema, SchemaId};
use crate::domain::ids::ElementKey;
use crate::domain::json::Json;
use crate::domain::violation::{Place, Violations};

/// The command that changes the records of one extension of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecords {
    /// The element.
    pub key: ElementKey,
    /// The schema of the extension.
    pub schema_id: SchemaId,
    /// The change.
    pub change: Change,
}

/// A change of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Replaces the records by a record, or an array of records.
    Replace(String),
    /// Merges attributes into the existing record.
    Merge {
        /// The given attributes.
        patch: String,
        /// The record that they form if there is none yet, or the violations of that record.
        whole: Result<String, Violations>,
    },
    /// Deletes the records.
    Delete,
}

impl Change {
    /// Reads the record, or array of records, that replaces all records.
    pub fn replace(schema: &Schema, body: &Json<'_>) -> Result<Self, Violations> {
        check(schema, body).map(Self::Replace)
    }

    /// Reads the attributes that are added to a record or replaced in it.
    pub fn merge(schema: &Schema, body: &Json<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let patch = schema.check_patch(body, &mut violations);
        patch.map(|patch| Self::Merge { patch, whole: check(schema, body) }).ok_or(violations)
    }

    /// The size of the change in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Replace(json) | Self::Merge { patch: json, .. } => json.len(),
            Self::Delete => 0,
        }
    }
}

fn check(schema: &Schema, body: &Json<'_>) -> Result<String, Violations> {
    let mut violations = Violations::default();
    schema.check(body, Place::Body, &mut violations).ok_or(violations)
}
