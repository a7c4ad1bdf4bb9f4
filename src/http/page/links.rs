//! Addresses of journey pages.

use crate::domain::element::Service;
use crate::domain::ids::ServiceId;
use crate::domain::query::Cursor;

/// The kind of identifier that a journey is searched by: the parameter `by`.
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

/// The address of a search, or of its next page with services older than `before`.
pub(super) fn search(by: By, text: &str, before: Option<Cursor>) -> String {
    let before = before.map(|before| ("before", before.to_string()));
    let fixed = [("by", by.name().to_owned()), ("q", text.to_owned())];
    let parameters: Vec<_> = fixed.into_iter().chain(before).collect();
    format!("/journey?{}", serde_urlencoded::to_string(parameters).unwrap_or_default())
}

/// The address of the journey of a service's customer or contact key, or of the service itself if it has neither.
pub(super) fn journey_of(service: &Service) -> String {
    match (&service.customer_id, &service.contact_key) {
        (Some(customer), _) => search(By::Customer, customer, None),
        (None, Some(key)) => search(By::ContactKey, key, None),
        (None, None) => journey_of_service(service.service_id),
    }
}

/// The address of the time line of one service.
pub(super) fn journey_of_service(service: ServiceId) -> String {
    search(By::Service, &service.to_string(), None)
}
