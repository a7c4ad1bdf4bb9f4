//! The overview: services, how far they have come, and whether they take longer than expected.

use super::ids::{Element, ServiceId};
use super::query::{Span, Status};
use super::time::Timestamp;
use super::tone::Tone;

/// The most services that an overview considers: the last to start in its period.
pub const CONSIDERED: i64 = 20_000;

/// The most services that a search finds by one kind of identifier.
pub const MOST_FOUND: i64 = 100;

/// The condition on a value that may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wanted {
    /// Any value, or none.
    #[default]
    Anything,
    /// No value.
    Nothing,
    /// This value.
    Value(String),
}

/// What started last in a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// Neither a state nor a task has started.
    Nothing,
    /// `State` or `Task`.
    Step(Element),
}

/// The services to list. Values are compared with the names in the `reporting` views.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The status of the services. `None`: open and completed services.
    pub status: Option<Status>,
    /// The period in which the service started.
    pub started: Span,
    /// The period in which the service, or the element that `part` selects, ended.
    pub completed: Span,
    /// The type of the service.
    pub service_type: Wanted,
    /// The media type of the start of the service.
    pub channel: Option<String>,
    /// What started last in the service. `None`: anything, or nothing.
    pub last: Option<Last>,
    /// The type of the step that started last, or of the element that `part` selects.
    pub step: Wanted,
    /// The type of the state that started last in the service, whatever its tasks.
    pub state: Wanted,
    /// Only services in which no state has started.
    pub no_state: bool,
    /// The disposition of the service, or of the element that `part` selects. `Wanted::Nothing` matches only what has ended.
    pub disposition: Wanted,
    /// `State` or `Task`: only services with such an element that has this step, disposition, start and end.
    pub part: Option<Element>,
    /// The period of the start of the element that `part` selects.
    pub part_started: Span,
    /// Only services that take, or took, longer than expected.
    pub overdue: bool,
    /// Only services that ended badly.
    pub badly: bool,
}

/// A service and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The service.
    pub service_id: ServiceId,
    /// The customer.
    pub customer_id: Option<String>,
    /// The contact key.
    pub contact_key: Option<String>,
    /// The type of the service.
    pub service_type: Option<String>,
    /// The media type of its start.
    pub channel: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The name of its disposition.
    pub disposition: Option<String>,
    /// The description of its disposition.
    pub disposition_desc: Option<String>,
    /// The tone of its disposition.
    pub tone: Option<Tone>,
    /// The state or task that started last in it.
    pub step: Option<Step>,
    /// The moment since which nothing has happened in it: the last start or end of a state or task, or else its own
    /// start. Times in the future cannot be right, and do not count.
    pub waiting_since: Timestamp,
    /// The resource that took part in the start of that step, or else of the service.
    pub agent: Option<String>,
    /// The time that it took, or has taken so far, in milliseconds.
    pub elapsed_ms: i64,
    /// The time that it was expected to take, in milliseconds: its estimate, or else the median of its type.
    pub expected_ms: Option<i64>,
    /// Whether the service has an estimate of its own.
    pub has_estimate: bool,
}

impl Standing {
    /// The time beyond the expected time, in milliseconds. `None` if there is none.
    pub fn overrun_ms(&self) -> Option<i64> {
        self.expected_ms.map(|expected| self.elapsed_ms - expected).filter(|overrun| *overrun > 0)
    }
}

/// A state or task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Whether it is a state or a task.
    pub element: Element,
    /// Its type.
    pub kind: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
}

/// The first services of a selection, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The services: open ones first, beginning with the most overdue.
    pub rows: Vec<Standing>,
    /// The number of services in the selection.
    pub total: i64,
}

/// The number of services of a selection that have one value of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// `type`, `channel` or `disposition`.
    pub property: String,
    /// The value.
    pub value: String,
    /// The tone of a disposition.
    pub tone: Option<Tone>,
    /// The number of services.
    pub services: i64,
}

/// The totals of services at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// The number of services that are open.
    pub open: i64,
    /// The number of open services that take longer than expected.
    pub overdue: i64,
    /// The number of services that ended in the last hour.
    pub ended: i64,
    /// The number of services that ended badly in the last hour.
    pub ended_badly: i64,
    /// The number of services that have started today.
    pub started_today: i64,
    /// The number of services that had started on the same day of last week by this time of day.
    pub started_week_before: i64,
    /// The number of services that were considered.
    pub considered: i64,
    /// The start of the oldest service considered.
    pub oldest: Option<Timestamp>,
}

/// A service that a search has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// The service.
    pub service_id: ServiceId,
    /// Whether the text is equal to one of its identifiers.
    pub is_exact: bool,
}
