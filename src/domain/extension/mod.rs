//! Extensions: named JSON records that applications attach to elements, and the schemas that they have to match
//! (docs/api.md §4).

mod check;
mod definition;
mod records;
mod reserved;
mod schema;
mod value;

pub use check::{Extension, MAX_STORED};
pub use definition::{AttributeDefinition, SchemaDefinition, UniqueDefinition, ValueKind};
pub use records::{Change, ChangeRecords};
pub use reserved::is_field_name;
pub use schema::{Schema, SchemaId};
pub use value::AttributeType;
