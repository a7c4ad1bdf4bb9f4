//! Services, each of which is one commitment to a customer.

use chrono::TimeDelta;

use super::context::Context;
use super::event::{Event, read};
use super::extension::Extension;
use super::field::{FieldName, LongOrString};
use super::ids::{Element, ServiceId};
use super::json::Members;
use super::lifetime::{LastEvent, MAX_LIFETIME};
use super::reader::{MAX_TEXT, ObjectReader};
use super::time::Timestamp;
use super::violation::{Place, Violations};

/// The command Start Service (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartService {
    /// The start event.
    pub event: Event,
    /// The properties of the service itself.
    pub details: ServiceDetails,
    /// The attached extensions.
    pub extensions: Vec<Extension>,
}

/// The properties of a service in its start event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDetails {
    /// The customer. `None`: the caller is anonymous.
    pub customer_id: Option<String>,
    /// The key by which an anonymous caller is recognised.
    pub contact_key: Option<String>,
    /// The type of the service.
    pub service_type: Option<LongOrString>,
    /// The estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// When the service and all its data are to be deleted.
    pub expires_at: Option<Timestamp>,
    /// The number of seconds after its last event at which the service is to be completed.
    pub auto_complete_after: Option<i64>,
    /// When the service would be completed automatically if nothing else happened in it.
    pub idle_at: Option<Timestamp>,
}

impl StartService {
    /// Reads the body of a start event.
    pub fn read(body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let (event, mut details, extensions) = read(Element::Service, body, context, |reader| {
            let before = reader.violations.len();
            let details = ServiceDetails {
                customer_id: reader.text("customer_id", 1..=MAX_TEXT),
                contact_key: reader.text("contact_key", 1..=MAX_TEXT),
                service_type: context.value(reader, Element::Service, FieldName::Type),
                est_duration: reader.seconds("est_duration"),
                expires_at: Expiration::take(reader, context.now).map(|expiration| expiration.at),
                auto_complete_after: reader.seconds_within("auto_complete_after", 1..=MAX_LIFETIME),
                idle_at: None,
            };
            let nobody = details.customer_id.is_none() && details.contact_key.is_none();
            if nobody && reader.violations.len() == before {
                reader.add_violation("customer_id", "customer_id or contact_key is required");
            }
            details
        })?;
        let after = details.auto_complete_after.or(context.metadata.settings.auto_complete_after);
        details.idle_at =
            after.and_then(|after| LastEvent { at: event.timestamp, auto_complete_after: after }.idle_at(context.now));
        Ok(Self { event, details, extensions })
    }
}

/// When a service and all its data are to be deleted (docs/api.md §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiration {
    /// The time of deletion.
    pub at: Timestamp,
    /// The seconds from now, if the time was given as `ttl`.
    pub ttl: Option<i64>,
}

impl Expiration {
    /// Takes `ttl`, in seconds from now, or else `expiration_time`.
    pub(super) fn take(reader: &mut ObjectReader<'_, '_>, now: Timestamp) -> Option<Self> {
        let ttl = reader.seconds_within("ttl", 0..=MAX_LIFETIME);
        let expiration_time = reader.timestamp("expiration_time");
        let Some(seconds) = ttl else { return expiration_time.map(|at| Self { at, ttl }) };
        let at = TimeDelta::try_seconds(seconds)
            .and_then(|ttl| now.to_datetime().checked_add_signed(ttl))
            .and_then(|moment| Timestamp::parse(&Timestamp::cut(moment).to_string()));
        if at.is_none() {
            reader
                .add_violation("ttl", format!("expected a lifetime that ends before the year 10000, found {seconds}"));
        }
        at.map(|at| Self { at, ttl })
    }
}

/// The command Associate Service: a new customer, and new values for some fields of the start event (docs/api.md §2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssociateService {
    /// The service.
    pub service_id: ServiceId,
    /// The new customer.
    pub customer_id: String,
    /// The given fields of the start event.
    pub event: Event,
    /// Whether the timestamp was given.
    pub timestamp_given: bool,
    /// The type of the service.
    pub service_type: Option<LongOrString>,
    /// The estimated duration in seconds.
    pub est_duration: Option<i64>,
    /// When the service and all its data are to be deleted.
    pub expires_at: Option<Timestamp>,
    /// The number of seconds after its last event at which the service is to be completed.
    pub auto_complete_after: Option<i64>,
    /// When the service becomes idle if nothing else happens in it. `None` if the event has no `auto_complete_after`.
    pub idle_at: Option<Timestamp>,
    /// The attached extensions. Each replaces the records under its name.
    pub extensions: Vec<Extension>,
}

impl AssociateService {
    /// Reads the body. All members are optional.
    pub fn read(
        service_id: ServiceId,
        customer_id: &str,
        body: &Members<'_>,
        context: Context<'_>,
    ) -> Result<Self, Violations> {
        // Absent fields keep their value.
        let context = Context { fill_defaults: false, ..context };
        let (event, own, extensions) = read(Element::Service, body, context, |reader| {
            (
                reader.take("timestamp").is_some(),
                context.value(reader, Element::Service, FieldName::Type),
                reader.seconds("est_duration"),
                Expiration::take(reader, context.now).map(|expiration| expiration.at),
                reader.seconds_within("auto_complete_after", 1..=MAX_LIFETIME),
            )
        })?;
        let (timestamp_given, service_type, est_duration, expires_at, auto_complete_after) = own;
        let customer_id = customer_id.to_owned();
        let idle_at = auto_complete_after
            .and_then(|after| LastEvent { at: event.timestamp, auto_complete_after: after }.idle_at(context.now));
        Ok(Self {
            service_id,
            customer_id,
            event,
            timestamp_given,
            service_type,
            est_duration,
            expires_at,
            auto_complete_after,
            idle_at,
            extensions,
        })
    }
}

/// The command that changes when a service and all its data are to be deleted (docs/api.md §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpdateExpiration {
    /// The service.
    pub service_id: ServiceId,
    /// The time of deletion.
    pub expires_at: Timestamp,
}

impl UpdateExpiration {
    /// Reads the body, which must have `ttl` or `expiration_time`, and nothing else.
    pub fn read(service_id: ServiceId, body: &Members<'_>, context: Context<'_>) -> Result<Self, Violations> {
        let mut reader = ObjectReader::new(body, Place::Body);
        let expiration = Expiration::take(&mut reader, context.now);
        reader.refuse_rest();
        let Some(expiration) = expiration else {
            if reader.violations.is_empty() {
                reader.add_violation("ttl", "ttl or expiration_time is required");
            }
            return Err(reader.violations);
        };
        reader.violations.or(Self { service_id, expires_at: expiration.at })
    }
}
