//! Handlers and JSON bodies of services.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::{LifecycleBody, created, nested, some};
use super::events::{DispositionFields, EventFields, LongOrString};
use super::extract::{Body, ContactPath, CustomerPath, ServicePath};
use super::idempotency::{IdempotencyKeyParameter, KeyedBody};
use super::problem::Problem;
use super::problems::{
    AssociateServiceProblems, CompleteServiceProblems, DeleteServiceProblems, GetServiceProblems, ListServicesProblems,
    StartServiceProblems,
};
use super::query::{
    ExtensionsParameter, ListInQuery, NestedStatesParameters, NestedTasksParameters, NoParameters, PageParameters,
    SERVICE, ServiceFilterParameters, ViewInQuery, listed, one,
};
use super::states::StateBody;
use super::tasks::TaskBody;
use crate::domain::element::Service;
use crate::domain::ids::ServiceId;
use crate::domain::query::{Filter, Owner, Status};
use crate::store::Store;

/// Start event of a service. At least one of `customer_id` and `contact_key` is required. Any other member is an extension
/// of services.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::service` reads member by member")]
pub(super) struct StartServiceBody {
    #[serde(flatten)]
    event: EventFields,
    /// Customer of the service. An integer is accepted and stored as a string.
    #[schema(min_length = 1, max_length = 255, example = "00K7")]
    customer_id: Option<String>,
    /// Key by which the service of an anonymous caller is found again. An integer is accepted and stored as a string.
    #[schema(min_length = 1, max_length = 255, example = "pin-77")]
    contact_key: Option<String>,
    /// Type of the service: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "book a hotel")]
    service_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
    /// Seconds from now until the service and all its data are to be deleted; takes precedence over `expiration_time`.
    #[schema(minimum = 0)]
    ttl: Option<i64>,
    /// Time at which the service and all its data are to be deleted.
    #[schema(format = DateTime)]
    expiration_time: Option<String>,
    /// Seconds after the last event of the service until it is to be completed.
    #[schema(minimum = 0)]
    auto_complete_after: Option<i64>,
}

/// Fields of the start event to replace. Any other member is an extension of services, and replaces all its recorded data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::service` reads member by member")]
pub(super) struct AssociateServiceBody {
    #[serde(flatten)]
    event: EventFields,
    /// Type of the service: a 64-bit integer, or 1 to 255 characters.
    service_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
    #[serde(flatten)]
    expiration: ExpirationBody,
    /// Seconds after the last event of the service until it is to be completed.
    #[schema(minimum = 0)]
    auto_complete_after: Option<i64>,
}

/// End event of a service. Any other member is an extension of services, and replaces all its recorded data.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::completion` reads member by member")]
pub(super) struct CompleteServiceBody {
    #[serde(flatten)]
    event: EventFields,
    #[serde(flatten)]
    disposition: DispositionFields,
    #[serde(flatten)]
    expiration: ExpirationBody,
}

/// Expiration of a service: when it and all its data are to be deleted.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::service` reads member by member")]
pub(super) struct ExpirationBody {
    /// Seconds from now; takes precedence over `expiration_time`.
    #[schema(minimum = 0, example = 86400)]
    ttl: Option<i64>,
    /// Time of the expiration.
    #[schema(format = DateTime)]
    expiration_time: Option<String>,
}

/// Identifier of a new service.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedServiceBody {
    #[schema(value_type = i64, example = 95)]
    service_id: ServiceId,
}

/// A recorded service.
#[derive(Serialize, ToSchema)]
pub(super) struct ServiceBody {
    #[schema(value_type = i64, example = 95)]
    service_id: ServiceId,
    /// Customer of the service; absent for an anonymous caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// Key by which the service of an anonymous caller is found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_key: Option<String>,
    /// Type of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<LongOrString>,
    #[serde(flatten)]
    lifecycle: LifecycleBody,
    /// Active states, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_states: Option<Vec<StateBody>>,
    /// Completed states, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_states: Option<Vec<StateBody>>,
    /// Active tasks, including those of states, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    active_tasks: Option<Vec<TaskBody>>,
    /// Completed tasks, including those of states, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_tasks: Option<Vec<TaskBody>>,
    /// Number of older states left out, if the service has more than a response may contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_states: Option<u64>,
    /// Number of older tasks left out, if the service has more than a response may contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    omitted_tasks: Option<u64>,
}

impl From<Service> for ServiceBody {
    fn from(mut service: Service) -> Self {
        Self {
            service_id: service.service_id,
            customer_id: service.customer_id,
            contact_key: service.contact_key,
            service_type: service.lifecycle.kind.take().map(LongOrString::from),
            lifecycle: service.lifecycle.into(),
            omitted_states: some(service.states.omitted),
            omitted_tasks: some(service.tasks.omitted),
            active_states: service.states.active.map(nested),
            completed_states: service.states.completed.map(nested),
            active_tasks: service.tasks.active.map(nested),
            completed_tasks: service.tasks.completed.map(nested),
        }
    }
}

/// Start Service.
///
/// Creates a service with a new identifier.
#[utoipa::path(
    tag = "Services",
    params(IdempotencyKeyParameter),
    request_body(content = StartServiceBody, example = json!({"customer_id": "00K7", "service_type": "book a hotel"})),
    responses(
        (status = 201, description = "The service is recorded", body = StartedServiceBody,
            headers(("Location" = String, description = "Path of the service, under the prefix of the request"))),
        StartServiceProblems,
    )
)]
#[post("/services/start")]
pub(super) async fn start_service(
    request: HttpRequest,
    store: web::Data<Store>,
    _: NoParameters,
    body: KeyedBody,
) -> Result<HttpResponse, Problem> {
    let (event, key) = body.object(&store)?;
    let service_id = store.start_service(&event, key.as_ref()).await?;
    Ok(created(&request, &format!("/services/{service_id}"), &StartedServiceBody { service_id }))
}

/// Service by ID.
#[utoipa::path(
    tag = "Queries",
    params(
        ("service_id" = i64, Path, description = "The service"),
        NestedStatesParameters, NestedTasksParameters, ExtensionsParameter,
    ),
    responses((status = 200, description = "The service", body = ServiceBody), GetServiceProblems)
)]
#[get("/services/{service_id}")]
pub(super) async fn get_service(
    store: web::Data<Store>,
    service: ServicePath,
    view: ViewInQuery<SERVICE>,
) -> Result<HttpResponse, Problem> {
    let service = store.get_service(service.0, &view.0).await?;
    one::<_, ServiceBody>(service).await
}

/// Defines the handlers that list all, the active or the completed services of a customer or contact key.
macro_rules! lists_of_services {
    ($($name:ident, $path:tt, $status:expr, $parameter:tt, $owner:ident($of:ident), $summary:tt;)+) => {
        $(
            #[doc = $summary]
            ///
            /// The newest `limit` services, in ascending order of start and identifier. If older ones remain, the `Link`
            /// header has the URL of the next page as `rel="prev"`. The array is empty if nothing matches.
            #[utoipa::path(
                tag = "Queries",
                params(
                    ($parameter = String, Path, description = "The owner of the services"),
                    ServiceFilterParameters, PageParameters, NestedStatesParameters, NestedTasksParameters,
                    ExtensionsParameter,
                ),
                responses(
                    (status = 200, description = "One page of the list", body = [ServiceBody],
                        headers(("Link" = Option<String>, description = "The URL of the next page, with older services"))),
                    ListServicesProblems,
                )
            )]
            #[get($path)]
            pub(super) async fn $name(
                request: HttpRequest,
                store: web::Data<Store>,
                owner: $of,
                query: ListInQuery<SERVICE>,
            ) -> Result<HttpResponse, Problem> {
                let ListInQuery(filter, view) = query;
                let (of, filter) = (Owner::$owner(owner.0), Filter { status: $status, ..filter });
                listed::<_, ServiceBody>(&request, store.list_services(of, &filter, &view).await?).await
            }
        )+
    };
}

lists_of_services! {
    list_services, "/customers/{customer_id}/services", None, "customer_id", Customer(CustomerPath),
        "Services of a customer.";
    list_active_services, "/customers/{customer_id}/services/active", Some(Status::Active), "customer_id",
        Customer(CustomerPath), "Active services of a customer.";
    list_completed_services, "/customers/{customer_id}/services/completed", Some(Status::Completed), "customer_id",
        Customer(CustomerPath), "Completed services of a customer.";
    list_anonymous_services, "/services/anonymous/{contact_key}", None, "contact_key", Anonymous(ContactPath),
        "Services of a contact key without a customer.";
    list_active_anonymous_services, "/services/anonymous/{contact_key}/active", Some(Status::Active), "contact_key",
        Anonymous(ContactPath), "Active services of a contact key without a customer.";
    list_completed_anonymous_services, "/services/anonymous/{contact_key}/completed", Some(Status::Completed),
        "contact_key", Anonymous(ContactPath), "Completed services of a contact key without a customer.";
}

/// Associate Service.
///
/// Moves a service to another customer. The last association wins, and the service disappears from the lists of the former
/// customer. Fields in the body, including `timestamp`, replace those of the start event. An absent or empty body is treated
/// as `{}`.
#[utoipa::path(
    tag = "Services",
    params(
        ("customer_id" = String, Path, description = "The new customer of the service: 1 to 255 characters"),
        ("service_id" = i64, Path, description = "The service"),
    ),
    request_body(content = Option<AssociateServiceBody>, example = json!({"media_type": "voice"})),
    responses((status = 204, description = "The service belongs to the customer"), AssociateServiceProblems)
)]
#[post("/customers/{customer_id}/services/{service_id}")]
pub(super) async fn associate_service(
    store: web::Data<Store>,
    customer: CustomerPath,
    service: ServicePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object_or_empty()?;
    store.associate_service(service.0, &customer.0, &event).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Complete Service.
///
/// Ends a service once. A repeat of the same event is answered with 204 and changes nothing; a different event is 409
/// `already_completed`. The states and tasks of the service stay active, and it still accepts late events. An absent or
/// empty body is treated as `{}`.
#[utoipa::path(
    tag = "Services",
    params(("service_id" = i64, Path, description = "The service")),
    request_body(content = Option<CompleteServiceBody>, example = json!({"disposition": 10})),
    responses((status = 204, description = "The end of the service is on disk"), CompleteServiceProblems)
)]
#[post("/services/{service_id}/end")]
pub(super) async fn complete_service(
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object_or_empty()?;
    store.complete_service(service.0, &event).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Update Expiration.
///
/// Changes when a service and all its data are to be deleted.
#[utoipa::path(
    tag = "Services",
    params(("service_id" = i64, Path, description = "The service")),
    request_body(content = ExpirationBody, example = json!({"ttl": 86400})),
    responses((status = 200, description = "The expiration is recorded", body = serde_json::Value, example = json!({})),
        AssociateServiceProblems)
)]
#[put("/services/{service_id}")]
pub(super) async fn update_expiration(
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let fields = body.object()?;
    store.update_expiration(service.0, &fields).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({})))
}

/// Delete Service.
///
/// Deletes a service with its states, tasks, dispositions and extensions.
#[utoipa::path(
    tag = "Services",
    params(("service_id" = i64, Path, description = "The service")),
    responses((status = 200, description = "The service is deleted", body = serde_json::Value, example = json!({})),
        DeleteServiceProblems)
)]
#[delete("/services/{service_id}")]
pub(super) async fn delete_service(
    store: web::Data<Store>,
    service: ServicePath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    store.delete_service(service.0).await?;
    Ok(HttpResponse::Ok().json(serde_json::json!({})))
}
