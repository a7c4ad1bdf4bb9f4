//! When a service is completed automatically (docs/api.md §7).

use chrono::TimeDelta;

use super::time::Timestamp;

/// The longest `ttl` and `auto_complete_after` in seconds: a hundred years.
pub const MAX_LIFETIME: i64 = 100 * 366 * 24 * 60 * 60;

/// The last event of a service that may be completed automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastEvent {
    /// The latest timestamp among the events of the service and of everything in it.
    pub at: Timestamp,
    /// The number of seconds after it at which the service is completed.
    pub auto_complete_after: i64,
}

/// Whether a service is idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idleness {
    /// It has ended, does not exist, or is not completed automatically.
    Never,
    /// It is not idle before this moment.
    Until(Timestamp),
    /// It is idle, and is to be completed.
    Idle,
}

impl LastEvent {
    /// When the service becomes idle if nothing else happens in it, as seen at `now`. A timestamp in the future counts
    /// as now. `None` if the service would become idle after the year 9999.
    pub fn idle_at(self, now: Timestamp) -> Option<Timestamp> {
        let last = self.at.min(now).to_datetime();
        let after = TimeDelta::try_seconds(self.auto_complete_after)?;
        let due = Timestamp::cut(last.checked_add_signed(after)?);
        Timestamp::parse(&due.to_string())
    }

    /// Whether the service is idle at `now`.
    pub fn judge(self, now: Timestamp) -> Idleness {
        match self.idle_at(now) {
            None => Idleness::Never,
            Some(due) if due <= now => Idleness::Idle,
            Some(due) => Idleness::Until(due),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    proptest! {
        #[test]
        fn a_service_is_idle_exactly_when_its_last_event_is_as_long_ago_as_it_says(
            last in 0..1_000_000_i64, seconds in 1..1_000_i64, now in 0..2_000_000_i64
        ) {
            let judged = LastEvent { at: at(last), auto_complete_after: seconds }.judge(at(now));
            let due = last.min(now) + seconds * 1000;
            prop_assert_eq!(judged, if due <= now { Idleness::Idle } else { Idleness::Until(at(due)) });
        }
    }

    #[test]
    fn a_timestamp_in_the_future_counts_as_now() {
        let last = LastEvent { at: at(900_000), auto_complete_after: 10 };
        assert_eq!(last.judge(at(1_000)), Idleness::Until(at(11_000)));
    }

    #[test]
    fn a_service_whose_time_is_beyond_the_calendar_never_ends_by_itself() {
        assert_eq!(LastEvent { at: at(0), auto_complete_after: i64::MAX }.judge(at(0)), Idleness::Never);
    }
}
