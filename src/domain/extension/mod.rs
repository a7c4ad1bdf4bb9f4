//! Extensions: named JSON records that applications attach to elements, and the schemas that say what these may hold
//! (contract §4).

mod check;
mod definition;
mod records;
mod schema;

pub use check::{Extension, MAX_STORED, read_extensions};
pub use definition::{AttributeDefinition, AttributeType, SchemaDefinition, UniqueDefinition, ValueKind};
pub use records::{Change, ChangeRecords};
pub use schema::{Schema, SchemaId};
