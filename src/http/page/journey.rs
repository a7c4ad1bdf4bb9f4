//! The journey page: services of a customer or contact key, or a single service, on one time line.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::format::{self, Outcome, chip};
use super::layout::{self, Here};
use super::links::{self, By};
use super::timeline::timeline;
use crate::domain::element::Service;
use crate::domain::query::{Cursor, Filter, Listed, Owner, View};
use crate::domain::refusal::Refusal;
use crate::domain::time::Timestamp;
use crate::store::{Store, StoreError};

/// The maximum number of services on a page.
const PAGE: u32 = 20;

/// The number of latest services listed on the start page.
const LATEST: u32 = 12;

/// The query of the journey page: `by`, `q`, and the page cursor `before`.
pub(in crate::http) struct JourneyInQuery {
    by: By,
    text: String,
    before: Option<Cursor>,
}

impl JourneyInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let by = parameters.one("by")?.unwrap_or_default();
        let known = By::ALL.into_iter().find(|known| known.name() == by || by.is_empty());
        let expected = || Problem::invalid_query("by", "expected any, customer, contact_key or service".to_owned());
        let text = parameters.one("q")?.filter(|text| !text.trim().is_empty()).unwrap_or_default();
        let search = Self { by: known.ok_or_else(expected)?, text, before: parameters.parsed("before")? };
        parameters.refuse_rest(search)
    }
}

from_path!(JourneyInQuery, request => JourneyInQuery::read(request));

/// The journey page.
pub(in crate::http) async fn get_journey_page(
    store: web::Data<Store>,
    mut search: JourneyInQuery,
) -> Result<HttpResponse, Problem> {
    if search.text.is_empty() {
        let latest = store.list_latest_services(LATEST).await?;
        return Ok(layout::answer("Find a journey", Here::Journey, &start(&search, &latest)));
    }
    let mut found = find(&store, &search).await?;
    let trimmed = search.text.trim();
    // Identifiers may begin or end with blanks, but more often these were copied along.
    if found.services.is_empty() && trimmed != search.text {
        search.text = trimmed.to_owned();
        found = find(&store, &search).await?;
    }
    let (title, now) = (format!("Journey of {}", search.text), store.now());
    let main = move || {
        html! {
            (form(&search))
            @if found.services.is_empty() { (nothing(&search)) } @else { (journey(&search, &found, now)) }
        }
    };
    layout::answer_elsewhere(title, Here::Journey, main).await
}

/// The services found, ordered by start, and the query for older ones if there are any.
struct Found {
    services: Vec<Service>,
    older: Option<(By, Cursor)>,
}

async fn find(store: &Store, search: &JourneyInQuery) -> Result<Found, Problem> {
    let mut found = Found { services: Vec::new(), older: None };
    // PostgreSQL text cannot contain NUL.
    if search.text.contains('\0') {
        return Ok(found);
    }
    let (view, filter) = (View::of_journey(), Filter { limit: PAGE, before: search.before, ..Filter::default() });
    let owners =
        [(By::Customer, Owner::Customer(search.text.clone())), (By::ContactKey, Owner::Anonymous(search.text.clone()))];
    for (by, owner) in owners {
        if search.by.covers(by) {
            let page = store.list_services(&Listed::Services(owner), &filter, &view).await?;
            found.services.extend(page.elements);
            found.older = found.older.or(page.older.map(|older| (by, older)));
        }
    }
    if let (true, Ok(id)) = (search.by.covers(By::Service), search.text.parse()) {
        match store.get_service(id, &view).await {
            Ok(service) if !found.services.iter().any(|known| known.service_id == id) => found.services.push(service),
            Ok(_) | Err(StoreError::Refused(Refusal::Unknown(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.services.sort_by_key(|service| (service.lifecycle.started.timestamp, service.service_id));
    Ok(found)
}

fn form(search: &JourneyInQuery) -> Markup {
    html! {
        form class="search" action="/journey" method="get" role="search" {
            label for="q" { "Customer ID, contact key or service ID" }
            div class="fields" {
                input id="q" name="q" type="search" value=(search.text) autocomplete="off" autocapitalize="off"
                    spellcheck="false" maxlength="255" required autofocus[search.text.is_empty()];
                select name="by" aria-label="Search by" {
                    @for by in By::ALL {
                        option value=(by.name()) selected[by == search.by] { (by.label()) }
                    }
                }
                button type="submit" { "Show the journey" }
            }
        }
    }
}

fn start(search: &JourneyInQuery, latest: &[Service]) -> Markup {
    html! {
        section class="intro" {
            h1 { "Find a journey" }
            p { "See what a customer has done so far and what is still open. All services appear on one time line, with their states and tasks." }
            (form(search))
        }
        section aria-labelledby="latest" {
            h2 id="latest" { "Recently started" }
            @if latest.is_empty() {
                p class="quiet" { "There are no services yet. Run " code { "make demo" } " for sample data." }
            } @else {
                (cards(latest))
            }
        }
    }
}

fn cards(services: &[Service]) -> Markup {
    let mut outcomes: Vec<_> = services.iter().map(|service| Outcome::of(&service.lifecycle)).collect();
    format::assign_colours(&mut outcomes);
    html! {
        ul class="cards" { @for (service, outcome) in services.iter().zip(&outcomes) { li { (card(service, outcome)) } } }
    }
}

fn card(service: &Service, outcome: &Outcome) -> Markup {
    let whose = service.customer_id.as_deref().or(service.contact_key.as_deref()).unwrap_or_default();
    html! {
        a class="card" href=(links::journey_of(service)) {
            strong { (format::kind(&service.lifecycle, "service")) }
            (chip(outcome))
            span class="whose" {
                @if service.customer_id.is_some() { "customer " } @else { "contact key " }
                b { (whose) }
            }
            span class="quiet" { "service " (service.service_id) ", " (format::moment(service.lifecycle.started.timestamp)) }
        }
    }
}

fn nothing(search: &JourneyInQuery) -> Markup {
    let by = if search.by == By::Anything { "customer ID, contact key or service ID" } else { search.by.label() };
    html! {
        section class="notice" {
            h1 { "No journey found" }
            p { "There is no service with the " (by) " " b { (search.text) } "." }
            p class="quiet" { "Customer IDs and contact keys are case-sensitive and must match exactly. A contact key finds only services without a customer." }
        }
    }
}

fn journey(search: &JourneyInQuery, found: &Found, now: Timestamp) -> Markup {
    let open = found.services.iter().filter(|service| service.lifecycle.completed.is_none()).count();
    let live = found.services.iter().any(has_open);
    html! {
        section id="journey" data-live[live] {
            div class="headline" {
                h1 { (heading(search, &found.services)) }
                p class="quiet" {
                    (format::count(found.services.len(), "service", "services")) ", " (open) " open."
                    " Times are in UTC."
                    @if live {
                        " Open items refresh every 2 s"
                        noscript { " with JavaScript; without it, " a href=(links::search(search.by, &search.text, search.before)) { "refresh the page" } }
                        ". " span class="as-of" { "As of " (format::formatted(now, "%H:%M:%S")) }
                    }
                }
                @if let Some((by, older)) = found.older {
                    p { a href=(links::search(by, &search.text, Some(older))) { "Older services" } }
                }
            }
            (timeline(&found.services, now))
        }
        dialog id="details" aria-label="Details" {
            form method="dialog" { button class="close" aria-label="Close" { "×" } }
            div class="content" {}
        }
        p id="tip" class="tip" role="status" hidden {}
    }
}

fn has_open(service: &Service) -> bool {
    service.lifecycle.completed.is_none()
        || service.states.active.as_ref().is_some_and(|states| !states.is_empty())
        || service.tasks.active.as_ref().is_some_and(|tasks| !tasks.is_empty())
}

/// The heading: the customer, contact key or service of the journey.
fn heading(search: &JourneyInQuery, services: &[Service]) -> Markup {
    let of_one_customer = services.iter().all(|service| service.customer_id.as_deref() == Some(&search.text));
    let of_one_key = services
        .iter()
        .all(|service| service.customer_id.is_none() && service.contact_key.as_deref() == Some(&search.text));
    html! {
        @if of_one_customer { "Customer " } @else if of_one_key { "Contact key " } @else if services.len() == 1 { "Service " }
        b { (search.text) }
    }
}
