//! The URL map. Every route stands at the root and, the same, under [`PREFIX`] (contract §1, Routes).

use actix_web::{HttpRequest, HttpResponse, web};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::openapi::Published;
use super::problem::{Code, Problem};
use super::{
    business_attributes, extensions, health, metrics, openapi, page, records, reports, server, services, states, tasks,
};

/// The prefix of version 8.5.
pub(super) const PREFIX: &str = "/genesys/1/cs";

/// Routes that are in the OpenAPI document. Their paths stand at the handlers, whose names are the operations'.
pub(super) fn api(config: &mut ServiceConfig<'_>) {
    config
        // Routes are tried one after another: the most frequent ones come first.
        // POST /services/{service_id}/tasks/{task_id}/end, …/start
        .service(tasks::complete_task)
        .service(tasks::start_task)
        // POST /services/{service_id}/states/start, …/transition, …/{state_id}/end
        .service(states::start_state)
        .service(states::transition_state)
        .service(states::complete_state)
        // POST /services/start, /services/{service_id}/end, /customers/{customer_id}/services/{service_id}
        .service(services::start_service)
        .service(services::complete_service)
        .service(services::associate_service)
        // GET /customers/{customer_id}/services, …/active, …/completed · the same of /services/anonymous/{contact_key},
        // which goes before the routes of a service
        .service(services::list_services)
        .service(services::list_active_services)
        .service(services::list_completed_services)
        .service(services::list_anonymous_services)
        .service(services::list_active_anonymous_services)
        .service(services::list_completed_anonymous_services)
        // GET, PUT, DELETE /services/{service_id}
        .service(services::get_service)
        .service(services::update_expiration)
        .service(services::delete_service)
        // GET /services/{service_id}/states, …/active, …/completed, …/{state_id}
        .service(states::list_states)
        .service(states::list_active_states)
        .service(states::list_completed_states)
        .service(states::get_state)
        // GET /services/{service_id}/tasks, …/active, …/completed, …/{task_id}
        .service(tasks::list_tasks)
        .service(tasks::list_active_tasks)
        .service(tasks::list_completed_tasks)
        .service(tasks::get_task)
        // PUT, DELETE /services/{service_id}/extensions/{name}, …/states/{state_id}/extensions/{name},
        // …/tasks/{task_id}/extensions/{name} · PUT …/extensions/{name}/merge
        .service(records::update_service_extension)
        .service(records::merge_service_extension)
        .service(records::delete_service_extension)
        .service(records::update_state_extension)
        .service(records::merge_state_extension)
        .service(records::delete_state_extension)
        .service(records::update_task_extension)
        .service(records::merge_task_extension)
        .service(records::delete_task_extension)
        // POST, GET /metadata/{services|states|tasks}/extensions · GET, DELETE …/{name}
        .service(extensions::create_extension_schema)
        .service(extensions::list_extension_schemas)
        .service(extensions::get_extension_schema)
        .service(extensions::delete_extension_schema)
        // GET /metadata, /metadata/business-attributes · GET, PUT, DELETE …/{name}
        .service(business_attributes::get_metadata)
        .service(business_attributes::list_business_attributes)
        .service(business_attributes::get_business_attribute)
        .service(business_attributes::define_business_attribute)
        .service(business_attributes::remove_business_attribute)
        // GET /reports/activity, …/outcomes, …/durations, …/stops
        .service(reports::report_activity)
        .service(reports::report_outcomes)
        .service(reports::report_durations)
        .service(reports::report_stops)
        // GET /server/status · POST /server/mode
        .service(server::get_server_status)
        .service(server::change_server_mode)
        // GET /health/live, /health/ready
        .service(health::live)
        .service(health::ready)
        // GET /metrics
        .service(metrics::metrics)
        // GET /openapi.json, /docs
        .service(openapi::get_document)
        .service(openapi::redirect_to_docs);
}

/// Where the pages for people are, at the root alone.
pub(super) const PAGES: [&str; 6] = [
    "/journey",
    "/journey/services/{service_id}",
    "/journey/services/{service_id}/states/{state_id}",
    "/journey/services/{service_id}/tasks/{task_id}",
    "/dashboard",
    "/assets/{version}/{name}",
];

/// The pages, and their names for the log.
fn pages(config: &mut web::ServiceConfig) {
    let [journey, service, state, task, dashboard, asset] = PAGES;
    config
        .service(page::at(journey, "get_journey_page", web::get().to(page::get_journey_page)))
        .service(page::at(service, "get_service_page", web::get().to(page::get_service_page)))
        .service(page::at(state, "get_state_page", web::get().to(page::get_state_page)))
        .service(page::at(task, "get_task_page", web::get().to(page::get_task_page)))
        .service(page::at(dashboard, "get_dashboard_page", web::get().to(page::get_dashboard_page)))
        .service(page::at(asset, "get_asset", web::get().to(page::get_asset)));
}

/// All routes, and the answer to what is none of them.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    let mut api = ServiceConfig::new(config);
    api.service(scope::scope(PREFIX).configure(everything));
    everything(&mut api);
    pages(config);
    config.default_service(web::to(no_such_route));
}

fn everything(config: &mut ServiceConfig<'_>) {
    api(config);
    config.route("/docs/{file:.*}", web::get().to(openapi::get_docs));
}

/// A path without the prefix of version 8.5.
pub(super) fn path_of(path: &str) -> &str {
    match path.strip_prefix(PREFIX) {
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

/// 405 where the path has other methods, 404 where it has none.
async fn no_such_route(request: HttpRequest, published: web::Data<Published>) -> Result<HttpResponse, Problem> {
    let path = path_of(request.path());
    let allowed = published.methods_of(path);
    if allowed.is_empty() || allowed.contains(&request.method().as_str()) {
        return Err(Problem::new(Code::NotFound, format!("there is no {} {}", request.method(), request.path())));
    }
    Err(Problem::method_not_allowed(request.method().as_str(), &allowed))
}
