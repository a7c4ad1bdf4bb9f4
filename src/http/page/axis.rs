//! The time axis of a service.
//!
//! Positions are integers from 0 to [`WHOLE`], so that layout does not depend on floating-point rounding.

use crate::domain::time::Timestamp;
use crate::domain::time_step;

/// The length of the axis, in units of position.
pub(super) const WHOLE: i64 = 100_000;

/// The width of a cut, in units of position. Cuts are narrower if they would together take more than half of the axis.
const CUT: i64 = 5_000;

/// The maximum number of cuts.
const MAX_CUTS: usize = 24;

/// The number of tick intervals that an axis without cuts aims for.
const TICKS: i64 = 6;

/// The number of parts of the axis by which a position must move before the axis counts as changed.
const PARTS: i64 = 12;

/// The minimum distance between ticks, so that their labels do not overlap.
const TICK_DISTANCE: i64 = 15_000;

/// A segment of the axis, either to scale or cut. `from` and `to` are milliseconds, `start` and `end` are positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    from: i64,
    to: i64,
    start: i64,
    end: i64,
    cut: bool,
}

/// A labelled moment of the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tick {
    /// The position.
    pub(super) at: i64,
    /// The moment.
    pub(super) moment: Timestamp,
}

/// An idle interval, too long to be drawn to scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The position of its start.
    pub(super) start: i64,
    /// The position of its end.
    pub(super) end: i64,
    /// The length of the interval, in milliseconds.
    pub(super) millis: i64,
}

/// The shape of an axis, roughly, so that it stays the same while the axis grows only a little. What is on the axis moves
/// at most as far as the last moment on it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shape {
    step: i64,
    /// The starts of cuts; `None` for a segment to scale.
    cuts: Vec<Option<i64>>,
    last: Option<i64>,
    now: i64,
}

/// A time axis on which long idle intervals are cut short, because they would dwarf everything else.
#[derive(Debug)]
pub(super) struct Axis {
    segments: Vec<Segment>,
    step: i64,
}

impl Axis {
    /// Builds the axis from the earliest to the latest of `moments`: every start and end, and the present if an element
    /// is open. `busy` holds the intervals with activity. An interval without activity is cut short if it is longer
    /// than the total active time. Returns `None` without moments.
    pub(super) fn over(
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
        Some(Self { segments: segments(&gaps, kept), step: time_step::at_least(kept / TICKS) })
    }

    /// The position of a moment. A moment outside the axis has the position of the nearest end.
    pub(super) fn at(&self, moment: Timestamp) -> i64 {
        let millis = moment.millis();
        let segment = self.segments.iter().find(|segment| millis <= segment.to).or(self.segments.last());
        segment.map_or(0, |segment| {
            segment.start + scaled(millis - segment.from, segment.end - segment.start, segment.to - segment.from)
        })
    }

    /// What a reader sees of the axis with these moments on it, and the present.
    pub(super) fn shape(&self, moments: impl Iterator<Item = Timestamp>, now: Timestamp) -> Shape {
        let part = |moment: Timestamp| self.at(moment) * PARTS / WHOLE;
        let cuts = self.segments.iter().map(|segment| segment.cut.then_some(segment.from)).collect();
        let last = moments.filter(|moment| self.covers(*moment)).max();
        Shape { step: self.step, cuts, last: last.map(part), now: part(now) }
    }

    /// Whether a moment is on the axis.
    pub(super) fn covers(&self, moment: Timestamp) -> bool {
        let (first, last) = (self.segments.first(), self.segments.last());
        first.zip(last).is_some_and(|(first, last)| (first.from..=last.to).contains(&moment.millis()))
    }

    /// The interval between ticks, in milliseconds.
    pub(super) const fn step(&self) -> i64 {
        self.step
    }

    /// The ticks: multiples of the step, and at least one per segment where there is room for it.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let mut ticks = Vec::<Tick>::new();
        for segment in self.segments.iter().filter(|segment| !segment.cut) {
            let whole = segment.from.div_euclid(self.step) * self.step;
            let first = if whole < segment.from { whole + self.step } else { whole };
            let first = if first > segment.to { segment.from } else { first };
            let mut millis = first;
            while millis <= segment.to {
                let moment = Timestamp::from_millis(millis);
                let at = self.at(moment);
                if ticks.last().is_none_or(|last| at - last.at >= TICK_DISTANCE) {
                    ticks.push(Tick { at, moment });
                }
                millis += self.step;
            }
        }
        ticks
    }

    /// Whether the axis ends with a cut.
    pub(super) fn ends_idle(&self) -> bool {
        self.segments.last().is_some_and(|segment| segment.cut)
    }

    /// The cuts, from left to right.
    pub(super) fn cuts(&self) -> impl Iterator<Item = Cut> {
        let cut = |segment: &Segment| Cut { start: segment.start, end: segment.end, millis: segment.to - segment.from };
        self.segments.iter().filter(|segment| segment.cut).map(cut)
    }
}

/// The interval between two consecutive moments.
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

/// The gaps between consecutive moments. A gap is cut if it is idle, longer than the total active time, and among the
/// [`MAX_CUTS`] longest.
fn gaps(moments: &[i64], busy: &[(i64, i64)]) -> Vec<Gap> {
    let (mut until, mut active, mut busy) = (i64::MIN, 0, busy.iter().peekable());
    let mut idle = Vec::new();
    let mut gaps = Vec::with_capacity(moments.len());
    for between in moments.windows(2) {
        let (from, to) = (between[0], between[1]);
        while let Some((_, end)) = busy.next_if(|(start, _)| *start <= from) {
            until = until.max(*end);
        }
        if until > from {
            active += to - from;
        } else {
            idle.push(to - from);
        }
        gaps.push(Gap { from, to, cut: until <= from });
    }
    idle.sort_unstable_by(|a, b| b.cmp(a));
    // Without any activity, no gap can be judged: the whole axis is to scale.
    let least = if active == 0 { i64::MAX } else { active.max(idle.get(MAX_CUTS).copied().unwrap_or_default()) };
    for gap in &mut gaps {
        gap.cut &= gap.millis() > least;
    }
    gaps
}

/// The segments of the axis. Consecutive gaps that are not cut form one segment.
fn segments(gaps: &[Gap], kept: i64) -> Vec<Segment> {
    let count = i64::try_from(gaps.iter().filter(|gap| gap.cut).count()).unwrap_or(i64::MAX);
    let width = if count == 0 { 0 } else { CUT.min(WHOLE / 2 / count) };
    let mut segments = Vec::<Segment>::new();
    let (mut start, mut shown, mut cut_out) = (0, 0, 0);
    for Gap { from, to, cut } in gaps {
        if *cut {
            cut_out += width;
        } else {
            shown += to - from;
        }
        let end = cut_out + scaled(shown, WHOLE - count * width, kept);
        match segments.last_mut() {
            Some(last) if !last.cut && !cut => (last.to, last.end) = (*to, end),
            _ => segments.push(Segment { from: *from, to: *to, start, end, cut: *cut }),
        }
        start = end;
    }
    if let Some(last) = segments.last_mut() {
        last.end = WHOLE;
    }
    segments
}

/// `value · to / from`, with `value` clamped to between 0 and `from`.
fn scaled(value: i64, to: i64, from: i64) -> i64 {
    let scaled = i128::from(value.clamp(0, from)) * i128::from(to) / i128::from(from.max(1));
    i64::try_from(scaled).unwrap_or(to)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60 * 1000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;

    /// An axis over pairs of moments; each pair is the start and the end of an activity.
    fn axis(millis: &[i64]) -> Axis {
        let moments: Vec<_> = millis.iter().copied().map(Timestamp::from_millis).collect();
        let busy = moments.chunks_exact(2).map(|both| (both[0], both[1]));
        Axis::over(moments.iter().copied(), busy).unwrap()
    }

    fn at(axis: &Axis, millis: i64) -> i64 {
        axis.at(Timestamp::from_millis(millis))
    }

    #[test]
    fn moments_are_placed_to_scale() {
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
    fn idle_nights_between_active_minutes_are_cut_short() {
        let axis = axis(&[0, 5 * MINUTE, DAY, DAY + 5 * MINUTE, 3 * DAY, 3 * DAY + 10 * MINUTE]);
        let cuts: Vec<_> = axis.cuts().map(|cut| cut.millis).collect();
        assert_eq!(cuts, [DAY - 5 * MINUTE, 2 * DAY - 5 * MINUTE]);
        assert_eq!(at(&axis, 5 * MINUTE), 22_500, "a quarter of the width that the cuts leave");
        assert_eq!(at(&axis, DAY), 27_500);
        assert!(axis.ticks().len() >= 3, "each segment has a tick: {:?}", axis.ticks());
    }

    #[test]
    fn activity_is_never_cut_and_neither_is_a_pause_shorter_than_all_activity() {
        assert_eq!(axis(&[0, DAY, DAY + 1000, DAY + 2000]).cuts().count(), 0);
        assert_eq!(axis(&[0, MINUTE, 2 * MINUTE, 4 * MINUTE]).cuts().count(), 0);
        let idle = [0, HOUR, DAY].map(Timestamp::from_millis);
        assert_eq!(Axis::over(idle, []).unwrap().cuts().count(), 0, "without activity everything is to scale");
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
            prop_assert!(ticks.windows(2).all(|two| two[1].at - two[0].at >= TICK_DISTANCE));
            prop_assert!((1..=9).contains(&ticks.len()), "{}", ticks.len());
        }
    }
}
