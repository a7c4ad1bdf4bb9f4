//! Events as JSON: the fields that all of them share, in requests and in answers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::event::Event;
use crate::domain::field::LongOrString;

/// The fields that every event takes, all optional; `null` is absent.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::event` reads member by member")]
pub(super) struct EventFields {
    /// When it happened, RFC 3339 with any offset; finer than a millisecond is cut. Absent: the server's clock.
    #[schema(format = DateTime, example = "2026-02-05T09:11:00.000Z")]
    timestamp: Option<String>,
    /// The sender's session. An integer is taken and kept as its text.
    #[schema(max_length = 255, example = "session-7")]
    session_id: Option<String>,
    /// The sender's interaction. An integer is taken and kept as its text.
    #[schema(max_length = 255, example = "0000CSS0FXZUP6UR")]
    interaction_id: Option<String>,
    /// What kind of application sent it: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "voice platform")]
    application_type: Option<LongOrString>,
    /// Which application sent it.
    application_id: Option<i64>,
    /// What kind of resource took part: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "agent")]
    resource_type: Option<LongOrString>,
    /// Which resource took part.
    resource_id: Option<i64>,
    /// The medium: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "voice")]
    media_type: Option<LongOrString>,
}

/// The business outcome that an end event reports.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::disposition` reads member by member")]
pub(super) struct DispositionFields {
    /// The outcome: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = 10)]
    disposition: Option<LongOrString>,
    /// The outcome in words: at most 64 characters (Unicode scalar values).
    #[schema(max_length = 64, example = "SUCCESS")]
    disposition_desc: Option<String>,
}

/// An event on record.
#[derive(Serialize, ToSchema)]
pub(super) struct EventBody {
    /// When it happened.
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
            application_type: event.application_type,
            application_id: event.application_id,
            resource_type: event.resource_type,
            resource_id: event.resource_id,
            media_type: event.media_type,
        }
    }
}
