//! The table of operations: route, method, name and metrics of each. The request log, the metrics and 405 responses use
//! it. [`role_for`] states the role that each operation requires.

use std::collections::HashMap;
use std::sync::{OnceLock, RwLock};
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};
use metrics::{Counter, Histogram};
use utoipa::openapi::path::Operation as DocumentedOperation;
use utoipa::openapi::{OpenApi, PathItem};

use super::metrics::{requests, seconds};
use super::path::without_prefix;
use super::problem::Problem;
use crate::domain::access::Role;

/// The route label of requests that matched no route.
const UNKNOWN: &str = "unknown";

/// An operation of the API, or a page.
pub(super) struct Operation {
    /// The route template, without the prefix of version 8.5.
    pub(super) route: String,
    /// The name of the handler.
    pub(super) name: String,
    /// The group in the documents; empty for a page.
    pub(super) tag: String,
    method: Method,
    /// Registered by the first request, so that unused routes have no series.
    seconds: OnceLock<Histogram>,
    requests: RwLock<Vec<(StatusCode, Counter)>>,
}

/// All operations, in the order in which they are routed.
pub(super) struct Operations {
    list: Vec<Operation>,
    /// Positions in `list` by route template.
    by_route: HashMap<String, Vec<usize>>,
}

impl Operations {
    /// The operations of the OpenAPI document, and the pages, each given as a route and a name.
    pub(super) fn new<'a>(document: &OpenApi, pages: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let documented = document.paths.paths.iter().flat_map(|(route, item)| {
            let name = |operation: &DocumentedOperation| operation.operation_id.clone().unwrap_or_default();
            let tag =
                |operation: &DocumentedOperation| operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            methods(item)
                .map(move |(method, operation)| Operation::new(route, (name(operation), tag(operation)), method))
        });
        let pages =
            pages.into_iter().map(|(route, name)| Operation::new(route, (name.to_owned(), String::new()), Method::GET));
        let list: Vec<_> = documented.chain(pages).collect();
        let mut by_route = HashMap::<String, Vec<usize>>::new();
        for (position, operation) in list.iter().enumerate() {
            by_route.entry(operation.route.clone()).or_default().push(position);
        }
        Self { list, by_route }
    }

    /// The methods that a path supports. The path may match several templates. `HEAD` goes with `GET`.
    pub(super) fn methods_of(&self, path: &str) -> Vec<&str> {
        let matching = self.list.iter().filter(|operation| matches(&operation.route, path));
        let mut methods: Vec<_> = matching.map(|operation| operation.method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.sort_unstable();
        methods.dedup();
        methods
    }

    /// The first route template that a path matches, whatever the method.
    pub(super) fn route_of(&self, path: &str) -> Option<&str> {
        self.list.iter().map(|operation| operation.route.as_str()).find(|route| matches(route, path))
    }

    /// The operation that a response belongs to; `None` if the request matched no route.
    pub(super) fn of<B>(response: &ServiceResponse<B>) -> Option<&Operation> {
        if Problem::of(response).is_some_and(Problem::is_unrouted) {
            return None;
        }
        let operations = response.request().app_data::<web::Data<Self>>()?;
        operations.routed(response.request()).or_else(|| operations.matching(response.request()))
    }

    /// Rebuilds the template from the path parameters, which costs one lookup. actix-web itself would match the routes
    /// a second time.
    fn routed(&self, request: &HttpRequest) -> Option<&Operation> {
        let mut route = String::with_capacity(64);
        let mut parameters = request.match_info().iter().peekable();
        for segment in without_prefix(request.path()).split('/').skip(1) {
            route.push('/');
            match parameters.next_if(|(_, value)| *value == segment) {
                Some((name, _)) => route.extend(["{", name, "}"]),
                None => route.push_str(segment),
            }
        }
        let mut found = self.by_route.get(&route)?.iter().filter_map(|position| self.list.get(*position));
        found.find(|operation| operation.method == *request.method())
    }

    /// Compares the path with each template. Needed for requests that were refused before routing, and for parameters
    /// that are percent-encoded.
    fn matching(&self, request: &HttpRequest) -> Option<&Operation> {
        let path = without_prefix(request.path());
        let mut of_method = self.list.iter().filter(|operation| operation.method == *request.method());
        of_method.find(|operation| matches(&operation.route, path))
    }
}

impl Operation {
    fn new(route: &str, (name, tag): (String, String), method: Method) -> Self {
        Self { route: route.to_owned(), name, tag, method, seconds: OnceLock::new(), requests: RwLock::default() }
    }

    /// Records a response in the metrics of the operation.
    pub(super) fn measure(&self, status: StatusCode, elapsed: Duration) {
        self.seconds.get_or_init(|| seconds(self.method.as_str(), self.route.clone())).record(elapsed);
        let known = self.requests.read().ok().and_then(|known| find(&known, status));
        let counter = known.or_else(|| {
            let mut known = self.requests.write().ok()?;
            let new = || requests(self.method.as_str(), self.route.clone(), status);
            Some(find(&known, status).unwrap_or_else(|| {
                known.push((status, new()));
                new()
            }))
        });
        if let Some(counter) = counter {
            counter.increment(1);
        }
    }
}

/// Records a response that belongs to no operation. All unknown paths share one label, so that clients cannot create
/// series; methods that the API does not use likewise share the label `other`.
pub(super) fn measure_unknown(method: &Method, status: StatusCode, elapsed: Duration) {
    let method = match *method {
        Method::GET | Method::POST | Method::PUT | Method::DELETE => method.as_str(),
        _ => "other",
    };
    seconds(method, UNKNOWN.to_owned()).record(elapsed);
    requests(method, UNKNOWN.to_owned(), status).increment(1);
}

fn find(known: &[(StatusCode, Counter)], status: StatusCode) -> Option<Counter> {
    known.iter().find(|(one, _)| *one == status).map(|(_, counter)| counter.clone())
}

/// The operations of a documented path.
fn methods(item: &PathItem) -> impl Iterator<Item = (Method, &DocumentedOperation)> {
    let PathItem { get, put, post, delete, .. } = item;
    [(Method::GET, get), (Method::PUT, put), (Method::POST, post), (Method::DELETE, delete)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn matches(template: &str, path: &str) -> bool {
    let (mut expected, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(segment), Some(text)) if segment == text || (segment.starts_with('{') && !text.is_empty()) => {}
            _ => return false,
        }
    }
}

/// The role that a request requires; `None` for health checks. An unknown path requires the highest role, except for
/// GET, and for changes other than DELETE under `/services` and `/customers`.
///
/// This is a rule on method and path, not a column of the table, because requests are authorised before they are
/// routed.
pub(super) fn role_for(method: &Method, path: &str) -> Option<Role> {
    let mut segments = path.split('/').skip(1);
    let first = segments.next().unwrap_or_default();
    if method == Method::GET {
        let is_health = first == "health" && segments.count() == 1;
        return match first {
            "health" if is_health => None,
            "maintenance" | "refused" | "administration" => Some(Role::Administrator),
            _ => Some(Role::Reader),
        };
    }
    // Writers may delete extension records, but not a service with all its data.
    let is_delete = method == Method::DELETE;
    let of_records = path.rsplit('/').nth(1) == Some("extensions");
    let of_events = first == "services" || (first == "customers" && !is_delete);
    Some(if of_events && (!is_delete || of_records) { Role::Writer } else { Role::Administrator })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_paths_require_an_administrator() {
        for path in ["/nothing", "/%73ervices/1", "//services/1", "", "/metadata/tasks/extensions", "/services/1/"] {
            assert_eq!(role_for(&Method::DELETE, path), Some(Role::Administrator), "{path}");
        }
        assert_eq!(role_for(&Method::DELETE, "/services/1/tasks/2/extensions/Survey"), Some(Role::Writer));
    }

    #[test]
    fn a_template_matches_segment_by_segment() {
        assert!(matches("/services/{service_id}/tasks", "/services/1/tasks"));
        for path in ["/services//tasks", "/services/1", "/services/1/tasks/", "/services/1/states"] {
            assert!(!matches("/services/{service_id}/tasks", path), "{path}");
        }
    }
}
