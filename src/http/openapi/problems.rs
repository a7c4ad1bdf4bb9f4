//! What can go wrong with each operation, for its responses in the document.

use std::collections::BTreeMap;

use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};

use crate::http::problem::Code;

macro_rules! problem_responses {
    ($($(#[$doc:meta])* $name:ident: $($code:ident),*;)+) => {
        $(
            $(#[$doc])*
            pub(in crate::http) struct $name;

            impl utoipa::IntoResponses for $name {
                fn responses() -> BTreeMap<String, RefOr<Response>> {
                    responses_of(&[$(Code::$code,)* Code::Internal, Code::DatabaseUnavailable])
                }
            }
        )+
    };
}

problem_responses! {
    /// What can go wrong when a service starts.
    StartServiceProblems: InvalidJson, InvalidEvent, InvalidQuery, IdempotencyMismatch, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state or task starts.
    StartProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, IdempotencyMismatch, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a task ends.
    CompleteTaskProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownTask,
        AlreadyCompleted, StateMismatch, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state ends.
    CompleteStateProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownState,
        AlreadyCompleted, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state ends and another starts.
    TransitionProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, AlreadyCompleted,
        IdempotencyMismatch, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a service ends.
    CompleteServiceProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, AlreadyCompleted,
        PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a service is changed.
    AssociateServiceProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a service is deleted.
    DeleteServiceProblems: InvalidId, InvalidQuery, UnknownService, Overloaded, Maintenance;
    /// What can go wrong when a service is queried.
    GetServiceProblems: InvalidId, InvalidQuery, UnknownService, Maintenance;
    /// What can go wrong when a state is queried.
    GetStateProblems: InvalidId, InvalidQuery, UnknownService, UnknownState, Maintenance;
    /// What can go wrong when services are listed.
    ListServicesProblems: InvalidId, InvalidQuery, Maintenance;
    /// What can go wrong when states or tasks of a service are listed.
    ListOfServiceProblems: InvalidId, InvalidQuery, UnknownService, Maintenance;
    /// What can go wrong when records of an extension are written.
    ChangeRecordsProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownState, UnknownTask,
        UnknownExtension, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when records of an extension are deleted.
    DeleteRecordsProblems: InvalidId, InvalidQuery, UnknownService, UnknownState, UnknownTask, UnknownExtension,
        Overloaded, Maintenance;
    /// What can go wrong when a task is queried.
    GetTaskProblems: InvalidId, InvalidQuery, UnknownService, UnknownTask, Maintenance;
    /// What can go wrong when a schema is created.
    CreateSchemaProblems: InvalidJson, InvalidSchema, InvalidQuery, NotFound, SchemaExists, PayloadTooLarge, UnsupportedMediaType;
    /// What can go wrong when schemas are listed.
    ListSchemasProblems: InvalidQuery, NotFound;
    /// What can go wrong with a schema that the path names.
    SchemaProblems: InvalidQuery, NotFound, UnknownExtension;
    /// What can go wrong when business attributes are listed.
    ListBusinessAttributesProblems: InvalidQuery;
    /// What can go wrong when a business attribute is defined.
    DefineBusinessAttributeProblems: InvalidJson, InvalidId, InvalidSchema, InvalidQuery, PayloadTooLarge,
        UnsupportedMediaType, Overloaded;
    /// What can go wrong with a business attribute that the path names.
    BusinessAttributeProblems: InvalidId, InvalidQuery, UnknownBusinessAttribute;
    /// What can go wrong when the status is asked for.
    StatusProblems: InvalidQuery;
    /// What can go wrong when the mode is changed.
    ChangeModeProblems: InvalidJson, InvalidEvent, InvalidQuery, PayloadTooLarge, UnsupportedMediaType;
    /// What can go wrong when a report is asked for.
    ReportProblems: InvalidQuery, Maintenance;
    /// What can keep the service from being ready.
    ReadinessProblems: ;
}

/// One response for each status, which names its codes and has an example of each.
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
        let (name, status, title) = code.entry();
        let example = serde_json::json!({
            "type": format!("/problems/{name}"), "title": title, "status": status.as_u16(), "detail": title,
            "code": name, "message": title, "exception": name,
        });
        (name, ExampleBuilder::new().summary(title).value(Some(example)).build())
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).examples_from_iter(examples).build();
    ResponseBuilder::new().description(names.join(" · ")).content("application/problem+json", content).build()
}
