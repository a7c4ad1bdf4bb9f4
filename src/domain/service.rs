//! Services: one customer commitment each.

use chrono::TimeDelta;

use super::attribute::LongOrString;
use super::event::{Context, Event, read};
use super::extension::Extension;
use super::fields::{Fields, MAX_TEXT};
use super::ids::Element;
use super::json::Members;
use super::time::Timestamp;
use super::violation::Violations;

/// The command that starts a service (contract §2, SRV.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartService {
    /// The start event.
    pub event: Event,
    /// What is said of the service itself.
    pub details: ServiceDetails,
    /// What the application attached.
    pub extensions: Vec<Extension>,
}

/// What a start event says of the service itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDetails {
    /// Whose service it is; none: an anonymous caller's.
    pub customer_id: Option<String>,
    /// By which an anonymous caller is found again.
    pub contact_key: Option<String>,
    /// What kind of service.
    pub service_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// When the service and all of its data are to be deleted.
    pub expires_at: Option<Timestamp>,
    /// Seconds since its last event after which it is to be ended.
    pub auto_complete_after: Option<i64>,
}

impl StartService {
    /// Reads the body of a start event.
    pub fn read(body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, details, extensions) = read(Element::Service, body, context, |fields| {
            let before = fields.violations.len();
            let details = ServiceDetails {
                customer_id: fields.text("customer_id", 1..=MAX_TEXT),
                contact_key: fields.text("contact_key", 1..=MAX_TEXT),
                service_type: fields.long_or_string("service_type"),
                est_duration: fields.seconds("est_duration"),
                expires_at: take_expiration(fields, context.now),
                auto_complete_after: fields.seconds("auto_complete_after"),
            };
            let nobody = details.customer_id.is_none() && details.contact_key.is_none();
            if nobody && fields.violations.len() == before {
                fields.complain("customer_id", "customer_id or contact_key must be given");
            }
            details
        })?;
        Ok(Self { event, details, extensions })
    }
}

/// `ttl`, in seconds from now, wins over `expiration_time` (contract §7).
fn take_expiration(fields: &mut Fields<'_, '_>, now: Timestamp) -> Option<Timestamp> {
    let ttl = fields.seconds("ttl");
    let expiration_time = fields.timestamp("expiration_time");
    let Some(seconds) = ttl else { return expiration_time };
    let expires = TimeDelta::try_seconds(seconds)
        .and_then(|ttl| now.to_datetime().checked_add_signed(ttl))
        .and_then(|moment| Timestamp::parse(&Timestamp::cut(moment).to_string()));
    if expires.is_none() {
        fields.complain("ttl", format!("expected seconds until a moment before the year 10000, found {seconds}"));
    }
    expires
}
