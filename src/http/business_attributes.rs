//! Business attributes over HTTP, and the index of the metadata.

use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::elements::prefix;
use super::extract::{Body, NamePath};
use super::openapi::{BusinessAttributeProblems, DefineBusinessAttributeProblems, ListBusinessAttributesProblems};
use super::problem::Problem;
use super::query::{FieldInQuery, NoParameters};
use crate::domain::business_attribute::{BusinessAttribute, BusinessAttributeDefinition, Value};
use crate::domain::field::LongOrString;
use crate::store::{Defined, Store, StoreError};

/// A business attribute in force.
#[derive(Serialize, ToSchema)]
pub(super) struct BusinessAttributeBody {
    /// Its name; used without regard to case.
    #[schema(example = "Outcome")]
    name: String,
    /// Its number.
    dbid: i32,
    /// The name to show a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Whether its values are read as names (setting `MAP_NAMES`).
    map_name: bool,
    /// The fields that it is mapped to.
    #[schema(example = json!(["Task.disposition"]))]
    cv_attributes: Vec<String>,
    /// The number of the value that fills an absent field.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<i64>,
    /// The values that the fields may take, by number.
    values: Vec<ValueBody>,
}

/// A value of a business attribute.
#[derive(Serialize, ToSchema)]
pub(super) struct ValueBody {
    /// The number that stands for it.
    #[schema(example = 10)]
    dbid: i64,
    /// The name that stands for it.
    #[schema(example = "SUCCESS")]
    name: String,
    /// The name to show a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// What it means.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

/// The definition of a business attribute.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::business_attribute` reads member by member")]
pub(super) struct DefineBusinessAttributeBody {
    /// The name to show a person.
    display_name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// The `dbid` or name of the value that fills an absent field.
    default: Option<LongOrString>,
    /// The fields that it is mapped to: `Service.service_type` (or `Service.type`), `State.state_type`,
    /// `Task.task_type`, and `disposition`, `application_type`, `resource_type`, `media_type` of `Service`, `State` and
    /// `Task`. A field has at most one business attribute.
    cv_attributes: Option<Vec<String>>,
    /// The values that the fields may take: 1 to 1,000, with names and numbers of their own.
    values: Vec<DefineValueBody>,
}

/// A value in the definition of a business attribute.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::business_attribute` reads member by member")]
pub(super) struct DefineValueBody {
    /// The number that stands for it; absent: the value of that name keeps its own, or one is drawn.
    dbid: Option<i64>,
    /// The name that stands for it.
    #[schema(max_length = 255)]
    name: String,
    /// The name to show a person.
    display_name: Option<String>,
    /// What it means.
    description: Option<String>,
}

impl BusinessAttributeBody {
    fn new(attribute: BusinessAttribute, map_name: bool) -> Self {
        let default = attribute.values.iter().find(|value| Some(value.value_id) == attribute.default);
        Self {
            name: attribute.name,
            dbid: attribute.dbid,
            display_name: attribute.display_name,
            description: attribute.description,
            map_name,
            cv_attributes: attribute.fields.iter().map(ToString::to_string).collect(),
            default: default.map(|value| value.dbid),
            values: attribute.values.into_iter().map(ValueBody::from).collect(),
        }
    }
}

impl From<Value> for ValueBody {
    fn from(value: Value) -> Self {
        Self { dbid: value.dbid, name: value.name, display_name: value.display_name, description: value.description }
    }
}

/// Query business attributes.
///
/// All that are in force, by name; with `cv-attribute`, the one that the field is mapped to.
#[utoipa::path(
    tag = "Business attributes",
    params(("cv-attribute" = Option<String>, Query, description = "A field", example = "Task.disposition")),
    responses(
        (status = 200, description = "The business attributes", body = [BusinessAttributeBody]),
        ListBusinessAttributesProblems,
    )
)]
#[get("/metadata/business-attributes")]
pub(super) async fn list_business_attributes(
    store: web::Data<Store>,
    field: FieldInQuery,
) -> Result<HttpResponse, Problem> {
    let mut attributes = store.list_business_attributes().await?;
    attributes.retain(|attribute| field.0.is_none_or(|field| attribute.fields.contains(&field)));
    let body = |attribute| BusinessAttributeBody::new(attribute, store.maps_names());
    Ok(HttpResponse::Ok().json(attributes.into_iter().map(body).collect::<Vec<_>>()))
}

/// Query one business attribute.
#[utoipa::path(
    tag = "Business attributes",
    params(("name" = String, Path, description = "The business attribute, in any case")),
    responses(
        (status = 200, description = "The business attribute", body = BusinessAttributeBody),
        BusinessAttributeProblems,
    )
)]
#[get("/metadata/business-attributes/{name}")]
pub(super) async fn get_business_attribute(
    store: web::Data<Store>,
    name: NamePath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    let attribute = store.get_business_attribute(&name.0).await?;
    Ok(HttpResponse::Ok().json(BusinessAttributeBody::new(attribute, store.maps_names())))
}

/// Define a business attribute, or replace its definition.
///
/// It is in force on every node at once. A value that is no longer on the list is retired: recorded events read back as
/// before, and new ones may not have it.
#[utoipa::path(
    tag = "Business attributes",
    params(("name" = String, Path, description = "The business attribute: 1 to 255 characters, not the name of a field")),
    request_body(content = DefineBusinessAttributeBody, example = json!({
        "cv_attributes": ["Task.disposition"], "default": "SUCCESS",
        "values": [{"dbid": 10, "name": "SUCCESS"}, {"dbid": 11, "name": "FAILED", "display_name": "Failed"}]
    })),
    responses(
        (status = 201, description = "It is new", body = BusinessAttributeBody,
            headers(("Location" = String, description = "Path of it, under the prefix of the call"))),
        (status = 200, description = "It replaced the former definition", body = BusinessAttributeBody),
        DefineBusinessAttributeProblems,
    )
)]
#[put("/metadata/business-attributes/{name}")]
pub(super) async fn define_business_attribute(
    request: HttpRequest,
    store: web::Data<Store>,
    name: NamePath,
    _: NoParameters,
    body: Body,
) -> Result<HttpResponse, Problem> {
    let definition = BusinessAttributeDefinition::read(&name.0, &body.object()?).map_err(Problem::of_schema)?;
    let defined = store.define_business_attribute(&definition).await.map_err(|error| match error {
        StoreError::Invalid(violations) => Problem::of_schema(violations),
        other => other.into(),
    })?;
    let mut answer = match defined {
        Defined::New => HttpResponse::Created(),
        Defined::Replaced => HttpResponse::Ok(),
    };
    if defined == Defined::New {
        answer.insert_header(("Location", request.uri().path()));
    }
    let attribute = store.get_business_attribute(&definition.name).await?;
    Ok(answer.json(BusinessAttributeBody::new(attribute, store.maps_names())))
}

/// Remove a business attribute.
///
/// Its fields take any value again. Recorded events read back as before.
#[utoipa::path(
    tag = "Business attributes",
    params(("name" = String, Path, description = "The business attribute, in any case")),
    responses((status = 204, description = "It is not in force any more"), BusinessAttributeProblems)
)]
#[delete("/metadata/business-attributes/{name}")]
pub(super) async fn remove_business_attribute(
    store: web::Data<Store>,
    name: NamePath,
    _: NoParameters,
) -> Result<HttpResponse, Problem> {
    store.remove_business_attribute(&name.0).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The index of the metadata.
#[derive(Serialize, ToSchema)]
pub(super) struct MetadataBody {
    /// Paths, by what is there.
    links: std::collections::BTreeMap<&'static str, String>,
}

/// Index of the metadata: links to business attributes and extension schemas.
#[utoipa::path(
    tag = "Business attributes",
    responses((status = 200, description = "Links", body = MetadataBody), ListBusinessAttributesProblems)
)]
#[get("/metadata")]
pub(super) async fn get_metadata(request: HttpRequest, _: NoParameters) -> HttpResponse {
    let prefix = prefix(&request);
    let links = [
        ("business-attributes", format!("{prefix}/metadata/business-attributes")),
        ("services-extensions", format!("{prefix}/metadata/services/extensions")),
        ("states-extensions", format!("{prefix}/metadata/states/extensions")),
        ("tasks-extensions", format!("{prefix}/metadata/tasks/extensions")),
    ];
    HttpResponse::Ok().json(MetadataBody { links: links.into() })
}
