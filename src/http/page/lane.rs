//! A lane of the time line: the bars of one service, and where they and what is written on them stand.

use std::collections::HashMap;

use maud::{Markup, html};

use super::chart::share;
use super::words::{self, Outcome};
use crate::domain::element::{ByStatus, Lifecycle, Service};
use crate::domain::ids::StateId;
use crate::domain::time::Timestamp;
use crate::domain::timeline::{Axis, WHOLE, rows};

/// The share of the width before the axis and that of the axis, in thousandths of a percent. What is left has room for
/// what is written behind the last bars.
const LEFT: i64 = 1_000;
const WIDTH: i64 = 85_000;

/// Parts of the axis that a pixel takes where the picture is as narrow as it gets (`.sheet` in `page.css`): what does
/// not overlap there overlaps nowhere.
const PARTS_PER_PIXEL: i64 = WHOLE * 100_000 / WIDTH / 760;

/// Where the picture ends, in parts of the axis.
const EDGE: i64 = (100_000 - LEFT) * WHOLE / WIDTH;

/// The least that a bar takes, so that one of milliseconds can be seen and pointed at.
const LEAST: i64 = 4 * PARTS_PER_PIXEL;

/// The most characters that are written on or beside a bar.
const LABEL: usize = 44;

/// From this many rows of tasks on, nothing is written beside the bars.
const DENSE: usize = 14;

/// A service, state or task as it is drawn.
pub(super) struct Bar {
    pub(super) element: &'static str,
    pub(super) id: i64,
    pub(super) href: String,
    pub(super) kind: String,
    pub(super) of_state: Option<String>,
    pub(super) outcome: Outcome,
    pub(super) description: Option<String>,
    pub(super) from: Timestamp,
    /// The end; the present while it is open.
    pub(super) to: Timestamp,
    /// Milliseconds until then.
    pub(super) duration: i64,
}

impl Bar {
    fn of(lifecycle: &Lifecycle, (element, id): (&'static str, i64), href: String, now: Timestamp) -> Self {
        let from = lifecycle.started.timestamp;
        let end = lifecycle.completed.as_ref();
        let to = end.map_or(now, |(event, _)| event.timestamp).max(from);
        let description = end.and_then(|(_, disposition)| disposition.description.clone());
        let outcome = Outcome::of(lifecycle);
        Self {
            element,
            id,
            href,
            kind: words::kind(lifecycle, element),
            of_state: None,
            // Where it is a part of the outcome, it need not be said twice.
            description: description.filter(|text| !text.is_empty() && !outcome.text.starts_with(text.as_str())),
            outcome,
            from,
            to,
            duration: to.millis() - from.millis(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.outcome.class == "open"
    }

    /// What is written on or beside it.
    fn label(&self) -> String {
        let duration = words::duration(self.duration);
        words::short(&format!("{} · {} · {duration}", self.kind, self.outcome.text), LABEL)
    }

    /// All that a look at it tells, in words.
    fn description(&self) -> String {
        let of_state = self.of_state.as_ref().map(|state| format!(" in {state}")).unwrap_or_default();
        let duration = words::duration(self.duration);
        let outcome = match &self.description {
            Some(text) => format!("{}: {text}", self.outcome.text),
            None => self.outcome.text.clone(),
        };
        let from = words::formatted(self.from, "%H:%M:%S");
        format!("{}: {} {}{of_state}, {outcome}, {duration} from {from}", self.kind, self.element, self.id)
    }
}

/// The service itself, then its states, then its tasks, each in the order of their starts.
pub(super) fn bars(service: &Service, now: Timestamp) -> Vec<Bar> {
    let href = format!("/journey/services/{}", service.service_id);
    let itself = Bar::of(&service.lifecycle, ("service", service.service_id.0), href.clone(), now);
    let mut states: Vec<_> = both(&service.states)
        .map(|state| {
            let id = state.state_id;
            Bar::of(&state.lifecycle, ("state", id.0.into()), format!("{href}/states/{id}"), now)
        })
        .collect();
    let names: HashMap<_, _> = states.iter().map(|bar| (bar.id, bar.kind.clone())).collect();
    let name = |state: StateId| names.get(&state.0.into()).cloned().unwrap_or_else(|| format!("state {state}"));
    let mut tasks: Vec<_> = both(&service.tasks)
        .map(|task| {
            let id = task.task_id;
            let bar = Bar::of(&task.lifecycle, ("task", id.0.into()), format!("{href}/tasks/{id}"), now);
            Bar { of_state: task.state_id.map(name), ..bar }
        })
        .collect();
    for list in [&mut states, &mut tasks] {
        list.sort_by_key(|bar| (bar.from, bar.id));
    }
    std::iter::once(itself).chain(states).chain(tasks).collect()
}

/// When something is done: the tasks; the states where there are none, or the service itself.
pub(super) fn busy(bars: &[Bar]) -> impl Iterator<Item = (Timestamp, Timestamp)> {
    let is_there = |element: &&str| bars.iter().any(|bar| bar.element == *element);
    let finest = ["task", "state", "service"].into_iter().find(is_there).unwrap_or_default();
    bars.iter().filter(move |bar| bar.element == finest).map(|bar| (bar.from, bar.to))
}

fn both<T>(elements: &ByStatus<T>) -> impl Iterator<Item = &T> {
    elements.completed.iter().flatten().chain(elements.active.iter().flatten())
}

/// A place on the axis as a share of the picture's width.
pub(super) fn percent(at: i64) -> String {
    share(LEFT + at * WIDTH / WHOLE)
}

/// A bar with its place.
struct Placed<'a> {
    bar: &'a Bar,
    start: i64,
    end: i64,
    text: String,
    label: Label,
}

/// Where the text of a bar stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Label {
    Inside,
    Behind,
    Before,
    Nowhere,
}

impl<'a> Placed<'a> {
    fn new(axis: &Axis, bar: &'a Bar) -> Self {
        let start = axis.at(bar.from);
        let end = axis.at(bar.to).max(start + LEAST);
        let text = bar.label();
        let width = width_of(&text);
        let label = if width <= end - start {
            Label::Inside
        } else if end + width <= EDGE || start < width {
            Label::Behind
        } else {
            Label::Before
        };
        Self { bar, start, end, text, label }
    }

    /// What the bar and its text take.
    fn stretch(&self) -> (i64, i64) {
        let width = width_of(&self.text);
        match self.label {
            Label::Behind => (self.start, self.end + width),
            Label::Before => (self.start - width, self.end),
            Label::Inside | Label::Nowhere => (self.start, self.end),
        }
    }
}

/// The room that a text takes at the least, in parts of the axis. Characters outside of Latin may be as wide as two.
fn width_of(label: &str) -> i64 {
    let pixels: i64 = label.chars().map(|character| if character < '\u{2e80}' { 7 } else { 13 }).sum();
    (pixels + 16) * PARTS_PER_PIXEL
}

/// The picture of a lane: the service as a thin line, below it the rows of its states, then those of its tasks.
pub(super) fn lane(axis: &Axis, bars: &[Bar]) -> Markup {
    let of =
        |element: &str| bars.iter().filter(|bar| bar.element == element).map(|bar| Placed::new(axis, bar)).collect();
    let (states, mut tasks): (Vec<_>, Vec<_>) = (of("state"), of("task"));
    let (state_rows, state_count) = rows(states.iter().map(Placed::stretch));
    let (mut task_rows, mut task_count) = rows(tasks.iter().map(Placed::stretch));
    let dense = task_count >= DENSE;
    if dense {
        for task in &mut tasks {
            task.label = Label::Nowhere;
        }
        (task_rows, task_count) = rows(tasks.iter().map(Placed::stretch));
    }
    let states_at = |row: usize| 18 + row * 28;
    let task_height = if dense { 10 } else { 22 };
    let tasks_at = |row: usize| states_at(state_count) + 4 + row * (task_height + 6);
    let height = tasks_at(task_count) + 4;
    html! {
        svg class="bars" width="100%" height=(height) role="group" aria-label="States and tasks" {
            (background(axis))
            @if let Some(service) = bars.first() { (line(axis, service)) }
            @for (placed, row) in states.iter().zip(&state_rows) { (drawn(placed, states_at(*row), 22, false)) }
            @for (placed, row) in tasks.iter().zip(&task_rows) { (drawn(placed, tasks_at(*row), task_height, dense)) }
        }
        @if dense {
            p class="quiet" { "So many tasks that nothing is written beside them: choose one, or read the table." }
        }
    }
}

/// Lines at the ticks, and what is cut out.
fn background(axis: &Axis) -> Markup {
    html! {
        g aria-hidden="true" {
            @for tick in axis.ticks() {
                line class="grid" x1=(percent(tick.at)) x2=(percent(tick.at)) y1="0" y2="100%" {}
            }
            @for cut in axis.cuts() {
                rect class="cut" x=(percent(cut.start)) width=(share((cut.end - cut.start) * WIDTH / WHOLE)) y="0" height="100%" {
                    title { (words::duration(cut.millis)) " without events are cut out here" }
                }
            }
        }
    }
}

fn line(axis: &Axis, service: &Bar) -> Markup {
    let placed = Placed::new(axis, service);
    html! {
        rect class={ "line " (service.outcome.class) } x=(percent(placed.start)) y="6" height="5" rx="2.5"
            width=(share((placed.end - placed.start) * WIDTH / WHOLE)) aria-hidden="true" {}
    }
}

fn drawn(placed: &Placed<'_>, y: usize, height: usize, dense: bool) -> Markup {
    let Placed { bar, start, end, text, label } = placed;
    let (x, dx, anchor) = match label {
        Label::Before => (*start, "-6", "end"),
        Label::Behind => (*end, "6", "start"),
        Label::Inside | Label::Nowhere => (*start, "9", "start"),
    };
    html! {
        // So many stops of the keyboard would be in the way: the table has the same links.
        a class={ "bar element " (bar.element) " " (bar.outcome.class) } href=(bar.href) aria-label=(bar.description())
            tabindex=[dense.then_some("-1")] {
            rect class="body" x=(percent(*start)) width=(share((end - start) * WIDTH / WHOLE)) y=(y) height=(height) rx="4" {}
            @if *label == Label::Inside {
                rect class="edge" x=(percent(*start)) width="4" y=(y) height=(height) rx="2" {}
            }
            @if *label != Label::Nowhere {
                text x=(percent(x)) dx=(dx) y=(y + 15) text-anchor=(anchor) { (text) }
            }
        }
    }
}
