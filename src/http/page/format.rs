//! Formats of moments, durations, values and outcomes on pages.

use maud::{Markup, html};

use crate::domain::disposition::Disposition;
use crate::domain::element::Lifecycle;
use crate::domain::field::LongOrString;
use crate::domain::time::Timestamp;

/// The classes of outcome colours in `page.css`.
const COLOURS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];

/// A duration in its two largest non-zero units: `47.8 s`, `12 min 5 s`, `3 d 4 h`.
pub(super) fn duration(millis: i64) -> String {
    let seconds = millis / 1000;
    let two = |large: i64, unit: &str, small: i64, part: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {part}"),
    };
    match seconds {
        ..1 => format!("{millis} ms"),
        1..60 if millis % 1000 < 100 => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", millis % 1000 / 100),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A duration in one unit, for narrow columns: `47.7 s`, `2.8 min`.
pub(super) fn brief(millis: i64) -> String {
    let tenths = |unit: i64, name: &str| format!("{}.{} {name}", millis / unit, millis % unit * 10 / unit);
    match millis {
        ..1000 => format!("{millis} ms"),
        1000..60_000 => tenths(1000, "s"),
        60_000..3_600_000 => tenths(60_000, "min"),
        3_600_000..86_400_000 => tenths(3_600_000, "h"),
        _ => tenths(86_400_000, "d"),
    }
}

/// A name or text that an application sent, isolated from the direction of the text around it.
pub(super) fn name(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// The same in a title or label, which has no markup.
pub(super) fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// Such a name, truncated to `limit` characters.
pub(super) fn short_name(text: &str, limit: usize) -> Markup {
    match text.char_indices().nth(limit) {
        Some((end, _)) => name(&format!("{}…", &text[..end])),
        None => name(text),
    }
}

/// The time since a moment. The script counts it on.
pub(super) fn elapsed(since: Timestamp, now: Timestamp) -> Markup {
    let millis = (now.millis() - since.millis()).max(0);
    html! { span class="elapsed" data-from=(since.millis()) { (duration(millis)) } }
}

/// A moment, to the second.
pub(super) fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (formatted(at, "%-d %b %Y, %H:%M:%S")) } }
}

/// A moment, to the millisecond.
pub(super) fn exact(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (formatted(at, "%-d %b %Y, %H:%M:%S%.3f")) } }
}

/// A moment in a format of chrono.
pub(super) fn formatted(at: Timestamp, format: &str) -> String {
    at.to_datetime().format(format).to_string()
}

/// An outcome as a coloured chip.
pub(super) fn chip(outcome: &Outcome) -> Markup {
    html! { span class={ "chip " (outcome.class) } { (name(&outcome.text)) } }
}

/// A value as text.
pub(super) fn value(value: &LongOrString) -> String {
    match value {
        LongOrString::Long(number) => number.to_string(),
        LongOrString::String(text) => text.clone(),
    }
}

/// The type of an element, or a placeholder if it has none.
pub(super) fn kind(lifecycle: &Lifecycle, element: &str) -> String {
    lifecycle.kind.as_ref().map_or_else(|| format!("{element} without a type"), value)
}

/// The outcome of an element, with its colour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    /// The text to display.
    pub(super) text: String,
    /// The colour's class: `open`, `none`, or one of [`COLOURS`], chosen by the disposition's value.
    pub(super) class: &'static str,
}

impl Outcome {
    /// The outcome of a stored element: its disposition, or `open`.
    pub(super) fn of(lifecycle: &Lifecycle) -> Self {
        match &lifecycle.completed {
            None => Self { text: "open".to_owned(), class: "open" },
            Some((_, disposition)) => Self::of_disposition(disposition),
        }
    }

    fn of_disposition(disposition: &Disposition) -> Self {
        let (text, class) = match (&disposition.value, &disposition.description) {
            (Some(LongOrString::Long(number)), Some(text)) if !text.is_empty() => {
                (format!("{text} ({number})"), colour(&number.to_string()))
            }
            (Some(known), _) => (value(known), colour(&value(known))),
            (None, Some(text)) if !text.is_empty() => (text.clone(), "none"),
            (None, _) => ("ended".to_owned(), "none"),
        };
        Self { text, class }
    }
}

/// The colour class of a disposition's value. Consecutive numbers have different colours.
pub(super) fn colour(value: &str) -> &'static str {
    let number = value.parse::<u64>().unwrap_or_else(|_| {
        // FNV-1a, folded: a text has the same colour on every page, node and release.
        let hash = value
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        hash ^ (hash >> 32)
    });
    COLOURS[usize::try_from(number % 10).unwrap_or(0)]
}

/// Assigns distinct colours to distinct outcomes of one page, as long as there are enough colours. An outcome keeps the
/// colour of its value unless an outcome earlier in alphabetical order already has it.
pub(super) fn assign_colours<'a>(outcomes: impl IntoIterator<Item = &'a mut Outcome>) {
    let mut outcomes: Vec<_> = outcomes.into_iter().filter(|outcome| COLOURS.contains(&outcome.class)).collect();
    outcomes.sort();
    let mut taken = [false; COLOURS.len()];
    for same in outcomes.chunk_by_mut(|a, b| a.text == b.text) {
        let own = COLOURS.iter().position(|colour| *colour == same[0].class).unwrap_or(0);
        let free = (own..own + COLOURS.len()).map(|at| at % COLOURS.len()).find(|at| !taken[*at]).unwrap_or(own);
        let class = COLOURS[free];
        taken[free] = true;
        for outcome in same {
            outcome.class = class;
        }
    }
}

/// A number with its noun, in the singular or plural.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_their_two_largest_units() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1000, "1 s"),
            (47_754, "47.7 s"),
            (60_000, "1 min"),
            (725_000, "12 min 5 s"),
            (3_600_000, "1 h"),
            (12_000_000, "3 h 20 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(duration(millis), text);
        }
    }

    #[test]
    fn a_value_has_one_colour_and_consecutive_numbers_differ() {
        assert_eq!(colour("10"), "c0");
        assert_eq!(colour("11"), "c1");
        assert_eq!(colour("SUCCESS"), colour("SUCCESS"));
    }

    #[test]
    fn outcomes_of_one_page_have_distinct_colours() {
        let outcome = |text: &str| Outcome { text: text.to_owned(), class: "c3" };
        let mut outcomes = [outcome("b"), outcome("a"), outcome("b"), Outcome { class: "open", ..outcome("open") }];
        assign_colours(&mut outcomes);
        assert_eq!(outcomes.map(|outcome| outcome.class), ["c4", "c3", "c4", "open"]);
    }
}
