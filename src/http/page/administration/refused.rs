//! The page of refused requests: their causes, and the latest requests.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::super::format::{self, name};
use super::super::layout::{self, Here, Menu};
use super::super::links;
use super::{heading, table};
use crate::domain::time::Timestamp;
use crate::http::problem::{Code, Problem};
use crate::http::query::NoParameters;
use crate::http::refused::{Cause, Refused, RefusedRequest, causes};
use crate::store::Store;

/// The maximum number of rows of a table; `/refused` has all rows.
const ROWS: usize = 100;

/// The page of refused requests.
pub(in crate::http) async fn get_refused_page(
    store: web::Data<Store>,
    refused: web::Data<Refused>,
    menu: Menu,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let (requests, started, now) = (refused.latest(), refused.started(), store.now());
    let main = move || page(&requests, started, now);
    layout::answer_elsewhere("Refused requests".to_owned(), menu.at(Here::Administration), main).await
}

fn page(requests: &[RefusedRequest], started: Timestamp, now: Timestamp) -> Markup {
    let causes = causes(requests);
    html! {
        (heading("/administration/refused"))
        p class="quiet" {
            "The last 1,000 requests to change something that this node has refused with a 4xx since " (format::moment(started))
            " UTC. Each node keeps its own, without values. "
            a href="/refused" { "As JSON" }
        }
        @if requests.is_empty() {
            p class="quiet nothing" { "Nothing was refused." }
        } @else {
            h2 { "Causes" }
            (table("causes", &["Requests", "Cause", "Place", "Operation", "Last"], &html! {
                @for cause in causes.iter().take(ROWS) { (self::cause(cause, now)) }
            }))
            (more(causes.len()))
            h2 { "Latest" }
            (table("refused requests", &["Time (UTC)", "Cause", "Operation", "User", "Request"], &html! {
                @for request in requests.iter().take(ROWS) { (row(request)) }
            }))
            (more(requests.len()))
        }
    }
}

fn cause(cause: &Cause, now: Timestamp) -> Markup {
    html! {
        tr {
            td class="number" { (cause.requests) }
            td { (why(cause.code)) }
            td { @match &cause.place { Some(place) => (self::place(place)), None => span class="quiet" { "the request" } } }
            td { (operation(&cause.latest)) }
            td { (format::elapsed(cause.latest.at, now)) " ago" br; code class="quiet" { (cause.latest.request_id) } }
        }
    }
}

fn row(request: &RefusedRequest) -> Markup {
    html! {
        tr {
            td { (format::exact(request.at)) }
            td class="cause" {
                (why(request.code))
                @if request.places.is_empty() { div { (request.detail) } }
                @for (place, expected) in &request.places { div { (self::place(place)) " " (expected) } }
            }
            td { (operation(request)) br; span class="quiet" { (request.method) " " (request.route) } }
            td { @if let Some(user) = &request.caller { (name(user)) } @else { span class="quiet" { "anyone" } } }
            td { code { (request.request_id) } }
        }
    }
}

/// Why requests were refused, in words, with a link to what the caller should do.
fn why(code: Code) -> Markup {
    let (name, _, title) = code.entry();
    html! { a href=(links::problem(code)) { (title) } br; code class="quiet" { (name) } }
}

/// A place in a request. The empty pointer refers to the whole body.
fn place(place: &str) -> Markup {
    html! { @if place.is_empty() { span class="quiet" { "the body" } } @else { code { (name(place)) } } }
}

/// The operation, as a link to its description. A request that matched none links to the list of operations.
fn operation(request: &RefusedRequest) -> Markup {
    html! {
        @if request.tag.is_empty() {
            a href="/docs/" { "no operation" }
        } @else {
            a href=(format!("/docs/#/{}/{}", request.tag, request.operation)) { (request.operation) }
        }
    }
}

fn more(rows: usize) -> Markup {
    html! { @if rows > ROWS { p class="quiet" { "and " (rows - ROWS) " more" } } }
}
