//! The first page: a search for a customer, and what is open now.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};

use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::Parameters;
use super::format::{self, name};
use super::layout::{self, Here, Menu};
use super::list::{self, Address};
use super::{chart, refresh, standings};
use crate::domain::overview::{CONSIDERED, MOST_FOUND, Match, Selection, Standing, Totals};
use crate::domain::query::Status;
use crate::domain::time::{HOUR, Timestamp};
use crate::store::Store;

/// The search of the first page.
pub(in crate::http) struct NowInQuery(String);

from_path!(NowInQuery, request => NowInQuery::read(request));

impl NowInQuery {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(request)?;
        let text = parameters.one("q")?.unwrap_or_default();
        parameters.refuse_rest(Self(text.trim().to_owned()))
    }
}

/// The page of services that are open now, or that a search has found.
pub(in crate::http) async fn get_now_page(
    store: web::Data<Store>,
    menu: Menu,
    NowInQuery(text): NowInQuery,
) -> Result<HttpResponse, Problem> {
    let (menu, now) = (menu.at(Here::Now), store.now());
    if !text.is_empty() {
        let matches = store.find_services(&text).await?;
        let ids: Vec<_> = matches.iter().map(|found| found.service_id).collect();
        let rows = if ids.is_empty() { Vec::new() } else { store.list_standings(&ids).await? };
        let title = format!("Search for {text}");
        return layout::answer_tagged(title, menu, move || {
            let tag = refresh::tag_of_standings(&(&text, &matches), &rows);
            (found(&text, &matches, &rows, now), tag)
        })
        .await;
    }
    let selection = Selection { status: Some(Status::Active), ..Selection::default() };
    let (totals, overview, shares) = store.get_overview_with_totals(&selection, list::PAGE).await?;
    layout::answer_tagged("Now".to_owned(), menu, move || {
        let counts = (Totals { oldest: None, ..totals }, now.start_of_day());
        let tag = refresh::tag_of_standings(&(counts, overview.total, &shares), &overview.rows);
        let main = html! {
            h1 { "Now" }
            (form(""))
            section id="now" data-live data-rest data-now=(now.millis()) {
                (tiles(&totals, now))
                h2 { "Open services, most overdue first" }
                (list::list(&overview, &shares, &Address::default(), now))
            }
        };
        (main, tag)
    })
    .await
}

fn form(text: &str) -> Markup {
    html! {
        form class="search" action="/" method="get" role="search" {
            label for="q" { "Customer, contact key, interaction, session or service" }
            div class="fields" {
                input id="q" name="q" type="search" value=(text) autocomplete="off" autocapitalize="off" spellcheck="false"
                    maxlength="255" required dir="auto" autofocus[text.is_empty()];
                button type="submit" { "Find" }
            }
        }
    }
}

/// The figures of the moment, each a link to the services that it counts.
fn tiles(totals: &Totals, now: Timestamp) -> Markup {
    let ended = [("status", "completed"), ("completed_from", &*now.minus(HOUR).to_string()), ("tone", "bad")];
    let started = [("status", "all"), ("started_from", &*now.start_of_day().to_string())];
    html! {
        ul class="tiles" {
            (tile("Open", totals.open, &Address::from([("status", "active")]), &html! {}))
            (tile("Past their estimate", totals.overdue, &Address::from([("overdue", "true")]), &html! { "or the median of their type" }))
            (tile("Ended badly in the last hour", totals.ended_badly, &Address::from(ended), &html! { "of " (totals.ended) " that ended" }))
            (tile("Started today", totals.started_today, &Address::from(started), &html! {
                (totals.started_week_before) " a week ago by this time"
            }))
        }
        @if let (true, Some(oldest)) = (totals.considered >= CONSIDERED, totals.oldest) {
            p class="quiet" {
                "These are the newest " (chart::number(CONSIDERED)) " services. "
                a href=(Address::from([("started_to", &*oldest.to_string())])) { "Open services that started before " (format::moment(oldest)) }
            }
        }
    }
}

fn tile(label: &str, number: i64, address: &Address, more: &Markup) -> Markup {
    html! {
        li { a href=(address) { span class="quiet" { (label) } b { (number) } span class="quiet" { (more) } } }
    }
}

fn found(text: &str, matches: &[Match], rows: &[Standing], now: Timestamp) -> Markup {
    let similar = !matches.iter().any(|found| found.is_exact);
    let mut seen = BTreeSet::new();
    let people: Vec<_> = rows
        .iter()
        .filter(|row| seen.insert((&row.customer_id, row.customer_id.is_none().then_some(&row.contact_key))))
        .collect();
    let open = rows.iter().filter(|row| row.ended.is_none()).count();
    let is_full = i64::try_from(rows.len()).is_ok_and(|found| found >= MOST_FOUND);
    html! {
        @if rows.is_empty() {
            h1 { "Nothing found" }
            (form(text))
            p {
                "No service has the customer, contact key or identifier, or was started with the interaction or session, "
                b { (name(text)) } "."
            }
            p class="quiet" { "Customers and contact keys are also found without regard to case, blanks and the signs between digits." }
        } @else {
            h1 { (name(text)) }
            (form(text))
            @if similar { p { "No service has exactly this text. These are similar:" } }
            p {
                @if is_full { "At least " }
                (format::count(rows.len(), "service", "services")) ", " (open) " open. "
                @if is_full { "A journey has them all: " } @else { "Journey of " }
                @for (place, row) in people.iter().enumerate() { @if place > 0 { ", " } (standings::named(row)) }
                ". " span class="quiet" { "Times are in UTC." }
            }
            (standings::table(rows, &Address::default(), now))
        }
    }
}
