//! Handlers and JSON bodies of business attributes, and the index of the metadata.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, delete, get, put, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::events::LongOrString;
use super::extract::{Body, NamePath};
use super::path::prefix_of;
use super::problem::Problem;
use super::problems::{BusinessAttributeProblems, DefineBusinessAttributeProblems, ListBusinessAttributesProblems};
use super::query::{FieldInQuery, NoParameters};
use crate::domain::business_attribute::{BusinessAttribute, BusinessAttributeDefinition, Value};
use crate::domain::tone::Tone;
use crate::store::{Defined, Store};

/// A business attribute.
#[derive(Serialize, ToSchema)]
pub(super) struct BusinessAttributeBody {
    /// Name, case-insensitive.
    #[schema(example = "Outcome")]
    name: String,
    /// Number of the business attribute.
    dbid: i32,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// True if values are returned as names (setting `MAP_NAMES`).
    map_name: bool,
    /// Fields that the business attribute is mapped to.
    #[schema(example = json!(["Task.disposition"]))]
    cv_attributes: Vec<String>,
    /// Number of the value that an absent field takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<i64>,
    /// Allowed values of the fields, by number.
    values: Vec<ValueBody>,
}

/// A value of a business attribute.
#[derive(Serialize, ToSchema)]
pub(super) struct ValueBody {
    /// Number of the value.
    #[schema(example = 10)]
    dbid: i64,
    /// Name of the value.
    #[schema(example = "SUCCESS")]
    name: String,
    /// Display name.
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// Tone, if it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    tone: Option<ToneBody>,
}

/// The tone of a value.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ToneBody {
    Good,
    Neutral,
    Bad,
}

/// Definition of a business attribute.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::business_attribute` reads member by member")]
pub(super) struct DefineBusinessAttributeBody {
    /// Display name.
    display_name: Option<String>,
    /// Description.
    description: Option<String>,
    /// `dbid` or name of the value that an absent field takes.
    default: Option<LongOrString>,
    /// Fields to map the business attribute to: `Service.service_type` (or `Service.type`), `State.state_type`,
    /// `Task.task_type`, and `disposition`, `application_type`, `resource_type`, `media_type` of `Service`, `State` and
    /// `Task`. A field has at most one business attribute.
    cv_attributes: Option<Vec<String>>,
    /// Allowed values of the fields: 1 to 1,000, with distinct names and numbers.
    values: Vec<DefineValueBody>,
}

/// A value in the definition of a business attribute.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what `domain::business_attribute` reads member by member")]
pub(super) struct DefineValueBody {
    /// Number of the value. If absent, a value of the same name keeps its number, and a new value is assigned one.
    dbid: Option<i64>,
    /// Name of the value.
    #[schema(max_length = 255)]
    name: String,
    /// Display name.
    display_name: Option<String>,
    /// Description.
    description: Option<String>,
    /// Tone. Pages show it as a colour with a sign. Without one, the value is neutral.
    tone: Option<ToneBody>,
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
        let Value { value_id: _, dbid, name, display_name, description, tone } = value;
        Self { dbid, name, display_name, description, tone: tone.map(ToneBody::from) }
    }
}

impl From<Tone> for ToneBody {
    fn from(tone: Tone) -> Self {
        match tone {
            Tone::Good => Self::Good,
            Tone::Neutral => Self::Neutral,
            Tone::Bad => Self::Bad,
        }
    }
}

/// List business attributes.
///
/// All business attributes, by name; with `cv-attribute`, only the one that is mapped to this field.
#[utoipa::path(
    tag = "Metadata",
    params(("cv-attribute" = Option<String>, Query, description = "A field that a business attribute can be mapped to", example = "Task.disposition")),
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

/// Business attribute by name.
#[utoipa::path(
    tag = "Metadata",
    params(("name" = String, Path, description = "The business attribute, case-insensitive")),
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
/// The definition takes effect on every node at once. Values that are no longer listed are retired: recorded events keep
/// them, and new events cannot use them.
#[utoipa::path(
    tag = "Metadata",
    params(("name" = String, Path, description = "The business attribute: 1 to 255 characters, not the name of a field")),
    request_body(content = DefineBusinessAttributeBody, example = json!({
        "cv_attributes": ["Task.application_type"], "default": "bot",
        "values": [{"dbid": 1, "name": "bot", "tone": "neutral"}, {"dbid": 2, "name": "IVR", "display_name": "Voice portal"}]
    })),
    responses(
        (status = 201, description = "The business attribute is created", body = BusinessAttributeBody,
            headers(("Location" = String, description = "Path of the business attribute, under the prefix of the request")),
            example = json!({
                "name": "Application", "dbid": 104, "map_name": false, "cv_attributes": ["Task.application_type"], "default": 1,
                "values": [{"dbid": 1, "name": "bot", "tone": "neutral"}, {"dbid": 2, "name": "IVR", "display_name": "Voice portal"}]
            })),
        (status = 200, description = "The definition is replaced", body = BusinessAttributeBody,
            example = json!({
                "name": "Application", "dbid": 104, "map_name": false, "cv_attributes": ["Task.application_type"], "default": 1,
                "values": [{"dbid": 1, "name": "bot", "tone": "neutral"}, {"dbid": 2, "name": "IVR", "display_name": "Voice portal"}]
            })),
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
    let defined = store.define_business_attribute(&definition).await.map_err(Problem::of_definition)?;
    let attribute = store.get_business_attribute(&definition.name).await?;
    let body = BusinessAttributeBody::new(attribute, store.maps_names());
    Ok(match defined {
        Defined::New => HttpResponse::Created().insert_header((header::LOCATION, request.uri().path())).json(body),
        Defined::Replaced => HttpResponse::Ok().json(body),
    })
}

/// Remove a business attribute.
///
/// Its fields accept any value again. Recorded events keep their values.
#[utoipa::path(
    tag = "Metadata",
    params(("name" = String, Path, description = "The business attribute, case-insensitive")),
    responses((status = 204, description = "The business attribute is removed"), BusinessAttributeProblems)
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

/// Index of the metadata.
#[derive(Serialize, ToSchema)]
pub(super) struct MetadataBody {
    /// Paths by kind of metadata.
    links: std::collections::BTreeMap<&'static str, String>,
}

/// Index of the metadata: links to business attributes and extension schemas.
#[utoipa::path(
    tag = "Metadata",
    responses((status = 200, description = "The links", body = MetadataBody), ListBusinessAttributesProblems)
)]
#[get("/metadata")]
pub(super) async fn get_metadata(request: HttpRequest, _: NoParameters) -> HttpResponse {
    let prefix = prefix_of(&request);
    let links = [
        ("business-attributes", format!("{prefix}/metadata/business-attributes")),
        ("services-extensions", format!("{prefix}/metadata/services/extensions")),
        ("states-extensions", format!("{prefix}/metadata/states/extensions")),
        ("tasks-extensions", format!("{prefix}/metadata/tasks/extensions")),
    ];
    HttpResponse::Ok().json(MetadataBody { links: links.into() })
}
