//! The business outcome that an end event reports.

use super::context::Context;
use super::field::{FieldName, LongOrString};
use super::ids::Element;
use super::reader::ObjectReader;

/// The most characters of `disposition_desc`, in Unicode scalar values.
pub const MAX_DESCRIPTION: usize = 64;

/// A business outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// The number or name of the outcome.
    pub value: Option<LongOrString>,
    /// A description of the outcome.
    pub description: Option<String>,
}

impl Disposition {
    /// Takes the two fields of an end event.
    pub fn take(reader: &mut ObjectReader<'_, '_>, element: Element, context: Context<'_>) -> Self {
        Self {
            value: context.value(reader, element, FieldName::Disposition),
            description: reader.string("disposition_desc", 0..=MAX_DESCRIPTION),
        }
    }
}
