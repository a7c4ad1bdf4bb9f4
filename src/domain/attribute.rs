//! Business attributes: fields that take a number or a string ("long or string", contract §5).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::Element;

/// A value as an application sends and reads it. Number 10 and string "10" are two values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(untagged)]
pub enum LongOrString {
    /// A 64-bit integer.
    Long(i64),
    /// A text of 1 to 255 characters.
    String(String),
}

/// Which of an element's fields.
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

/// A field that a business attribute can be mapped to, such as `Task.disposition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Field {
    /// Whose field.
    pub element: Element,
    /// Which one.
    pub name: FieldName,
}

impl Field {
    /// The field of `element`.
    pub const fn new(element: Element, name: FieldName) -> Self {
        Self { element, name }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let element = match self.element {
            Element::Service => "Service",
            Element::State => "State",
            Element::Task => "Task",
        };
        match self.name {
            FieldName::Type => write!(f, "{element}.{}_type", self.element.singular()),
            FieldName::Disposition => write!(f, "{element}.disposition"),
            FieldName::ApplicationType => write!(f, "{element}.application_type"),
            FieldName::ResourceType => write!(f, "{element}.resource_type"),
            FieldName::MediaType => write!(f, "{element}.media_type"),
        }
    }
}
