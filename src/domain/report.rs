//! Reports: their scope and their rows, which aggregate the services of a period.

use super::time::Timestamp;
use super::time_step;
use super::tone::Tone;

/// The length of the default period in milliseconds.
const DEFAULT_PERIOD: i64 = 24 * 60 * 60 * 1000;

/// The approximate number of buckets in a period.
const BUCKETS: i64 = 48;

/// A half-open span of time that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// The start, inclusive.
    pub from: Timestamp,
    /// The end, exclusive.
    pub to: Timestamp,
}

impl Period {
    /// The period between two moments. By default it ends at `now`, and starts 24 hours before its end. `None` if it
    /// would not end after its start.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.minus(DEFAULT_PERIOD));
        (from < to).then_some(Self { from, to })
    }

    /// The length of a bucket in milliseconds: a round step of at least a second.
    pub fn bucket(self) -> i64 {
        time_step::at_least(((self.to.millis() - self.from.millis()) / BUCKETS).max(1000))
    }
}

/// The scope of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The period.
    pub period: Period,
    /// The service type, as the `reporting` views name it. `None`: all services.
    pub service_type: Option<String>,
}

/// The values of [`LifetimesRow::within_s`]: an hour, a day and a week.
pub const HORIZONS: [i64; 3] = [60 * 60, 24 * 60 * 60, 7 * 24 * 60 * 60];

/// The services that expire or are completed automatically within some time from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifetimesRow {
    /// The time from now, in seconds.
    pub within_s: i64,
    /// The number of services that expire.
    pub expiring: i64,
    /// The number of services that are completed automatically if nothing else happens in them.
    pub completing: i64,
}

/// The activity of services in one bucket of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// The start of the bucket.
    pub start: Timestamp,
    /// The end of the bucket, where the next one starts.
    pub end: Timestamp,
    /// The number of services that started in it.
    pub started: i64,
    /// The number of services that ended in it.
    pub ended: i64,
    /// The number of services that were open at its end.
    pub open: i64,
}

/// The changes in a bucket. A bucket without changes has no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The index of the bucket; negative if it lies before the period.
    pub bucket: i64,
    /// The number of services that started.
    pub started: i64,
    /// The number of services that ended.
    pub ended: i64,
    /// The increase in open services.
    pub opened: i64,
}

/// The number of elements of one type that ended with one disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// `service`, `state` or `task`.
    pub element: String,
    /// The type of the elements, if they have one.
    pub kind: Option<String>,
    /// The name of the disposition, if they have one.
    pub disposition: Option<String>,
    /// The tone of the disposition, if it has one.
    pub tone: Option<Tone>,
    /// The number of elements.
    pub ended: i64,
}

/// The durations of tasks of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationRow {
    /// The type of the tasks, if they have one.
    pub task_type: Option<String>,
    /// The number of tasks.
    pub tasks: i64,
    /// The median duration in milliseconds.
    pub p50_ms: i64,
    /// The 90th percentile of the duration in milliseconds.
    pub p90_ms: i64,
    /// The 99th percentile of the duration in milliseconds.
    pub p99_ms: i64,
    /// The longest duration in milliseconds.
    pub longest_ms: i64,
}

/// The durations of elements of one type, or of the waits before such elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRow {
    /// `service`, `state` or `task`.
    pub element: String,
    /// The type of the elements, if they have one.
    pub kind: Option<String>,
    /// The number of durations.
    pub count: i64,
    /// The median in milliseconds.
    pub p50_ms: i64,
    /// The 90th percentile in milliseconds.
    pub p90_ms: i64,
    /// The 99th percentile in milliseconds.
    pub p99_ms: i64,
    /// The longest in milliseconds.
    pub longest_ms: i64,
}

/// The number of services whose last step is of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRow {
    /// `completed` or `active`.
    pub status: String,
    /// `state` or `task`, whichever started last. `None` if the services have neither.
    pub last: Option<String>,
    /// The type of that state or task, if it has one.
    pub kind: Option<String>,
    /// The number of services.
    pub services: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_the_last_day_unless_told() {
        let now = Timestamp::from_millis(DEFAULT_PERIOD * 3);
        let period = Period::new(None, None, now).unwrap();
        assert_eq!((period.to, period.to.millis() - period.from.millis()), (now, DEFAULT_PERIOD));
        assert_eq!(period.bucket(), 30 * 60 * 1000);
        assert!(Period::new(Some(now), None, now).is_none());
    }
}
