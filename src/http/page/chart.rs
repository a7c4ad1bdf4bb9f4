//! Charts in plain SVG. Horizontal positions are percentages and heights are pixels, so that charts grow with the
//! window while their text keeps its size.

use maud::{Markup, html};

use super::super::etag::tag_of;
use super::figures::Figures;
use super::format::{self, name, toned, toned_label};
use super::list::Moment;
use crate::domain::report::{ActivityRow, SpanRow};
use crate::domain::time_zone::TimeZone;
use crate::domain::tone::Tone;

/// The heights of the two parts of a chart over time, in pixels: columns of starts and ends, and the area of open
/// services.
const COLUMNS: i64 = 130;
const OPEN: i64 = 70;

/// The left edge of a chart over time, in thousandths of a percent of the width. The numbers of the scale are to its
/// left.
const LEFT: i64 = 12_000;

/// The position from which a label below a chart would be cut off, in thousandths of a percent.
const LAST_LABEL: i64 = 80_000;

/// The format of the start of a bucket where it is named.
const LABEL: &str = "%-d %b %Y %H:%M:%S";

/// The width below which no label fits into a part of a bar, in thousandths of a percent.
const LABELLED: i64 = 6_000;

/// A labelled bar.
pub(super) struct Row {
    /// The key that distinguishes the row from others on the page, for the refresh.
    pub(super) id: String,
    /// The name.
    pub(super) label: String,
    /// The services behind the bar.
    pub(super) href: String,
    /// A remark after the name.
    pub(super) note: String,
    /// The parts of the bar, from left to right.
    pub(super) segments: Vec<Segment>,
}

/// A part of a bar.
pub(super) struct Segment {
    /// The meaning.
    pub(super) text: String,
    /// Its tone.
    pub(super) tone: Option<Tone>,
    /// The colour's class.
    pub(super) class: &'static str,
    /// The size.
    pub(super) count: i64,
}

/// A number with thousands separators.
pub(super) fn number(number: i64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join("\u{202f}")
}

/// Thousandths of a percent as an SVG length.
pub(super) fn share(thousandths: i64) -> String {
    format!("{}.{:03}%", thousandths / 1000, thousandths % 1000)
}

/// `value / whole`, in thousandths of a percent.
fn part(value: i64, whole: i64) -> i64 {
    i64::try_from(i128::from(value) * 100_000 / i128::from(whole.max(1))).unwrap_or(100_000)
}

/// A bar chart of the first `limit` rows, scaled to the largest of all rows.
pub(super) fn bars(rows: &[Row], limit: usize) -> Markup {
    let total = |row: &Row| row.segments.iter().map(|segment| segment.count).sum::<i64>();
    let largest = rows.iter().map(total).max().unwrap_or_default();
    html! {
        ul class="rows" {
            @for row in rows.iter().take(limit) {
                li id=(row.id) {
                    span class="name" {
                        (linked(Some(&row.href), &row.label)) " " span class="quiet" { (row.note) } (signs(row))
                    }
                    (bar(row, largest))
                    span class="number" { (number(total(row))) }
                }
            }
        }
        (omitted(rows.len(), limit))
    }
}

/// The signs of the tones in a bar with their numbers. The parts may be too narrow for their labels, and colours alone do
/// not tell good from bad to everybody.
fn signs(row: &Row) -> Markup {
    let count = |tone| row.segments.iter().filter(|one| one.tone == Some(tone)).map(|one| one.count).sum::<i64>();
    let counts = [Tone::Good, Tone::Bad].map(|tone| (tone, count(tone)));
    html! {
        @for (tone, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            // The bar's own label says it to those who do not see it.
            " " span class="sign" aria-hidden="true" { (toned(Some(tone), &html! { (number(count)) })) }
        }
    }
}

fn bar(row: &Row, largest: i64) -> Markup {
    let parts: Vec<_> =
        row.segments.iter().map(|one| format!("{} {}", number(one.count), toned_label(one.tone, &one.text))).collect();
    let mut from = 0;
    let places: Vec<_> = row
        .segments
        .iter()
        .map(|segment| {
            let start = from;
            from += segment.count;
            (segment, part(start, largest), part(segment.count, largest))
        })
        .collect();
    html! {
        svg width="100%" height="20" role="img" aria-label=(parts.join(", ")) {
            @for (segment, start, width) in places {
                @let label = toned_label(segment.tone, &segment.text);
                svg x=(share(start)) width=(share(width)) height="20" aria-hidden="true" {
                    title { (number(segment.count)) " " (label) }
                    rect class={ "segment " (segment.class) } width="100%" y="1" height="18" {}
                    // The style sheet leaves out a label that is wider than its part.
                    @if width >= LABELLED { foreignObject width="100%" height="20" { div class="inside" { span { (label) } } } }
                }
            }
        }
    }
}

/// A name, as a link if there is an address.
pub(super) fn linked(href: Option<&str>, text: &str) -> Markup {
    html! {
        @match href { Some(href) => a href=(href) { (name(text)) }, None => { (name(text)) } }
    }
}

fn omitted(rows: usize, limit: usize) -> Markup {
    html! {
        @if rows > limit { p class="quiet" { (rows - limit) " more in the table." } }
    }
}

/// A chart of the duration percentiles of the first `limit` rows, on a logarithmic scale.
/// `of` says what is measured, and `link` is the address of the services behind a row.
pub(super) fn ranges(rows: &[SpanRow], of: &str, limit: usize, link: impl Fn(&SpanRow) -> String) -> Markup {
    let shown = &rows[..rows.len().min(limit)];
    let lowest = shown.iter().map(|row| doublings(row.p50_ms)).min().unwrap_or_default();
    let highest = shown.iter().map(|row| doublings(row.p99_ms)).max().unwrap_or_default();
    // Leaves room for the dots at both ends.
    let place = |millis: i64| 2_000 + part(doublings(millis) - lowest, highest - lowest) * 96 / 100;
    html! {
        ul class="rows ranges" {
            li class="quiet" aria-hidden="true" {
                span {} span {} @for head in ["p50", "p90", "p99"] { span class="number" { (head) } }
            }
            @for row in shown {
                @let (p50, p90, p99) = (format::brief(row.p50_ms), format::brief(row.p90_ms), format::brief(row.p99_ms));
                li id=(row_id(&[of, &row.element], row.kind.as_deref())) {
                    span class="name" { (linked(Some(&link(row)), row.kind.as_deref().unwrap_or(format::NO_TYPE))) }
                    svg width="100%" height="20" role="img" aria-label=(format!("p50 {p50}, p90 {p90}, p99 {p99}")) {
                        line class="track" x1="0" x2="100%" y1="10" y2="10" {}
                        line class="to-p99" x1=(share(place(row.p50_ms))) x2=(share(place(row.p99_ms))) y1="10" y2="10" {}
                        line class="to-p90" x1=(share(place(row.p50_ms))) x2=(share(place(row.p90_ms))) y1="10" y2="10" {}
                        circle cx=(share(place(row.p50_ms))) cy="10" r="5" { title { "p50 " (&p50) } }
                        circle class="p99" cx=(share(place(row.p99_ms))) cy="10" r="3" { title { "p99 " (&p99) } }
                    }
                    @for text in [p50, p90, p99] { span class="number" { (text) } }
                }
            }
        }
        (omitted(rows.len(), limit))
    }
}

/// The legend of [`ranges`].
pub(super) fn legend_of_ranges() -> Markup {
    html! {
        p class="quiet" { "Large dot: p50. Thick line: to p90. Thin line and small dot: p99. Scales are logarithmic." }
    }
}

/// An identifier for the row of a name that an application sent, or of a missing name.
pub(super) fn row_id(places: &[&str], name: Option<&str>) -> String {
    format!("row-{}", &tag_of(format!("{places:?}{name:?}").as_bytes()).tag()[..16])
}

/// The binary logarithm in thousandths, interpolated linearly between powers of two.
fn doublings(millis: i64) -> i64 {
    let millis = millis.max(1);
    let whole = i64::from(millis.ilog2());
    let power = 1_i64 << whole;
    whole * 1000 + i64::try_from(i128::from(millis - power) * 1000 / i128::from(power)).unwrap_or(0)
}

/// A number that leads to what it counts, if there is any.
pub(super) fn linked_number(count: i64, href: &str) -> Markup {
    html! { @if count > 0 { a href=(href) { (number(count)) } } @else { (number(count)) } }
}

/// A chart of services over time: columns of starts and ends, with the columns of the period before as outlines, and an
/// area of open services below. Columns lead to their services.
pub(super) fn over_time(figures: &Figures) -> Markup {
    let (rows, before, period) = (&figures.activity, &figures.before, figures.scope.period);
    let (step, zone) = (figures.buckets.step(), figures.buckets.zone());
    let count = i64::try_from(rows.len()).unwrap_or(1).max(1);
    let width = (100_000 - LEFT) / count;
    let most = round(rows.iter().chain(before.iter()).map(|row| row.started.max(row.ended)).max().unwrap_or_default());
    let most_open = round(rows.iter().map(|row| row.open).max().unwrap_or_default());
    let place = |at: usize| LEFT + i64::try_from(at).unwrap_or(0) * width;
    let (base, open_base) = (10 + COLUMNS, 10 + COLUMNS + 40 + OPEN);
    let column = |x: i64, value: i64, class: &str| {
        let height = value * COLUMNS / most;
        html! { rect class=(class) x=(share(x)) width=(share(width * 4 / 10)) y=(base - height) height=(height) {} }
    };
    let linked = |row: &ActivityRow, (moment, count): (Moment, i64), column: Markup| {
        let what = if moment == Moment::Started { "started" } else { "ended" };
        let label = || format!("{} {what}, {}", number(count), format::local(row.start, zone, LABEL));
        html! {
            @if count > 0 { a href=(figures.of_bucket(row, moment)) aria-label=(label()) { (column) } } @else { (column) }
        }
    };
    let is_partial = |row: &ActivityRow| row.start < period.from || row.end > period.to;
    let partial = rows.iter().any(is_partial);
    html! {
        ul class="legend" aria-label="Legend" {
            li { span class="chip started" { "started (left)" } } li { span class="chip ended" { "ended (right)" } } li { span class="chip open" { "open" } }
            @if partial { li class="quiet" { span class="sample partial" {} "only partly in the period" } }
        }
        svg class="over-time" width="100%" height=(open_base + 44) role="group" aria-label="Services over time; see the table for the numbers" {
            (level(10, most)) (level(base, 0)) (level(open_base - OPEN, most_open)) (level(open_base, 0))
            @for (at, row) in rows.iter().enumerate() {
                @let open = row.open * OPEN / most_open;
                @let (left, right) = (place(at) + width / 10, place(at) + width / 2);
                g class=[is_partial(row).then_some("partial")] {
                    title {
                        (format::local(row.start, zone, LABEL)) " " (zone) ": " (row.started) " started, " (row.ended) " ended, " (row.open) " open"
                        @if is_partial(row) { "; only partly in the period" }
                    }
                    rect class="hit" x=(share(place(at))) width=(share(width)) y="10" height=(open_base - 10) {}
                    (linked(row, (Moment::Started, row.started), column(left, row.started, "segment started")))
                    (linked(row, (Moment::Completed, row.ended), column(right, row.ended, "segment ended")))
                    @if let Some(earlier) = before.get(at) {
                        (column(left, earlier.started, "outline")) (column(right, earlier.ended, "outline"))
                    }
                    rect class="area" x=(share(place(at))) width=(share(width)) y=(open_base - open) height=(open) {}
                }
            }
            @for (at, row) in rows.iter().enumerate().step_by(rows.len().div_ceil(times(step)).max(1)) {
                @if place(at) < LAST_LABEL { text x=(share(place(at))) y=(open_base + 18) { (time(row, step, zone)) } }
            }
            text class="zone" x="100%" y=(open_base + 38) text-anchor="end" { (zone) }
        }
    }
}

/// The number of time labels for which there is room on a phone. Labels are longer for longer buckets.
const fn times(step: i64) -> usize {
    match step {
        ..60_000 => 4,
        60_000..3_600_000 => 6,
        _ => 3,
    }
}

/// A horizontal grid line with its number.
fn level(y: i64, value: i64) -> Markup {
    html! {
        line class="grid" x1=(share(LEFT)) x2="100%" y1=(y) y2=(y) {}
        text class="scale-number" x=(share(LEFT)) dx="-6" y=(y + 4) text-anchor="end" { (number(value)) }
    }
}

fn time(row: &ActivityRow, step: i64, zone: TimeZone) -> String {
    let format = match step {
        ..60_000 => "%H:%M:%S",
        60_000..3_600_000 => "%H:%M",
        3_600_000..86_400_000 => "%-d %b %H:%M",
        _ => "%-d %b %Y",
    };
    format::local(row.start, zone, format)
}

/// The smallest round number of at least `value`, for the end of a scale.
fn round(value: i64) -> i64 {
    let power = 10_i64.pow(value.max(1).ilog10());
    [1, 2, 4, 5, 6, 8].into_iter().map(|digit| digit * power).find(|round| *round >= value).unwrap_or(power * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_round_numbers() {
        for (value, end) in [(0, 1), (1, 1), (3, 4), (9, 10), (10, 10), (13, 20), (41, 50), (99, 100)] {
            assert_eq!(round(value), end, "{value}");
        }
    }

    #[test]
    fn numbers_have_thousands_separators() {
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(12), "12");
    }

    #[test]
    fn the_scale_of_durations_is_logarithmic() {
        assert_eq!(doublings(0), 0);
        assert_eq!(doublings(1024) - doublings(512), 1000);
        assert_eq!(doublings(3), 1500);
    }
}
