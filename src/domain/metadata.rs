//! The metadata that events are validated against, as one consistent copy with its version.

use std::collections::HashMap;
use std::sync::Arc;

use super::business_attribute::BusinessAttribute;
use super::extension::Schema;
use super::field::Field;
use super::ids::Element;

/// Which state of the metadata an event was validated against; grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MetadataVersion(pub i64);

/// All living extension schemas and business attributes at one moment.
#[derive(Debug, Default)]
pub struct Metadata {
    /// Whether an extension without a declared schema is stored as it is sent.
    pub open_extensions: bool,
    /// The moment, as a version.
    pub version: MetadataVersion,
    schemas: HashMap<(Element, String), Arc<Schema>>,
    attributes: HashMap<Field, Arc<BusinessAttribute>>,
}

impl Metadata {
    /// The metadata at a version. Learned schemas are in force only where extensions need no declared one.
    pub fn new(
        version: MetadataVersion,
        open_extensions: bool,
        schemas: impl IntoIterator<Item = Schema>,
        attributes: impl IntoIterator<Item = BusinessAttribute>,
    ) -> Self {
        let keyed = |schema: Schema| ((schema.element, schema.definition.name.to_ascii_lowercase()), Arc::new(schema));
        let mapped = |attribute: BusinessAttribute| {
            let attribute = Arc::new(attribute);
            attribute.fields.clone().into_iter().map(move |field| (field, Arc::clone(&attribute)))
        };
        let attributes = attributes.into_iter().flat_map(mapped).collect();
        let schemas = schemas.into_iter().filter(|schema| open_extensions || !schema.definition.open);
        Self { open_extensions, version, schemas: schemas.map(keyed).collect(), attributes }
    }

    /// The schema of that name, without regard to case.
    pub fn schema(&self, element: Element, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(&(element, name.to_ascii_lowercase()))
    }

    /// The business attribute that a field is mapped to.
    pub fn business_attribute_of(&self, field: Field) -> Option<&Arc<BusinessAttribute>> {
        self.attributes.get(&field)
    }
}
