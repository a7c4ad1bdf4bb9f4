"""What the service accepts beyond openapi.json, for schemathesis (`.ci/schemathesis`)."""

import schemathesis


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Allows `null` for the fields of request bodies. It counts as absent; the document leaves it out for generators."""
    schemas = raw_schema["components"]["schemas"]
    pending = [operation.get("requestBody") for item in raw_schema["paths"].values() for operation in item.values()]
    known = set()
    while pending:
        part = pending.pop()
        if isinstance(part, list):
            pending.extend(part)
        if not isinstance(part, dict):
            continue
        pending.extend(value for key, value in part.items() if key != "example")
        name = str(part.get("$ref", "")).rsplit("/", 1)[-1]
        if name in schemas and name not in known:
            known.add(name)
            pending.append(schemas[name])
        if isinstance(part.get("properties"), dict):
            allow_null(part)


def allow_null(schema):
    for name, value in schema["properties"].items():
        if name not in schema.get("required", []):
            schema["properties"][name] = {"anyOf": [value, {"type": "null"}]}
