//! Reads end events against extension schemas with attributes of every type. Reading never panics, and every accepted
//! extension is valid JSON that PostgreSQL can store.
#![no_main]

use std::sync::LazyLock;

use context_services::domain::completion::EndEvent;
use context_services::domain::context::Context;
use context_services::domain::extension::{Schema, SchemaDefinition, SchemaId};
use context_services::domain::ids::{Element, ServiceId, TaskId};
use context_services::domain::json::read_object;
use context_services::domain::metadata::{Metadata, MetadataVersion};
use context_services::domain::time::Timestamp;
use libfuzzer_sys::fuzz_target;

const SCHEMAS: [&str; 2] = [
    r#"{"name": "S", "type": "single-valued", "attributes": [
        {"name": "s", "type": "string", "length": 5, "mandatory": true}, {"name": "b", "type": "boolean", "default": true},
        {"name": "i", "type": "integer"}, {"name": "f", "type": "float"}, {"name": "d", "type": "date"},
        {"name": "t", "type": "datetime"}, {"name": "j", "type": "json"}]}"#,
    r#"{"name": "M", "type": "multi-valued", "unique": ["i", ["f", "j"]], "attributes": [
        {"name": "i", "type": "integer"}, {"name": "f", "type": "float"}, {"name": "j", "type": "json"}]}"#,
];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let schemas = SCHEMAS.iter().zip(1..).map(|(text, id)| {
        let definition = SchemaDefinition::read(&read_object(text.as_bytes()).expect("an object")).expect("a schema");
        Schema::new(SchemaId(id), Element::Task, definition)
    });
    Metadata::new(MetadataVersion(1), MetadataSettings::default(), schemas.collect::<Vec<_>>(), [])
});

fuzz_target!(|body: &[u8]| {
    let Ok(members) = read_object(body) else { return };
    let now = Timestamp::parse("2026-02-05T09:11:00Z").expect("a timestamp");
    let context = Context { now, metadata: &METADATA, fill_defaults: true };
    if let Ok(complete) = EndEvent::task(ServiceId(1), TaskId(1), None, &members).read(context) {
        for extension in &complete.end.extensions {
            serde_json::from_str::<serde_json::Value>(&extension.json).expect("JSON");
            assert!(!extension.json.contains('\0'));
        }
    }
});
