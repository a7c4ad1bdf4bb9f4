//! The middleware around all routes. It is a single one because each middleware boxes the future of every request.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::{ErrorRequestTimeout, InternalError};
use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use tokio_util::sync::CancellationToken;

use super::answer_memory::Paced;
use super::flow::{Excess, Flow, HEAD};
use super::idle::Watched;
use super::problem::{Code, Problem};
use super::telemetry::Taken;
use super::{answer_memory, auth, compression, mode, normalization, page};
use crate::traces;

/// The maximum number of header fields of a request. actix-http limits them over HTTP/1.1 only. Over HTTP/2, a field
/// may be sent as one byte, and occupies a hundred bytes of memory.
const FIELDS: usize = 96;

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Authorises the request and passes it on, then compresses, records and logs the response.
pub(super) async fn answer(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.headers().len() > FIELDS {
        let answer = HttpResponse::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        return Err(InternalError::from_response("too many header fields", answer).into());
    }
    let flow = Flow::of(&request).map(Rc::clone);
    let in_progress = flow.as_ref().map(Flow::start);
    if let Some(flow) = &flow {
        flow.room().await;
    }
    let taken = Taken::of(&request);
    normalization::normalize(&mut request);
    let may_be_compressed = compression::is_accepted(request.request());
    let offers_upgrade =
        request.head().connection_type() == ConnectionType::Upgrade || request.headers().contains_key(header::UPGRADE);
    let response = match admit(&request).await {
        Ok(()) => traces::within(taken.trace(), unless_abandoned(request, next)).await?.map_into_left_body(),
        Err(problem) => request.error_response(problem).map_into_right_body(),
    };
    let response = page::problem_for_browser(response);
    let response = compression::compress(response, may_be_compressed).await;
    let (mut response, memory) = answer_memory::hold(response);
    taken.answered(&mut response);
    // Browsers must not guess that a response is a page or a script.
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let is_draining = response.request().app_data::<CancellationToken>().is_some_and(CancellationToken::is_cancelled);
    // The service does not upgrade to other protocols. By default, actix-http answers with `Connection: upgrade` and
    // then closes the connection. By then, clients that offer HTTP/2 in this way (Java) have sent their next request on
    // it.
    if is_draining || offers_upgrade {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    if let Some(flow) = &flow {
        flow.answered(HEAD);
    }
    Ok(response.map_body(|_, body| Paced::new(body, flow.zip(in_progress), memory)))
}

/// Passes the request on. A query, report or page is abandoned when its client has closed the connection: its statement
/// is cancelled. An event is written nevertheless.
async fn unless_abandoned<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let connection = request.conn_data::<Arc<Watched>>().filter(|_| *request.method() == Method::GET).cloned();
    let Some(connection) = connection else { return next.call(request).await };
    tokio::select! {
        response = next.call(request) => response,
        () = connection.closed() => Err(ErrorRequestTimeout("the client has closed the connection")),
    }
}

/// Refuses a request if too many are in progress on its connection, or on all.
fn refuse_excess(request: &ServiceRequest) -> Result<(), Problem> {
    let Some(flow) = Flow::of(request) else { return Ok(()) };
    match flow.excess() {
        None => return Ok(()),
        Some(Excess::Refuse) => {}
        Some(Excess::Close) => {
            flow.close();
            request.conn_data::<Arc<Watched>>().inspect(|connection| connection.close());
        }
    }
    Err(Problem::new(Code::Overloaded, "too many requests are in progress on this connection, or on all"))
}

async fn admit(request: &ServiceRequest) -> Result<(), Problem> {
    refuse_excess(request)?;
    auth::authorize(request).await?;
    mode::refuse_in_maintenance(request)
}
