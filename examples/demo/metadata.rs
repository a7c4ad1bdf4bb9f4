//! Metadata of the demo world: business attributes and extension schemas.

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;

/// Defines all metadata. Returns `false` if an earlier run has defined it.
pub(crate) async fn define(client: &Client) -> Result<bool> {
    for (name, attribute) in attributes() {
        let (status, text) =
            client.send(Method::PUT, &format!("/metadata/business-attributes/{name}"), &attribute).await?;
        if status >= 300 {
            bail!("cannot define the business attribute {name}: status {status}: {text}");
        }
    }
    let mut new = false;
    for (element, schema) in schemas() {
        let path = format!("/metadata/{element}/extensions");
        let known = client.get(&path).await?;
        if known.as_array().into_iter().flatten().any(|known| known["name"] == schema["name"]) {
            continue;
        }
        client.post(&path, &schema).await?;
        new = true;
    }
    Ok(new)
}

fn attributes() -> [(&'static str, Value); 3] {
    let values = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
    let outcome = |(dbid, name, display, tone): (i64, &str, &str, &str)| json!({"dbid": dbid, "name": name, "display_name": display, "tone": tone});
    let outcomes = |list: &[(i64, &str, &str, &str)]| list.iter().copied().map(outcome).collect::<Value>();
    [
        (
            "ServiceKind",
            json!({"display_name": "Kind of service", "cv_attributes": ["Service.service_type"],
                "values": values(&["book a hotel", "change a booking"])}),
        ),
        (
            "Channel",
            json!({"cv_attributes": ["Service.media_type", "State.media_type", "Task.media_type"],
                "values": values(&["voice", "chat", "web", "app", "email"])}),
        ),
        // The first three are those of the examples in the description of the API. Tasks have no others.
        (
            "Outcome",
            json!({"cv_attributes": ["Service.disposition", "State.disposition", "Task.disposition"],
                "values": outcomes(&[
                    (10, "SUCCESS", "Done", "good"), (11, "FAILED", "Failed", "bad"),
                    (12, "DECLINED", "Declined", "neutral"), (20, "booked", "Booked", "good"),
                    (21, "changed", "Changed", "good"), (22, "full", "No room free", "bad"),
                    (23, "refused", "Payment refused", "bad")])}),
        ),
    ]
}

fn schemas() -> [(&'static str, Value); 6] {
    let attribute = |name: &str, kind: &str| json!({"name": name, "type": kind});
    let schema = |name: &str, kind: &str, attributes: &[(&str, &str)]| {
        let attributes: Vec<_> = attributes.iter().map(|(name, kind)| attribute(name, kind)).collect();
        json!({"name": name, "type": kind, "attributes": attributes})
    };
    let survey = || {
        let questions =
            [("url", "string"), ("question1", "integer"), ("question2", "boolean"), ("question3", "string")];
        schema("Survey", "single-valued", &questions)
    };
    [
        (
            "services",
            schema(
                "Trip",
                "single-valued",
                &[("city", "string"), ("arrival", "date"), ("nights", "integer"), ("guests", "integer")],
            ),
        ),
        (
            "tasks",
            schema(
                "Offer",
                "multi-valued",
                &[("hotel", "string"), ("room", "string"), ("price", "float"), ("breakfast", "boolean")],
            ),
        ),
        ("tasks", schema("Payment", "single-valued", &[("method", "string"), ("amount", "float"), ("code", "string")])),
        ("services", survey()),
        ("states", survey()),
        ("tasks", survey()),
    ]
}
