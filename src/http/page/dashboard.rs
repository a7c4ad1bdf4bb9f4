//! The dashboard: activity, outcomes and durations of services in a period, for all service types or one.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::super::reports::backwards;
use super::super::spreadsheet::Form;
use super::figures::{self, Figures};
use super::funnels::{self, FunnelLine};
use super::layout::{self, Here, Menu};
use super::list::{Moment, one_of};
use super::{chart, format, leaving, spans};
use crate::domain::buckets::Buckets;
use crate::domain::report::{ActivityRow, LifetimesRow, Period, Scope};
use crate::domain::time::{DAY, HOUR, Timestamp};
use crate::domain::time_zone::TimeZone;
use crate::store::{Store, StoreError};

/// The maximum number of service types that the form suggests; any other type can be entered.
const SUGGESTED: i64 = 200;

/// Periods that end now: the name in the address, the label, and the length in milliseconds.
const PERIODS: [(&str, &str, i64); 4] = [
    ("hour", "last hour", HOUR),
    ("day", "last 24 hours", DAY),
    ("week", "last 7 days", 7 * DAY),
    ("month", "last 30 days", 30 * DAY),
];

/// The default period.
const DEFAULT: &str = "day";

/// The period given by the form's two times.
const CHOSEN: &str = "chosen";

/// The query of the dashboard.
#[derive(Debug)]
pub(in crate::http) struct DashboardInQuery {
    period: String,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    service_type: Option<String>,
    /// The time zone that the address names.
    zone: Option<TimeZone>,
    figure: Option<(Figure, Form)>,
}

/// Figures that the dashboard itself gives as CSV. Reports give the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Figure {
    Activity,
    Durations,
    Waits,
    Funnels,
}

/// The names of figures in addresses.
const FIGURES: [(&str, Figure); 4] = [
    ("activity", Figure::Activity),
    ("durations", Figure::Durations),
    ("waits", Figure::Waits),
    ("funnels", Figure::Funnels),
];

impl DashboardInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let asked = parameters.one("period")?.filter(|period| !period.is_empty());
        let zone = zone(&mut parameters)?;
        let shown = zone.unwrap_or(TimeZone::UTC);
        let (from, to) = (minute(&mut parameters, "from", shown)?, minute(&mut parameters, "to", shown)?);
        let default = if from.is_some() || to.is_some() { CHOSEN } else { DEFAULT };
        let period = asked.unwrap_or_else(|| default.to_owned());
        if period != CHOSEN && !PERIODS.iter().any(|(name, ..)| *name == period) {
            return Err(Problem::invalid_query("period", "expected hour, day, week, month or chosen".to_owned()));
        }
        let service_type = parameters.text("service_type")?;
        let figure = match (one_of(&mut parameters, "figure", FIGURES)?, Form::take(&mut parameters)?) {
            (Some(figure), Some(form)) => Some((figure, form)),
            (None, None) => None,
            (Some(_), None) => return Err(Problem::invalid_query("format", "expected csv or excel".to_owned())),
            (None, Some(_)) => return Err(Problem::invalid_query("figure", "expected one with a format".to_owned())),
        };
        parameters.refuse_rest(Self { period, from, to, service_type, zone, figure })
    }

    fn zone(&self) -> TimeZone {
        self.zone.unwrap_or(TimeZone::UTC)
    }

    /// Whether the script may choose the time zone: only if the address has no times, since another zone would change
    /// them.
    fn lets_choose_zone(&self) -> bool {
        self.zone.is_none() && self.from.is_none() && self.to.is_none()
    }

    fn scope(&self, now: Timestamp) -> Result<Scope, Problem> {
        let period = match PERIODS.into_iter().find(|(name, ..)| *name == self.period) {
            Some((_, _, length)) => Period::new(Some(now.minus(length)), Some(now), now),
            // Nothing is drawn in the future.
            None => Period::new(self.from, self.to.map(|to| if self.from < Some(now) { to.min(now) } else { to }), now),
        };
        Ok(Scope { period: period.ok_or_else(backwards)?, service_type: self.service_type.clone() })
    }
}

from_path!(DashboardInQuery, request => DashboardInQuery::read(request));

fn zone(parameters: &mut Parameters) -> Result<Option<TimeZone>, Problem> {
    let Some(name) = parameters.one("time_zone")?.filter(|name| !name.is_empty()) else { return Ok(None) };
    let expected =
        || Problem::invalid_query("time_zone", "expected the name of a zone such as Europe/Berlin".to_owned());
    TimeZone::parse(&name).map(Some).ok_or_else(expected)
}

/// A moment as forms send it: local time of a zone, to the minute or second (`2026-02-05T09:11`), or a time with an
/// offset.
fn minute(parameters: &mut Parameters, name: &str, zone: TimeZone) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = parameters.one(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
    let on_clocks = || Some(zone.moment(Timestamp::parse(&format!("{text}Z"))?.millis()));
    let expected = || Problem::invalid_query(name, "expected a date and time such as 2026-02-05T09:11".to_owned());
    Timestamp::parse(&text).or_else(on_clocks).map(Some).ok_or_else(expected)
}

/// The dashboard, or some of its figures as CSV.
pub(in crate::http) async fn get_dashboard_page(
    store: web::Data<Store>,
    menu: Menu,
    asked: DashboardInQuery,
) -> Result<HttpResponse, Problem> {
    let now = store.now();
    let scope = asked.scope(now)?;
    if let Some((figure, form)) = asked.figure {
        return file(&store, &asked, &scope, (figure, form)).await;
    }
    let types = store.list_service_types(SUGGESTED).await?;
    let figures = figures(&store, scope, asked.zone(), now).await?;
    let lifetimes = store.report_lifetimes().await?;
    layout::answer_tagged("Dashboard".to_owned(), menu.at(Here::Dashboard), move || {
        let tag = figures.tag(&(&asked, &types, &lifetimes));
        (dashboard(&asked, &types, &figures, &lifetimes), tag)
    })
    .await
}

async fn figures(store: &Store, scope: Scope, zone: TimeZone, now: Timestamp) -> Result<Figures, Problem> {
    let buckets = Buckets::of(scope.period, zone);
    let (period, buckets_before) = buckets.before(scope.period);
    let before = Scope { period, service_type: scope.service_type.clone() };
    Ok(Figures {
        activity: store.measure_activity(&scope, &buckets).await?,
        before: store.measure_activity(&before, &buckets_before).await?,
        tasks_before: store.count_ended_tasks(&before).await?,
        outcomes: store.report_outcomes(&scope).await?,
        durations: store.measure_durations(&scope).await?,
        waits: in_time(store.measure_waits(&scope).await)?,
        funnels: in_time(store.measure_funnels(&scope).await)?,
        stops: store.report_stops(&scope).await?,
        buckets,
        ends_now: scope.period.to >= now,
        scope,
    })
}

/// Figures, or `None` if measuring them took too long, so that the others are shown nevertheless.
fn in_time<T>(measured: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match measured {
        Err(StoreError::ReadTimeout(_)) => Ok(None),
        measured => measured.map(Some),
    }
}

async fn file(
    store: &Store,
    asked: &DashboardInQuery,
    scope: &Scope,
    (figure, form): (Figure, Form),
) -> Result<HttpResponse, Problem> {
    match figure {
        Figure::Activity => {
            let buckets = Buckets::of(scope.period, asked.zone());
            form.answer("activity.csv", &figures::lines(&store.measure_activity(scope, &buckets).await?, asked.zone()))
        }
        Figure::Durations => form.answer("durations.csv", &store.measure_durations(scope).await?),
        Figure::Waits => form.answer("waits.csv", &store.measure_waits(scope).await?),
        Figure::Funnels => form.answer("funnels.csv", &FunnelLine::of(&store.measure_funnels(scope).await?)),
    }
}

fn dashboard(asked: &DashboardInQuery, types: &[String], figures: &Figures, lifetimes: &[LifetimesRow]) -> Markup {
    let (period, zone) = (figures.scope.period, figures.buckets.zone());
    html! {
        h1 { "Dashboard" }
        (form(asked, &figures.scope, types))
        section id="figures" data-live data-rest data-choose-zone[asked.lets_choose_zone()] {
            p class="quiet" {
                (format::local_moment(period.from, zone)) " to " (format::local_moment(period.to, zone)) " " (zone)
            }
            (totals(figures))
            (leaving::line(lifetimes))
            div class="panels" {
                (figures::activity(figures))
                (figures::outcomes(figures))
                (funnels::funnels(figures))
                (spans::durations(figures))
                (spans::waits(figures))
                (figures::stops(figures))
            }
        }
    }
}

fn form(asked: &DashboardInQuery, scope: &Scope, types: &[String]) -> Markup {
    let zone = asked.zone();
    let local = |at: Timestamp| format::local(at, zone, "%Y-%m-%dT%H:%M");
    let periods = PERIODS.iter().map(|(name, label, _)| (*name, *label)).chain([(CHOSEN, "custom period")]);
    html! {
        form class="choice" action="/dashboard" method="get" {
            div class="fields" {
                div {
                    label for="period" { "Period" }
                    select id="period" name="period" {
                        @for (name, label) in periods { option value=(name) selected[name == asked.period] { (label) } }
                    }
                }
                div class="moments" {
                    label for="from" { "From" }
                    input id="from" name="from" type="datetime-local" value=(local(scope.period.from));
                }
                div class="moments" {
                    label for="to" { "To" }
                    input id="to" name="to" type="datetime-local" value=(local(scope.period.to));
                }
                div {
                    label for="time_zone" { "Time zone" }
                    input id="time_zone" name="time_zone" placeholder="UTC" autocomplete="off" spellcheck="false" value=(zone);
                }
                div {
                    label for="service_type" { "Service type" }
                    input id="service_type" name="service_type" list="types" placeholder="all" autocomplete="off"
                        value=(scope.service_type.as_deref().unwrap_or_default());
                    datalist id="types" { @for name in types { option value=(name) {} } }
                }
                button type="submit" { "Show" }
            }
        }
    }
}

/// Four totals of the period, and the same of the period before.
fn totals(figures: &Figures) -> Markup {
    let sum = |rows: &[ActivityRow], count: fn(&ActivityRow) -> i64| rows.iter().map(count).sum::<i64>();
    let both = |count| (sum(&figures.activity, count), sum(&figures.before, count));
    let open = |rows: &[ActivityRow]| rows.last().map_or(0, |row| row.open);
    let tasks = figures.durations.iter().filter(|row| row.element == "task").map(|row| row.count).sum::<i64>();
    html! {
        dl class="totals" {
            @for (label, (number, before), href) in [
                ("Services started", both(|row| row.started), Some(figures.services(Moment::Started, &[]))),
                ("Services ended", both(|row| row.ended), Some(figures.services(Moment::Completed, &[("status", "completed")]))),
                ("Services open at the end", (open(&figures.activity), open(&figures.before)), figures.open()),
                ("Tasks ended", (tasks, figures.tasks_before), Some(figures.services(Moment::Completed, &[("part", "task")]))),
            ] {
                div {
                    dt { (chart::linked(href.as_deref(), label)) }
                    dd { (chart::number(number)) }
                    dd class="quiet" { "the period before: " (chart::number(before)) }
                }
            }
        }
    }
}
