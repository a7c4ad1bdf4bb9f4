//! Where things stand on a time line: the axis that all of them share, and rows in which they do not overlap.
//!
//! Places are whole parts of the axis, [`WHOLE`] from its start to its end, so that nothing depends on rounding.

use super::time::Timestamp;

/// The parts of a whole axis.
pub const WHOLE: i64 = 100_000;

/// The parts that a cut takes, unless there are many.
const CUT: i64 = 5_000;

/// The most stretches that are cut out of an axis.
const MAX_CUTS: usize = 24;

/// The most ticks of an axis without cuts.
const TICKS: i64 = 6;

/// The least parts between two ticks, so that what is written at them does not overlap.
const BETWEEN_TICKS: i64 = 12_000;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Distances between ticks that people count in, in milliseconds.
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

/// The smallest step that people count in and that is at least `millis` long; the longest where none is.
pub fn step_of(millis: i64) -> i64 {
    STEPS.into_iter().find(|step| *step >= millis).unwrap_or(STEPS[STEPS.len() - 1])
}

/// A stretch of an axis: in proportion, or cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    from: i64,
    to: i64,
    start: i64,
    end: i64,
    cut: bool,
}

/// A moment that is written at the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// Where.
    pub at: i64,
    /// When.
    pub moment: Timestamp,
}

/// A stretch in which nothing starts or ends, too long to be drawn in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where it begins.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// How long it is.
    pub millis: i64,
}

/// A time axis. Stretches without events that would dwarf all others are cut short.
#[derive(Debug)]
pub struct Axis {
    pieces: Vec<Piece>,
    step: i64,
}

impl Axis {
    /// The axis from the first of some moments to the last: those at which something starts or ends, and the present
    /// where something is open. `busy` is when something is done: what lies between is cut short where it is longer
    /// than all of that. None without moments.
    pub fn over(
        moments: impl IntoIterator<Item = Timestamp>,
        busy: impl IntoIterator<Item = (Timestamp, Timestamp)>,
    ) -> Option<Self> {
        let mut moments: Vec<_> = moments.into_iter().map(Timestamp::millis).collect();
        moments.sort_unstable();
        moments.dedup();
        let first = *moments.first()?;
        if moments.len() == 1 {
            moments.push(first + 1);
        }
        let mut busy: Vec<_> = busy.into_iter().map(|(from, to)| (from.millis(), to.millis())).collect();
        busy.sort_unstable();
        let gaps = gaps(&moments, &busy);
        let kept = gaps.iter().filter(|gap| !gap.cut).map(Gap::millis).sum();
        Some(Self { pieces: pieces(&gaps, kept), step: step_of(kept / TICKS) })
    }

    /// Where a moment stands; those outside stand at the nearest end.
    pub fn at(&self, moment: Timestamp) -> i64 {
        let millis = moment.millis();
        let piece = self.pieces.iter().find(|piece| millis <= piece.to).or(self.pieces.last());
        piece.map_or(0, |piece| {
            piece.start + scaled(millis - piece.from, piece.end - piece.start, piece.to - piece.from)
        })
    }

    /// Milliseconds between ticks.
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// The moments to be written: whole multiples of the step, and at least one for each stretch between cuts.
    pub fn ticks(&self) -> Vec<Tick> {
        let mut ticks = Vec::<Tick>::new();
        for piece in self.pieces.iter().filter(|piece| !piece.cut) {
            let whole = piece.from.div_euclid(self.step) * self.step;
            let first = if whole < piece.from { whole + self.step } else { whole };
            let first = if first > piece.to { piece.from } else { first };
            let mut millis = first;
            while millis <= piece.to {
                let moment = Timestamp::from_millis(millis);
                let at = self.at(moment);
                if ticks.last().is_none_or(|last| at - last.at >= BETWEEN_TICKS) {
                    ticks.push(Tick { at, moment });
                }
                millis += self.step;
            }
        }
        ticks
    }

    /// What is cut short.
    pub fn cuts(&self) -> impl Iterator<Item = Cut> {
        let cut = |piece: &Piece| Cut { start: piece.start, end: piece.end, millis: piece.to - piece.from };
        self.pieces.iter().filter(|piece| piece.cut).map(cut)
    }
}

/// What lies between two moments that follow one another.
struct Gap {
    from: i64,
    to: i64,
    cut: bool,
}

impl Gap {
    const fn millis(&self) -> i64 {
        self.to - self.from
    }
}

/// All gaps, of which the longest few are cut in which nothing is done and that are longer than all that is done.
fn gaps(moments: &[i64], busy: &[(i64, i64)]) -> Vec<Gap> {
    let (mut until, mut work, mut busy) = (i64::MIN, 0, busy.iter().peekable());
    let mut idle = Vec::new();
    let mut gaps = Vec::with_capacity(moments.len());
    for between in moments.windows(2) {
        let (from, to) = (between[0], between[1]);
        while let Some((_, end)) = busy.next_if(|(start, _)| *start <= from) {
            until = until.max(*end);
        }
        if until > from {
            work += to - from;
        } else {
            idle.push(to - from);
        }
        gaps.push(Gap { from, to, cut: until <= from });
    }
    idle.sort_unstable_by(|a, b| b.cmp(a));
    // Where nothing is ever done, everything is as long as it is.
    let least = if work == 0 { i64::MAX } else { work.max(idle.get(MAX_CUTS).copied().unwrap_or_default()) };
    for gap in &mut gaps {
        gap.cut &= gap.millis() > least;
    }
    gaps
}

/// Neighbours that are not cut are one piece.
fn pieces(gaps: &[Gap], kept: i64) -> Vec<Piece> {
    let count = i64::try_from(gaps.iter().filter(|gap| gap.cut).count()).unwrap_or(i64::MAX);
    let width = if count == 0 { 0 } else { CUT.min(WHOLE / 2 / count) };
    let mut pieces = Vec::<Piece>::new();
    let (mut start, mut shown, mut cut_out) = (0, 0, 0);
    for Gap { from, to, cut } in gaps {
        if *cut {
            cut_out += width;
        } else {
            shown += to - from;
        }
        let end = cut_out + scaled(shown, WHOLE - count * width, kept);
        match pieces.last_mut() {
            Some(last) if !last.cut && !cut => (last.to, last.end) = (*to, end),
            _ => pieces.push(Piece { from: *from, to: *to, start, end, cut: *cut }),
        }
        start = end;
    }
    if let Some(last) = pieces.last_mut() {
        last.end = WHOLE;
    }
    pieces
}

/// `value · to / from`, where `value` is between 0 and `from`.
fn scaled(value: i64, to: i64, from: i64) -> i64 {
    let scaled = i128::from(value.clamp(0, from)) * i128::from(to) / i128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(to)
}

/// The row of each of some stretches, which come in the order of their starts, such that those of one row do not
/// overlap; and how many rows there are.
pub fn rows(stretches: impl IntoIterator<Item = (i64, i64)>) -> (Vec<usize>, usize) {
    let mut ends = Vec::<i64>::new();
    let place = |(start, end): (i64, i64)| {
        let row = ends.iter().position(|taken| *taken <= start).unwrap_or(ends.len());
        if row == ends.len() {
            ends.push(end);
        } else {
            ends[row] = end;
        }
        row
    };
    let rows = stretches.into_iter().map(place).collect();
    (rows, ends.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The axis of moments, of which each two are the start and the end of something that is done.
    fn axis(millis: &[i64]) -> Axis {
        let moments: Vec<_> = millis.iter().copied().map(Timestamp::from_millis).collect();
        let busy = moments.chunks_exact(2).map(|both| (both[0], both[1]));
        Axis::over(moments.iter().copied(), busy).unwrap()
    }

    fn at(axis: &Axis, millis: i64) -> i64 {
        axis.at(Timestamp::from_millis(millis))
    }

    #[test]
    fn moments_stand_in_proportion() {
        let axis = axis(&[0, 250, 250, 1000]);
        assert_eq!([0, 250, 500, 1000, 2000, -5].map(|millis| at(&axis, millis)), [0, 25_000, 50_000, WHOLE, WHOLE, 0]);
        assert_eq!(axis.cuts().count(), 0);
        let ticks: Vec<_> = axis.ticks().iter().map(|tick| tick.moment.millis()).collect();
        assert_eq!(ticks, [0, 200, 400, 600, 800, 1000]);
    }

    #[test]
    fn a_journey_of_one_moment_has_an_axis() {
        let axis = axis(&[7, 7]);
        assert_eq!((at(&axis, 7), at(&axis, 8), axis.step()), (0, WHOLE, 1));
        assert!(Axis::over([], []).is_none());
    }

    #[test]
    fn nights_between_minutes_are_cut_short() {
        let axis = axis(&[0, 5 * MINUTE, DAY, DAY + 5 * MINUTE, 3 * DAY, 3 * DAY + 10 * MINUTE]);
        let cuts: Vec<_> = axis.cuts().map(|cut| cut.millis).collect();
        assert_eq!(cuts, [DAY - 5 * MINUTE, 2 * DAY - 5 * MINUTE]);
        assert_eq!(at(&axis, 5 * MINUTE), 22_500, "a quarter of what the cuts leave");
        assert_eq!(at(&axis, DAY), 27_500);
        assert!(axis.ticks().len() >= 3, "each stretch has a time at it: {:?}", axis.ticks());
    }

    #[test]
    fn what_is_done_is_never_cut_and_neither_is_a_pause_that_is_shorter() {
        assert_eq!(axis(&[0, DAY, DAY + 1000, DAY + 2000]).cuts().count(), 0);
        assert_eq!(axis(&[0, MINUTE, 2 * MINUTE, 4 * MINUTE]).cuts().count(), 0);
        let idle = [0, HOUR, DAY].map(Timestamp::from_millis);
        assert_eq!(Axis::over(idle, []).unwrap().cuts().count(), 0, "where nothing is done all is in proportion");
    }

    #[test]
    fn stretches_that_overlap_stand_in_different_rows() {
        assert_eq!(rows([(0, 10), (5, 20), (10, 15), (16, 17), (20, 30)]), (vec![0, 1, 0, 0, 0], 2));
        assert_eq!(rows([]), (vec![], 0));
    }

    proptest! {
        #[test]
        fn an_axis_keeps_the_order_of_moments(mut millis in prop::collection::vec(0_i64..400 * DAY, 1..40)) {
            let axis = axis(&millis);
            millis.sort_unstable();
            let places: Vec<_> = millis.iter().map(|moment| at(&axis, *moment)).collect();
            prop_assert!(places.is_sorted() && places[0] == 0, "{places:?}");
            let last = places[places.len() - 1];
            prop_assert!(millis[0] == millis[millis.len() - 1] || last == WHOLE, "{last}");
            let ticks = axis.ticks();
            prop_assert!(ticks.windows(2).all(|two| two[1].at - two[0].at >= BETWEEN_TICKS));
            prop_assert!((1..=9).contains(&ticks.len()), "{}", ticks.len());
        }

        #[test]
        fn rows_never_overlap(mut stretches in prop::collection::vec((0_i64..1000, 1_i64..200), 0..50)) {
            stretches.sort_unstable();
            let stretches: Vec<_> = stretches.into_iter().map(|(start, length)| (start, start + length)).collect();
            let (rows, count) = rows(stretches.iter().copied());
            for row in 0..count {
                let of_row: Vec<_> = stretches.iter().zip(&rows).filter(|(_, of)| **of == row).map(|(one, _)| one).collect();
                prop_assert!(of_row.windows(2).all(|two| two[0].1 <= two[1].0));
            }
        }
    }
}
