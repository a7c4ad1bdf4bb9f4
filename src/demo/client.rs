//! Calls of the API.

use anyhow::{Result, anyhow, bail};
use awc::http::Method;
use serde_json::Value;

/// An application that calls the API.
pub(super) struct Client {
    url: String,
    http: awc::Client,
}

impl Client {
    /// An application that calls the API at `url`.
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: awc::Client::default() }
    }

    /// Sends an event, and gives the answer; null where it has no body.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, text) = self.send(Method::POST, path, body).await?;
        if status >= 300 {
            bail!("POST {path} was answered {status}: {text}");
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Sends a request, and gives the status and text of its answer.
    pub(super) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<(u16, String)> {
        let request = self.http.request(method, format!("{}{path}", self.url));
        let mut answer = request.send_json(body).await.map_err(|error| anyhow!("{path}: {error}"))?;
        let bytes = answer.body().await.map_err(|error| anyhow!("{path}: {error}"))?;
        Ok((answer.status().as_u16(), String::from_utf8_lossy(&bytes).into_owned()))
    }
}
