//! Extension schemas over HTTP.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::created;
use super::extract::{Body, ElementPath, SchemaPath};
use super::openapi::{CreateSchemaProblems, ListSchemasProblems, SchemaProblems};
use super::problem::Problem;
use super::query::NoParameters;
use crate::domain::extension::SchemaDefinition;
use crate::store::Store;

/// The name of a new schema.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedSchemaBody {
    #[schema(example = "Survey")]
    name: String,
}

/// Create an extension schema.
///
/// It serves on every node at once. Its name is unique among the schemas of services, states or tasks without regard
/// to case, and may not be the name of a field. `mandatory` and `length` may come quoted. `unique` compares records
/// that have all of the attributes named.
#[utoipa::path(
    tag = "Extensions",
    params(("elements" = inline(Elements), Path, description = "Whose extensions")),
    request_body(content = SchemaDefinition, example = json!({
        "name": "Proposal", "type": "multi-valued", "unique": ["car type"],
        "attributes": [{"name": "car type", "type": "string", "length": 40, "mandatory": true},
                       {"name": "price", "type": "integer"}, {"name": "seats", "type": "integer", "default": 4},
                       {"name": "comments", "type": "string", "length": 256}]
    })),
    responses(
        (status = 201, description = "The schema is in force", body = CreatedSchemaBody,
            headers(("Location" = String, description = "Path of the schema, under the prefix of the call"))),
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

/// Query extension schemas.
#[utoipa::path(
    tag = "Extensions",
    params(("elements" = inline(Elements), Path, description = "Whose extensions")),
    responses((status = 200, description = "All of them, by name", body = [SchemaDefinition]), ListSchemasProblems)
)]
#[get("/metadata/{elements}/extensions")]
pub(super) async fn list_extension_schemas(
    store: web::Data<Store>,
    of: ElementPath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(store.list_extension_schemas(of.0).await?))
}

/// Query one extension schema.
#[utoipa::path(
    tag = "Extensions",
    params(
        ("elements" = inline(Elements), Path, description = "Whose extensions"),
        ("name" = String, Path, description = "The schema, in any case"),
    ),
    responses((status = 200, description = "The schema", body = SchemaDefinition), SchemaProblems)
)]
#[get("/metadata/{elements}/extensions/{name}")]
pub(super) async fn get_extension_schema(
    store: web::Data<Store>,
    schema: SchemaPath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(store.get_extension_schema(schema.0, &schema.1).await?))
}

/// Delete an extension schema, and every record of it.
#[utoipa::path(
    tag = "Extensions",
    params(
        ("elements" = inline(Elements), Path, description = "Whose extensions"),
        ("name" = String, Path, description = "The schema, in any case"),
    ),
    responses((status = 204, description = "The schema and its records are gone"), SchemaProblems)
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

/// Whose extensions.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "describes a segment of the path")]
pub(super) enum Elements {
    Services,
    States,
    Tasks,
}
