//! Pages for people: a customer's journey, and the dashboard. They are rendered here, whole, and ask nothing of a
//! browser but to show them; a small script refreshes what is open and shows details in place.
//!
//! What applications sent is text on them, never markup: every page is built by `maud`, which escapes it.

mod assets;
mod chart;
mod dashboard;
mod element;
mod figures;
mod journey;
mod lane;
mod layout;
mod timeline;
mod words;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Route, guard, web};

use super::problem::Problem;
use crate::domain::mode::Mode;
use crate::store::Store;

pub(super) use assets::get_asset;
pub(super) use dashboard::get_dashboard_page;
pub(super) use element::{get_service_page, get_state_page, get_task_page};
pub(super) use journey::get_journey_page;

/// Nothing from elsewhere, and nothing that stands in the page itself: what should get through as markup finds no script
/// that would run.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// A page, or a file that pages need, under a name for the log.
pub(super) fn at(path: &str, name: &str, route: Route) -> impl HttpServiceFactory + use<> {
    web::resource(path).name(name).guard(guard::Get()).wrap(from_fn(frame)).route(route)
}

/// What all pages have in common: their headers, and that a problem is a page too. Pages are queries, and so closed in
/// maintenance.
async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let mode = request.app_data::<web::Data<Store>>().map(|store| store.mode());
    let is_page = !request.path().starts_with("/assets/");
    let response = if is_page && mode == Some(Mode::Maintenance) {
        request.error_response(Problem::maintenance())
    } else {
        next.call(request).await?.map_into_boxed_body()
    };
    let mut response = problem_as_page(response);
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    if is_page {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

fn problem_as_page(response: ServiceResponse) -> ServiceResponse {
    let problem = Problem::of(&response);
    let Some(page) = problem.map(layout::problem_page) else { return response };
    response.map_body(|head, _| {
        head.headers_mut().insert(header::CONTENT_TYPE, layout::HTML);
        BoxBody::new(page.into_string())
    })
}
