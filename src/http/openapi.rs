//! The OpenAPI document, generated from the handlers, and the page that shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{App, HttpRequest, HttpResponse, web};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_actix_web::AppExt;
use utoipa_swagger_ui::Config;

use super::problem::{Code, Problem, ProblemBody, ProblemError};
use super::routes;

/// The OpenAPI 3.1 document of the API.
pub fn document() -> OpenApi {
    let (_, mut document) = App::new().into_utoipa_app().configure(routes::api).split_for_parts();
    document.info = InfoBuilder::new()
        .title("Context Services")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("openapi.md")))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.servers = Some(vec![
        ServerBuilder::new().url("/").description(Some("Routes at the root")).build(),
        ServerBuilder::new().url(routes::PREFIX).description(Some("The same routes under the prefix of 8.5")).build(),
    ]);
    let components = document.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into(), ProblemBody::schema());
    components.schemas.insert(ProblemError::name().into(), ProblemError::schema());
    document
}

/// The document as it is served, and the methods of each path in it.
pub(super) struct Published {
    json: web::Bytes,
    docs: Arc<Config<'static>>,
    methods: Vec<(String, Vec<Method>)>,
}

impl Published {
    pub(super) fn new() -> Self {
        let document = document();
        let pages = routes::PAGES.into_iter().chain(["/openapi.json", "/docs", "/docs/{file}"]);
        let pages = pages.map(|path| (path.to_owned(), vec![Method::GET]));
        let documented = document.paths.paths.iter().map(|(path, item)| (path.clone(), routes::methods(item)));
        Self {
            json: document.to_json().unwrap_or_default().into(),
            docs: Arc::new(Config::from("../openapi.json").display_operation_id(true)),
            methods: documented.chain(pages).collect(),
        }
    }

    /// The methods of a path, which may belong to several templates.
    pub(super) fn methods_of(&self, path: &str) -> Vec<&str> {
        let matching = self.methods.iter().filter(|(template, _)| matches(template, path));
        let mut methods: Vec<_> = matching.flat_map(|(_, methods)| methods.iter().map(Method::as_str)).collect();
        methods.sort_unstable();
        methods.dedup();
        methods
    }
}

fn matches(template: &str, path: &str) -> bool {
    let (mut expected, mut found) = (template.split('/'), path.split('/'));
    loop {
        match (expected.next(), found.next()) {
            (None, None) => return true,
            (Some(segment), Some(text)) if segment == text || (segment.starts_with('{') && !text.is_empty()) => {}
            _ => return false,
        }
    }
}

pub(super) async fn get_document(published: web::Data<Published>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(published.json.clone())
}

pub(super) async fn redirect_to_docs(request: HttpRequest) -> HttpResponse {
    let to = format!("{}/", request.path());
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, to)).finish()
}

/// The page that shows the document; all of its files are in the binary.
pub(super) async fn get_docs(request: HttpRequest, published: web::Data<Published>) -> Result<HttpResponse, Problem> {
    let file = request.match_info().query("file");
    match utoipa_swagger_ui::serve(file, Arc::clone(&published.docs)) {
        Ok(Some(file)) => Ok(HttpResponse::Ok().content_type(file.content_type).body(file.bytes.to_vec())),
        _ => Err(Problem::new(Code::NotFound, format!("there is no file {file:?} here"))),
    }
}

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
    /// What can go wrong when a service starts.
    StartServiceProblems: InvalidJson, InvalidEvent, InvalidQuery, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state or task starts.
    StartProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, PayloadTooLarge,
        UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a task ends.
    CompleteTaskProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownTask,
        AlreadyCompleted, StateMismatch, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state ends.
    CompleteStateProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, UnknownState,
        AlreadyCompleted, PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
    /// What can go wrong when a state ends and another starts.
    TransitionProblems: InvalidJson, InvalidId, InvalidEvent, InvalidQuery, UnknownService, AlreadyCompleted,
        PayloadTooLarge, UnsupportedMediaType, Overloaded, Maintenance;
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
fn responses_of(codes: &[Code]) -> BTreeMap<String, RefOr<Response>> {
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
