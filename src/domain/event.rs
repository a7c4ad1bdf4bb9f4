//! The fields that all lifecycle events share, and the reading of events.

use super::context::Context;
use super::extension::{Extension, SchemaDefinition};
use super::field::{FieldName, LongOrString};
use super::ids::Element;
use super::json::{Json, Members};
use super::metadata::{MOST_OPEN_SCHEMAS, Metadata};
use super::reader::{MAX_TEXT, ObjectReader};
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// The fields of all events. A field that belongs to another event is ignored, because clients of Genesys Context
/// Services repeat the fields of the start event in the end event.
const FIELDS: [&str; 21] = [
    "timestamp",
    "session_id",
    "interaction_id",
    "application_type",
    "application_id",
    "resource_type",
    "resource_id",
    "media_type",
    "est_duration",
    "customer_id",
    "contact_key",
    "service_type",
    "state_type",
    "task_type",
    "previous_state_id",
    "state_id",
    "disposition",
    "disposition_desc",
    "ttl",
    "expiration_time",
    "auto_complete_after",
];

/// The fields that all events share (docs/api.md §1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The time of the event: as sent, or else by the server's clock.
    pub timestamp: Timestamp,
    /// The sender's session.
    pub session_id: Option<String>,
    /// The sender's interaction.
    pub interaction_id: Option<String>,
    /// The kind of application that sent it.
    pub application_type: Option<LongOrString>,
    /// The application that sent it.
    pub application_id: Option<i64>,
    /// The kind of resource that took part.
    pub resource_type: Option<LongOrString>,
    /// The resource that took part.
    pub resource_id: Option<i64>,
    /// The medium, such as `voice`.
    pub media_type: Option<LongOrString>,
}

impl Event {
    fn take(reader: &mut ObjectReader<'_, '_>, element: Element, context: Context<'_>) -> Self {
        Self {
            timestamp: reader.timestamp("timestamp").unwrap_or(context.now),
            session_id: reader.text("session_id", 0..=MAX_TEXT),
            interaction_id: reader.text("interaction_id", 0..=MAX_TEXT),
            application_type: context.value(reader, element, FieldName::ApplicationType),
            application_id: reader.long("application_id"),
            resource_type: context.value(reader, element, FieldName::ResourceType),
            resource_id: reader.long("resource_id"),
            media_type: context.value(reader, element, FieldName::MediaType),
        }
    }
}

/// Reads an event of `element`: the shared fields, the fields that `own` takes, and all other members as extensions.
/// Violations are collected before the event is refused.
pub fn read<T>(
    element: Element,
    body: &Members<'_>,
    context: Context<'_>,
    own: impl FnOnce(&mut ObjectReader<'_, '_>) -> T,
) -> Result<(Event, T, Vec<Extension>), Violations> {
    let mut reader = ObjectReader::new(body, Place::Body);
    let event = Event::take(&mut reader, element, context);
    let own = own(&mut reader);
    let rest: Vec<_> = reader.rest().collect();
    let mut violations = reader.violations;
    let extensions = read_extensions(element, rest, context.metadata, &mut violations);
    violations.or((event, own, extensions))
}

/// Validates the members of an event that are not fields, as extensions of `element`. Violations are added to
/// `violations`.
fn read_extensions(
    element: Element,
    members: Vec<(&str, &Json<'_>)>,
    metadata: &Metadata,
    violations: &mut Violations,
) -> Vec<Extension> {
    let mut extensions: Vec<Extension> = Vec::with_capacity(members.len());
    let mut open_schemas_left = metadata.open_schemas_left(element);
    for (name, value) in members {
        if violations.is_full() {
            break;
        }
        let place = Place::Body.member(name);
        let Some(schema) = metadata.schema(element, name) else {
            if FIELDS.contains(&name) {
                continue;
            }
            let of = element.singular();
            let detail = format!("neither a field of this event nor the name of a {of} extension");
            let could_be_open = metadata.settings.open_extensions && SchemaDefinition::open(name).is_some();
            if !could_be_open {
                violations.add_about_metadata(&place, detail);
            } else if open_schemas_left > 0 {
                open_schemas_left -= 1;
                violations.add_unlearned(&place, element, name, detail);
            } else {
                let full = format!("{detail}, and {MOST_OPEN_SCHEMAS} already have no schema: create a schema for it");
                violations.add_about_metadata(&place, full);
            }
            continue;
        };
        if extensions.iter().any(|known| known.schema_id == schema.id) {
            violations.add(&place, format!("the extension {} occurs twice in the event", schema.definition.name));
            continue;
        }
        if *value != Json::Null
            && let Some(json) = schema.check(value, place, violations)
        {
            extensions.push(Extension { schema_id: schema.id, name: schema.definition.name.clone(), json });
        }
    }
    extensions
}
