//! The table of error codes (docs/api.md §1, Errors), whose words are those of the document.

use actix_web::http::StatusCode;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:ident, $title:literal, $cause:literal, $advice:literal;)+) => {
        /// A stable error code, for programs to match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// All codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name, status and title of the code.
            pub const fn entry(self) -> (&'static str, StatusCode, &'static str) {
                match self {
                    $(Self::$variant => ($code, StatusCode::$status, $title),)+
                }
            }

            /// The cause, and what the caller should do. Names of fields, headers and settings stand in backquotes.
            pub const fn explanation(self) -> (&'static str, &'static str) {
                match self {
                    $(Self::$variant => ($cause, $advice),)+
                }
            }
        }
    };
}

codes! {
    /// The body is not valid JSON.
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not valid JSON",
        "the body is not acceptable JSON",
        "correct the place that `detail` names; do not repeat the request";
    /// An identifier in the path is not an integer of the required width.
    InvalidId = "invalid_id", BAD_REQUEST, "The identifier is not valid",
        "an identifier in the path is malformed",
        "correct the path";
    /// The event breaks a rule.
    InvalidEvent = "invalid_event", BAD_REQUEST, "The event is not valid",
        "fields or extensions break a rule; nothing was written",
        "correct everything that `errors` lists";
    /// A query parameter is unknown or malformed.
    InvalidQuery = "invalid_query", BAD_REQUEST, "The query is not valid",
        "a query parameter is unknown or malformed, or the `Idempotency-Key` is malformed",
        "correct the parameter in `errors`";
    /// The schema breaks a rule.
    InvalidSchema = "invalid_schema", BAD_REQUEST, "The schema or business attribute is not valid",
        "the definition of a schema or business attribute breaks a rule",
        "correct everything that `errors` lists";
    /// The request has no valid credentials.
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "The request has no valid credentials",
        "credentials are missing or wrong",
        "send valid credentials, as `WWW-Authenticate` describes";
    /// The role of the caller, the host name or the origin does not permit the request.
    Forbidden = "forbidden", FORBIDDEN, "The request is not permitted",
        "the role, host name or origin is not allowed",
        "use another account, or ask the operator";
    /// There is no such service.
    UnknownService = "unknown_service", NOT_FOUND, "There is no such service",
        "the service does not exist, or has expired",
        "check the identifier";
    /// There is no such state.
    UnknownState = "unknown_state", NOT_FOUND, "There is no such state",
        "the service has no such state",
        "check the identifier";
    /// There is no such task.
    UnknownTask = "unknown_task", NOT_FOUND, "There is no such task",
        "the service has no such task",
        "check the identifier";
    /// There is no such extension.
    UnknownExtension = "unknown_extension", NOT_FOUND, "There is no such extension",
        "no such extension schema, or no records to delete",
        "create the schema, or check the name";
    /// There is no such business attribute.
    UnknownBusinessAttribute = "unknown_business_attribute", NOT_FOUND, "There is no such business attribute",
        "there is no such business attribute",
        "check the name";
    /// There is no such route.
    NotFound = "not_found", NOT_FOUND, "There is no such route",
        "there is no such route, purge, page or file",
        "check the path";
    /// The route supports other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The route does not support this method",
        "the route does not have this method",
        "use a method that `Allow` lists";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        "the request arrived too slowly",
        "repeat it";
    /// The element was completed by a different event.
    AlreadyCompleted = "already_completed", CONFLICT, "The service, state or task is already completed",
        "a different event has already ended the element",
        "do not repeat; query the element to see what is recorded";
    /// The task belongs to another state.
    StateMismatch = "state_mismatch", CONFLICT, "The task belongs to another state",
        "the task belongs to another state",
        "correct `state_id`";
    /// Another schema has this name.
    SchemaExists = "schema_exists", CONFLICT, "An extension schema of this name exists",
        "an extension schema of this name exists",
        "delete it first, or use another name";
    /// The idempotency key was used for a different request.
    IdempotencyMismatch = "idempotency_mismatch", UNPROCESSABLE_ENTITY, "The Idempotency-Key was used for a different request",
        "the key was used for a different request",
        "use a new key";
    /// The body is too large.
    PayloadTooLarge = "payload_too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "the body is larger than `MAX_BODY_BYTES`",
        "send less";
    /// The declared content type or encoding is not accepted.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body must be JSON",
        "the content type or encoding is not accepted",
        "send JSON in UTF-8";
    /// The caller exceeds `RATE_LIMIT`, or too many of its passwords were wrong or new.
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "Too many requests",
        "the caller exceeds `RATE_LIMIT`, or has sent too many wrong passwords",
        "wait for `Retry-After`, then repeat";
    /// A fault in the service.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error",
        "a fault of the service",
        "tell the operator the `X-Request-Id`";
    /// The deployment is in maintenance mode.
    Maintenance = "maintenance", SERVICE_UNAVAILABLE, "The service is in maintenance mode",
        "the deployment is in maintenance (§6)",
        "wait for `Retry-After`, then repeat unchanged";
    /// There are too many requests of one kind.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The service is overloaded",
        "one of these limits is reached: events in the queue; database look-ups made for events; running queries, reports and \
         pages; `MAX_BODY_MEMORY`; `MAX_ANSWER_MEMORY` (responses over 32 KiB); HTTP/2 requests in progress; password \
         checks. Or the metadata changed 32 times while an event was being written. No event was written",
        "wait for `Retry-After`, then repeat unchanged";
    /// The read exceeds its time limit.
    ReadTimeout = "read_timeout", SERVICE_UNAVAILABLE, "The query, report or page takes too long",
        "a database read for a query, report or page took longer than `READ_TIMEOUT`",
        "ask for less, or for a shorter period; otherwise wait for `Retry-After`, then repeat";
    /// A transaction that reads the view of the schema is open, or another view depends on it.
    ViewInUse = "view_in_use", SERVICE_UNAVAILABLE, "The reporting view of the schema is in use",
        "a transaction that reads the schema's reporting view is open, or another view depends on the reporting view; \
         nothing was deleted",
        "end that transaction, or drop the dependent view; wait for `Retry-After`, then repeat";
    /// The database is unreachable, or the outcome of a commit is unknown.
    DatabaseUnavailable = "database_unavailable", SERVICE_UNAVAILABLE, "The database is unavailable",
        "the database is unavailable; the event may have been written",
        "wait for `Retry-After`, then repeat unchanged";
}

/// The lines of the table of errors in the documents, for a test.
pub fn table_of_codes() -> impl Iterator<Item = String> {
    Code::ALL.iter().map(|code| {
        let ((name, status, _), (cause, advice)) = (code.entry(), code.explanation());
        format!("| `{name}` | {} | {cause} | {advice} |", status.as_u16())
    })
}
