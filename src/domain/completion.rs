//! The end of a service, state or task.

use super::disposition::Disposition;
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::fields::Fields;
use super::ids::{Element, ElementKey, ServiceId, StateId, TaskId};
use super::json::Members;
use super::once_only::{Digest, RecordedEnd, hash_read, hash_sent};
use super::service::Expiration;
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// The command that ends a service, state or task (contract §2, SRV.3, SRV.6, SRV.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complete {
    /// What ends.
    pub key: ElementKey,
    /// The end event.
    pub event: Event,
    /// Whether the sender gave the event's timestamp; a repeat without one matches any.
    pub timestamp_given: bool,
    /// The state a task must have, or adopts where it has none.
    pub state_id: Option<StateId>,
    /// When a service and all of its data are to be deleted, where its end says so.
    pub expires_at: Option<Timestamp>,
    /// The business outcome.
    pub disposition: Disposition,
    /// What the application attached; replaces what was recorded under the same names.
    pub extensions: Vec<Extension>,
    /// What tells a repeat of this event from another one.
    pub digest: Digest,
}

/// An end event as it was sent (contract §2, SRV.3, SRV.6, SRV.9). What it says depends on the metadata in force, so it
/// is read when it is written, and once more where those change meanwhile.
pub struct EndEvent<'a> {
    /// What is to end.
    pub key: ElementKey,
    state_in_query: Option<StateId>,
    body: &'a Members<'a>,
}

impl<'a> EndEvent<'a> {
    /// The end of a service.
    pub const fn service(id: ServiceId, body: &'a Members<'a>) -> Self {
        Self { key: (id, Element::Service, 0), state_in_query: None, body }
    }

    /// The end of a state.
    pub const fn state((service, state): (ServiceId, StateId), body: &'a Members<'a>) -> Self {
        Self { key: (service, Element::State, state.0), state_in_query: None, body }
    }

    /// The end of a task. `state_in_query` is the `state_id` of the query string, which may stand there instead of in
    /// the body, or repeat it.
    pub const fn task(
        (service, task): (ServiceId, TaskId),
        state_in_query: Option<StateId>,
        body: &'a Members<'a>,
    ) -> Self {
        Self { key: (service, Element::Task, task.0), state_in_query, body }
    }

    /// Reads it against the metadata in force.
    pub fn read(&self, context: Context<'_>) -> Result<Complete, Violations> {
        let Self { key, state_in_query, body } = *self;
        let (event, own, extensions) = read(key.1, body, context, |fields| {
            let state = if key.1 == Element::Task { take_state(fields, state_in_query) } else { None };
            let expiration = if key.1 == Element::Service { Expiration::take(fields, context.now) } else { None };
            (fields.take("timestamp").is_some(), state, expiration, Disposition::take(fields, key.1, context))
        })?;
        let (timestamp_given, state_id, expiration, disposition) = own;
        let expires_at = expiration.map(|expiration| expiration.at);
        let digest = Digest::new([0; 16], None);
        let end = Complete { key, event, timestamp_given, state_id, expires_at, disposition, extensions, digest };
        let digest = Digest::new(hash_read(&end, expiration), Some(hash_sent(body, state_in_query)));
        Ok(Complete { digest, ..end })
    }

    /// Whether this very event is the one on record, whatever it would mean today: a business attribute or a schema that
    /// it was read with may have changed since.
    pub fn is_on_record(&self, end: &RecordedEnd) -> bool {
        let mut fields = Fields::new(self.body, Place::Body);
        let timestamp = fields.timestamp("timestamp");
        fields.violations.is_empty() && end.was_sent_as(&hash_sent(self.body, self.state_in_query), timestamp)
    }
}

fn take_state(fields: &mut Fields<'_, '_>, in_query: Option<StateId>) -> Option<StateId> {
    let in_body = fields.int("state_id").map(StateId);
    if let (Some(body), Some(query)) = (in_body, in_query)
        && body != query
    {
        fields.complain("state_id", format!("expected {query} as in the query string, found {body}"));
    }
    in_body.or(in_query)
}

impl Complete {
    /// The end of a state that is part of a transition.
    pub(super) fn within_transition(
        key: ElementKey,
        event: Event,
        timestamp_given: bool,
        disposition: Disposition,
    ) -> Self {
        let (state_id, expires_at, extensions, digest) = (None, None, Vec::new(), Digest::new([0; 16], None));
        let end = Self { key, event, timestamp_given, state_id, expires_at, disposition, extensions, digest };
        Self { digest: Digest::new(hash_read(&end, None), None), ..end }
    }
}
