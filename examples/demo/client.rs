//! A minimal client of the API.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::Value;

/// A client of the service at one URL.
#[derive(Clone)]
pub(crate) struct Client {
    url: String,
    http: reqwest::Client,
}

impl Client {
    /// Creates a client for the service at `url`, such as `http://127.0.0.1:8090`.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: reqwest::Client::new() }
    }

    /// Posts an event and returns the response body, which is null if empty. Any status other than 2xx is an error.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, text) = self.send(Method::POST, path, body).await?;
        ensure!((200..300).contains(&status), "POST {path}: status {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Gets what is at `path`.
    pub(crate) async fn get(&self, path: &str) -> Result<Value> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?.error_for_status()?;
        Ok(serde_json::from_str(&response.text().await?)?)
    }

    /// Sends a request and returns the status and body of the response, whatever the status is.
    pub(crate) async fn send(&self, method: Method, path: &str, body: &Value) -> Result<(u16, String)> {
        let response = self.http.request(method, format!("{}{path}", self.url)).json(body).send().await?;
        Ok((response.status().as_u16(), response.text().await?))
    }
}
