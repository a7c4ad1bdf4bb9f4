//! HTML pages: what is open now, customer journeys, the dashboard, and pages for administrators. The server renders
//! whole pages, which work without scripts; a small script refreshes open items and shows details in place.
//!
//! Data from applications appears as text, never as markup: `maud` builds every page and escapes all values.

mod administration;
mod assets;
mod axis;
mod chart;
mod dashboard;
mod element;
mod figures;
mod format;
mod funnels;
mod groups;
mod journey;
mod layout;
mod leaving;
mod links;
mod list;
mod now;
mod problem;
mod refresh;
mod service_rows;
mod spans;
mod standing;
mod standings;
mod steps;
mod waterfall;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, Accept, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{HttpMessage, HttpRequest, Route, guard, web};

use super::etag;
use super::operations::Operations;
use super::path::{forwarded_prefix, with_prefix};
use super::problem::{JSON, Problem};
use crate::domain::mode::Mode;
use crate::store::Store;

pub(super) use administration::{get_business_attributes_page, get_refused_page, get_schemas_page, get_users_page};
pub(super) use assets::{address as address_of_asset, get_asset};
pub(super) use dashboard::get_dashboard_page;
pub(super) use element::{get_service_page, get_state_page, get_task_page};
pub(super) use journey::get_journey_page;
pub(super) use layout::Menu;
pub(super) use list::get_list_page;
pub(super) use now::get_now_page;
pub(super) use problem::get_problem_page;

/// The content security policy: nothing from other origins, and nothing inline, so that injected markup cannot run
/// scripts.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 2] =
    [(header::CONTENT_SECURITY_POLICY, POLICY), (header::REFERRER_POLICY, "no-referrer")];

/// The resource of a page or static file. `name` is its name in the log.
pub(super) fn at(path: &str, name: &str, route: Route) -> impl HttpServiceFactory + use<> {
    web::resource(path).name(name).guard(guard::Get()).wrap(from_fn(frame)).route(route)
}

/// The middleware of all pages: sets their headers, and renders problems as pages. Like queries, pages are unavailable
/// in maintenance mode.
async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mode = request.app_data::<web::Data<Store>>().map(|store| store.mode());
    let is_page = !request.path().starts_with("/assets/");
    // Metadata is changed in maintenance mode, and problems are explained.
    let is_open = ["/administration/", "/problems/"].iter().any(|open| request.path().starts_with(open));
    let is_closed = is_page && !is_open;
    let response = if is_closed && mode == Some(Mode::Maintenance) {
        request.error_response(Problem::maintenance())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let response = problem_as_page(response);
    let response = if is_page { with_headers_of_pages(under_prefix(response)) } else { with_headers(response) };
    let (request, response) = response.into_parts();
    let response = etag::conditional(&request, response);
    Ok(ServiceResponse::new(request, response))
}

/// The response of any route, with its problem as a page if a browser asked for one. Problems of the API stay as they are.
/// Requests to pages may be refused before they reach the middleware of pages, and unknown paths belong to no page.
pub(super) fn problem_for_browser<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
) -> ServiceResponse<EitherBody<B>> {
    let of_api = || Operations::of(&response).is_some_and(|operation| !operation.tag.is_empty());
    let is_problem = Problem::of(&response).is_some() && response.headers().get(header::CONTENT_TYPE) == Some(&JSON);
    if !is_problem || !prefers_html(response.request()) || of_api() {
        return response.map_into_left_body();
    }
    let page = problem_as_page(response.map_into_boxed_body());
    with_headers_of_pages(under_prefix(page)).map_into_right_body()
}

/// Whether the client is a browser that shows the response, since only these rank HTML first.
fn prefers_html(request: &HttpRequest) -> bool {
    request.get_header::<Accept>().is_some_and(|accepted| accepted.preference().essence_str() == "text/html")
}

fn with_headers_of_pages(response: ServiceResponse) -> ServiceResponse {
    let mut response = with_headers(response);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn with_headers(mut response: ServiceResponse) -> ServiceResponse {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The page with the prefix that a proxy names added to its addresses.
fn under_prefix(response: ServiceResponse) -> ServiceResponse {
    let prefix = forwarded_prefix(response.request().headers());
    if prefix.is_empty() {
        return response;
    }
    response.map_body(|_, body| match body.try_into_bytes() {
        Ok(page) => BoxBody::new(with_prefix(String::from_utf8_lossy(&page).into_owned(), &prefix)),
        Err(body) => body,
    })
}

fn problem_as_page(response: ServiceResponse) -> ServiceResponse {
    let problem = Problem::of(&response);
    let menu = Menu::of(response.request());
    let Some(page) = problem.map(|problem| layout::problem_page(problem, menu)) else { return response };
    response.map_body(|head, _| {
        head.headers_mut().insert(header::CONTENT_TYPE, layout::HTML);
        BoxBody::new(page.into_string())
    })
}
