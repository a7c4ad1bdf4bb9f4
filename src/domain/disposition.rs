//! The business outcome that an end event reports.

use super::attribute::{FieldName, LongOrString};
use super::event::Context;
use super::fields::Fields;
use super::ids::Element;

/// The most characters of `disposition_desc`, in Unicode scalar values.
pub const MAX_DESCRIPTION: usize = 64;

/// A business outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// The outcome's number or name.
    pub value: Option<LongOrString>,
    /// The outcome in words.
    pub description: Option<String>,
}

impl Disposition {
    /// Takes the two fields of an end event.
    pub fn take(fields: &mut Fields<'_, '_>, element: Element, context: Context<'_>) -> Self {
        Self {
            value: context.value(fields, element, FieldName::Disposition),
            description: fields.string("disposition_desc", 0..=MAX_DESCRIPTION),
        }
    }
}
