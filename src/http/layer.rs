//! The middleware around all routes. It is a single one because each middleware boxes the future of every request.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::middleware::Next;
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::telemetry::Taken;
use super::{auth, mode};

/// Authorizes the request and passes it on, then records and logs the response.
pub(super) async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let taken = Taken::of(&request);
    let mut response = match admit(&request).await {
        Ok(()) => next.call(request).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    taken.answered(&mut response);
    if response.request().app_data::<CancellationToken>().is_some_and(CancellationToken::is_cancelled) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

async fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    auth::authorize(request).await?;
    mode::refuse_in_maintenance(request)
}
