//! The once-only rules (docs/api.md §1): how a repeat of an event is distinguished from a different event.

use std::borrow::Cow;

use chrono::TimeDelta;

use super::field::LongOrString;
use super::ids::StateId;
use super::json::{Json, Members};
use super::time::Timestamp;

/// 16 bytes of BLAKE3.
pub type Hash = [u8; 16];

/// Two hashes of an end event without its timestamp: one of the event as read, one of the body as sent. An event is a
/// repeat if either hash matches. The first treats a name and its number alike. The second still matches after a change
/// of the metadata, when the same body would be read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of two hashes: of the event as read, and of the body as sent. An end within a transition has no
    /// `sent`, since it was not sent as an event of its own.
    pub fn new(read: Hash, sent: Option<Hash>) -> Self {
        let mut both = [0; 32];
        both[..16].copy_from_slice(&read);
        both[16..].copy_from_slice(&sent.unwrap_or_default());
        Self(both)
    }
}

/// The recorded end of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEnd {
    /// When it ended.
    pub ended_at: Timestamp,
    /// The digest of the event that ended it.
    pub digest: Vec<u8>,
}

impl RecordedEnd {
    /// Returns whether an end event repeats the recorded one. `timestamp` is the timestamp that was sent, if any. An
    /// event without a timestamp matches an end at any time.
    pub fn is_repeated_by(&self, digest: Digest, timestamp: Option<Timestamp>) -> bool {
        (self.digest.starts_with(&digest.0[..16]) && self.is_at(timestamp))
            || self.was_sent_as(&digest.0[16..], timestamp)
    }

    /// Returns whether the recorded event was sent as a body with this hash.
    pub fn was_sent_as(&self, sent: &[u8], timestamp: Option<Timestamp>) -> bool {
        self.digest.get(16..) == Some(sent) && self.is_at(timestamp)
    }

    fn is_at(&self, timestamp: Option<Timestamp>) -> bool {
        timestamp.is_none_or(|moment| moment == self.ended_at)
    }
}

/// The hash of the body of an end event as it was sent. The order of its members does not matter.
pub fn hash_sent(body: &Members<'_>, state_in_query: Option<StateId>) -> Hash {
    let mut input = HashInput::default();
    input.members(body.iter().filter(|(name, _)| name != "timestamp").collect());
    input.number(state_in_query.map(|state| i64::from(state.0)));
    input.finish()
}

/// The time for which an idempotency key is kept.
pub const KEY_LIFETIME: TimeDelta = TimeDelta::hours(24);

/// An idempotency key. It makes a start or a transition repeatable: a second request with the same key, route and body
/// is answered with the element that the first one started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key: 1 to 255 printable ASCII characters.
    pub text: String,
    /// The hash of the route and the body.
    pub request: Hash,
    /// The time of use.
    pub used_at: Timestamp,
}

impl IdempotencyKey {
    /// The key of a request. `None` if `text` is not a valid key.
    pub fn new(text: &str, route: &str, body: &Members<'_>, used_at: Timestamp) -> Option<Self> {
        let is_key = (1..=255).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let request = || {
            let mut input = HashInput::default();
            input.text(Some(route));
            input.members(body.iter().collect());
            input.finish()
        };
        is_key.then(|| Self { text: text.to_owned(), request: request(), used_at })
    }
}

/// The input of a hash. Each value is written with a tag and its length, so that different sequences of values give
/// different bytes.
pub(super) struct HashInput(Vec<u8>);

impl Default for HashInput {
    fn default() -> Self {
        Self(Vec::with_capacity(256))
    }
}

impl HashInput {
    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&bytes.len().to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn text(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.tagged(b's', text.as_bytes()),
            None => self.tagged(b'-', &[]),
        }
    }

    pub(super) fn number(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.tagged(b'n', &number.to_le_bytes()),
            None => self.tagged(b'-', &[]),
        }
    }

    pub(super) fn value(&mut self, value: Option<&LongOrString>) {
        match value {
            Some(LongOrString::Long(number)) => self.number(Some(*number)),
            Some(LongOrString::String(text)) => self.text(Some(text)),
            None => self.text(None),
        }
    }

    /// Appends the members of an object in the order of their names. `null` counts as absent.
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

    pub(super) fn finish(&self) -> Hash {
        let mut hash = [0; 16];
        hash.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        hash
    }
}
