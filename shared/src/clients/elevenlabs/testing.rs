//! A stand-in for the vendor in unit tests.

use std::sync::Arc;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::client::ElevenLabs;
use crate::clients::http_client;

/// A client of the stand-in.
pub async fn elevenlabs(server: &MockServer) -> ElevenLabs {
    elevenlabs_at(server.uri())
}

/// A client of a vendor at this address.
pub fn elevenlabs_at(url: String) -> ElevenLabs {
    let secret = serde_json::from_value(json!({"api_key": "sk_0123456789abcdef0123456789abcdef"})).unwrap();
    ElevenLabs::new(http_client(), url.into(), Arc::new(secret))
}

/// Answers these requests, by method and path.
pub async fn serve(answers: &[(&str, &str, u16, Value)]) -> MockServer {
    let server = MockServer::start().await;
    for (verb, at, status, body) in answers {
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(method(*verb)).and(path(*at)).respond_with(answer).mount(&server).await;
    }
    server
}
