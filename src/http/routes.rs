//! The URL map. Every route is served at the root and under [`PREFIX`] (docs/api.md §1, Routes).

use actix_web::{HttpRequest, HttpResponse, Route, web};
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;

use super::operations::Operations;
use super::path::{PREFIX, without_prefix};
use super::problem::{Code, Problem};
use super::{
    business_attributes, extensions, health, metrics, mode, openapi, page, purges, records, refused, reports, services,
    states, status, tasks,
};

/// The documented routes. Each handler declares its own path, and its name is the `operationId`.
pub(super) fn api(config: &mut ServiceConfig<'_>) {
    config
        // Routes are matched in this order: the most frequent ones come first.
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
        // GET /customers/{customer_id}/services, …/active, …/completed · likewise /services/anonymous/{contact_key}, which
        // must come before the routes of a service
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
        // GET /reports/activity, …/outcomes, …/durations, …/stops, …/lifetimes
        .service(reports::report_activity)
        .service(reports::report_outcomes)
        .service(reports::report_durations)
        .service(reports::report_stops)
        .service(reports::report_lifetimes)
        // GET /server/status · POST /server/mode
        .service(status::get_server_status)
        .service(mode::change_server_mode)
        // GET /refused
        .service(refused::list_refused)
        // POST /maintenance/purge · GET /maintenance/purges/{purge_id}
        .service(purges::purge_services)
        .service(purges::get_purge)
        // GET /health/live, /health/ready
        .service(health::live)
        .service(health::ready)
        // GET /metrics
        .service(metrics::metrics)
        // GET /openapi.json, /openapi-3.0.json
        .service(openapi::get_document)
        .service(openapi::get_document_3_0);
}

/// Routes of the pages and of the API documentation page, with their names in the log. Pages are served at the root
/// only.
pub(super) const PAGES: [(&str, &str); 15] = [
    ("/", "get_now_page"),
    ("/list", "get_list_page"),
    ("/journey", "get_journey_page"),
    ("/journey/services/{service_id}", "get_service_page"),
    ("/journey/services/{service_id}/states/{state_id}", "get_state_page"),
    ("/journey/services/{service_id}/tasks/{task_id}", "get_task_page"),
    ("/dashboard", "get_dashboard_page"),
    ("/administration/refused", "get_refused_page"),
    ("/administration/schemas", "get_schemas_page"),
    ("/administration/business-attributes", "get_business_attributes_page"),
    ("/administration/users", "get_users_page"),
    ("/problems/{code}", "get_problem_page"),
    ("/assets/{version}/{name}", "get_asset"),
    ("/docs", "redirect_to_docs"),
    ("/docs/{file}", "get_docs"),
];

fn pages(config: &mut web::ServiceConfig) {
    let [now, list, journey, service, state, task, dashboard, refused, schemas, attributes, users, problem, asset, ..] =
        PAGES;
    let page = |(path, name): (&str, &str), route: Route| page::at(path, name, route);
    config
        .service(page(now, web::get().to(page::get_now_page)))
        .service(page(list, web::get().to(page::get_list_page)))
        .service(page(journey, web::get().to(page::get_journey_page)))
        .service(page(service, web::get().to(page::get_service_page)))
        .service(page(state, web::get().to(page::get_state_page)))
        .service(page(task, web::get().to(page::get_task_page)))
        .service(page(dashboard, web::get().to(page::get_dashboard_page)))
        .service(page(refused, web::get().to(page::get_refused_page)))
        .service(page(schemas, web::get().to(page::get_schemas_page)))
        .service(page(attributes, web::get().to(page::get_business_attributes_page)))
        .service(page(users, web::get().to(page::get_users_page)))
        .service(page(problem, web::get().to(page::get_problem_page)))
        .service(page(asset, web::get().to(page::get_asset)));
}

/// All routes, and the fallback for unknown ones.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    let mut api = ServiceConfig::new(config);
    api.service(scope::scope(PREFIX).configure(everything));
    everything(&mut api);
    pages(config);
    config.default_service(web::to(no_such_route));
}

fn everything(config: &mut ServiceConfig<'_>) {
    api(config);
    config.route("/docs", web::get().to(openapi::redirect_to_docs));
    config.route("/docs/{file:.*}", web::get().to(openapi::get_docs));
}

/// 405 if the path supports other methods, 404 otherwise.
async fn no_such_route(request: HttpRequest, operations: web::Data<Operations>) -> Result<HttpResponse, Problem> {
    let allowed = operations.methods_of(without_prefix(request.path()));
    if allowed.is_empty() || allowed.contains(&request.method().as_str()) {
        let detail =
            format!("expected the path of an operation or page, found {} {}", request.method(), request.path());
        return Err(Problem::new(Code::NotFound, detail));
    }
    Err(Problem::method_not_allowed(request.method().as_str(), &allowed))
}
