//! The metadata that events are validated against, as one consistent copy with its version.

use std::collections::HashMap;
use std::sync::Arc;

use super::extension::Schema;
use super::ids::Element;

/// Which state of the metadata an event was validated against; grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MetadataVersion(pub i64);

/// All living extension schemas at one moment.
#[derive(Debug, Default)]
pub struct Metadata {
    /// The moment, as a version.
    pub version: MetadataVersion,
    schemas: HashMap<(Element, String), Arc<Schema>>,
}

impl Metadata {
    /// The metadata at `version`.
    pub fn new(version: MetadataVersion, schemas: impl IntoIterator<Item = Schema>) -> Self {
        let keyed = |schema: Schema| ((schema.element, schema.definition.name.to_ascii_lowercase()), Arc::new(schema));
        Self { version, schemas: schemas.into_iter().map(keyed).collect() }
    }

    /// The schema of that name, without regard to case.
    pub fn schema(&self, element: Element, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(&(element, name.to_ascii_lowercase()))
    }
}
