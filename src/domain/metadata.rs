//! The metadata that events are validated against: one consistent copy with its version.

use std::collections::HashMap;
use std::sync::Arc;

use super::business_attribute::BusinessAttribute;
use super::extension::Schema;
use super::field::Field;
use super::ids::Element;

/// The most open schemas of a kind of element. Each new one makes every node read all schemas again.
pub const MOST_OPEN_SCHEMAS: usize = 1_000;

/// The metadata version, which grows with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MetadataVersion(pub i64);

/// Settings of the node that decide how events are read.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetadataSettings {
    /// Whether an extension without a declared schema is accepted and stored as it is sent.
    pub open_extensions: bool,
    /// The seconds after its last event at which a service without a value of its own is completed. `None`: never.
    pub auto_complete_after: Option<i64>,
}

/// The extension schemas and business attributes in force.
#[derive(Debug, Default)]
pub struct Metadata {
    /// The node's settings.
    pub settings: MetadataSettings,
    /// The version of this copy.
    pub version: MetadataVersion,
    /// Whether lifetimes are in use: services may expire, be deleted or be completed automatically.
    pub lifetimes: bool,
    /// The generation of learned values. When a new one begins, a node forgets the rows of values that it knows.
    pub values_generation: i64,
    schemas: HashMap<(Element, String), Arc<Schema>>,
    /// The number of open schemas of each kind of element.
    open_schemas: HashMap<Element, usize>,
    attributes: HashMap<Field, Arc<BusinessAttribute>>,
}

impl Metadata {
    /// The metadata of one version. Open schemas are in force only if `open_extensions` is set.
    pub fn new(
        version: MetadataVersion,
        settings: MetadataSettings,
        schemas: impl IntoIterator<Item = Schema>,
        attributes: impl IntoIterator<Item = BusinessAttribute>,
    ) -> Self {
        let keyed = |schema: Schema| ((schema.element, schema.definition.name.to_ascii_lowercase()), Arc::new(schema));
        let mapped = |attribute: BusinessAttribute| {
            let attribute = Arc::new(attribute);
            attribute.fields.clone().into_iter().map(move |field| (field, Arc::clone(&attribute)))
        };
        let attributes = attributes.into_iter().flat_map(mapped).collect();
        let schemas = schemas.into_iter().filter(|schema| settings.open_extensions || !schema.definition.open);
        let schemas: HashMap<_, _> = schemas.map(keyed).collect();
        let mut open_schemas = HashMap::new();
        for schema in schemas.values().filter(|schema| schema.definition.open) {
            *open_schemas.entry(schema.element).or_default() += 1;
        }
        Self { settings, version, lifetimes: false, values_generation: 0, schemas, open_schemas, attributes }
    }

    /// The same metadata with or without lifetimes in use.
    #[must_use]
    pub fn with_lifetimes(self, lifetimes: bool) -> Self {
        Self { lifetimes, ..self }
    }

    /// The same metadata with the generation of learned values.
    #[must_use]
    pub fn with_values_generation(self, values_generation: i64) -> Self {
        Self { values_generation, ..self }
    }

    /// The schema of this name. Case is ignored.
    pub fn schema(&self, element: Element, name: &str) -> Option<&Arc<Schema>> {
        self.schemas.get(&(element, name.to_ascii_lowercase()))
    }

    /// The number of open schemas that may still be created for a kind of element: at most [`MOST_OPEN_SCHEMAS`], less
    /// those that exist.
    pub fn open_schemas_left(&self, element: Element) -> usize {
        let open = self.open_schemas.get(&element).copied().unwrap_or_default();
        if self.settings.open_extensions { MOST_OPEN_SCHEMAS.saturating_sub(open) } else { 0 }
    }

    /// The business attribute that a field is mapped to.
    pub fn business_attribute_of(&self, field: Field) -> Option<&Arc<BusinessAttribute>> {
        self.attributes.get(&field)
    }
}
