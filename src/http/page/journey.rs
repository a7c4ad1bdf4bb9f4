//! The journey page: where a customer, a contact key or a single service stands, and the services with their steps.

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::format::{self, Outcome, chip, name};
use super::groups::Chosen;
use super::layout::{self, Here, Menu};
use super::links::{self, By};
use super::steps::Steps;
use super::{refresh, service_rows, standing};
use crate::domain::element::Service;
use crate::domain::journey::{Journey, MOST_SERVICES, Search, Slice};
use crate::domain::time::Timestamp;
use crate::store::Store;

/// The maximum number of services on a page.
const PAGE: i64 = 20;

/// The highest number of a page.
const LAST_PAGE: i64 = 2 * MOST_SERVICES / PAGE;

/// The maximum number of rows of a service that are skipped.
const MOST_SKIPPED: i64 = 10_000;

/// The number of latest services listed on the start page.
const LATEST: u32 = 12;

/// The query of the journey page: `by`, `q`, the number of the `page`, and the `rows` to show of a service with very
/// many.
pub(in crate::http) struct JourneyInQuery {
    by: By,
    text: String,
    page: i64,
    chosen: Chosen,
}

impl JourneyInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let by = parameters.one("by")?.unwrap_or_default();
        let known = By::ALL.into_iter().find(|known| known.name() == by || by.is_empty());
        let expected = || Problem::invalid_query("by", "expected any, customer, contact_key or service".to_owned());
        let text = parameters.one("q")?.filter(|text| !text.trim().is_empty()).unwrap_or_default();
        let page = parameters.integer("page", 1..=LAST_PAGE)?.unwrap_or(1);
        let skip = parameters.integer("skip", 0..=MOST_SKIPPED)?.unwrap_or(0);
        let chosen = Chosen { rows: parameters.one("rows")?, skip: usize::try_from(skip).unwrap_or_default() };
        parameters.refuse_rest(Self { by: known.ok_or_else(expected)?, text, page, chosen })
    }

    /// Builds the search for a text, either as typed or trimmed.
    fn search(&self, text: &str) -> Search {
        // PostgreSQL text cannot contain NUL.
        let of = |by: By| (self.by.covers(by) && !text.contains('\0')).then(|| text.to_owned());
        let service = if self.by.covers(By::Service) { text.trim().trim_start_matches('#').parse().ok() } else { None };
        Search { customer: of(By::Customer), contact_key: of(By::ContactKey), service }
    }
}

from_path!(JourneyInQuery, request => JourneyInQuery::read(request));

/// The journey page.
pub(in crate::http) async fn get_journey_page(
    store: web::Data<Store>,
    menu: Menu,
    mut asked: JourneyInQuery,
) -> Result<HttpResponse, Problem> {
    let menu = menu.at(Here::Journey);
    if asked.text.is_empty() {
        let latest = store.list_latest_services(LATEST).await?;
        return Ok(layout::answer("Find a journey", menu, &start(&asked, &latest)));
    }
    let found = find(&store, &mut asked).await?;
    let (title, now) = (format!("Journey of {}", asked.text), store.now());
    layout::answer_tagged(title, menu, move || {
        let of_services: Vec<_> = found.services.iter().map(|service| Steps::of(service, now)).collect();
        let trouble = found.trouble.as_ref().map(|service| Steps::of(service, now));
        let owners: Vec<_> =
            found.services.iter().map(|service| (&service.customer_id, &service.contact_key)).collect();
        let content = (owners, &asked.text, asked.by, asked.page, &asked.chosen, found.total, found.open);
        let tag = refresh::tag(&content, &of_services, trouble.as_ref(), now);
        let main = html! {
            (form(&asked))
            @if of_services.is_empty() { (nothing(&asked)) } @else { (journey(&asked, &found, (&of_services, trouble.as_ref()), now)) }
        };
        (main, tag)
    })
    .await
}

/// Searches for the text as typed and, if nothing is found, for the trimmed text. Identifiers may begin or end with
/// blanks, but more often the blanks were copied by accident. If the requested page no longer exists, returns the
/// first.
async fn find(store: &Store, asked: &mut JourneyInQuery) -> Result<Journey, Problem> {
    let (typed, trimmed) = (asked.text.clone(), asked.text.trim().to_owned());
    let mut tries = vec![(&typed, asked.page), (&trimmed, asked.page), (&typed, 1), (&trimmed, 1)];
    tries.dedup();
    for (text, page) in tries {
        let slice = Slice { skip: (page - 1) * PAGE, limit: PAGE };
        let found = store.get_journey(&asked.search(text), slice).await?;
        if !found.services.is_empty() {
            (asked.text, asked.page) = (text.clone(), page);
            return Ok(found);
        }
    }
    asked.text = trimmed;
    Ok(Journey { services: Vec::new(), total: 0, open: 0, trouble: None })
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
            p { "See what a customer has done so far and what is still open: each service with its states and tasks on a time line." }
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
    html! {
        ul class="cards" { @for service in services { li { (card(service)) } } }
    }
}

fn card(service: &Service) -> Markup {
    let whose = service.customer_id.as_deref().or(service.contact_key.as_deref()).unwrap_or_default();
    html! {
        a class="card" href=(links::journey_of(service)) {
            strong { (name(&format::kind(&service.lifecycle, "service"))) }
            (chip(&Outcome::of(&service.lifecycle)))
            span class="whose" {
                @if service.customer_id.is_some() { "customer " } @else { "contact key " }
                b { (name(whose)) }
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
            p { "There is no service with the " (by) " " b { (name(&search.text)) } "." }
            p class="quiet" { "Customer IDs and contact keys are case-sensitive and must match exactly. A contact key finds only services without a customer." }
        }
    }
}

/// The services of the page, below where the first stands and what went wrong last.
fn journey(
    asked: &JourneyInQuery,
    found: &Journey,
    (of_services, trouble): (&[Steps], Option<&Steps>),
    now: Timestamp,
) -> Markup {
    html! {
        section id="journey" data-live data-now=(now.millis()) {
            header class="headline" {
                h1 { (heading(asked, &found.services)) }
                p class="quiet" {
                    (standing::totals(found)) "."
                    noscript { " As of " (format::moment(now)) " UTC, " a href=(links::search(asked.by, &asked.text, asked.page)) { "refresh the page" } }
                }
                @if asked.page == 1 { (standing::sentence(&of_services[0], now)) }
                @if let Some(trouble) = trouble { (standing::trouble(trouble, now)) }
            }
            (pages(asked, found))
            (service_rows::services(of_services, &asked.chosen, now))
            (pages(asked, found))
        }
    }
}

/// The links to newer and older services.
fn pages(asked: &JourneyInQuery, found: &Journey) -> Markup {
    let first = (asked.page - 1) * PAGE;
    let last = first + i64::try_from(found.services.len()).unwrap_or_default();
    let page = |page| links::search(asked.by, &asked.text, page);
    html! {
        @if found.total > PAGE {
            p class="pages" {
                @if asked.page > 1 { a href=(page(asked.page - 1)) { "Newer services" } " " }
                span class="quiet" { (first + 1) " to " (last) " of " (found.total) ", open ones first " }
                @if last < found.total { a href=(page(asked.page + 1)) { "Older services" } }
            }
        }
    }
}

/// The heading: the customer, contact key or service of the journey.
fn heading(search: &JourneyInQuery, services: &[Service]) -> Markup {
    let of_one_customer = services.iter().all(|service| service.customer_id.as_deref() == Some(&search.text));
    let of_one_key = services
        .iter()
        .all(|service| service.customer_id.is_none() && service.contact_key.as_deref() == Some(&search.text));
    html! {
        @if of_one_customer { "Customer " } @else if of_one_key { "Contact key " } @else if services.len() == 1 { "Service " }
        b { (name(&search.text)) }
    }
}
