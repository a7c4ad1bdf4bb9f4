//! Buckets: the parts into which a report divides its period, aligned to the clocks of a time zone.

use super::report::{ActivityRow, Change, Period};
use super::time::{HOUR, Timestamp};
use super::time_zone::TimeZone;

/// The buckets of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    step: i64,
    zone: TimeZone,
    /// The start of each bucket, and the end of the last.
    bounds: Vec<Timestamp>,
}

impl Buckets {
    /// The buckets of a period. They begin at whole multiples of their length on the zone's clocks; buckets of whole
    /// days begin at midnight. The first may begin before the period, and the last may end after it.
    pub fn of(period: Period, zone: TimeZone) -> Self {
        Self::of_step(period, period.bucket(), zone)
    }

    fn of_step(period: Period, step: i64, zone: TimeZone) -> Self {
        let wall = zone.wall_millis(period.from);
        let first = wall.div_euclid(step) * step;
        let start = |bucket: i64| {
            if follows_clocks(step) {
                zone.moment(first + bucket * step)
            } else {
                period.from.minus(wall - first - bucket * step)
            }
        };
        let mut bounds = vec![start(0)];
        for bucket in 1.. {
            if bounds[bounds.len() - 1] >= period.to {
                break;
            }
            bounds.push(start(bucket));
        }
        Self { step, zone, bounds }
    }

    /// The usual length of a bucket in milliseconds. If the clocks change within a bucket of more than an hour, the
    /// bucket is longer or shorter.
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// The time zone.
    pub const fn zone(&self) -> TimeZone {
        self.zone
    }

    /// The start of each bucket, and the end of the last.
    pub fn bounds(&self) -> &[Timestamp] {
        &self.bounds
    }

    /// The period moved back by the length of all buckets, and the buckets of that earlier period, so that each bucket
    /// has one to compare with.
    pub fn before(&self, period: Period) -> (Period, Self) {
        let buckets = i64::try_from(self.bounds.len() - 1).unwrap_or(i64::MAX);
        let shift = self.step.saturating_mul(buckets);
        let earlier = |at: Timestamp| {
            if follows_clocks(self.step) {
                self.zone.moment(self.zone.wall_millis(at) - shift)
            } else {
                at.minus(shift)
            }
        };
        let before = Period { from: earlier(period.from), to: earlier(period.to) };
        (before, Self::of_step(before, self.step, self.zone))
    }
}

/// The rows of all buckets, computed from changes that are ordered by bucket.
pub fn activity(buckets: &Buckets, changes: &[Change]) -> Vec<ActivityRow> {
    let mut changes = changes.iter().peekable();
    let mut open = 0;
    let mut row = |(bucket, bounds): (i64, &[Timestamp])| {
        let mut row = ActivityRow { start: bounds[0], end: bounds[1], started: 0, ended: 0, open };
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
    (0..).zip(buckets.bounds().windows(2)).map(&mut row).collect()
}

/// Whether buckets of this length stay aligned with local time when the clocks change. Buckets of an hour or less do not:
/// they follow one another at equal intervals.
const fn follows_clocks(step: i64) -> bool {
    step > HOUR
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::time::DAY;
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn month(from: &str, to: &str, zone: &str) -> Buckets {
        Buckets::of(Period { from: at(from), to: at(to) }, TimeZone::parse(zone).unwrap())
    }

    #[test]
    fn buckets_of_days_begin_at_midnight_also_when_clocks_change() {
        let buckets = month("2026-03-01T12:00Z", "2026-03-31T12:00Z", "Europe/Berlin");
        assert_eq!(buckets.step(), DAY);
        assert_eq!(buckets.bounds()[0], at("2026-03-01T00:00+01:00"));
        assert_eq!(buckets.bounds()[28..30], [at("2026-03-29T00:00+01:00"), at("2026-03-30T00:00+02:00")]);
        assert_eq!(buckets.bounds().last(), Some(&at("2026-04-01T00:00+02:00")));
    }

    #[test]
    fn buckets_of_hours_begin_at_whole_hours_of_the_zone() {
        let buckets = month("2026-02-05T09:11Z", "2026-02-06T09:11Z", "Asia/Kathmandu");
        assert_eq!(buckets.bounds()[..2], [at("2026-02-05T14:30+05:45"), at("2026-02-05T15:00+05:45")]);
        let days = month("2026-02-05T09:11Z", "2026-02-12T09:11Z", "Asia/Kathmandu");
        assert_eq!(days.bounds()[..2], [at("2026-02-05T12:00+05:45"), at("2026-02-05T18:00+05:45")]);
    }

    #[test]
    fn what_was_open_before_the_period_is_open_in_it_until_it_ends() {
        let at = Timestamp::from_millis;
        let period = Period { from: at(1500), to: at(4000) };
        let change = |bucket, started, ended, opened| Change { bucket, started, ended, opened };
        let buckets = Buckets::of(period, TimeZone::UTC);
        let rows = activity(&buckets, &[change(-1, 0, 0, 2), change(0, 1, 0, 1), change(2, 0, 1, -1)]);
        let row =
            |start, started, ended, open| ActivityRow { start: at(start), end: at(start + 1000), started, ended, open };
        assert_eq!(rows, [row(1000, 1, 0, 3), row(2000, 0, 0, 3), row(3000, 0, 1, 2)]);
    }

    proptest! {
        #[test]
        fn buckets_cover_their_period_and_those_before_are_as_many(
            from in -62_000_000_000_000_i64..250_000_000_000_000, length in 1_i64..400_000_000_000,
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Beirut", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        ) {
            let period = Period { from: Timestamp::from_millis(from), to: Timestamp::from_millis(from + length) };
            let buckets = Buckets::of(period, TimeZone::parse(zone).unwrap());
            let bounds = buckets.bounds();
            prop_assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
            prop_assert!(bounds[0] <= period.from && bounds[1] > period.from, "{bounds:?}");
            prop_assert!(bounds[bounds.len() - 2] < period.to && bounds[bounds.len() - 1] >= period.to, "{bounds:?}");
            let (before, earlier) = buckets.before(period);
            prop_assert!(before.from < before.to && before.to <= period.from.max(bounds[1]), "{before:?}");
            prop_assert!(earlier.bounds().len().abs_diff(bounds.len()) <= 1);
        }
    }
}
