//! What reports are asked for and what they answer: sums over the services of a period.

use super::time::Timestamp;
use super::timeline::step_of;

/// The period of a report that names none, in milliseconds.
const DEFAULT_PERIOD: i64 = 24 * 60 * 60 * 1000;

/// About so many buckets has a period.
const BUCKETS: i64 = 48;

/// A span of time, with its start and without its end, which is later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// From this moment on.
    pub from: Timestamp,
    /// Before this moment.
    pub to: Timestamp,
}

impl Period {
    /// The period between two moments. Without an end it goes to `now`, without a start it has 24 hours. None: it would
    /// not end after its start.
    pub fn new(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| Timestamp::from_millis(to.millis() - DEFAULT_PERIOD));
        (from < to).then_some(Self { from, to })
    }

    /// How long each part of it is that is counted by itself, in milliseconds: a step that people count in, of at least
    /// a second.
    pub fn bucket(self) -> i64 {
        step_of(((self.to.millis() - self.from.millis()) / BUCKETS).max(1000))
    }

    /// Where its first bucket begins: at a whole step, so at or before its own start.
    pub fn first_bucket(self) -> Timestamp {
        Timestamp::from_millis(self.from.millis().div_euclid(self.bucket()) * self.bucket())
    }
}

/// What a report is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// When.
    pub period: Period,
    /// Services of this type alone, as the `reporting` views name it; none: all.
    pub service_type: Option<String>,
}

/// The services of one part of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// Where the part begins; the next one begins where it ends.
    pub start: Timestamp,
    /// Services that started in it.
    pub started: i64,
    /// Services that ended in it.
    pub ended: i64,
    /// Services that were open at its end.
    pub open: i64,
}

/// How services came and went: what changed in the buckets of a period in which something did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which bucket; negative: before the period.
    pub bucket: i64,
    /// Services that started.
    pub started: i64,
    /// Services that ended.
    pub ended: i64,
    /// How many more services were open at its end than at its start.
    pub opened: i64,
}

/// A row for each bucket of a period, from the changes in order.
pub fn activity(period: Period, changes: &[Change]) -> Vec<ActivityRow> {
    let (first, step) = (period.first_bucket().millis(), period.bucket());
    let mut changes = changes.iter().peekable();
    let mut open = 0;
    let mut row = |bucket: i64| {
        let mut row = ActivityRow { start: Timestamp::from_millis(first + bucket * step), started: 0, ended: 0, open };
        while let Some(change) = changes.next_if(|change| change.bucket <= bucket) {
            row.open += change.opened;
            if change.bucket == bucket {
                row.started += change.started;
                row.ended += change.ended;
            }
        }
        open = row.open;
        row
    };
    let last = (period.to.millis() - 1 - first).div_euclid(step);
    (0..=last).map(&mut row).collect()
}

/// How many elements of one type ended with one disposition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeRow {
    /// `service`, `state` or `task`.
    pub element: String,
    /// Their type; absent: none.
    pub kind: Option<String>,
    /// Their disposition as a person reads it; absent: none.
    pub disposition: Option<String>,
    /// How many.
    pub ended: i64,
}

/// How long tasks of one type took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationRow {
    /// Their type; absent: none.
    pub task_type: Option<String>,
    /// How many.
    pub tasks: i64,
    /// Half of them took at most so many milliseconds.
    pub p50_ms: i64,
    /// Nine of ten took at most so many milliseconds.
    pub p90_ms: i64,
    /// 99 of 100 took at most so many milliseconds.
    pub p99_ms: i64,
    /// The longest, in milliseconds.
    pub longest_ms: i64,
}

/// How many services stopped at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopRow {
    /// `completed`, or `active`: nothing has followed yet.
    pub status: String,
    /// What started last in them: `state` or `task`; absent: neither has.
    pub last: Option<String>,
    /// Its type; absent: none.
    pub kind: Option<String>,
    /// How many services.
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

    #[test]
    fn what_was_open_before_the_period_is_open_in_it_until_it_ends() {
        let at = Timestamp::from_millis;
        let period = Period { from: at(1500), to: at(4000) };
        let change = |bucket, started, ended, opened| Change { bucket, started, ended, opened };
        let rows = activity(period, &[change(-1, 0, 0, 2), change(0, 1, 0, 1), change(2, 0, 1, -1)]);
        let row = |start, started, ended, open| ActivityRow { start: at(start), started, ended, open };
        assert_eq!(rows, [row(1000, 1, 0, 3), row(2000, 0, 0, 3), row(3000, 0, 1, 2)]);
    }
}
