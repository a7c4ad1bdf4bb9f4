//! The JSON fields that all events share, in requests and in responses.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::event::Event;
use crate::domain::field;

/// A 64-bit integer or a string. Number 10 and string "10" are different values.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum LongOrString {
    /// A 64-bit integer.
    Long(i64),
    /// A string of 1 to 255 characters.
    String(String),
}

impl From<field::LongOrString> for LongOrString {
    fn from(value: field::LongOrString) -> Self {
        match value {
            field::LongOrString::Long(number) => Self::Long(number),
            field::LongOrString::String(text) => Self::String(text),
        }
    }
}

/// The fields that every event accepts. All are optional; `null` counts as absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::event` reads member by member")]
pub(super) struct EventFields {
    /// Time of the event, RFC 3339 with any offset, truncated to milliseconds. Defaults to the server's clock.
    #[schema(format = DateTime, example = "2026-02-05T09:11:00.000Z")]
    timestamp: Option<String>,
    /// Session of the sender. An integer is accepted and stored as a string.
    #[schema(max_length = 255, example = "session-7")]
    session_id: Option<String>,
    /// Interaction of the sender. An integer is accepted and stored as a string.
    #[schema(max_length = 255, example = "0000CSS0FXZUP6UR")]
    interaction_id: Option<String>,
    /// Type of the sending application: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "voice platform")]
    application_type: Option<LongOrString>,
    /// Identifier of the sending application.
    application_id: Option<i64>,
    /// Type of the resource involved: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "agent")]
    resource_type: Option<LongOrString>,
    /// Identifier of the resource involved.
    resource_id: Option<i64>,
    /// Type of the media: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "voice")]
    media_type: Option<LongOrString>,
}

/// The business outcome that an end event reports.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::disposition` reads member by member")]
pub(super) struct DispositionFields {
    /// Outcome: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = 10)]
    disposition: Option<LongOrString>,
    /// Description of the outcome: at most 64 characters (Unicode scalar values).
    #[schema(max_length = 64, example = "SUCCESS")]
    disposition_desc: Option<String>,
}

/// A recorded event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventBody {
    /// Time of the event.
    #[schema(format = DateTime, example = "2026-02-05T09:11:00.000Z")]
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<LongOrString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<LongOrString>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<LongOrString>,
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self {
            timestamp: event.timestamp.to_string(),
            session_id: event.session_id,
            interaction_id: event.interaction_id,
            application_type: event.application_type.map(LongOrString::from),
            application_id: event.application_id,
            resource_type: event.resource_type.map(LongOrString::from),
            resource_id: event.resource_id,
            media_type: event.media_type.map(LongOrString::from),
        }
    }
}
