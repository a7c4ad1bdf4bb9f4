//! Which operation a request reached. The framework would find out by trying one route after another, for every request
//! once more; here it costs a look into a table.

use std::collections::HashMap;
use std::sync::{OnceLock, RwLock};
use std::time::Duration;

use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, web};
use metrics::{Counter, Histogram};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation as OperationItem;

use super::metrics::{requests, seconds};
use super::openapi::{self, Published};
use super::problem::Problem;
use super::routes::path_of;

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

/// All that are documented, by their routes.
pub(super) struct Operations(HashMap<String, Vec<Operation>>);

impl Operations {
    /// Those of a document.
    pub(super) fn of(document: &OpenApi) -> Self {
        let of_route = |(route, item): (&String, _)| {
            let operation = |(method, operation): (_, &OperationItem)| Operation {
                route: route.clone(),
                name: operation.operation_id.clone().unwrap_or_default(),
                method,
                seconds: OnceLock::new(),
                requests: RwLock::default(),
            };
            (route.clone(), openapi::operations(item).map(operation).collect())
        };
        Self(document.paths.paths.iter().map(of_route).collect())
    }

    /// Their routes and methods.
    pub(super) fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.values().flatten().map(|operation| (operation.route.as_str(), operation.method.as_str()))
    }

    fn find(&self, request: &HttpRequest) -> Option<&Operation> {
        let mut route = String::with_capacity(64);
        let mut parameters = request.match_info().iter().peekable();
        for segment in path_of(request.path()).split('/').skip(1) {
            route.push('/');
            match parameters.next_if(|(_, value)| *value == segment) {
                Some((name, _)) => route.extend(["{", name, "}"]),
                None => route.push_str(segment),
            }
        }
        self.0.get(&route)?.iter().find(|operation| operation.method == *request.method())
    }
}

impl Operation {
    /// The operation that a request reached, unless it is of a page, or there is none.
    pub(super) fn reached<B>(response: &ServiceResponse<B>) -> Option<&Self> {
        if Problem::of(response).is_some_and(Problem::is_unrouted) {
            return None;
        }
        response.request().app_data::<web::Data<Published>>()?.operations.find(response.request())
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
