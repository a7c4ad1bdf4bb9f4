//! Services over HTTP.

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::{LifecycleBody, created};
use super::events::EventFields;
use super::extract::{Body, ExtensionsInQuery, NoParameters, ServicePath};
use super::openapi::{GetServiceProblems, StartServiceProblems};
use super::problem::Problem;
use crate::domain::attribute::LongOrString;
use crate::domain::element::Service;
use crate::domain::ids::ServiceId;
use crate::domain::service::StartService;
use crate::store::Store;

/// The start event of a service. `customer_id` or `contact_key` (or both) must be given. Any other member is an
/// extension of services.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::service` reads member by member")]
pub(super) struct StartServiceBody {
    #[serde(flatten)]
    event: EventFields,
    /// Whose service it is. An integer is taken and kept as its text.
    #[schema(min_length = 1, max_length = 255, example = "00K7")]
    customer_id: Option<String>,
    /// By which an anonymous caller is found again. An integer is taken and kept as its text.
    #[schema(min_length = 1, max_length = 255, example = "pin-77")]
    contact_key: Option<String>,
    /// What kind of service: a 64-bit integer, or 1 to 255 characters.
    #[schema(example = "book a hotel")]
    service_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    #[schema(minimum = 0)]
    est_duration: Option<i64>,
    /// Seconds from now after which the service and all of its data are to be deleted; wins over `expiration_time`.
    #[schema(minimum = 0)]
    ttl: Option<i64>,
    /// When the service and all of its data are to be deleted.
    #[schema(format = DateTime)]
    expiration_time: Option<String>,
    /// Seconds since the service's last event after which it is to be ended.
    #[schema(minimum = 0)]
    auto_complete_after: Option<i64>,
}

/// The identifier of a new service.
#[derive(Serialize, ToSchema)]
pub(super) struct StartedServiceBody {
    #[schema(value_type = i64, example = 95)]
    service_id: ServiceId,
}

/// A service on record.
#[derive(Serialize, ToSchema)]
pub(super) struct ServiceBody {
    #[schema(value_type = i64, example = 95)]
    service_id: ServiceId,
    /// Whose service it is; absent: an anonymous caller's.
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<String>,
    /// By which an anonymous caller is found again.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_key: Option<String>,
    /// What kind of service.
    #[serde(skip_serializing_if = "Option::is_none")]
    service_type: Option<LongOrString>,
    #[serde(flatten)]
    lifecycle: LifecycleBody,
}

impl From<Service> for ServiceBody {
    fn from(mut service: Service) -> Self {
        Self {
            service_id: service.service_id,
            customer_id: service.customer_id,
            contact_key: service.contact_key,
            service_type: service.lifecycle.kind.take(),
            lifecycle: service.lifecycle.into(),
        }
    }
}

/// Start Service.
///
/// Creates a service with a new identifier.
#[utoipa::path(
    tag = "Services",
    request_body(content = StartServiceBody, example = json!({"customer_id": "00K7", "service_type": "book a hotel"})),
    responses(
        (status = 201, description = "The service is on record", body = StartedServiceBody,
            headers(("Location" = String, description = "Path of the service, under the prefix of the call"))),
        StartServiceProblems,
    )
)]
#[post("/services/start")]
pub(super) async fn start_service(
    request: HttpRequest,
    store: web::Data<Store>,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let event = body.object()?;
    let service_id = store.start_service(|context| StartService::read(&event, context)).await?;
    Ok(created(&request, &format!("/services/{service_id}"), &StartedServiceBody { service_id }))
}

/// Service by ID.
#[utoipa::path(
    tag = "Services",
    params(
        ("service_id" = i64, Path, description = "The service"),
        ("extensions" = Option<String>, Query, description = "Extensions to include: names in any case, comma \
            separated or repeated; `*` is all; none unless given. A name that no extension has includes nothing.",
            example = "*"),
    ),
    responses((status = 200, description = "The service", body = ServiceBody), GetServiceProblems)
)]
#[get("/services/{service_id}")]
pub(super) async fn get_service(
    store: web::Data<Store>,
    service: ServicePath,
    extensions: ExtensionsInQuery,
) -> Result<HttpResponse, Problem> {
    let service = store.get_service(service.0, &extensions.0).await?;
    Ok(HttpResponse::Ok().json(ServiceBody::from(service)))
}
