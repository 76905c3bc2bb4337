//! The client of one workspace.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use secrecy::ExposeSecret;

use super::secret::ElevenLabsSecret;

/// A client of one workspace.
pub struct ElevenLabs {
    http: Client,
    base_url: Arc<str>,
    pub(super) secret: Arc<ElevenLabsSecret>,
}

impl ElevenLabs {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<ElevenLabsSecret>) -> Self {
        Self { http, base_url, secret }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .header("xi-api-key", self.secret.api_key.expose_secret())
    }
}
