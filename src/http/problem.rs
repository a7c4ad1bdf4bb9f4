//! Errors as callers see them: RFC 9457 problems (docs/api.md §1, Errors).

use std::fmt;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

pub(super) use super::code::Code;
use crate::domain::extension::is_field_name;
use crate::domain::ids::Element;
use crate::domain::json::JsonError;
use crate::domain::refusal::Refusal;
use crate::domain::violation::{MOST_LISTED, Violation, Violations, without_values};
use crate::log::with_causes;
use crate::store::StoreError;

/// Maximum number of violations that `detail` names; `errors` may list more.
const NAMED_IN_DETAIL: usize = 10;

/// Maximum number of characters of a pointer that `detail` quotes.
const SHOWN: usize = 100;

/// The content type of a problem, unless a page shows it.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// The detail of a query parameter that the operation does not have.
const UNKNOWN_PARAMETER: &str = "the operation does not have this parameter";

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    errors: Vec<ProblemError>,
    allow: Option<String>,
    source: Option<Box<StoreError>>,
}

/// A violation and its place.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ProblemError {
    /// JSON pointer (RFC 6901) to the place in the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/disposition_desc")]
    pointer: Option<String>,
    /// Name of the query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The expected and the actual value.
    #[schema(example = "expected at most 64 characters, found 70")]
    detail: String,
}

/// An error (RFC 9457). `message` and `exception` repeat `detail` and `code` for clients of version 8.5.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// `/problems/` followed by the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid_event")]
    kind: String,
    /// Short description of the code, for people.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// Description of this occurrence, for people.
    detail: &'a str,
    /// Stable error code, for programs.
    #[schema(example = "invalid_event")]
    code: &'a str,
    /// The violations, for errors in a body or query string.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ProblemError],
    /// Repeats `detail`.
    message: &'a str,
    /// Repeats `code`.
    exception: &'a str,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), allow: None, source: None }
    }

    /// The problem in a response, if it has one.
    pub(super) fn of<B>(response: &ServiceResponse<B>) -> Option<&Self> {
        response.response().error().and_then(|error| error.as_error())
    }

    /// The refusal in maintenance mode.
    pub(super) fn maintenance() -> Self {
        Self::new(Code::Maintenance, "the service is in maintenance mode; try again later")
    }

    /// The refusal of a method, with the methods that the route supports.
    pub(super) fn method_not_allowed(method: &str, allowed: &[&str]) -> Self {
        let allow = allowed.join(", ");
        let mut problem = Self::new(Code::MethodNotAllowed, format!("the route supports {allow}, found {method}"));
        problem.allow = Some(allow);
        problem
    }

    /// The refusal of a query parameter or header.
    pub(super) fn invalid_query(parameter: &str, detail: String) -> Self {
        let text = format!("the parameter {parameter} is not valid: {detail}");
        let error = ProblemError { pointer: None, parameter: Some(parameter.to_owned()), detail };
        Self { errors: vec![error], ..Self::new(Code::InvalidQuery, text) }
    }

    /// The refusal of a query parameter that the operation does not have.
    pub(super) fn unknown_parameter(name: &str) -> Self {
        Self::invalid_query(name, UNKNOWN_PARAMETER.to_owned())
    }

    /// The refusal of a body.
    pub(super) fn violations(code: Code, violations: Violations) -> Self {
        let (count, is_full) = (violations.len(), violations.is_full());
        let violations = violations.into_list();
        let named: Vec<_> =
            violations.iter().take(NAMED_IN_DETAIL).map(|violation| label(&violation.pointer)).collect();
        let (places, more) = (named.join(", "), count - named.len());
        let detail = match count {
            1 => format!("1 field is not valid: {places}"),
            _ if is_full => format!("more than {MOST_LISTED} fields are not valid: {places} and others"),
            _ if more > 0 => format!("{count} fields are not valid: {places} and {more} more"),
            _ => format!("{count} fields are not valid: {places}"),
        };
        let of_violation =
            |Violation { pointer, detail }| ProblemError { pointer: Some(pointer), parameter: None, detail };
        Self { errors: violations.into_iter().map(of_violation).collect(), ..Self::new(code, detail) }
    }

    /// The refusal of the definition of a schema or business attribute.
    pub(super) fn of_schema(violations: Violations) -> Self {
        Self::violations(Code::InvalidSchema, violations)
    }

    /// The refusal of a definition by the store.
    pub(super) fn of_definition(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(violations) => Self::of_schema(violations),
            other => other.into(),
        }
    }

    /// The internal cause with its sources, for the log only.
    pub(super) fn cause(&self) -> Option<String> {
        self.source.as_deref().map(|error| with_causes(error))
    }

    /// True if the request was refused because of overload.
    pub(super) const fn is_overload(&self) -> bool {
        matches!(self.code, Code::Overloaded)
    }

    /// True if the request matched no operation.
    pub(super) const fn is_unrouted(&self) -> bool {
        matches!(self.code, Code::NotFound | Code::MethodNotAllowed)
    }

    /// Short description of the code, for people.
    pub(super) const fn title(&self) -> &'static str {
        self.code.entry().2
    }

    /// The body of the response.
    pub(super) fn body(&self) -> ProblemBody<'_> {
        let (code, status, title) = self.code.entry();
        ProblemBody {
            kind: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            errors: &self.errors,
            message: &self.detail,
            exception: code,
        }
    }

    /// Description of this occurrence, for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Stable error code, for programs.
    pub(super) const fn code(&self) -> &'static str {
        self.code.entry().0
    }

    /// The entry of the table of codes.
    pub(super) const fn kind(&self) -> Code {
        self.code
    }

    /// The first violations, each as its place and what was expected there. A place is a JSON pointer, or `?` and the name
    /// of a query parameter, truncated to `length` characters.
    pub(super) fn places(&self, limit: usize, length: usize) -> Vec<(String, String)> {
        let places = self.errors.iter().take(limit).map(|error| match (&error.pointer, &error.parameter) {
            (Some(pointer), _) => (pointer.clone(), error),
            (None, parameter) => (format!("?{}", parameter.as_deref().unwrap_or_default()), error),
        });
        let short = |place: String| place.chars().take(length).collect();
        places.map(|(place, error)| (short(place), without_values(&error.detail).to_owned())).collect()
    }

    /// What was expected, without what was sent. The first violations come with their places, of which names that are not
    /// those of fields are left out.
    pub(super) fn expectation(&self, limit: usize) -> String {
        if self.errors.is_empty() {
            return without_values(&self.detail).to_owned();
        }
        let of = |error: &ProblemError| format!("{}: {}", error.known_place(), without_values(&error.detail));
        self.errors.iter().take(limit).map(of).collect::<Vec<_>>().join("; ")
    }

    /// The first pointers of violations, for the log, without names that are not those of fields.
    pub(super) fn fields(&self, limit: usize) -> Option<String> {
        let pointers: Vec<_> =
            self.errors.iter().filter_map(|error| error.pointer.as_deref()).take(limit).map(known_part).collect();
        (!pointers.is_empty()).then(|| pointers.join(", "))
    }
}

impl ProblemError {
    /// The place without names that were made up.
    fn known_place(&self) -> String {
        match (&self.pointer, &self.parameter) {
            (Some(pointer), _) if pointer.is_empty() => "the body".to_owned(),
            (Some(pointer), _) => known_part(pointer),
            (None, Some(name)) if self.detail != UNKNOWN_PARAMETER => format!("?{name}"),
            (None, _) => "?…".to_owned(),
        }
    }
}

/// A pointer, cut before the first name that is not a field's. Such a name was sent, and the log must not show it.
fn known_part(pointer: &str) -> String {
    let is_known = |part: &&str| is_field_name(part) || part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<_> = pointer.split('/').skip(1).collect();
    let fields: String = parts.iter().copied().take_while(is_known).flat_map(|part| ["/", part]).collect();
    if parts.iter().all(is_known) { fields } else { fields + "/…" }
}

/// A pointer without its leading slash, truncated. The pointer to the body itself is empty.
fn label(pointer: &str) -> &str {
    match pointer.strip_prefix('/') {
        Some("") => "\"\"",
        Some(label) => label.char_indices().nth(SHOWN).map_or(label, |(end, _)| &label[..end]),
        None => "the body",
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.code.entry().1
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            response.insert_header((header::RETRY_AFTER, "1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.append_header((header::WWW_AUTHENTICATE, "Basic realm=\"context-services\", charset=\"UTF-8\""));
            response.append_header((header::WWW_AUTHENTICATE, "Bearer realm=\"context-services\""));
        }
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        response.insert_header((header::CONTENT_TYPE, JSON));
        response.body(serde_json::to_vec(&self.body()).unwrap_or_default())
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        Self::new(Code::InvalidJson, error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::Invalid(violations) => return Self::violations(Code::InvalidEvent, violations),
            Refusal::Unknown(Element::Service) => Code::UnknownService,
            Refusal::Unknown(Element::State) => Code::UnknownState,
            Refusal::Unknown(Element::Task) => Code::UnknownTask,
            Refusal::AlreadyCompleted { .. } => Code::AlreadyCompleted,
            Refusal::NoRecords => Code::UnknownExtension,
            Refusal::StateMismatch { .. } => Code::StateMismatch,
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match error {
            StoreError::Invalid(violations) => return Self::violations(Code::InvalidEvent, violations),
            StoreError::Refused(refusal) => return refusal.into(),
            StoreError::SchemaExists => Code::SchemaExists,
            StoreError::UnknownExtension => Code::UnknownExtension,
            StoreError::UnknownBusinessAttribute => Code::UnknownBusinessAttribute,
            StoreError::Overloaded(_) => Code::Overloaded,
            StoreError::ReadTimeout(_) => Code::ReadTimeout,
            StoreError::ViewInUse(_) | StoreError::ViewNeeded(_) => Code::ViewInUse,
            StoreError::TooLarge { .. } => return Self::invalid_query("extensions", error.to_string()),
            StoreError::Unavailable(_) => Code::DatabaseUnavailable,
            StoreError::Corrupt { .. } | StoreError::Database(_) => {
                let detail = "the error is in the server's log, under the X-Request-Id of this response";
                return Self { source: Some(Box::new(error)), ..Self::new(Code::Internal, detail) };
            }
        };
        Self { detail: error.to_string(), source: Some(Box::new(error)), ..Self::new(code, "") }
    }
}
