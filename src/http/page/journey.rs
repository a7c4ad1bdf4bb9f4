//! The journey page: services are found by customer, contact key or identifier, and shown on one time line.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::layout::{self, Here};
use super::timeline::timeline;
use super::words::{self, Outcome};
use crate::domain::element::Service;
use crate::domain::ids::ServiceId;
use crate::domain::query::{Cursor, Filter, Listed, Owner, View};
use crate::domain::refusal::Refusal;
use crate::store::{Store, StoreError};

/// Services on one page: the newest.
const SHOWN: u32 = 20;

/// Services that are offered where nothing is searched for.
const LATEST: u32 = 12;

/// By what services are sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Anything,
    Customer,
    ContactKey,
    Service,
}

impl By {
    const ALL: [Self; 4] = [Self::Anything, Self::Customer, Self::ContactKey, Self::Service];

    const fn name(self) -> &'static str {
        match self {
            Self::Anything => "any",
            Self::Customer => "customer",
            Self::ContactKey => "contact_key",
            Self::Service => "service",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Anything => "any of these",
            Self::Customer => "customer id",
            Self::ContactKey => "contact key",
            Self::Service => "service id",
        }
    }

    fn covers(self, other: Self) -> bool {
        self == Self::Anything || self == other
    }
}

/// What is sought: `by`, `q`, and `before` for what does not fit on one page.
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
        let text = parameters.one("q")?.unwrap_or_default().trim().to_owned();
        let sought = Self { by: known.ok_or_else(expected)?, text, before: parameters.parsed("before")? };
        parameters.refuse_rest(sought)
    }
}

from_path!(JourneyInQuery, request => JourneyInQuery::read(request));

/// Where the journey of a customer, contact key or service is.
pub(super) fn address_of(service: &Service) -> String {
    match (&service.customer_id, &service.contact_key) {
        (Some(customer), _) => address(By::Customer, customer, None),
        (None, Some(key)) => address(By::ContactKey, key, None),
        (None, None) => address(By::Service, &service.service_id.to_string(), None),
    }
}

/// Where a service alone is shown.
pub(super) fn address_of_service(service: ServiceId) -> String {
    address(By::Service, &service.to_string(), None)
}

fn address(by: By, text: &str, before: Option<Cursor>) -> String {
    let before = before.map(|before| ("before", before.to_string()));
    let fixed = [("by", by.name().to_owned()), ("q", text.to_owned())];
    let parameters: Vec<_> = fixed.into_iter().chain(before).collect();
    format!("/journey?{}", serde_urlencoded::to_string(parameters).unwrap_or_default())
}

/// The journey page.
pub(in crate::http) async fn get_journey_page(
    store: web::Data<Store>,
    sought: JourneyInQuery,
) -> Result<HttpResponse, Problem> {
    if sought.text.is_empty() {
        let latest = store.list_latest_services(LATEST).await?;
        return Ok(layout::answer("Find a journey", Here::Journey, &start(&sought, &latest)));
    }
    let found = find(&store, &sought).await?;
    let main = html! {
        (form(&sought))
        @if found.services.is_empty() { (nothing(&sought)) } @else { (journey(&sought, &found, &store)) }
    };
    Ok(layout::answer(&format!("Journey of {}", sought.text), Here::Journey, &main))
}

/// Services in order of their start; where older ones remain, and by what they are found.
struct Found {
    services: Vec<Service>,
    older: Option<(By, Cursor)>,
}

async fn find(store: &Store, sought: &JourneyInQuery) -> Result<Found, Problem> {
    let mut found = Found { services: Vec::new(), older: None };
    // PostgreSQL has no text with NUL.
    if sought.text.contains('\0') {
        return Ok(found);
    }
    let (view, filter) = (View::of_journey(), Filter { limit: SHOWN, before: sought.before, ..Filter::default() });
    let owners =
        [(By::Customer, Owner::Customer(sought.text.clone())), (By::ContactKey, Owner::Anonymous(sought.text.clone()))];
    for (by, owner) in owners {
        if sought.by.covers(by) {
            let page = store.list_services(&Listed::Services(owner), &filter, &view).await?;
            found.services.extend(page.elements);
            found.older = found.older.or(page.older.map(|older| (by, older)));
        }
    }
    if let (true, Ok(id)) = (sought.by.covers(By::Service), sought.text.parse()) {
        match store.get_service(id, &view).await {
            Ok(service) if !found.services.iter().any(|known| known.service_id == id) => found.services.push(service),
            Ok(_) | Err(StoreError::Refused(Refusal::Unknown(_))) => {}
            Err(error) => return Err(error.into()),
        }
    }
    found.services.sort_by_key(|service| (service.lifecycle.started.timestamp, service.service_id));
    Ok(found)
}

fn form(sought: &JourneyInQuery) -> Markup {
    html! {
        form class="search" action="/journey" method="get" role="search" {
            label for="q" { "Customer id, contact key or service id" }
            div class="fields" {
                input id="q" name="q" type="search" value=(sought.text) autocomplete="off" autocapitalize="off"
                    spellcheck="false" maxlength="255" required autofocus[sought.text.is_empty()];
                select name="by" aria-label="Search by" {
                    @for by in By::ALL {
                        option value=(by.name()) selected[by == sought.by] { (by.label()) }
                    }
                }
                button type="submit" { "Show the journey" }
            }
        }
    }
}

fn start(sought: &JourneyInQuery, latest: &[Service]) -> Markup {
    html! {
        section class="intro" {
            h1 { "Find a journey" }
            p { "Where does a customer stand, and what has happened so far? Every service is shown on one time line, with its states and tasks." }
            (form(sought))
        }
        section aria-labelledby="latest" {
            h2 id="latest" { "Started lately" }
            @if latest.is_empty() {
                p class="quiet" { "No service is on record yet. " code { "make demo" } " plays some." }
            } @else {
                (cards(latest))
            }
        }
    }
}

fn cards(services: &[Service]) -> Markup {
    let mut outcomes: Vec<_> = services.iter().map(|service| Outcome::of(&service.lifecycle)).collect();
    words::tell_apart(&mut outcomes);
    html! {
        ul class="cards" { @for (service, outcome) in services.iter().zip(&outcomes) { li { (card(service, outcome)) } } }
    }
}

fn card(service: &Service, outcome: &Outcome) -> Markup {
    let whose = service.customer_id.as_deref().or(service.contact_key.as_deref()).unwrap_or_default();
    html! {
        a class="card" href=(address_of(service)) {
            strong { (words::kind(&service.lifecycle, "service")) }
            (chip(outcome))
            span class="whose" {
                @if service.customer_id.is_some() { "customer " } @else { "contact key " }
                b { (whose) }
            }
            span class="quiet" { "service " (service.service_id) ", " (words::moment(service.lifecycle.started.timestamp)) }
        }
    }
}

/// An outcome with its colour.
pub(super) fn chip(outcome: &Outcome) -> Markup {
    html! { span class={ "chip " (outcome.class) } { (outcome.text) } }
}

fn nothing(sought: &JourneyInQuery) -> Markup {
    let by = if sought.by == By::Anything { "customer id, contact key or service id" } else { sought.by.label() };
    html! {
        section class="notice" {
            h1 { "Nothing is on record" }
            p { "There is no service with the " (by) " " b { (sought.text) } "." }
            p class="quiet" { "Customer ids and contact keys must be exact, in upper and lower case too. By contact key only services without a customer are found." }
        }
    }
}

fn journey(sought: &JourneyInQuery, found: &Found, store: &Store) -> Markup {
    let open = found.services.iter().filter(|service| service.lifecycle.completed.is_none()).count();
    let live = found.services.iter().any(has_open);
    html! {
        section id="journey" data-live[live] {
            div class="headline" {
                h1 { (heading(sought, &found.services)) }
                p class="quiet" {
                    (words::count(found.services.len(), "service", "services")) ", " (open) " open."
                    " Times are in UTC."
                    @if live {
                        " What is open is refreshed by itself"
                        noscript { " where scripts may run; else " a href=(address(sought.by, &sought.text, sought.before)) { "refresh it" } }
                        ". " span class="as-of" { "As of " (words::formatted(store.now(), "%H:%M:%S")) }
                    }
                }
                @if let Some((by, older)) = found.older {
                    p { a href=(address(by, &sought.text, Some(older))) { "Older services" } }
                }
            }
            (timeline(&found.services, store.now()))
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

/// Whose journey it is.
fn heading(sought: &JourneyInQuery, services: &[Service]) -> Markup {
    let of_one_customer = services.iter().all(|service| service.customer_id.as_deref() == Some(&sought.text));
    let of_one_key = services
        .iter()
        .all(|service| service.customer_id.is_none() && service.contact_key.as_deref() == Some(&sought.text));
    html! {
        @if of_one_customer { "Customer " } @else if of_one_key { "Contact key " } @else if services.len() == 1 { "Service " }
        b { (sought.text) }
    }
}
