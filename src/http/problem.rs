//! Every error as a caller sees it: RFC 9457 problems from one table (contract §1, Errors).

use std::error::Error;
use std::fmt;

use actix_web::dev::ServiceResponse;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::Element;
use crate::domain::json::JsonError;
use crate::domain::refusal::Refusal;
use crate::domain::violation::{Violation, Violations};
use crate::store::StoreError;

/// How many of several violations `detail` names; `errors` has more.
const NAMED_IN_DETAIL: usize = 10;

/// How many violations `errors` has: a body of a megabyte can have hundreds of thousands.
const LISTED: usize = 1000;

/// How many characters of a pointer `detail` repeats.
const SHOWN: usize = 100;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// What kind of error it is; stable, for programs to match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code's name, its status, and the title of its problems: the one table of errors.
            pub const fn entry(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$variant => ($code, StatusCode::$status, $title),)+
                }
            }
        }
    };
}

codes! {
    /// The body is not JSON that the service takes.
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not valid JSON";
    /// A path identifier is not an integer of its width.
    InvalidId = "invalid_id", BAD_REQUEST, "The identifier is not valid";
    /// The event breaks a rule.
    InvalidEvent = "invalid_event", BAD_REQUEST, "The event is not valid";
    /// The query string has a parameter that is unknown or does not parse.
    InvalidQuery = "invalid_query", BAD_REQUEST, "The query is not valid";
    /// The schema breaks a rule.
    InvalidSchema = "invalid_schema", BAD_REQUEST, "The schema or business attribute is not valid";
    /// The caller has not said who it is, or not convincingly.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "The caller is not known";
    /// The caller may not do this.
    Forbidden = "forbidden", FORBIDDEN, "The caller may not do this";
    /// There is no such service.
    UnknownService = "unknown_service", NOT_FOUND, "There is no such service";
    /// There is no such state.
    UnknownState = "unknown_state", NOT_FOUND, "There is no such state";
    /// There is no such task.
    UnknownTask = "unknown_task", NOT_FOUND, "There is no such task";
    /// There is no such extension.
    UnknownExtension = "unknown_extension", NOT_FOUND, "There is no such extension";
    /// There is no such business attribute.
    UnknownBusinessAttribute = "unknown_business_attribute", NOT_FOUND, "There is no such business attribute";
    /// There is no such route.
    NotFound = "not_found", NOT_FOUND, "There is no such route";
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The route does not have this method";
    /// The client was too slow to send its request.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
    /// The element has ended with another event.
    AlreadyCompleted = "already_completed", CONFLICT, "It has ended already";
    /// The task has another state.
    StateMismatch = "state_mismatch", CONFLICT, "The task belongs to another state";
    /// A schema has this name.
    SchemaExists = "schema_exists", CONFLICT, "There is an extension schema of this name";
    /// The idempotency key belongs to another request.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The Idempotency-Key belongs to another request";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is of another type than JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON";
    /// The caller sends more than it may.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "The caller sends too many requests";
    /// A fault of the service.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the service";
    /// The deployment is in maintenance.
    Maintenance = "maintenance", SERVICE_UNAVAILABLE, "The service is in maintenance";
    /// More is waiting than the service holds.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The service is overloaded";
    /// The database is away, or it is not known whether it committed.
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database is unavailable";
}

/// Name, status and title of every code, for documents and tests.
pub fn table_of_codes() -> impl Iterator<Item = (&'static str, u16, &'static str)> {
    Code::ALL.iter().map(|code| {
        let (name, status, title) = code.entry();
        (name, status.as_u16(), title)
    })
}

/// An error on its way to the caller.
#[derive(Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    errors: Vec<ProblemError>,
    allow: Option<String>,
    source: Option<Box<StoreError>>,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ProblemError {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/disposition_desc")]
    pointer: Option<String>,
    /// Name of the query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// What was expected and what was found.
    #[schema(example = "70 characters; at most 64 are allowed")]
    detail: String,
}

/// An error, as RFC 9457 has it. `message` and `exception` repeat `detail` and `code` for clients of version 8.5.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemBody<'a> {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid_event")]
    kind: String,
    /// What kind of error it is, for a person.
    title: &'a str,
    /// The HTTP status again.
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// What kind of error it is; stable, for programs.
    #[schema(example = "invalid_event")]
    code: &'a str,
    /// Everything that is wrong, where there is something to say.
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

    /// What an answer says is wrong; none where it is no refusal.
    pub(super) fn of<B>(response: &ServiceResponse<B>) -> Option<&Self> {
        response.response().error().and_then(|error| error.as_error())
    }

    /// The deployment is closed for a while.
    pub(super) fn maintenance() -> Self {
        Self::new(Code::Maintenance, "the service is in maintenance; try again later")
    }

    /// The route has these methods, and not the one that was asked for.
    pub(super) fn method_not_allowed(method: &str, allowed: &[&str]) -> Self {
        let allow = allowed.join(", ");
        let mut problem = Self::new(Code::MethodNotAllowed, format!("the route has no {method}; it has {allow}"));
        problem.allow = Some(allow);
        problem
    }

    /// What is wrong with query parameters.
    pub(super) fn invalid_query(parameter: &str, detail: String) -> Self {
        let text = format!("the parameter {parameter} is not valid: {detail}");
        let error = ProblemError { pointer: None, parameter: Some(parameter.to_owned()), detail };
        Self { errors: vec![error], ..Self::new(Code::InvalidQuery, text) }
    }

    /// What is wrong with a body.
    pub(super) fn violations(code: Code, violations: Violations) -> Self {
        let violations = violations.into_list();
        let named: Vec<_> =
            violations.iter().take(NAMED_IN_DETAIL).map(|violation| label(&violation.pointer)).collect();
        let mut detail = match violations.len() {
            1 => format!("1 field is not valid: {}", named.join(", ")),
            count => format!("{count} fields are not valid: {}", named.join(", ")),
        };
        if violations.len() > named.len() {
            detail = format!("{detail} and {} more", violations.len() - named.len());
        }
        let of_violation =
            |Violation { pointer, detail }| ProblemError { pointer: Some(pointer), parameter: None, detail };
        Self { errors: violations.into_iter().take(LISTED).map(of_violation).collect(), ..Self::new(code, detail) }
    }

    /// The same problem, where what was refused is a schema rather than an event.
    pub(super) fn of_schema(violations: Violations) -> Self {
        Self::violations(Code::InvalidSchema, violations)
    }

    /// What happened inside, for the log alone.
    pub(super) fn cause(&self) -> Option<String> {
        let mut error: &dyn Error = self.source.as_deref()?;
        let mut chain = error.to_string();
        while let Some(source) = error.source() {
            chain.push_str(": ");
            chain.push_str(&source.to_string());
            error = source;
        }
        Some(chain)
    }

    /// Whether the service has too much to do.
    pub(super) const fn is_overload(&self) -> bool {
        matches!(self.code, Code::Overloaded)
    }

    /// Whether no operation has been reached.
    pub(super) const fn is_unrouted(&self) -> bool {
        matches!(self.code, Code::NotFound | Code::MethodNotAllowed)
    }

    /// What kind of error it is, for a person.
    pub(super) const fn title(&self) -> &'static str {
        self.code.entry().2
    }

    /// What is wrong with this request.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The stable name of what is wrong.
    pub(super) const fn code(&self) -> &'static str {
        self.code.entry().0
    }
}

/// A pointer without its first slash, cut to what a reader can take in; the body itself has none.
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
        let (code, status, title) = self.code.entry();
        let body = ProblemBody {
            kind: format!("/problems/{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            errors: &self.errors,
            message: &self.detail,
            exception: code,
        };
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
        response.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        response.body(serde_json::to_vec(&body).unwrap_or_default())
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
            StoreError::Overloaded => Code::Overloaded,
            StoreError::Unavailable(_) => Code::DatabaseUnavailable,
            StoreError::Corrupt { .. } | StoreError::Database(_) => {
                let detail = "the fault is logged under the request's id (header X-Request-Id)";
                return Self { source: Some(Box::new(error)), ..Self::new(Code::Internal, detail) };
            }
        };
        Self { detail: error.to_string(), source: Some(Box::new(error)), ..Self::new(code, "") }
    }
}
