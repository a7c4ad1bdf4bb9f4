//! Round steps of time, for buckets of reports and ticks of axes.

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Round steps, in milliseconds and ascending.
const STEPS: [i64; 33] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    30 * DAY,
    90 * DAY,
    365 * DAY,
    3_650 * DAY,
];

/// The smallest round step of at least `millis` milliseconds, or the longest step if none is that long.
pub fn at_least(millis: i64) -> i64 {
    STEPS.into_iter().find(|step| *step >= millis).unwrap_or(STEPS[STEPS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_rounded_up_to_the_next_round_one() {
        for (millis, step) in [(0, 1), (3, 5), (500, 500), (501, SECOND), (31 * DAY, 90 * DAY), (i64::MAX, 3_650 * DAY)]
        {
            assert_eq!(at_least(millis), step, "{millis}");
        }
    }
}
