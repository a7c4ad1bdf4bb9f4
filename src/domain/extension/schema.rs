//! A schema in force, ready to check records.

use std::collections::HashMap;

use super::definition::SchemaDefinition;
use crate::domain::ids::Element;

/// The identifier of a schema. A deleted schema and a later one of the same name have different identifiers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub i32);

/// A schema in force.
#[derive(Debug)]
pub struct Schema {
    /// The identifier.
    pub id: SchemaId,
    /// The kind of element that can have the extension.
    pub element: Element,
    /// The definition, as declared.
    pub definition: SchemaDefinition,
    position: HashMap<String, usize>,
    unique: Vec<Vec<usize>>,
}

impl Schema {
    /// A schema from its definition, which was validated when it was created.
    pub fn new(id: SchemaId, element: Element, definition: SchemaDefinition) -> Self {
        let named = definition.attributes.iter().enumerate();
        let position: HashMap<_, _> = named.map(|(at, attribute)| (attribute.name.clone(), at)).collect();
        let positions = |names: &[String]| names.iter().filter_map(|name| position.get(name).copied()).collect();
        let unique = definition.unique.iter().map(|unique| positions(unique.names())).collect();
        Self { id, element, definition, position, unique }
    }

    /// The index of an attribute in the definition.
    pub fn position(&self, attribute: &str) -> Option<usize> {
        self.position.get(attribute).copied()
    }

    /// The sets of attributes whose values must be unique, as indexes in the definition.
    pub fn unique(&self) -> &[Vec<usize>] {
        &self.unique
    }
}
