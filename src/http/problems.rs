//! The problem responses of each operation, for the OpenAPI document. `openapi/shared.rs` moves them into the
//! document's components.

use std::collections::BTreeMap;

use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use super::problem::{Code, Problem};
use crate::domain::violation::{Place, Violations};

macro_rules! problem_responses {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),*;)+) => {
        $(
            $(#[$doc])*
            pub(super) struct $name;

            impl utoipa::IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses_of(&[$(Code::$code,)* Code::Internal, Code::DatabaseUnavailable])
                }
            }
        )+
    };
}

problem_responses! {
    /// Problems of Start Service.
    StartServiceProblems: InvalidJson, InvalidEvent, InvalidQuery, IdempotencyMismatch, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Start State and Start Task.
    StartProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, IdempotencyMismatch, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Complete Task.
    CompleteTaskProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownTask,
        AlreadyCompleted, StateMismatch, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Complete State.
    CompleteStateProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownState,
        AlreadyCompleted, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of State Transition.
    TransitionProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, AlreadyCompleted,
        IdempotencyMismatch, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Complete Service.
    CompleteServiceProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, AlreadyCompleted,
        PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Associate Service and Update Expiration.
    AssociateServiceProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of Delete Service.
    DeleteServiceProblems: InvalidId, InvalidQuery, UnknownService, Overloaded, Maintenance;
    /// Problems of Service by ID.
    GetServiceProblems: InvalidId, InvalidQuery, UnknownService, Maintenance, Overloaded, ReadTimeout;
    /// Problems of State by ID.
    GetStateProblems: InvalidId, InvalidQuery, UnknownService, UnknownState, Maintenance, Overloaded, ReadTimeout;
    /// Problems of the lists of services.
    ListServicesProblems: InvalidId, InvalidQuery, Maintenance, Overloaded, ReadTimeout;
    /// Problems of the lists of states and tasks.
    ListOfServiceProblems: InvalidId, InvalidQuery, UnknownService, Maintenance, Overloaded, ReadTimeout;
    /// Problems of updating and merging extension records.
    ChangeRecordsProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownState, UnknownTask,
        UnknownExtension, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// Problems of deleting extension records.
    DeleteRecordsProblems: InvalidId, InvalidQuery, UnknownService, UnknownState, UnknownTask, UnknownExtension,
        Overloaded, Maintenance;
    /// Problems of Task by ID.
    GetTaskProblems: InvalidId, InvalidQuery, UnknownService, UnknownTask, Maintenance, Overloaded, ReadTimeout;
    /// Problems of creating an extension schema.
    CreateSchemaProblems: InvalidJson, InvalidSchema, InvalidQuery, NotFound, SchemaExists, PayloadTooLarge, UnsupportedMediaType;
    /// Problems of listing extension schemas.
    ListSchemasProblems: InvalidQuery, NotFound;
    /// Problems of reading one extension schema.
    SchemaProblems: InvalidQuery, NotFound, UnknownExtension;
    /// Problems of deleting an extension schema.
    DeleteSchemaProblems: InvalidQuery, NotFound, UnknownExtension, ViewInUse;
    /// Problems of listing business attributes.
    ListBusinessAttributesProblems: InvalidQuery;
    /// Problems of defining a business attribute.
    DefineBusinessAttributeProblems: InvalidJson, InvalidId, InvalidSchema, InvalidQuery, PayloadTooLarge,
        UnsupportedMediaType, Overloaded;
    /// Problems of reading and removing one business attribute.
    BusinessAttributeProblems: InvalidId, InvalidQuery, UnknownBusinessAttribute;
    /// Problems of the server status.
    StatusProblems: InvalidQuery;
    /// Problems of listing refused requests.
    ListRefusedProblems: InvalidQuery;
    /// Problems of changing the mode.
    ChangeModeProblems: InvalidJson, InvalidEvent, InvalidQuery, PayloadTooLarge, UnsupportedMediaType;
    /// Problems of purging services.
    PurgeServicesProblems: InvalidJson, InvalidEvent, InvalidQuery, PayloadTooLarge, UnsupportedMediaType;
    /// Problems of querying a purge.
    GetPurgeProblems: InvalidId, InvalidQuery, NotFound;
    /// Problems of the reports.
    ReportProblems: InvalidQuery, Maintenance, Overloaded, ReadTimeout;
    /// Problems of the readiness check.
    ReadinessProblems: ;
}

/// One response per status, which lists its codes with an example of each.
pub(super) fn responses_of(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status = BTreeMap::<u16, Vec<Code>>::new();
    for code in codes {
        by_status.entry(code.entry().1.as_u16()).or_default().push(*code);
    }
    let response = |(status, codes): (u16, Vec<Code>)| (status.to_string(), RefOr::T(response_of(&codes)));
    by_status.into_iter().map(response).collect()
}

fn response_of(codes: &[Code]) -> Response {
    let names: Vec<_> = codes.iter().map(|code| format!("`{}`: {}", code.entry().0, code.entry().2)).collect();
    let examples = codes.iter().map(|code| {
        let name = code.entry().0;
        (name, RefOr::<Example>::Ref(Ref::new(format!("#/components/examples/{name}"))))
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples).build();
    ResponseBuilder::new().description(names.join(" · ")).content("application/problem+json", content).build()
}

/// An example problem for each of these codes, by name.
pub(super) fn examples(names: &[String]) -> impl Iterator<Item = (String, RefOr<Example>)> {
    let codes = Code::ALL.iter().filter(|code| names.iter().any(|name| name == code.entry().0));
    codes.map(|code| {
        let (name, _, title) = code.entry();
        let problem = serde_json::to_value(example(*code).body()).ok();
        (name.to_owned(), RefOr::T(ExampleBuilder::new().summary(title).value(problem).build()))
    })
}

/// A problem as the service sends it, with violations if the code has any.
fn example(code: Code) -> Problem {
    let violations = |found: &[(&str, &str)]| {
        let mut violations = Violations::default();
        for (member, detail) in found {
            violations.add(&Place::Body.member(member), *detail);
        }
        Problem::violations(code, violations)
    };
    match code {
        Code::InvalidEvent => violations(&[
            ("disposition_desc", "expected at most 64 characters, found 70"),
            ("Survey", "expected an object, found a string"),
        ]),
        Code::InvalidSchema => violations(&[("attributes", "required, but missing")]),
        Code::InvalidQuery => {
            Problem::invalid_query("limit", "expected an integer from 1 to 10000, found \"0\"".to_owned())
        }
        _ => Problem::new(code, code.entry().2),
    }
}
