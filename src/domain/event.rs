//! What every lifecycle event carries, and the frame in which each kind of event is read.

use super::attribute::{FieldName, LongOrString};
use super::extension::{Extension, read_extensions};
use super::fields::{Fields, MAX_TEXT};
use super::ids::Element;
use super::json::Members;
use super::metadata::Metadata;
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// The fields that all events share (contract §1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When it happened: as sent, or else the server's clock.
    pub timestamp: Timestamp,
    /// The sender's session.
    pub session_id: Option<String>,
    /// The sender's interaction.
    pub interaction_id: Option<String>,
    /// What kind of application sent it.
    pub application_type: Option<LongOrString>,
    /// Which application sent it.
    pub application_id: Option<i64>,
    /// What kind of resource took part.
    pub resource_type: Option<LongOrString>,
    /// Which resource took part.
    pub resource_id: Option<i64>,
    /// The medium, such as `voice`.
    pub media_type: Option<LongOrString>,
}

impl Event {
    fn take(fields: &mut Fields<'_, '_>, element: Element, context: Context<'_>) -> Self {
        Self {
            timestamp: fields.timestamp("timestamp").unwrap_or(context.now),
            session_id: fields.text("session_id", 0..=MAX_TEXT),
            interaction_id: fields.text("interaction_id", 0..=MAX_TEXT),
            application_type: context.value(fields, element, FieldName::ApplicationType),
            application_id: fields.long("application_id"),
            resource_type: context.value(fields, element, FieldName::ResourceType),
            resource_id: fields.long("resource_id"),
            media_type: context.value(fields, element, FieldName::MediaType),
        }
    }
}

/// What an event is read against: the moment it is processed, and the metadata in force.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The server's clock.
    pub now: Timestamp,
    /// Extension schemas and business attributes.
    pub metadata: &'a Metadata,
    /// Whether defaults of business attributes fill absent fields.
    pub fill_defaults: bool,
}

/// Reads an event of `element`: the shared fields, those that `own` takes, and all else as extensions. Every violation
/// is collected before the event is refused.
pub fn read<T>(
    element: Element,
    body: &Members<'_>,
    context: Context<'_>,
    own: impl FnOnce(&mut Fields<'_, '_>) -> T,
) -> Result<(Event, T, Vec<Extension>), Violations> {
    let mut fields = Fields::new(body, Place::Body);
    let event = Event::take(&mut fields, element, context);
    let own = own(&mut fields);
    let rest: Vec<_> = fields.rest().collect();
    let mut violations = fields.violations;
    let extensions = read_extensions(element, rest, context.metadata, &mut violations);
    violations.or((event, own, extensions))
}

/// Names that an extension may not have, since they are or will be fields of events and of what queries answer.
pub const FIELD_NAMES: [&str; 40] = [
    "session_id",
    "interaction_id",
    "application_type",
    "application_id",
    "resource_type",
    "resource_id",
    "media_type",
    "timestamp",
    "est_duration",
    "customer_id",
    "contact_key",
    "type",
    "service_type",
    "state_type",
    "task_type",
    "service_id",
    "state_id",
    "task_id",
    "previous_state_id",
    "disposition",
    "disposition_desc",
    "ttl",
    "expiration_time",
    "auto_complete_after",
    "auto_completed",
    "from",
    "to",
    "started",
    "completed",
    "duration",
    "states",
    "tasks",
    "active",
    "active_states",
    "completed_states",
    "active_tasks",
    "completed_tasks",
    "extensions",
    "limit",
    "before",
];
