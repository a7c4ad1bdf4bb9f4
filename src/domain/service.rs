//! Services: one customer commitment each.

use chrono::TimeDelta;

use super::context::Context;
use super::event::{Event, read};
use super::extension::Extension;
use super::field::{FieldName, LongOrString};
use super::ids::{Element, ServiceId};
use super::json::Members;
use super::reader::{MAX_TEXT, ObjectReader};
use super::time::Timestamp;
use super::violation::{Place, Violations};

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
        let (event, details, extensions) = read(Element::Service, body, context, |reader| {
            let before = reader.violations.len();
            let details = ServiceDetails {
                customer_id: reader.text("customer_id", 1..=MAX_TEXT),
                contact_key: reader.text("contact_key", 1..=MAX_TEXT),
                service_type: context.value(reader, Element::Service, FieldName::Type),
                est_duration: reader.seconds("est_duration"),
                expires_at: Expiration::take(reader, context.now).map(|expiration| expiration.at),
                auto_complete_after: reader.seconds("auto_complete_after"),
            };
            let nobody = details.customer_id.is_none() && details.contact_key.is_none();
            if nobody && reader.violations.len() == before {
                reader.add_violation("customer_id", "customer_id or contact_key must be given");
            }
            details
        })?;
        Ok(Self { event, details, extensions })
    }
}

/// When a service and all of its data are to be deleted (contract §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// The moment.
    pub at: Timestamp,
    /// The seconds from now by which it was given.
    pub ttl: Option<i64>,
}

impl Expiration {
    /// Takes `ttl`, in seconds from now, which wins, or `expiration_time`.
    pub(super) fn take(reader: &mut ObjectReader<'_, '_>, now: Timestamp) -> Option<Self> {
        let ttl = reader.seconds("ttl");
        let expiration_time = reader.timestamp("expiration_time");
        let Some(seconds) = ttl else { return expiration_time.map(|at| Self { at, ttl }) };
        let at = TimeDelta::try_seconds(seconds)
            .and_then(|ttl| now.to_datetime().checked_add_signed(ttl))
            .and_then(|moment| Timestamp::parse(&Timestamp::cut(moment).to_string()));
        if at.is_none() {
            reader.add_violation(
                "ttl",
                format!("expected seconds until a moment before the year 10000, found {seconds}"),
            );
        }
        at.map(|at| Self { at, ttl })
    }
}

/// The command that gives a service another customer, and replaces those start-event fields that it has (contract §2,
/// SRV.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateService {
    /// Which service.
    pub service_id: ServiceId,
    /// Whose service it is from now on.
    pub customer_id: String,
    /// The fields of the start event that are given.
    pub event: Event,
    /// Whether the event's timestamp is one of them.
    pub timestamp_given: bool,
    /// What kind of service.
    pub service_type: Option<LongOrString>,
    /// Estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// When the service and all of its data are to be deleted.
    pub expires_at: Option<Timestamp>,
    /// Seconds since its last event after which it is to be ended.
    pub auto_complete_after: Option<i64>,
    /// What the application attached; replaces what was recorded under the same names.
    pub extensions: Vec<Extension>,
}

impl AssociateService {
    /// Reads the body; all of it may be absent.
    pub fn read(
        service_id: ServiceId,
        customer_id: &str,
        body: &Members<'_>,
        context: Context<'_>,
    ) -> Result<Self, Violations> {
        // What is absent stays as it is.
        let context = Context { fill_defaults: false, ..context };
        let (event, own, extensions) = read(Element::Service, body, context, |reader| {
            (
                reader.take("timestamp").is_some(),
                context.value(reader, Element::Service, FieldName::Type),
                reader.seconds("est_duration"),
                Expiration::take(reader, context.now).map(|expiration| expiration.at),
                reader.seconds("auto_complete_after"),
            )
        })?;
        let (timestamp_given, service_type, est_duration, expires_at, auto_complete_after) = own;
        let customer_id = customer_id.to_owned();
        Ok(Self {
            service_id,
            customer_id,
            event,
            timestamp_given,
            service_type,
            est_duration,
            expires_at,
            auto_complete_after,
            extensions,
        })
    }
}

/// The command that says anew when a service and all of its data are to be deleted (contract §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateExpiration {
    /// Which service.
    pub service_id: ServiceId,
    /// The moment.
    pub expires_at: Timestamp,
}

impl UpdateExpiration {
    /// Reads the body, which must have `ttl` or `expiration_time` and nothing else.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let expiration = Expiration::take(&mut reader, context.now);
        reader.refuse_rest();
        let Some(expiration) = expiration else {
            if reader.violations.is_empty() {
                reader.add_violation("ttl", "ttl or expiration_time must be given");
            }
            return Err(reader.violations);
        };
        reader.violations.or(Self { service_id, expires_at: expiration.at })
    }
}
