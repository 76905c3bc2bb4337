//! A stand-in for the vendor in unit tests.

use std::sync::Arc;

use serde_json::{Value, json};
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::client::Twilio;
use super::sid::{CallSid, RecordingSid};
use crate::clients::http_client;

pub const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub const CALL: &str = "CA00000000000000000000000000000001";
pub const RECORDING: &str = "RE00000000000000000000000000000001";

/// A client of the stand-in.
pub async fn twilio(server: &MockServer) -> Twilio {
    let secret = json!({"account_sid": ACCOUNT, "auth_token": "0123456789abcdef0123456789abcdef"});
    let secret = serde_json::from_value(secret).unwrap();
    Twilio::new(http_client(), server.uri().into(), Arc::new(secret))
}

pub fn call_sid() -> CallSid {
    CallSid::try_from(CALL.to_owned()).unwrap()
}

pub fn recording_sid() -> RecordingSid {
    RecordingSid::try_from(RECORDING.to_owned()).unwrap()
}

/// Answers each of these paths, and everything else with Twilio's 404.
pub async fn serve(answers: &[(&str, &str, u16, Value)]) -> MockServer {
    let server = MockServer::start().await;
    for (verb, below, status, body) in answers {
        let at = format!("/2010-04-01/Accounts/{ACCOUNT}/{below}");
        let answer = ResponseTemplate::new(*status).set_body_json(body);
        Mock::given(method(*verb)).and(path(at)).respond_with(answer).with_priority(1).mount(&server).await;
    }
    let missing = ResponseTemplate::new(404).set_body_json(json!({"code": 20404}));
    Mock::given(any()).respond_with(missing).with_priority(9).mount(&server).await;
    server
}

/// A recording, as Twilio describes it.
pub fn resource(status: &str, call_sid: Option<&str>, media_url: Option<&str>) -> Value {
    json!({"status": status, "call_sid": call_sid, "start_time": null, "channels": 2, "media_url": media_url})
}
