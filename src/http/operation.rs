//! Which operation a request reached. The framework would find out by trying one route after another, for every request
//! once more; here it costs a look into a table.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock, RwLock};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

use super::metrics::{requests, seconds};
use super::openapi;
use super::problem::Problem;
use super::routes::{methods, path_of};

/// An operation, with its measurements.
pub(super) struct Operation {
    /// Its route, as a template without prefix.
    pub(super) route: String,
    /// Its name, the handler's.
    pub(super) name: String,
    method: Method,
    /// Taken at the first request, so that routes without any are not measured.
    seconds: OnceLock<Histogram>,
    requests: RwLock<Vec<(StatusCode, Counter)>>,
}

/// All that are documented.
static OPERATIONS: LazyLock<HashMap<String, Vec<Operation>>> = LazyLock::new(|| {
    let mut operations = HashMap::new();
    for (route, item) in openapi::document().paths.paths {
        let of_route = methods(&item).into_iter().map(|method| Operation::new(&route, method, &item)).collect();
        operations.insert(route, of_route);
    }
    operations
});

impl Operation {
    fn new(route: &str, method: Method, item: &utoipa::openapi::PathItem) -> Self {
        let operation = match method {
            Method::GET => &item.get,
            Method::POST => &item.post,
            Method::PUT => &item.put,
            _ => &item.delete,
        };
        let name = operation.as_ref().and_then(|operation| operation.operation_id.clone()).unwrap_or_default();
        Self { route: route.to_owned(), name, method, seconds: OnceLock::new(), requests: RwLock::default() }
    }

    /// The operation that a request reached, unless it is of a page, or there is none.
    pub(super) fn reached<B>(response: &ServiceResponse<B>) -> Option<&'static Self> {
        let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
        if problem.is_some_and(Problem::is_unrouted) { None } else { Self::of(response.request()) }
    }

    fn of(request: &HttpRequest) -> Option<&'static Self> {
        let mut route = String::with_capacity(64);
        let mut parameters = request.match_info().iter().peekable();
        for segment in path_of(request.path()).split('/').skip(1) {
            route.push('/');
            match parameters.next_if(|(_, value)| *value == segment) {
                Some((name, _)) => route.extend(["{", name, "}"]),
                None => route.push_str(segment),
            }
        }
        let mut of_route = OPERATIONS.get(&route)?.iter();
        of_route.find(|operation| operation.method == *request.method())
    }

    /// Counts a request that was answered.
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

fn find(known: &[(StatusCode, Counter)], status: StatusCode) -> Option<Counter> {
    known.iter().find(|(one, _)| *one == status).map(|(_, counter)| counter.clone())
}
