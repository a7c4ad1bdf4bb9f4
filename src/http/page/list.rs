//! The list of services. Its address contains the selection, and every figure on the pages links to such a list.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::super::spreadsheet::{Cells, Form, text};
use super::layout::{self, Menu};
use super::{chart, format, refresh, standings};
use crate::domain::ids::Element;
use crate::domain::overview::{CONSIDERED, Last, Overview, Selection, Share, Standing, Wanted};
use crate::domain::query::{Span, Status};
use crate::domain::report::Scope;
use crate::domain::time::Timestamp;
use crate::store::Store;

/// The maximum number of rows on a page.
pub(super) const PAGE: i64 = 100;

/// The maximum number of rows of a CSV file.
const FILE: i64 = 10_000;

/// The parameters of the selection, in the order in which they are shown, with their labels.
const PARAMETERS: [(&str, &str); 21] = [
    ("status", "status:"),
    ("type", "type:"),
    ("no_type", "without a type:"),
    ("part", "with a"),
    ("last", "last step:"),
    ("step", "step:"),
    ("no_step_type", "step without a type:"),
    ("state", "last state:"),
    ("no_state_type", "last state without a type:"),
    ("no_state", "without a state:"),
    ("part_started_from", "which started from"),
    ("part_started_to", "which started before"),
    ("channel", "channel:"),
    ("disposition", "outcome:"),
    ("no_disposition", "no outcome:"),
    ("tone", "outcome is"),
    ("overdue", "past the estimate:"),
    ("started_from", "started from"),
    ("started_to", "started before"),
    ("completed_from", "ended from"),
    ("completed_to", "ended before"),
];

/// A parameter that selects a value, and the one that selects the absence of any.
type Either = (&'static str, &'static str);

/// The type of services.
pub(super) const TYPE: Either = ("type", "no_type");

/// The type of a step.
pub(super) const STEP: Either = ("step", "no_step_type");

/// The type of the state that started last.
pub(super) const STATE: Either = ("state", "no_state_type");

/// The disposition.
pub(super) const OUTCOME: Either = ("disposition", "no_disposition");

/// The parameter that selects a value, or its absence.
pub(super) fn of_value((name, none): Either, value: Option<&str>) -> (&'static str, &str) {
    value.map_or((none, "true"), |value| (name, value))
}

/// The parameters of a list, as its addresses have them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Address(Vec<(&'static str, String)>);

impl<const N: usize> From<[(&'static str, &str); N]> for Address {
    fn from(parameters: [(&'static str, &str); N]) -> Self {
        Self(parameters.map(|(name, value)| (name, value.to_owned())).into())
    }
}

/// The moment of a service that has to lie in the period of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The start of services.
    Started,
    /// The start of states or tasks.
    PartStarted,
    /// The end of services, states or tasks.
    Completed,
}

impl Address {
    /// The services behind a figure of the dashboard. `more` selects among those of its period and service type.
    pub(super) fn of_figure(scope: &Scope, moment: Moment, more: &[(&'static str, &str)]) -> Self {
        let [from, to] = match moment {
            Moment::Started => ["started_from", "started_to"],
            Moment::PartStarted => ["part_started_from", "part_started_to"],
            Moment::Completed => ["completed_from", "completed_to"],
        };
        let mut address = Self::from([
            ("status", "all"),
            (from, &*scope.period.from.to_string()),
            (to, &*scope.period.to.to_string()),
        ]);
        let kind = scope.service_type.as_deref().map(|kind| ("type", kind));
        for (name, value) in kind.iter().chain(more) {
            address = address.without(name);
            address.0.push((name, (*value).to_owned()));
        }
        address
    }

    /// The address of the list with another value of a parameter.
    pub(super) fn with(&self, name: &'static str, value: &str) -> String {
        let mut changed = self.without(name);
        changed.0.push((name, value.to_owned()));
        changed.to_string()
    }

    /// Whether it has a parameter.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    /// The same without a parameter, and without the one that contradicts it.
    fn without(&self, name: &str) -> Self {
        let either = [TYPE, STEP, STATE, OUTCOME].into_iter().find(|(of, none)| *of == name || *none == name);
        let is_it = |known: &str| known == name || either.is_some_and(|(of, none)| known == of || known == none);
        Self(self.0.iter().filter(|(known, _)| !is_it(known)).cloned().collect())
    }

    /// The same without a filter, and without those that need it.
    fn without_filter(&self, name: &str) -> Self {
        let needs = |known: &str| name == "part" && known.starts_with("part_");
        Self(self.without(name).0.into_iter().filter(|(known, _)| !needs(known)).collect())
    }

    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let mut values = Vec::new();
        for (name, _) in PARAMETERS {
            values.extend(parameters.one(name)?.filter(|value| !value.is_empty()).map(|value| (name, value)));
        }
        Ok(Self(values))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let query = serde_urlencoded::to_string(&self.0).unwrap_or_default();
        if query.is_empty() { f.write_str("/list") } else { write!(f, "/list?{query}") }
    }
}

/// The query of a list.
pub(in crate::http) struct ListInQuery {
    selection: Selection,
    address: Address,
    csv: Option<Form>,
}

impl ListInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let address = Address::of(request)?;
        let mut parameters = Parameters::of(request)?;
        let selection = Selection {
            status: one_of(&mut parameters, "status", STATUSES)?.unwrap_or(Some(Status::Active)),
            started: parameters.span("started_from", "started_to")?,
            completed: parameters.span("completed_from", "completed_to")?,
            service_type: wanted(&mut parameters, TYPE)?,
            channel: parameters.text("channel")?,
            last: one_of(&mut parameters, "last", LASTS)?,
            step: wanted(&mut parameters, STEP)?,
            state: wanted(&mut parameters, STATE)?,
            no_state: parameters.flag("no_state")?,
            disposition: wanted(&mut parameters, OUTCOME)?,
            part: one_of(&mut parameters, "part", [("state", Element::State), ("task", Element::Task)])?,
            part_started: parameters.span("part_started_from", "part_started_to")?,
            overdue: parameters.flag("overdue")?,
            badly: one_of(&mut parameters, "tone", [("bad", true)])?.unwrap_or(false),
        };
        let csv = Form::take(&mut parameters)?;
        if selection.part.is_none() && selection.part_started != Span::default() {
            return Err(Problem::invalid_query(
                "part",
                "expected state or task with part_started_from or part_started_to".to_owned(),
            ));
        }
        parameters.refuse_rest(Self { selection, address, csv })
    }
}

from_path!(ListInQuery, request => ListInQuery::read(request));

const STATUSES: [(&str, Option<Status>); 3] =
    [("active", Some(Status::Active)), ("completed", Some(Status::Completed)), ("all", None)];

const LASTS: [(&str, Last); 3] =
    [("state", Last::Step(Element::State)), ("task", Last::Step(Element::Task)), ("none", Last::Nothing)];

/// The value that a list is to have, or its absence.
fn wanted(parameters: &mut Parameters, (name, none): Either) -> Result<Wanted, Problem> {
    match (parameters.text(name)?, parameters.flag(none)?) {
        (Some(_), true) => Err(Problem::invalid_query(none, format!("expected false, or no {name}"))),
        (Some(value), false) => Ok(Wanted::Value(value)),
        (None, true) => Ok(Wanted::Nothing),
        (None, false) => Ok(Wanted::Anything),
    }
}

/// The value of a parameter that has only a few possible values.
pub(super) fn one_of<T, const N: usize>(
    parameters: &mut Parameters,
    name: &str,
    known: [(&str, T); N],
) -> Result<Option<T>, Problem> {
    let Some(text) = parameters.one(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = known.into_iter().find(|(name, _)| *name == text).map(|(_, value)| value);
    found.map(Some).ok_or_else(|| Problem::invalid_query(name, format!("expected one of: {names}")))
}

/// The list of services.
pub(in crate::http) async fn get_list_page(
    store: web::Data<Store>,
    menu: Menu,
    ListInQuery { selection, address, csv }: ListInQuery,
) -> Result<HttpResponse, Problem> {
    if let Some(form) = csv {
        return form.answer("services.csv", &store.list_overview(&selection, FILE).await?.rows);
    }
    let (overview, shares) = store.get_overview(&selection, PAGE).await?;
    let now = store.now();
    layout::answer_tagged("Services".to_owned(), menu, move || {
        let tag = refresh::tag_of_standings(&(&address, overview.total, &shares), &overview.rows);
        let main = html! {
            h1 { "Services" }
            (filters(&address))
            section id="services" data-live data-rest data-now=(now.millis()) { (list(&overview, &shares, &address, now)) }
        };
        (main, tag)
    })
    .await
}

/// The services of a selection, with links to narrower selections.
pub(super) fn list(overview: &Overview, shares: &[Share], address: &Address, now: Timestamp) -> Markup {
    let shown = i64::try_from(overview.rows.len()).unwrap_or(i64::MAX);
    html! {
        (narrower(shares, address))
        p class="quiet" {
            b { (overview.total) } @if overview.total == 1 { " service" } @else { " services" }
            @if shown < overview.total { ", of which the first " (shown) " are shown" }
            ". Times are in UTC. Only the newest " (chart::number(CONSIDERED)) " services of a period are considered. "
            a class="csv" href=(address.with("format", "excel")) { "CSV" }
        }
        @if overview.rows.is_empty() {
            p class="quiet nothing" { "There is no such service." }
        } @else {
            (standings::table(&overview.rows, address, now))
        }
    }
}

/// The filters in the address, each a link to the list without that filter, and the filters that can be added.
fn filters(address: &Address) -> Markup {
    let label = |name: &str| PARAMETERS.iter().find(|(known, _)| *known == name).map_or("", |(_, label)| *label);
    let has = |name: &str| address.0.iter().any(|(known, _)| *known == name);
    html! {
        ul class="filters" aria-label="Filters" {
            @if !has("status") { li { span class="filter" { "status: " b { "active" } } } }
            @for (name, value) in &address.0 {
                li {
                    a class="filter" href=(address.without_filter(name)) {
                        (label(name)) " " b { (shown(name, value)) } " ×"
                    }
                }
            }
        }
        p class="quiet" {
            @for (name, _) in STATUSES { a href=(address.with("status", name)) { (name) } " · " }
            @if !has("overdue") { a href=(address.with("overdue", "true")) { "past the estimate" } " · " }
            a href="/list" { "remove all filters" }
        }
    }
}

/// A value of a filter. Moments are shown as in the list.
fn shown(name: &str, value: &str) -> Markup {
    let is_moment = ["_from", "_to"].iter().any(|end| name.ends_with(end));
    match Timestamp::parse(value).filter(|_| is_moment) {
        Some(at) => format::moment(at),
        None => format::short_name(value, 80),
    }
}

fn narrower(shares: &[Share], address: &Address) -> Markup {
    let parameters = [("type", "Type"), ("channel", "Channel"), ("disposition", "Outcome")];
    html! {
        @for (name, label) in parameters {
            @let of = shares.iter().filter(|share| share.property == name).collect::<Vec<_>>();
            @if of.len() > 1 {
                p class="shares" {
                    span class="quiet" { (label) ": " }
                    @for share in of {
                        a href=(address.with(name, &share.value)) { (format::toned(share.tone, &format::short_name(&share.value, 40))) }
                        span class="quiet" { "\u{a0}" (share.services) } " "
                    }
                }
            }
        }
    }
}

impl Cells for Standing {
    const HEAD: &'static [&'static str] = &[
        "service_id",
        "customer_id",
        "contact_key",
        "type",
        "step",
        "channel",
        "agent",
        "started",
        "waiting_since",
        "ended",
        "disposition",
        "elapsed_ms",
        "expected_ms",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.service_id.to_string(),
            text(self.customer_id.as_ref()),
            text(self.contact_key.as_ref()),
            text(self.service_type.as_ref()),
            text(self.step.as_ref().and_then(|step| step.kind.as_ref())),
            text(self.channel.as_ref()),
            text(self.agent.as_ref()),
            self.started.to_string(),
            self.waiting_since.to_string(),
            self.ended.map(|ended| ended.to_string()).unwrap_or_default(),
            text(self.disposition.as_ref()),
            self.elapsed_ms.to_string(),
            self.expected_ms.map(|expected| expected.to_string()).unwrap_or_default(),
        ]
    }
}
