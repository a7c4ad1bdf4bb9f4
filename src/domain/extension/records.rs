//! Changes of what is recorded under one extension of an element, apart from its events (contract §4).

use super::schema::{Schema, SchemaId};
use crate::domain::ids::ElementKey;
use crate::domain::json::Json;
use crate::domain::violation::{Place, Violations};

/// The command that changes the records of one extension of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeRecords {
    /// Whose records.
    pub key: ElementKey,
    /// The extension's schema.
    pub schema_id: SchemaId,
    /// What becomes of them.
    pub change: Change,
}

/// What becomes of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// They are replaced by a record, or an array of records.
    Replace(String),
    /// A record gets those attributes that are given.
    Merge {
        /// The attributes that are given.
        patch: String,
        /// The record that they make where there was none, or why they make none.
        whole: Result<String, Violations>,
    },
    /// They are removed.
    Delete,
}

impl Change {
    /// Reads the record, or the array of records, that replaces all.
    pub fn replace(schema: &Schema, body: &Json<'_>) -> Result<Self, Violations> {
        check(schema, body).map(Self::Replace)
    }

    /// Reads the attributes that are added to a record or replaced in it.
    pub fn merge(schema: &Schema, body: &Json<'_>) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let patch = schema.check_patch(body, &mut violations);
        patch.map(|patch| Self::Merge { patch, whole: check(schema, body) }).ok_or(violations)
    }

    /// The bytes that it has.
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
