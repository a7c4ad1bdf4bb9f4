//! Handlers and JSON bodies of extension schemas.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::created;
use super::extract::{Body, ElementPath, SchemaPath};
use super::problem::Problem;
use super::problems::{CreateSchemaProblems, DeleteSchemaProblems, ListSchemasProblems, SchemaProblems};
use super::query::NoParameters;
use crate::domain::extension::SchemaDefinition;
use crate::store::Store;

/// An extension schema.
#[derive(ToSchema)]
#[schema(as = ExtensionSchema)]
#[expect(dead_code, reason = "describes `domain::extension::SchemaDefinition`")]
struct ExtensionSchemaBody {
    /// A letter, then letters, digits or `_`; at most 26 characters. Case-insensitive.
    #[schema(pattern = "^[A-Za-z][A-Za-z0-9_]{0,25}$", example = "Survey")]
    name: String,
    r#type: ValueKind,
    /// True if the schema was learned from an event and accepts any record (setting `EXTENSION_SCHEMAS=optional`). Omitted
    /// if false.
    #[schema(required = false)]
    open: bool,
    /// Names of attributes, or arrays of names, whose values must be unique among the records of one element. A record
    /// that lacks one of the attributes is exempt. The type of the items is open, because some generators cannot express
    /// a string or an array.
    #[schema(max_items = 16, required = false)]
    unique: Vec<serde_json::Value>,
    /// Attributes of a record.
    #[schema(min_items = 1, max_items = 256)]
    attributes: Vec<ExtensionAttributeBody>,
}

/// Number of records that an element can have.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "describes `domain::extension::ValueKind`")]
enum ValueKind {
    /// One record, a JSON object.
    SingleValued,
    /// A JSON array of records, possibly empty.
    MultiValued,
}

/// An attribute of a record.
#[derive(ToSchema)]
#[schema(as = ExtensionAttribute)]
#[expect(dead_code, reason = "describes `domain::extension::AttributeDefinition`")]
struct ExtensionAttributeBody {
    /// 1 to 64 characters, case-sensitive; spaces are allowed.
    #[schema(min_length = 1, max_length = 64, example = "question1")]
    name: String,
    r#type: AttributeType,
    /// Maximum number of characters of a `string`. Defaults to 255.
    #[schema(minimum = 1, maximum = 65535)]
    length: Option<u32>,
    /// True if every record must have the attribute.
    #[schema(required = false)]
    mandatory: bool,
    /// Value of the attribute in records that lack it.
    default: Option<serde_json::Value>,
}

/// Type of an attribute.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes `domain::extension::AttributeType`")]
enum AttributeType {
    /// A string of limited length.
    String,
    /// `true` or `false`.
    Boolean,
    /// A 64-bit integer.
    Integer,
    /// A number.
    Float,
    /// A date, `YYYY-MM-DD`.
    Date,
    /// A date and time, in the format of `timestamp`.
    Datetime,
    /// Any JSON value.
    Json,
}

/// Name of a new schema.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedSchemaBody {
    #[schema(example = "Survey")]
    name: String,
}

/// Create an extension schema.
///
/// It takes effect on every node at once. The name is case-insensitive and unique among the schemas of services, states or
/// tasks. It must not be the name of an event field. `mandatory` and `length` may be given as strings. `unique` compares
/// only records that have all the named attributes.
#[utoipa::path(
    tag = "Metadata",
    params(("elements" = inline(Elements), Path, description = "The kind of element")),
    request_body(content = ExtensionSchemaBody, example = json!({
        "name": "Proposal", "type": "multi-valued", "unique": ["car type"],
        "attributes": [{"name": "car type", "type": "string", "length": 40, "mandatory": true},
                       {"name": "price", "type": "integer"}, {"name": "seats", "type": "integer", "default": 4},
                       {"name": "comments", "type": "string", "length": 256}]
    })),
    responses(
        (status = 201, description = "The schema is in effect", body = CreatedSchemaBody,
            headers(("Location" = String, description = "Path of the schema, under the prefix of the request"))),
        CreateSchemaProblems,
    )
)]
#[post("/metadata/{elements}/extensions")]
pub(super) async fn create_extension_schema(
    request: HttpRequest,
    store: web::Data<Store>,
    of: ElementPath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let definition = SchemaDefinition::read(&body.object()?).map_err(Problem::of_schema)?;
    store.create_extension_schema(of.0, &definition).await?;
    let path = format!("/metadata/{}/extensions/{}", of.0.plural(), definition.name);
    Ok(created(&request, &path, &CreatedSchemaBody { name: definition.name }))
}

/// List extension schemas.
#[utoipa::path(
    tag = "Metadata",
    params(("elements" = inline(Elements), Path, description = "The kind of element")),
    responses((status = 200, description = "All schemas, by name", body = [ExtensionSchemaBody]), ListSchemasProblems)
)]
#[get("/metadata/{elements}/extensions")]
pub(super) async fn list_extension_schemas(
    store: web::Data<Store>,
    of: ElementPath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(store.list_extension_schemas(of.0).await?))
}

/// Extension schema by name.
#[utoipa::path(
    tag = "Metadata",
    params(
        ("elements" = inline(Elements), Path, description = "The kind of element"),
        ("name" = String, Path, description = "The schema, case-insensitive"),
    ),
    responses((status = 200, description = "The schema", body = ExtensionSchemaBody), SchemaProblems)
)]
#[get("/metadata/{elements}/extensions/{name}")]
pub(super) async fn get_extension_schema(
    store: web::Data<Store>,
    schema: SchemaPath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(store.get_extension_schema(schema.0, &schema.1).await?))
}

/// Delete an extension schema and all its records.
#[utoipa::path(
    tag = "Metadata",
    params(
        ("elements" = inline(Elements), Path, description = "The kind of element"),
        ("name" = String, Path, description = "The schema, case-insensitive"),
    ),
    responses((status = 204, description = "The schema and its records are deleted"), DeleteSchemaProblems)
)]
#[delete("/metadata/{elements}/extensions/{name}")]
pub(super) async fn delete_extension_schema(
    store: web::Data<Store>,
    schema: SchemaPath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    store.delete_extension_schema(schema.0, &schema.1).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Kinds of elements.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a segment of the path")]
pub(super) enum Elements {
    Services,
    States,
    Tasks,
}
