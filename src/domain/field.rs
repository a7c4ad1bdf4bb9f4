//! Fields that accept a number or a string ("long or string"), and that can be mapped to business attributes
//! (docs/api.md §5).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::Element;

/// A value of a field. The number 10 and the string "10" are different values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LongOrString {
    /// A 64-bit integer.
    Long(i64),
    /// A text of 1 to 255 characters.
    String(String),
}

/// The fields of an element that accept a number or a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldName {
    /// `service_type`, `state_type` or `task_type`.
    Type,
    /// `disposition`
    Disposition,
    /// `application_type`
    ApplicationType,
    /// `resource_type`
    ResourceType,
    /// `media_type`
    MediaType,
}

impl FieldName {
    /// All fields.
    pub const ALL: [Self; 5] =
        [Self::Type, Self::Disposition, Self::ApplicationType, Self::ResourceType, Self::MediaType];
}

/// A field of a kind of element, such as `Task.disposition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// The kind of element.
    pub element: Element,
    /// The field of that element.
    pub name: FieldName,
}

impl Field {
    /// The field `name` of `element`.
    pub const fn new(element: Element, name: FieldName) -> Self {
        Self { element, name }
    }

    /// All fields of all kinds of elements.
    pub fn all() -> impl Iterator<Item = Self> {
        Element::ALL.into_iter().flat_map(|element| FieldName::ALL.map(|name| Self { element, name }))
    }

    /// Parses a name such as `Task.disposition`. `Service.type` is an alias of `Service.service_type`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = if text == "Service.type" { "Service.service_type" } else { text };
        Self::all().find(|field| field.to_string() == text)
    }

    /// The name of the field in an event's body, such as `disposition`.
    pub const fn member(self) -> &'static str {
        match self.name {
            FieldName::Type => match self.element {
                Element::Service => "service_type",
                Element::State => "state_type",
                Element::Task => "task_type",
            },
            FieldName::Disposition => "disposition",
            FieldName::ApplicationType => "application_type",
            FieldName::ResourceType => "resource_type",
            FieldName::MediaType => "media_type",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = match self.element {
            Element::Service => "Service",
            Element::State => "State",
            Element::Task => "Task",
        };
        write!(f, "{element}.{}", self.member())
    }
}
