//! Addresses of journey pages.

use super::super::problem::Code;
use crate::domain::element::Service;
use crate::domain::ids::{Element, ServiceId};

/// The kind of identifier by which a journey is searched: the parameter `by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Anything,
    Customer,
    ContactKey,
    Service,
}

impl By {
    pub(super) const ALL: [Self; 4] = [Self::Anything, Self::Customer, Self::ContactKey, Self::Service];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Anything => "any",
            Self::Customer => "customer",
            Self::ContactKey => "contact_key",
            Self::Service => "service",
        }
    }

    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Anything => "any of these",
            Self::Customer => "customer ID",
            Self::ContactKey => "contact key",
            Self::Service => "service ID",
        }
    }

    /// Whether a search by `self` includes a search by `other`.
    pub(super) fn covers(self, other: Self) -> bool {
        self == Self::Anything || self == other
    }
}

/// The address of a search, or of a later page of its results.
pub(super) fn search(by: By, text: &str, page: i64) -> String {
    let page = (page > 1).then(|| ("page", page.to_string()));
    let fixed = [("by", by.name().to_owned()), ("q", text.to_owned())];
    journey(fixed.into_iter().chain(page))
}

/// The address of the rows of one type of a service with very many rows. The newest `skip` rows are skipped.
pub(super) fn rows(service: ServiceId, key: &str, skip: usize) -> String {
    let skip = (skip > 0).then(|| ("skip", skip.to_string()));
    let fixed = [("by", By::Service.name().to_owned()), ("q", service.to_string()), ("rows", key.to_owned())];
    journey(fixed.into_iter().chain(skip))
}

fn journey(parameters: impl Iterator<Item = (&'static str, String)>) -> String {
    let parameters: Vec<_> = parameters.collect();
    format!("/journey?{}", serde_urlencoded::to_string(parameters).unwrap_or_default())
}

/// The address of the journey of a service's customer or contact key, or of the service itself if it has neither.
pub(super) fn journey_of(service: &Service) -> String {
    match (&service.customer_id, &service.contact_key) {
        (Some(customer), _) => search(By::Customer, customer, 1),
        (None, Some(key)) => search(By::ContactKey, key, 1),
        (None, None) => journey_of_service(service.service_id),
    }
}

/// The address of the page of an element.
pub(super) fn element(service: ServiceId, element: Element, id: i64) -> String {
    match element {
        Element::Service => format!("/journey/services/{service}"),
        element => format!("/journey/services/{service}/{}/{id}", element.plural()),
    }
}

/// The address of the page of a problem, which its `type` names.
pub(super) fn problem(code: Code) -> String {
    format!("/problems/{}", code.entry().0)
}

/// The address of the time line of one service.
pub(super) fn journey_of_service(service: ServiceId) -> String {
    search(By::Service, &service.to_string(), 1)
}
