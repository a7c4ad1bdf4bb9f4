//! The document as OpenAPI 3.0.3, for tools that do not read 3.1.

use serde_json::{Map, Value, json};

/// Keywords of JSON Schema 2020-12 that 3.0 does not have, and that only narrow or describe a schema.
const UNKNOWN: [&str; 4] = ["propertyNames", "contentEncoding", "contentMediaType", "$comment"];

/// The site that has a page for each licence identifier. 3.0 has a field for the address, but none for the identifier.
const LICENSES: &str = "https://spdx.org/licenses/";

/// Converts a document from OpenAPI 3.1.
pub(super) fn convert(mut document: Value) -> Value {
    document["openapi"] = "3.0.3".into();
    if let Some(Value::Object(license)) = document.pointer_mut("/info/license")
        && license.remove("identifier").is_some()
    {
        license.insert("url".to_owned(), LICENSES.into());
    }
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        schemas.values_mut().for_each(convert_schema);
    }
    convert_schemas_within(&mut document);
    document
}

/// Converts the schemas of parameters, bodies and headers. Examples are data, and stay as they are.
fn convert_schemas_within(part: &mut Value) {
    match part {
        Value::Object(members) => members.iter_mut().for_each(|(name, member)| match name.as_str() {
            "schema" => convert_schema(member),
            "schemas" | "example" | "examples" => {}
            _ => convert_schemas_within(member),
        }),
        Value::Array(items) => items.iter_mut().for_each(convert_schemas_within),
        _ => {}
    }
}

fn convert_schema(schema: &mut Value) {
    let Value::Object(keywords) = schema else { return };
    for (name, value) in keywords.iter_mut() {
        match (name.as_str(), value) {
            ("items" | "additionalProperties" | "not", schema) => convert_schema(schema),
            ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => schemas.iter_mut().for_each(convert_schema),
            ("properties", Value::Object(schemas)) => schemas.values_mut().for_each(convert_schema),
            _ => {}
        }
    }
    keywords.retain(|name, _| !UNKNOWN.contains(&name.as_str()));
    convert_values(keywords);
    for limit in ["Minimum", "Maximum"] {
        convert_exclusive(keywords, limit);
    }
    convert_types(keywords);
    convert_alternatives(keywords);
    wrap_reference(keywords);
}

/// `const` becomes an `enum` of one value, and the first of `examples` becomes `example`.
fn convert_values(keywords: &mut Map<String, Value>) {
    if let Some(value) = keywords.remove("const") {
        keywords.insert("enum".to_owned(), json!([value]));
    }
    if let Some(Value::Array(examples)) = keywords.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        keywords.insert("example".to_owned(), first);
    }
}

/// An exclusive limit is a limit with a flag in 3.0.
fn convert_exclusive(keywords: &mut Map<String, Value>, limit: &str) {
    let name = format!("exclusive{limit}");
    if let Some(Value::Number(number)) = keywords.get(&name).cloned() {
        keywords.insert(limit.to_lowercase(), number.into());
        keywords.insert(name, true.into());
    }
}

/// A list of types becomes `nullable`, and alternatives if several types remain.
fn convert_types(keywords: &mut Map<String, Value>) {
    let Some(Value::Array(mut types)) = keywords.get("type").cloned() else { return };
    let all = types.len();
    types.retain(|one| one != "null");
    let nullable = types.len() < all;
    keywords.remove("type");
    if let [only] = types.as_slice() {
        keywords.insert("type".to_owned(), only.clone());
        if nullable {
            keywords.insert("nullable".to_owned(), true.into());
        }
    } else {
        let schema = |one| if nullable { json!({"type": one, "nullable": true}) } else { json!({"type": one}) };
        keywords.insert("anyOf".to_owned(), types.into_iter().map(schema).collect());
    }
}

/// An alternative `null` is left out: 3.0 has no such type. A single remaining alternative becomes `allOf`.
fn convert_alternatives(keywords: &mut Map<String, Value>) {
    for name in ["anyOf", "oneOf"] {
        let Some(Value::Array(alternatives)) = keywords.get_mut(name) else { continue };
        alternatives.retain(|one| one["type"] != "null");
        if alternatives.len() == 1
            && let Some(only) = keywords.remove(name)
        {
            keywords.insert("allOf".to_owned(), only);
        }
    }
}

/// A reference has no other keywords in 3.0; a reference with other keywords becomes `allOf`.
fn wrap_reference(keywords: &mut Map<String, Value>) {
    if keywords.len() > 1
        && let Some(reference) = keywords.remove("$ref")
    {
        keywords.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_3_1_becomes_its_form_of_3_0() {
        let cases = [
            (json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true})),
            (json!({"type": ["integer", "string"]}), json!({"anyOf": [{"type": "integer"}, {"type": "string"}]})),
            (json!({"anyOf": [{"$ref": "#/a"}, {"type": "null"}]}), json!({"allOf": [{"$ref": "#/a"}]})),
            (json!({"$ref": "#/a", "description": "b"}), json!({"description": "b", "allOf": [{"$ref": "#/a"}]})),
            (json!({"$ref": "#/a"}), json!({"$ref": "#/a"})),
            (json!({"const": 1, "examples": [1, 2]}), json!({"enum": [1], "example": 1})),
            (json!({"exclusiveMinimum": 0}), json!({"minimum": 0, "exclusiveMinimum": true})),
            (json!({"propertyNames": {"type": "string"}}), json!({})),
            (
                json!({"properties": {"const": {"items": {"const": 1}}}, "additionalProperties": true}),
                json!({"properties": {"const": {"items": {"enum": [1]}}}, "additionalProperties": true}),
            ),
        ];
        for (mut schema, expected) in cases {
            convert_schema(&mut schema);
            assert_eq!(schema, expected);
        }
    }

    #[test]
    fn examples_are_data() {
        let body = json!({"schema": {"const": 1}, "example": {"schema": {"const": 1}}});
        let converted = convert(json!({"openapi": "3.1.0", "content": body}));
        let expected = json!({"schema": {"enum": [1]}, "example": {"schema": {"const": 1}}});
        assert_eq!(converted, json!({"openapi": "3.0.3", "content": expected}));
    }
}
