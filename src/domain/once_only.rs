//! The once-only rules (contract §1): what tells the same event again from another one.

use std::borrow::Cow;

use chrono::TimeDelta;

use super::attribute::LongOrString;
use super::completion::Complete;
use super::ids::StateId;
use super::json::{Json, Members};
use super::service::Expiration;
use super::time::Timestamp;

/// 16 bytes of BLAKE3.
type Hash = [u8; 16];

/// What an end event said, without its timestamp: once as it was read, once as it was sent. Either makes a repeat. Read
/// alike are a name and its number; sent alike is what would be read otherwise today, since metadata have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Of an event that was read as `read`, and sent as `sent`; an end that is part of another event was not sent as
    /// such.
    pub fn new(read: Hash, sent: Option<Hash>) -> Self {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&read);
        both[16..].copy_from_slice(&sent.unwrap_or_default());
        Self(both)
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
    /// Whether an end event is the recorded one again. `timestamp`: what it was sent with, if anything; without one it
    /// matches any.
    pub fn is_repeated_by(&self, digest: Digest, timestamp: Option<Timestamp>) -> bool {
        (self.digest.starts_with(&digest.0[..16]) && self.is_at(timestamp))
            || self.was_sent_as(&digest.0[16..], timestamp)
    }

    /// Whether it was sent as an event with this hash.
    pub fn was_sent_as(&self, sent: &[u8], timestamp: Option<Timestamp>) -> bool {
        self.digest.get(16..) == Some(sent) && self.is_at(timestamp)
    }

    fn is_at(&self, timestamp: Option<Timestamp>) -> bool {
        timestamp.is_none_or(|moment| moment == self.ended_at)
    }
}

/// The hash of an end event as it was read, after defaults are filled in and times are normalised. Extensions count
/// without regard to their order in the body; records, and numbers, count as written.
pub fn hash_read(end: &Complete, expiration: Option<Expiration>) -> Hash {
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

/// The hash of an end event as it was sent, whatever the order of its members.
pub fn hash_sent(body: &Members<'_>, state_in_query: Option<StateId>) -> Hash {
    let mut parts = Parts(Vec::with_capacity(256));
    parts.members(body.iter().filter(|(name, _)| name != "timestamp").collect());
    parts.number(state_in_query.map(|state| i64::from(state.0)));
    parts.finish()
}

/// How long an idempotency key is remembered.
pub const KEYS_ARE_KEPT: TimeDelta = TimeDelta::hours(24);

/// What lets a start, or a transition, be repeated without starting another: the same key with the same request is
/// answered with what was started first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key: 1 to 255 printable ASCII characters.
    pub text: String,
    /// The hash of route and body.
    pub request: [u8; 16],
    /// When it is used.
    pub used_at: Timestamp,
}

impl IdempotencyKey {
    /// The key of a request; none where `text` has other characters, or too many.
    pub fn new(text: &str, route: &str, body: &Members<'_>, used_at: Timestamp) -> Option<Self> {
        let is_key = (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let request = || {
            let mut parts = Parts(Vec::with_capacity(256));
            parts.text(Some(route));
            parts.members(body.iter().collect());
            parts.finish()
        };
        is_key.then(|| Self { text: text.to_owned(), request: request(), used_at })
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

    /// Members of an object, in whatever order. `null` is absent.
    fn members(&mut self, mut members: Vec<&(Cow<'_, str>, Json<'_>)>) {
        members.retain(|(_, value)| *value != Json::Null);
        members.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::with_capacity(128);
        for (name, value) in members {
            text.clear();
            value.write(&mut text);
            self.text(Some(name));
            self.text(Some(&text));
        }
    }

    fn finish(&self) -> Hash {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        hash
    }
}
