//! A schema in force, ready to check records.

use std::collections::HashMap;

use super::definition::SchemaDefinition;
use crate::domain::ids::Element;

/// Names a schema; a later schema of the same name is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub i32);

/// A schema in force.
#[derive(Debug)]
pub struct Schema {
    /// Which one.
    pub id: SchemaId,
    /// What kind of element can have it.
    pub element: Element,
    /// As declared.
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

    /// The place of an attribute in the definition.
    pub fn position(&self, attribute: &str) -> Option<usize> {
        self.position.get(attribute).copied()
    }

    /// The sets of attributes whose values may not repeat, as places in the definition.
    pub fn unique(&self) -> &[Vec<usize>] {
        &self.unique
    }
}
