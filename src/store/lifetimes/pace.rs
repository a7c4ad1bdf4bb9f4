//! The pace of background jobs, which must not delay events.

use std::time::Duration;

/// The time that a batch should take. An event that needs the same page, lock or core waits for one batch at most.
const TARGET: Duration = Duration::from_millis(20);

/// The longest pause after a batch.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

const SMALLEST: i64 = 100;
const LARGEST: i64 = 1000;

/// The size of the next batch, which depends on the time that the last ones took. A batch is followed by a pause of the
/// same length, a second at most, so that a job uses about half of the time of one connection.
#[derive(Debug)]
pub(in crate::store) struct Pace {
    size: i64,
}

impl Pace {
    /// Starts with the smallest batch size.
    pub(in crate::store) const fn new() -> Self {
        Self { size: SMALLEST }
    }

    /// The most services, or records, in the next batch.
    pub(in crate::store) const fn size(&self) -> i64 {
        self.size
    }

    /// Takes into account how long a batch took. Returns the pause before the next one.
    pub(in crate::store) fn after(&mut self, elapsed: Duration) -> Duration {
        if elapsed > TARGET {
            self.size = (self.size / 2).max(SMALLEST);
        } else if elapsed < TARGET / 2 {
            self.size = (self.size * 3 / 2).min(LARGEST);
        }
        elapsed.min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut pace = Pace::new();
        for _ in 0..20 {
            assert_eq!(pace.after(Duration::from_millis(1)), Duration::from_millis(1));
        }
        assert_eq!(pace.size(), LARGEST);
        for _ in 0..20 {
            pace.after(Duration::from_millis(50));
        }
        assert_eq!(pace.size(), SMALLEST);
    }

    #[test]
    fn a_batch_that_took_about_as_long_as_it_may_keeps_its_size() {
        let mut pace = Pace { size: 400 };
        pace.after(Duration::from_millis(15));
        assert_eq!(pace.size(), 400);
    }

    #[test]
    fn no_pause_is_longer_than_a_second() {
        assert_eq!(Pace::new().after(Duration::from_secs(30)), LONGEST_PAUSE);
    }
}
