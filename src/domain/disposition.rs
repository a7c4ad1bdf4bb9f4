//! The business outcome that an end event reports, and the once-only rule of end events (contract §1).

use super::attribute::{FieldName, LongOrString};
use super::completion::Complete;
use super::event::Context;
use super::fields::Fields;
use super::ids::Element;
use super::service::Expiration;
use super::time::Timestamp;

/// The most characters of `disposition_desc`, in Unicode scalar values.
pub const MAX_DESCRIPTION: usize = 64;

/// A business outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposition {
    /// The outcome's number or name.
    pub value: Option<LongOrString>,
    /// The outcome in words.
    pub description: Option<String>,
}

impl Disposition {
    /// Takes the two fields of an end event.
    pub fn take(fields: &mut Fields<'_, '_>, element: Element, context: Context<'_>) -> Self {
        Self {
            value: context.value(fields, element, FieldName::Disposition),
            description: fields.string("disposition_desc", 0..=MAX_DESCRIPTION),
        }
    }
}

/// The end that is on record for an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEnd {
    /// When it ended.
    pub ended_at: Timestamp,
    /// The digest of the event that ended it.
    pub digest: Vec<u8>,
}

impl RecordedEnd {
    /// Whether an end event is the recorded one again: the same fields and extensions. `timestamp`: what it was sent
    /// with, if anything; without one it matches any.
    pub fn is_repeated_by(&self, digest: Digest, timestamp: Option<Timestamp>) -> bool {
        self.digest == digest.0 && timestamp.is_none_or(|moment| moment == self.ended_at)
    }
}

/// 16 bytes of BLAKE3 over an end event without its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// The digest of an end event, after defaults are filled in and times are normalised. Extensions count without
    /// regard to their order in the body; records, and numbers, count as written.
    pub fn of_end(end: &Complete, expiration: Option<Expiration>) -> Self {
        let Complete { event, state_id, disposition: outcome, extensions, .. } = end;
        let mut parts = Parts(Vec::with_capacity(256));
        parts.text(event.session_id.as_deref());
        parts.text(event.interaction_id.as_deref());
        parts.value(event.application_type.as_ref());
        parts.number(event.application_id);
        parts.value(event.resource_type.as_ref());
        parts.number(event.resource_id);
        parts.value(event.media_type.as_ref());
        parts.number(state_id.map(|state| i64::from(state.0)));
        parts.value(outcome.value.as_ref());
        parts.text(outcome.description.as_deref());
        let mut sorted: Vec<_> = extensions.iter().map(|one| (one.name.to_ascii_lowercase(), one)).collect();
        sorted.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        for (name, extension) in sorted {
            parts.text(Some(&name));
            parts.text(Some(&extension.json));
        }
        if let Some(expiration) = expiration {
            parts.text(Some("expiration"));
            // A span of time is the same one when it is sent again, though it then ends later.
            parts.number(expiration.ttl);
            parts.number(expiration.ttl.is_none().then_some(expiration.at.millis()));
        }
        parts.finish()
    }
}

/// Feeds values so that different sequences of them are different bytes.
struct Parts(Vec<u8>);

impl Parts {
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&bytes.len().to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.tagged(b's', text.as_bytes()),
            None => self.tagged(b'-', &[]),
        }
    }

    fn number(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.tagged(b'n', &number.to_le_bytes()),
            None => self.tagged(b'-', &[]),
        }
    }

    fn value(&mut self, value: Option<&LongOrString>) {
        match value {
            Some(LongOrString::Long(number)) => self.number(Some(*number)),
            Some(LongOrString::String(text)) => self.text(Some(text)),
            None => self.text(None),
        }
    }

    fn finish(&self) -> Digest {
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        Digest(digest)
    }
}
