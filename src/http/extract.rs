//! Extractors: the validated parts of a request that a handler receives. Each refuses invalid input with a problem.

use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use percent_encoding::percent_decode_str;
use tokio::time::error::Elapsed;

use super::body_memory::{Held, check_length};
use super::compression::{Coding, unpacked};
use super::problem::{Code, Problem};
use crate::domain::ids::{Element, ElementKey, PurgeId, ServiceId, StateId, TaskId};
use crate::domain::json::{Json, JsonError, Members, read_object, read_records};
use crate::domain::reader::MAX_TEXT;
use crate::store::StoreError;

/// Time limit for a body to arrive. actix-web itself limits only the head of a request.
#[derive(Clone, Copy)]
pub(super) struct BodyTimeout(pub(super) Duration);

/// A path with a service.
pub(super) struct ServicePath(pub(super) ServiceId);

/// A path with a state of a service.
pub(super) struct StatePath(pub(super) ServiceId, pub(super) StateId);

/// A path with a customer.
pub(super) struct CustomerPath(pub(super) String);

/// A path with a contact key.
pub(super) struct ContactPath(pub(super) String);

/// A path with a task of a service.
pub(super) struct TaskPath(pub(super) ServiceId, pub(super) TaskId);

/// `purge_id` in the path.
pub(super) struct PurgePath(pub(super) PurgeId);

/// A path with the name of an extension or business attribute.
pub(super) struct NamePath(pub(super) String);

/// A path that identifies a service, state or task.
pub(super) trait Keyed {
    /// The key of the element.
    fn key(&self) -> ElementKey;
}

impl Keyed for ServicePath {
    fn key(&self) -> ElementKey {
        ElementKey::service(self.0)
    }
}

impl Keyed for StatePath {
    fn key(&self) -> ElementKey {
        ElementKey::state(self.0, self.1)
    }
}

impl Keyed for TaskPath {
    fn key(&self) -> ElementKey {
        ElementKey::task(self.0, self.1)
    }
}

/// A path with a kind of element: `services`, `states` or `tasks`.
pub(super) struct ElementPath(pub(super) Element);

/// A path with an extension schema: the kind of element, and the name.
pub(super) struct SchemaPath(pub(super) Element, pub(super) String);

/// Implements an extractor that does not read the body.
macro_rules! from_path {
    ($type:ty, $request:ident => $read:expr) => {
        impl actix_web::FromRequest for $type {
            type Error = $crate::http::problem::Problem;
            type Future = std::future::Ready<Result<Self, Self::Error>>;

            fn from_request($request: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
                std::future::ready($read)
            }
        }
    };
}

pub(super) use from_path;

from_path!(ServicePath, request => id(request, "service_id").map(Self));
from_path!(StatePath, request => {
    id(request, "service_id").and_then(|service| Ok(Self(service, id(request, "state_id")?)))
});
from_path!(CustomerPath, request => key(request, "customer_id").map(Self));
from_path!(ContactPath, request => key(request, "contact_key").map(Self));
from_path!(TaskPath, request => id(request, "service_id").and_then(|service| Ok(Self(service, id(request, "task_id")?))));
from_path!(NamePath, request => key(request, "name").map(Self));
from_path!(PurgePath, request => id(request, "purge_id").map(Self));
from_path!(ElementPath, request => element(request).map(Self));
from_path!(SchemaPath, request => element(request).and_then(|element| {
    match request.match_info().query("name") {
        // PostgreSQL cannot store NUL in text, so no schema has such a name.
        name if name.contains('\0') => Err(Problem::from(StoreError::UnknownExtension)),
        name => Ok(Self(element, name.to_owned())),
    }
}));

fn id<T: FromStr<Err: std::fmt::Display>>(request: &HttpRequest, name: &str) -> Result<T, Problem> {
    let text = request.match_info().query(name);
    text.parse().map_err(|error| Problem::new(Code::InvalidId, format!("{name}: {error}, found {:?}", shown(text))))
}

/// A customer, contact key or name, with the limits of an event's text field.
fn key(request: &HttpRequest, name: &str) -> Result<String, Problem> {
    // The router does not decode `%2F`, `%25` and `%2B`.
    let decoded = percent_decode_str(request.match_info().query(name)).decode_utf8();
    // The router also replaces bytes that are not UTF-8, which would make different names equal.
    if is_decodable(request.uri().path())
        && let Ok(text) = decoded
        && (1..=MAX_TEXT).contains(&text.chars().count())
        && !text.contains('\0')
    {
        return Ok(text.into_owned());
    }
    Err(Problem::new(Code::InvalidId, format!("{name}: expected 1 to {MAX_TEXT} characters without NUL, in UTF-8")))
}

/// True if every percent-encoding in the text is valid and the decoded text is UTF-8.
pub(super) fn is_decodable(text: &str) -> bool {
    let pairs = text.split('%').skip(1);
    let hexadecimal = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    pairs.into_iter().all(hexadecimal) && percent_decode_str(text).decode_utf8().is_ok()
}

/// The part of a caller's input that a response quotes: the first 40 characters.
pub(super) fn shown(text: &str) -> &str {
    text.char_indices().nth(40).map_or(text, |(end, _)| &text[..end])
}

fn element(request: &HttpRequest) -> Result<Element, Problem> {
    let word = request.match_info().query("elements");
    Element::from_plural(word).ok_or_else(|| {
        Problem::new(Code::NotFound, format!("expected services, states or tasks, found {:?}", shown(word)))
    })
}

/// The size limit for bodies in bytes, to be registered as application data.
#[derive(Clone, Copy)]
pub(super) struct BodyLimit(pub(super) usize);

/// A request body, completely received and unpacked, but not yet parsed.
pub(super) struct Body {
    bytes: Vec<u8>,
    /// The memory of the body, held as long as the body exists.
    _held: Held,
}

/// The byte order mark, which some programs write in front of JSON.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

impl Body {
    /// Parses the body as a JSON object.
    pub(super) fn object(&self) -> Result<Members<'_>, JsonError> {
        read_object(self.text())
    }

    /// Parses the body as a record, or an array of records.
    pub(super) fn records(&self) -> Result<Json<'_>, JsonError> {
        read_records(self.text())
    }

    /// Parses the body as a JSON object; an empty body is an empty object (docs/api.md §1, for end events and
    /// associate).
    pub(super) fn object_or_empty(&self) -> Result<Members<'_>, JsonError> {
        if self.is_empty() { Ok(Members::new()) } else { self.object() }
    }

    fn text(&self) -> &[u8] {
        self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes)
    }

    fn is_empty(&self) -> bool {
        self.text().trim_ascii().is_empty()
    }
}

impl FromRequest for Body {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = check_content_type(request);
        let time = request.app_data::<BodyTimeout>().map_or(Duration::ZERO, |timeout| timeout.0);
        let limit = request.app_data::<BodyLimit>().map_or(0, |limit| limit.0);
        let coding = check_length(request, limit).and_then(|()| Coding::of(request.headers()));
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let body = match coding? {
                Coding::Identity => tokio::time::timeout(time, as_sent(&request, payload, limit)).await,
                Coding::Gzip => tokio::time::timeout(time, unpacked(&request, payload, limit)).await,
            };
            received(body, kind)
        })
    }
}

async fn as_sent(request: &HttpRequest, payload: Payload, limit: usize) -> Result<(Vec<u8>, Held), Problem> {
    let mut held = Held::by(request);
    Ok((held.receive(payload, limit).await?, held))
}

/// The body if it arrived in time and its content type, `kind`, is accepted. An empty body needs no content type.
fn received(
    read: Result<Result<(Vec<u8>, Held), Problem>, Elapsed>,
    kind: Result<(), Problem>,
) -> Result<Body, Problem> {
    let late = |_| Problem::new(Code::RequestTimeout, "the body did not arrive within REQUEST_TIMEOUT");
    let (bytes, held) = read.map_err(late)??;
    let body = Body { bytes, _held: held };
    if !body.is_empty() {
        kind?;
    }
    Ok(body)
}

fn check_content_type(request: &HttpRequest) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(Code::UnsupportedMediaType, detail));
    if !request.headers().contains_key(header::CONTENT_TYPE) {
        return Ok(());
    }
    let Ok(Some(mime)) = request.mime_type() else { return refuse("Content-Type is malformed") };
    if mime.essence_str() != "application/json" {
        return refuse(&format!("expected Content-Type application/json or none, found {}", shown(mime.essence_str())));
    }
    let is_utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let utf8 = mime.params().all(|(name, value)| name != "charset" || is_utf8(value.as_str()));
    if utf8 { Ok(()) } else { refuse("expected charset utf-8 or none") }
}
