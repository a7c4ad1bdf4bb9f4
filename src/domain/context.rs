//! The context in which an event is read: the current time and the metadata in force.

use super::field::{Field, FieldName, LongOrString};
use super::ids::Element;
use super::json::Json;
use super::metadata::Metadata;
use super::reader::ObjectReader;
use super::time::Timestamp;

/// The moment at which an event is processed, and the metadata in force.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The server's clock.
    pub now: Timestamp,
    /// Extension schemas and business attributes.
    pub metadata: &'a Metadata,
    /// Whether defaults of business attributes fill absent fields.
    pub fill_defaults: bool,
}

impl Context<'_> {
    /// The value that fills an absent field.
    pub(super) fn default(&self, element: Element, name: FieldName) -> Option<LongOrString> {
        let attribute = self.metadata.business_attribute_of(Field::new(element, name))?;
        let default = attribute.default().filter(|_| self.fill_defaults);
        default.map(|value| LongOrString::Long(value.dbid))
    }

    /// Takes the value of a field. A mapped field yields the value's number, whether its number or its name was sent.
    pub(super) fn value(
        &self,
        reader: &mut ObjectReader<'_, '_>,
        element: Element,
        name: FieldName,
    ) -> Option<LongOrString> {
        let field = Field::new(element, name);
        let member = field.member();
        let Some(attribute) = self.metadata.business_attribute_of(field) else { return reader.long_or_string(member) };
        let found = match reader.take(member) {
            None => return self.default(element, name),
            Some(Json::String(name)) => attribute.find(&LongOrString::String(name.to_string())),
            Some(Json::Number(digits)) => {
                digits.parse().ok().and_then(|dbid| attribute.find(&LongOrString::Long(dbid)))
            }
            Some(_) => None,
        };
        if found.is_none() {
            let detail = format!("expected a value of {}: {}", attribute.name, attribute.listed());
            reader.add_metadata_violation(member, detail);
        }
        found.map(|value| LongOrString::Long(value.dbid))
    }
}
