//! The end of a service, state or task.

use super::disposition::{Digest, Disposition};
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::fields::Fields;
use super::ids::{Element, ElementKey, ServiceId, StateId, TaskId};
use super::json::Members;
use super::service::Expiration;
use super::time::Timestamp;
use super::violation::Violations;

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

impl Complete {
    /// Reads the body that ends a service.
    pub fn service(id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (mut complete, expiration) =
            Self::read((id, Element::Service, 0), body, context, |fields| Expiration::take(fields, context.now))?;
        complete.expires_at = expiration.map(|expiration| expiration.at);
        complete.digest = Digest::of_end(&complete, expiration);
        Ok(complete)
    }

    /// Reads the body that ends a state.
    pub fn state(
        (service, state): (ServiceId, StateId),
        body: &Members<'_>,
        context: Context<'_>,
    ) -> Result<Self, Violations> {
        Self::read((service, Element::State, state.0), body, context, |_| ()).map(|(complete, ())| complete.digested())
    }

    /// Reads the body that ends a task. `state_in_query` is the `state_id` of the query string, which may stand there
    /// instead of in the body, or repeat it.
    pub fn task(
        (service, task): (ServiceId, TaskId),
        state_in_query: Option<StateId>,
        body: &Members<'_>,
        context: Context<'_>,
    ) -> Result<Self, Violations> {
        let (mut complete, state) = Self::read((service, Element::Task, task.0), body, context, |fields| {
            let in_body = fields.int("state_id").map(StateId);
            if let (Some(body), Some(query)) = (in_body, state_in_query)
                && body != query
            {
                fields.complain("state_id", format!("expected {query} as in the query string, found {body}"));
            }
            in_body.or(state_in_query)
        })?;
        complete.state_id = state;
        Ok(complete.digested())
    }

    fn read<T>(
        key: ElementKey,
        body: &Members<'_>,
        context: Context<'_>,
        own: impl FnOnce(&mut Fields<'_, '_>) -> T,
    ) -> Result<(Self, T), Violations> {
        let (event, (timestamp_given, disposition, own), extensions) = read(key.1, body, context, |fields| {
            (fields.take("timestamp").is_some(), Disposition::take(fields, key.1, context), own(fields))
        })?;
        Ok((Self { extensions, ..Self::new(key, event, timestamp_given, disposition) }, own))
    }

    /// An end without extensions, and without its digest.
    pub(super) fn new(key: ElementKey, event: Event, timestamp_given: bool, disposition: Disposition) -> Self {
        let (state_id, expires_at, extensions, digest) = (None, None, Vec::new(), Digest([0; 16]));
        Self { key, event, timestamp_given, state_id, expires_at, disposition, extensions, digest }
    }

    /// The same with its digest.
    pub(super) fn digested(mut self) -> Self {
        self.digest = Digest::of_end(&self, None);
        self
    }
}
