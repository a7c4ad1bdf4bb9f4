//! The end of a service, state or task.

use super::context::Context;
use super::disposition::Disposition;
use super::event::{Event, read};
use super::extension::Extension;
use super::ids::{Element, ElementKey, ServiceId, StateId, TaskId};
use super::json::Members;
use super::once_only::{Digest, Hash, HashInput, RecordedEnd, hash_sent};
use super::reader::ObjectReader;
use super::service::Expiration;
use super::violation::{Place, Violations};

/// The command behind Complete Service, Complete State and Complete Task (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// The element that ends.
    pub key: ElementKey,
    /// The content of the end event.
    pub end: End,
    /// Distinguishes a repeat of this event from a different event.
    pub digest: Digest,
}

/// The content of an end event, with names resolved, defaults filled in and times normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// The fields that all events share.
    pub event: Event,
    /// Whether the sender gave the timestamp. A repeat without a timestamp matches an end at any time.
    pub timestamp_given: bool,
    /// The state that a task must have, or adopts if it has none.
    pub state_id: Option<StateId>,
    /// When a service and all its data are to be deleted, if the event says so.
    pub expiration: Option<Expiration>,
    /// The business outcome.
    pub disposition: Disposition,
    /// The attached extensions. Each replaces the records under its name.
    pub extensions: Vec<Extension>,
}

impl End {
    /// The hash that two end events share if they have the same content. The order of extensions, and of
    /// the members of a record, does not matter. The order of records and the spelling of numbers do.
    ///
    /// Hashes are stored, so the hash of an event must never change. Keep the fields, their order and their encoding,
    /// and add a new field at the end, only if the event has it. Structs are destructured exhaustively, so the code
    /// does not compile until a new field is added here.
    fn hash(&self) -> Hash {
        // The timestamp is compared separately, and only if the repeat has one.
        let Self { event, timestamp_given: _, state_id, expiration, disposition, extensions } = self;
        let Event {
            timestamp: _,
            session_id,
            interaction_id,
            application_type,
            application_id,
            resource_type,
            resource_id,
            media_type,
        } = event;
        let Disposition { value, description } = disposition;
        let mut input = HashInput::default();
        input.text(session_id.as_deref());
        input.text(interaction_id.as_deref());
        input.value(application_type.as_ref());
        input.number(*application_id);
        input.value(resource_type.as_ref());
        input.number(*resource_id);
        input.value(media_type.as_ref());
        input.number(state_id.map(|state| i64::from(state.0)));
        input.value(value.as_ref());
        input.text(description.as_deref());
        // The schema's number does not count: a schema that was deleted and created again has another number.
        let mut sorted: Vec<_> = extensions
            .iter()
            .map(|Extension { schema_id: _, name, json }| (name.to_ascii_lowercase(), json.as_str()))
            .collect();
        sorted.sort_unstable();
        for (name, json) in sorted {
            input.text(Some(&name));
            input.text(Some(json));
        }
        if let Some(Expiration { at, ttl }) = expiration {
            input.text(Some("expiration"));
            // The same `ttl` sent again is a repeat, although it implies a later expiry.
            input.number(*ttl);
            input.number(ttl.is_none().then_some(at.millis()));
        }
        input.finish()
    }
}

impl Complete {
    /// The end of a state within a transition. Its digest has no hash of a body, since no end event was sent.
    pub(super) fn within_transition(key: ElementKey, end: End) -> Self {
        let digest = Digest::new(end.hash(), None);
        Self { key, end, digest }
    }
}

/// An end event as it was sent (docs/api.md §2). Its meaning depends on the metadata in force, so the store may read it
/// more than once.
pub struct EndEvent<'a> {
    /// The element that is to end.
    pub key: ElementKey,
    state_in_query: Option<StateId>,
    body: &'a Members<'a>,
}

impl<'a> EndEvent<'a> {
    /// The end of a service.
    pub const fn service(service: ServiceId, body: &'a Members<'a>) -> Self {
        Self { key: ElementKey::service(service), state_in_query: None, body }
    }

    /// The end of a state.
    pub const fn state(service: ServiceId, state: StateId, body: &'a Members<'a>) -> Self {
        Self { key: ElementKey::state(service, state), state_in_query: None, body }
    }

    /// The end of a task. `state_in_query` is the `state_id` of the query string. It may replace the `state_id` of the
    /// body, or repeat it.
    pub const fn task(
        service: ServiceId,
        task: TaskId,
        state_in_query: Option<StateId>,
        body: &'a Members<'a>,
    ) -> Self {
        Self { key: ElementKey::task(service, task), state_in_query, body }
    }

    /// Reads the event against the metadata in force.
    pub fn read(&self, context: Context<'_>) -> Result<Complete, Violations> {
        let Self { key, state_in_query, body } = *self;
        let element = key.element;
        let (event, own, extensions) = read(element, body, context, |reader| {
            let timestamp_given = reader.take("timestamp").is_some();
            let state = if element == Element::Task { take_state(reader, state_in_query) } else { None };
            let expiration = if element == Element::Service { Expiration::take(reader, context.now) } else { None };
            (timestamp_given, state, expiration, Disposition::take(reader, element, context))
        })?;
        let (timestamp_given, state_id, expiration, disposition) = own;
        let end = End { event, timestamp_given, state_id, expiration, disposition, extensions };
        let digest = Digest::new(end.hash(), Some(hash_sent(body, state_in_query)));
        Ok(Complete { key, end, digest })
    }

    /// Returns whether this exact event is recorded. The metadata may have changed since, so that the event would now
    /// be read differently or be invalid.
    pub fn is_on_record(&self, end: &RecordedEnd) -> bool {
        let mut reader = ObjectReader::new(self.body, Place::Body);
        let timestamp = reader.timestamp("timestamp");
        reader.violations.is_empty() && end.was_sent_as(&hash_sent(self.body, self.state_in_query), timestamp)
    }
}

fn take_state(reader: &mut ObjectReader<'_, '_>, in_query: Option<StateId>) -> Option<StateId> {
    let in_body = reader.int("state_id").map(StateId);
    if let (Some(body), Some(query)) = (in_body, in_query)
        && body != query
    {
        reader.add_violation("state_id", format!("expected the state_id of the query string, found {body}"));
    }
    in_body.or(in_query)
}

#[cfg(test)]
mod tests {
    use super::super::extension::SchemaId;
    use super::super::field::LongOrString;
    use super::super::time::Timestamp;
    use super::*;

    fn end() -> End {
        let event = Event {
            timestamp: Timestamp::from_millis(1),
            session_id: Some("s".into()),
            interaction_id: Some("i".into()),
            application_type: Some(LongOrString::Long(1)),
            application_id: Some(2),
            resource_type: Some(LongOrString::String("r".into())),
            resource_id: Some(3),
            media_type: None,
        };
        let extension = |name: &str| Extension { schema_id: SchemaId(1), name: name.into(), json: "{}".into() };
        End {
            event,
            timestamp_given: true,
            state_id: Some(StateId(4)),
            expiration: Some(Expiration { at: Timestamp::from_millis(9), ttl: Some(8) }),
            disposition: Disposition { value: Some(LongOrString::Long(10)), description: Some("d".into()) },
            extensions: vec![extension("B"), extension("a")],
        }
    }

    #[test]
    fn the_stored_hash_of_an_end_never_changes() {
        assert_eq!(u128::from_be_bytes(end().hash()), 0xd98b_f5c0_4f57_c0f6_7857_72fd_61e8_9b11);
    }
}
