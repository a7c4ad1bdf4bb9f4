//! Formats of moments, durations, values and outcomes on pages.

use maud::{Markup, html};

use crate::domain::disposition::Disposition;
use crate::domain::element::Lifecycle;
use crate::domain::field::LongOrString;
use crate::domain::time::Timestamp;
use crate::domain::time_zone::TimeZone;
use crate::domain::tone::Tone;

/// The placeholder for a missing type.
pub(super) const NO_TYPE: &str = "without a type";

/// The placeholder for a missing disposition.
pub(super) const NO_OUTCOME: &str = "no outcome";

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

/// The same for a title or label, which has no markup.
pub(super) fn isolated(text: &str) -> String {
    format!("\u{2068}{text}\u{2069}")
}

/// A name or text that an application sent, truncated to `limit` characters.
pub(super) fn short_name(text: &str, limit: usize) -> Markup {
    match text.char_indices().nth(limit) {
        Some((end, _)) => name(&format!("{}…", &text[..end])),
        None => name(text),
    }
}

/// The time since a moment. The script keeps advancing it.
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

/// A moment, to the second, in local time of a zone.
pub(super) fn local_moment(at: Timestamp, zone: TimeZone) -> Markup {
    html! { time datetime=(at) { (local(at, zone, "%-d %b %Y, %H:%M:%S")) } }
}

/// The same in a format of chrono.
pub(super) fn local(at: Timestamp, zone: TimeZone, format: &str) -> String {
    zone.local(at).format(format).to_string()
}

/// A moment in a format of chrono.
pub(super) fn formatted(at: Timestamp, format: &str) -> String {
    at.to_datetime().format(format).to_string()
}

/// An outcome as a coloured chip.
pub(super) fn chip(outcome: &Outcome) -> Markup {
    html! { span class={ "chip " (outcome.class) } { (toned(outcome.tone, &name(&outcome.text))) } }
}

/// A name with the sign of its tone.
pub(super) fn toned(tone: Option<Tone>, name: &Markup) -> Markup {
    html! {
        @if let Some((sign, word)) = sign(tone) {
            span class={ "tone " (class(tone)) } role="img" aria-label=(word) { (sign) } " "
        }
        (name)
    }
}

/// The sign of a tone, and its word for those who do not see it.
const fn sign(tone: Option<Tone>) -> Option<(&'static str, &'static str)> {
    match tone {
        Some(Tone::Good) => Some(("✓", "good")),
        Some(Tone::Bad) => Some(("✗", "bad")),
        Some(Tone::Neutral) | None => None,
    }
}

/// The class of a tone in `page.css`.
pub(super) const fn class(tone: Option<Tone>) -> &'static str {
    match tone {
        Some(Tone::Good) => "good",
        Some(Tone::Bad) => "bad",
        Some(Tone::Neutral) | None => "neutral",
    }
}

/// A name with the sign of its tone, for a title or label, which has no markup.
pub(super) fn toned_label(tone: Option<Tone>, text: &str) -> String {
    match sign(tone) {
        Some((sign, _)) => format!("{sign} {}", isolated(text)),
        None => isolated(text),
    }
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
    lifecycle.kind.as_ref().map_or_else(|| format!("{element} {NO_TYPE}"), value)
}

/// The outcome of an element, with its meaning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    /// The text to display.
    pub(super) text: String,
    /// Its tone.
    pub(super) tone: Option<Tone>,
    /// The class in `page.css`: `open`, or the class of the tone.
    pub(super) class: &'static str,
}

impl Outcome {
    /// The outcome of a stored element: its disposition, or `open`.
    pub(super) fn of(lifecycle: &Lifecycle) -> Self {
        match &lifecycle.completed {
            None => Self { text: "open".to_owned(), tone: None, class: "open" },
            Some((_, disposition)) => Self::new(Self::text_of(disposition), lifecycle.tone),
        }
    }

    /// An outcome of this tone.
    pub(super) fn new(text: String, tone: Option<Tone>) -> Self {
        Self { text, tone, class: class(tone) }
    }

    fn text_of(disposition: &Disposition) -> String {
        let text = disposition.value.as_ref().map(value);
        outcome(text.as_deref(), disposition.description.as_deref())
    }
}

/// The text of an outcome: its disposition, of which a number alone says nothing, or else its description.
pub(super) fn outcome(disposition: Option<&str>, description: Option<&str>) -> String {
    let is_number = |text: &str| text.parse::<i64>().is_ok();
    match (disposition, description.filter(|text| !text.is_empty())) {
        (Some(number), Some(text)) if is_number(number) => format!("{text} ({number})"),
        (Some(text), _) | (None, Some(text)) => text.to_owned(),
        (None, None) => NO_OUTCOME.to_owned(),
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
}
