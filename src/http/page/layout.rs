//! The frame of every page: head, navigation, and error pages.

use actix_web::http::header::{ETag, EntityTag, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use maud::{DOCTYPE, Markup, html};

use super::super::auth::is_administrator;
use super::super::extract::from_path;
use super::super::problem::Problem;
use super::super::query::elsewhere;
use super::{assets, links};

/// The content type of pages.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// The entry of the navigation that is marked as current.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    /// None of them.
    Nowhere,
    /// The page of open services.
    Now,
    /// Journeys.
    Journey,
    /// The dashboard.
    Dashboard,
    /// The pages for administrators.
    Administration,
    /// The page that describes the API.
    Api,
}

/// The navigation, as far as the caller may use it.
#[derive(Clone, Copy)]
pub(in crate::http) struct Menu {
    here: Here,
    /// Whether it leads to the pages for administrators.
    is_whole: bool,
}

impl Menu {
    /// The navigation for the sender of a request.
    pub(in crate::http) fn of(request: &HttpRequest) -> Self {
        Self { here: Here::Nowhere, is_whole: is_administrator(request) }
    }

    /// The same with an entry marked as current.
    pub(super) const fn at(self, here: Here) -> Self {
        Self { here, ..self }
    }

    fn render(self) -> Markup {
        let current = |link| (self.here == link).then_some("page");
        html! {
            nav aria-label="Pages" {
                a href="/" aria-current=[current(Here::Now)] { "Now" }
                a href="/journey" aria-current=[current(Here::Journey)] { "Journey" }
                a href="/dashboard" aria-current=[current(Here::Dashboard)] { "Dashboard" }
                @if self.is_whole {
                    a href="/administration/refused" aria-current=[current(Here::Administration)] { "Administration" }
                }
                a href=(if self.here == Here::Api { "./" } else { "/docs/" }) aria-current=[current(Here::Api)] { "API" }
            }
        }
    }

    /// The navigation on the page that describes the API, which is served under several paths.
    pub(in crate::http) fn of_api(self) -> Markup {
        self.at(Here::Api).render()
    }
}

from_path!(Menu, request => Ok(Self::of(request)));

/// A response with status 200 and a page.
pub(super) fn answer(title: &str, menu: Menu, main: &Markup) -> HttpResponse {
    HttpResponse::Ok().content_type(HTML).body(page(title, menu, main).into_string())
}

/// The same for a page that may be large, which is rendered on a thread that serves no connections.
pub(super) async fn answer_elsewhere(
    title: String,
    menu: Menu,
    main: impl FnOnce() -> Markup + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let page = elsewhere(move || page(&title, menu, &main()).into_string()).await?;
    Ok(HttpResponse::Ok().content_type(HTML).body(page))
}

/// The same for a page that refreshes. Its tag changes whenever its content does, but not with every second.
pub(super) async fn answer_tagged(
    title: String,
    menu: Menu,
    main: impl FnOnce() -> (Markup, EntityTag) + Send + 'static,
) -> Result<HttpResponse, Problem> {
    let rendered = elsewhere(move || {
        let (main, tag) = main();
        (page(&title, menu, &main).into_string(), tag)
    });
    let (page, tag) = rendered.await?;
    Ok(HttpResponse::Ok().content_type(HTML).insert_header(ETag(tag)).body(page))
}

/// A problem as a page.
pub(super) fn problem_page(problem: &Problem, menu: Menu) -> Markup {
    let main = html! {
        section class="notice" {
            h1 { (problem.title()) }
            p { (problem.detail()) }
            p class="quiet" {
                "Status " (problem.status_code().as_u16()) ", " a href=(links::problem(problem.kind())) { code { (problem.code()) } } "."
            }
            p { a href="/journey" { "Find a journey" } }
        }
    };
    page(problem.title(), menu, &main)
}

fn page(title: &str, menu: Menu, main: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Context Services" }
                link rel="icon" href=(assets::address("icon.svg"));
                link rel="stylesheet" href=(assets::address("page.css"));
                script src=(assets::address("page.js")) defer {}
            }
            body {
                a class="skip" href="#main" { "Skip to content" }
                header class="top" {
                    a class="brand" href="/" {
                        img src=(assets::address("icon.svg")) alt="" width="22" height="22";
                        "Context Services"
                    }
                    (menu.render())
                }
                main id="main" { (main) }
                p id="lost" role="status" hidden { "The server cannot be reached. What is shown may be out of date. Trying again …" }
            }
        }
    }
}
