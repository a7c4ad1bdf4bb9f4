//! The journey of a customer: a search for services, and a page of the services found.

use super::element::Service;
use super::ids::ServiceId;

/// The most services of an owner that a journey counts and orders: the newest.
pub const MOST_SERVICES: i64 = 20_000;

/// The most states, and the most tasks, that a journey has of each service after the first.
pub const STEPS: i64 = 40;

/// The largest difference between clocks, in milliseconds. A time further in the future cannot be right.
pub const TOLERANCE: i64 = 1000;

/// The most states, and the most tasks, in which trouble is looked for: those of the services that started last.
pub const SEARCHED: i64 = 20_000;

/// The criteria of a journey. Services that match any of them belong to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// The customer.
    pub customer: Option<String>,
    /// The contact key of services without a customer.
    pub contact_key: Option<String>,
    /// The service.
    pub service: Option<ServiceId>,
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The number of elements before the page.
    pub skip: i64,
    /// The most elements on the page.
    pub limit: i64,
}

/// A page of a journey.
#[derive(Debug)]
pub struct Journey {
    /// The services of the page: open ones first, and the newest first.
    pub services: Vec<Service>,
    /// The number of all services, at most [`MOST_SERVICES`] of a customer and of a contact key.
    pub total: i64,
    /// The number of open services among them.
    pub open: i64,
    /// The service in which something went wrong last, with nothing but the state or task in which it did, if it was in
    /// one.
    pub trouble: Option<Service>,
}
