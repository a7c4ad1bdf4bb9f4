//! The latest requests that this node has refused, for those who look for the cause (docs/api.md §6).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::auth::{Caller, is_authentication_required};
use super::operations::{Operation, Operations};
use super::path::without_prefix;
use super::problem::{Code, Problem};
use super::problems::ListRefusedProblems;
use super::query::NoParameters;
use crate::domain::time::Timestamp;
use crate::store::Store;

/// The number of requests that are kept.
const KEPT: usize = 1000;

/// The maximum number of places (JSON pointers or query parameters) that are kept for a request.
const PLACES: usize = 10;

/// The maximum number of characters of a place that are kept.
const LENGTH: usize = 100;

/// The operation of a request that matched none, as in the log.
const NO_OPERATION: &str = "no_such_route";

/// The route of a request whose path matched none. The path itself is not kept, since it may name a customer.
const UNKNOWN_ROUTE: &str = "unknown route";

/// The latest refused requests of this node. They are kept in memory. Of their bodies, only names of members are kept.
pub(super) struct Refused {
    started: Timestamp,
    requests: Mutex<VecDeque<RefusedRequest>>,
}

/// A refused request that would have changed something. Its status is 4xx, so its sender can correct it.
#[derive(Debug, Clone)]
pub(super) struct RefusedRequest {
    pub(super) at: Timestamp,
    pub(super) caller: Option<String>,
    /// The name of the operation, and its group in the documents. The group is empty if the request matched no operation.
    pub(super) operation: String,
    pub(super) tag: String,
    pub(super) method: &'static str,
    pub(super) route: String,
    pub(super) code: Code,
    /// What was expected, without what was sent.
    pub(super) detail: String,
    /// JSON pointers into the body, or `?` and the name of a query parameter, each with what was expected there.
    pub(super) places: Vec<(String, String)>,
    pub(super) request_id: String,
}

/// Refused requests with the same cause.
#[derive(Debug, Clone)]
pub(super) struct Cause {
    pub(super) code: Code,
    /// The place without positions in arrays. `None` if the request as a whole was refused.
    pub(super) place: Option<String>,
    pub(super) requests: usize,
    /// The latest of these requests.
    pub(super) latest: RefusedRequest,
}

impl Refused {
    /// Creates an empty list.
    pub(super) fn since(started: Timestamp) -> Self {
        Self { started, requests: Mutex::default() }
    }

    /// The time since which refused requests are kept.
    pub(super) const fn started(&self) -> Timestamp {
        self.started
    }

    /// Keeps the request if it was refused. A request that was refused before its caller was known is not kept, since a
    /// flood of them would displace the others.
    pub(super) fn note<B>(response: &ServiceResponse<B>, operation: Option<&Operation>, request_id: &str) {
        let Some(problem) = Problem::of(response) else { return };
        let request = response.request();
        let caller = request.extensions().get::<Caller>().map(|caller| caller.name.clone());
        let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let of_stranger = problem.kind() == Code::RateLimited
            || (caller.is_none() && (problem.kind() == Code::Forbidden || is_authentication_required(request)));
        if !is_change || of_stranger || !response.status().is_client_error() {
            return;
        }
        let kept = (request.app_data::<web::Data<Self>>()).zip(request.app_data::<web::Data<Store>>());
        let Some((refused, store)) = kept else { return };
        let (name, tag) =
            operation.map_or((NO_OPERATION, ""), |operation| (operation.name.as_str(), operation.tag.as_str()));
        refused.keep(RefusedRequest {
            at: store.now(),
            caller,
            operation: name.to_owned(),
            tag: tag.to_owned(),
            method: known_method(request.method()),
            route: operation.map_or_else(|| route_of(request), |operation| operation.route.clone()),
            code: problem.kind(),
            detail: problem.expectation(PLACES),
            places: problem.places(PLACES, LENGTH),
            request_id: request_id.to_owned(),
        });
    }

    fn keep(&self, request: RefusedRequest) {
        if let Ok(mut requests) = self.requests.lock() {
            requests.truncate(KEPT - 1);
            requests.push_front(request);
        }
    }

    /// The requests, the latest first.
    pub(super) fn latest(&self) -> Vec<RefusedRequest> {
        self.requests.lock().map(|requests| requests.iter().cloned().collect()).unwrap_or_default()
    }
}

/// The method, unless it is one that a client made up.
fn known_method(method: &Method) -> &'static str {
    let known = ["POST", "PUT", "PATCH", "DELETE"];
    known.into_iter().find(|known| method.as_str() == *known).unwrap_or("other")
}

/// The template that the path of a request matches, if only the method is wrong.
fn route_of(request: &HttpRequest) -> String {
    let operations = request.app_data::<web::Data<Operations>>();
    let template = operations.and_then(|operations| operations.route_of(without_prefix(request.path())));
    template.unwrap_or(UNKNOWN_ROUTE).to_owned()
}

/// Groups requests, the latest first, by code and place. The most frequent cause comes first.
pub(super) fn causes(requests: &[RefusedRequest]) -> Vec<Cause> {
    let mut causes = BTreeMap::<_, Cause>::new();
    for request in requests {
        let mut places: Vec<_> = request.places.iter().map(|(place, _)| Some(without_positions(place))).collect();
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            places.push(None);
        }
        for place in places {
            let first = || Cause { code: request.code, place: place.clone(), requests: 0, latest: request.clone() };
            causes.entry((request.code.entry().0, place.clone())).or_insert_with(first).requests += 1;
        }
    }
    let mut causes: Vec<_> = causes.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.requests));
    causes
}

/// Replaces positions with `*`: `/extensions/Offer/3/price` becomes `/extensions/Offer/*/price`.
fn without_positions(place: &str) -> String {
    let is_position = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = place.split('/').map(|part| if is_position(part) { "*" } else { part }).collect();
    parts.join("/")
}

/// Refused requests of this node.
#[derive(Serialize, ToSchema)]
pub(super) struct RefusedBody {
    /// Start time of the node.
    #[schema(format = DateTime)]
    since: String,
    /// Their causes, the most frequent first.
    #[schema(value_type = Vec<Object>)]
    causes: Vec<CauseBody>,
    /// The requests, the latest first.
    #[schema(value_type = Vec<Object>)]
    requests: Vec<RefusedRequestBody>,
}

#[derive(Serialize)]
struct CauseBody {
    code: &'static str,
    /// Absent if the request as a whole was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    requests: usize,
    latest: String,
    latest_request_id: String,
}

#[derive(Serialize)]
struct RefusedRequestBody {
    timestamp: String,
    /// Absent if authentication is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    operation: String,
    method: &'static str,
    route: String,
    code: &'static str,
    detail: String,
    pointers: Vec<String>,
    request_id: String,
}

impl From<Cause> for CauseBody {
    fn from(Cause { code, place, requests, latest }: Cause) -> Self {
        let (code, ..) = code.entry();
        Self { code, pointer: place, requests, latest: latest.at.to_string(), latest_request_id: latest.request_id }
    }
}

impl From<RefusedRequest> for RefusedRequestBody {
    fn from(request: RefusedRequest) -> Self {
        let RefusedRequest { at, caller, operation, tag: _, method, route, code, detail, places, request_id } = request;
        Self {
            timestamp: at.to_string(),
            user: caller,
            operation,
            method,
            route,
            code: code.entry().0,
            detail,
            pointers: places.into_iter().map(|(place, _)| place).collect(),
            request_id,
        }
    }
}

/// List refused requests.
///
/// The last 1,000 requests to change something that this node has refused with a 4xx.
#[utoipa::path(
    tag = "Server",
    responses(
        (status = 200, description = "The refused requests of this node", body = RefusedBody, example = json!({
            "since": "2026-02-05T09:11:00Z", "causes": [], "requests": [],
        })),
        ListRefusedProblems,
    )
)]
#[get("/refused")]
pub(super) async fn list_refused(refused: web::Data<Refused>, _: NoParameters) -> HttpResponse {
    let requests = refused.latest();
    HttpResponse::Ok().json(RefusedBody {
        since: refused.started().to_string(),
        causes: causes(&requests).into_iter().map(CauseBody::from).collect(),
        requests: requests.into_iter().map(RefusedRequestBody::from).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_positions_of_arrays() {
        for (place, general) in [("/a/0/b", "/a/*/b"), ("/a/12", "/a/*"), ("/a1", "/a1"), ("?page", "?page"), ("", "")]
        {
            assert_eq!(without_positions(place), general);
        }
    }
}
