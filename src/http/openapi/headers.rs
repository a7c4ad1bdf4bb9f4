//! Headers that many responses have.

use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, Ref, RefOr};

use super::{inline, operations_mut};

const REQUEST_ID: &str = "X-Request-Id";
const RETRY_AFTER: &str = "Retry-After";
const AUTHENTICATE: &str = "WWW-Authenticate";

/// Adds to each response a reference to its headers, which the components describe.
pub(super) fn add(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            add_to(operation);
        }
    }
    let components = document.components.get_or_insert_default();
    components.headers.extend(all().map(|(name, header)| (name.to_owned(), RefOr::T(header))));
}

fn add_to(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        let also = match status.as_str() {
            "401" => Some(AUTHENTICATE),
            "429" | "503" => Some(RETRY_AFTER),
            _ => None,
        };
        if let Some(response) = inline(response) {
            let names = [REQUEST_ID].into_iter().chain(also);
            let references =
                names.map(|name| (name.to_owned(), RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))));
            response.headers.extend(references);
        }
    }
}

fn all() -> impl Iterator<Item = (&'static str, Header)> {
    let header = |schema_type, description| {
        let schema = ObjectBuilder::new().schema_type(schema_type);
        HeaderBuilder::new().schema(Some(schema)).description(Some(description)).build()
    };
    [
        (
            REQUEST_ID,
            header(
                Type::String,
                "Identifies the request in the server's log: the caller's own value if it sent 1 to 128 printable ASCII \
                 characters, otherwise a new one.",
            ),
        ),
        (RETRY_AFTER, header(Type::Integer, "Seconds after which to repeat the request unchanged.")),
        (AUTHENTICATE, header(Type::String, "The accepted kinds of credentials: Basic and Bearer.")),
    ]
    .into_iter()
}
