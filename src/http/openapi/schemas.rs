//! Schemas and bodies in a form that code generators understand.
//!
//! Generators drop members that `additionalProperties` does not announce, cannot tell the alternatives of `oneOf`
//! apart, and wrap fields that may be `null`. So bodies with extensions are declared open, alternatives are `anyOf`,
//! and `null` is left out: it only means that a member is absent.

use std::mem;

use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{
    AdditionalProperties, AnyOfBuilder, ArrayItems, Object, OneOf, Schema, SchemaType, Type,
};
use utoipa::openapi::{Components, OpenApi, RefOr, Required};

use super::{inline, operations_mut};

/// The parts that mark a body as one with extensions: an event, or a recorded element.
const PARTS_WITH_EXTENSIONS: [&str; 2] = ["EventFields", "LifecycleBody"];

/// Adapts all schemas and request bodies.
pub(super) fn adapt(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            adapt_operation(operation);
        }
    }
    let components = document.components.get_or_insert_default();
    components.schemas.values_mut().for_each(simplify);
    open(components);
}

fn adapt_operation(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten().filter_map(inline) {
        parameter.schema.iter_mut().for_each(simplify);
    }
    for response in operation.responses.responses.values_mut().filter_map(inline) {
        let headers = response.headers.values_mut().filter_map(inline);
        headers.filter_map(|header| header.schema.as_mut()).for_each(simplify);
    }
    let Some(RefOr::T(body)) = &mut operation.request_body else { return };
    for content in body.content.values_mut().filter_map(inline) {
        let Some(schema) = &mut content.schema else { continue };
        body.required = Some(if may_be_null(schema) { Required::False } else { Required::True });
        simplify(schema);
    }
}

/// Returns whether the schema describes an optional value.
fn may_be_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::OneOf(one_of)) if one_of.items.iter().any(is_null))
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null))
}

/// Leaves out `null`, and turns `oneOf` into `anyOf`.
fn simplify(schema: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::OneOf(one_of)) = schema {
        *schema = any_of(mem::take(one_of));
    }
    let RefOr::T(schema) = schema else { return };
    match schema {
        Schema::Object(object) => simplify_object(object),
        Schema::Array(array) => {
            leave_out_null(&mut array.schema_type);
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                simplify(items);
            }
        }
        Schema::AllOf(all_of) => all_of.items.iter_mut().for_each(simplify),
        Schema::AnyOf(any_of) => any_of.items.iter_mut().for_each(simplify),
        _ => {}
    }
}

fn simplify_object(object: &mut Object) {
    leave_out_null(&mut object.schema_type);
    object.properties.values_mut().for_each(simplify);
    if let Some(AdditionalProperties::RefOr(value)) = object.additional_properties.as_deref_mut() {
        simplify(value);
    }
    // Names of members are strings in any case.
    object.property_names = None;
}

/// The alternatives other than `null`. A single alternative is not wrapped in `anyOf`.
fn any_of(one_of: OneOf) -> RefOr<Schema> {
    let mut items = one_of.items;
    items.retain(|item| !is_null(item));
    match <[RefOr<Schema>; 1]>::try_from(items) {
        Ok([only]) => only,
        Err(items) => {
            let any_of = items.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
            RefOr::T(any_of.description(one_of.description).build().into())
        }
    }
}

fn leave_out_null(schema_type: &mut SchemaType) {
    if let SchemaType::Array(types) = schema_type {
        types.retain(|one| *one != Type::Null);
        if let [only] = types.as_slice() {
            *schema_type = SchemaType::Type(only.clone());
        }
    }
}

/// Declares each body with extensions as open, and each of its parts, because some generators read only the parts.
fn open(components: &mut Components) {
    let mut parts = Vec::new();
    for schema in components.schemas.values_mut() {
        let RefOr::T(Schema::AllOf(body)) = schema else { continue };
        let names: Vec<_> = body.items.iter().filter_map(name_of).map(str::to_owned).collect();
        if !names.iter().any(|name| PARTS_WITH_EXTENSIONS.contains(&name.as_str())) {
            continue;
        }
        parts.extend(names);
        // `AllOf` has no field for `additionalProperties`. Its `extensions` may be any further members.
        body.extensions = Some(Extensions::from_iter([("additionalProperties", true)]));
        body.items.iter_mut().for_each(open_part);
    }
    for name in parts {
        components.schemas.get_mut(&name).into_iter().for_each(open_part);
    }
}

fn name_of(part: &RefOr<Schema>) -> Option<&str> {
    match part {
        RefOr::Ref(part) => part.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    }
}

fn open_part(part: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(object)) = part {
        object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(true)));
    }
}
