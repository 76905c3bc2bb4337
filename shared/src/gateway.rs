//! What API Gateway hands to a function for one request, and what it wants back.
//!
//! A stranger decides what is in a request, and whatever it is has to come to an answer. `lambda_http` puts host, path
//! and query into one URI and panics when they do not make one; here nothing is put together, and nothing can fail
//! that a client has a say in.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! payload format 2.0

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// One request.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Event")]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Begins with a slash.
    pub path: String,
    /// As the client wrote it, without the question mark; empty when there is none.
    pub query: String,
    /// Those that are headers at all; one that was sent several times is there once, its values joined by commas.
    pub headers: HeaderMap,
    /// Decoded.
    pub body: Vec<u8>,
    /// Where the gateway says that the request came from: a header could say anything.
    pub source_ip: Option<String>,
}

impl Request {
    /// The value of a header that is there and is plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first value of a parameter of the query.
    pub fn query_parameter(&self, name: &str) -> Option<String> {
        form_urlencoded::parse(self.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    #[serde(default)]
    raw_query_string: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
    request_context: RequestContext,
}

#[derive(Deserialize)]
struct RequestContext {
    http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    source_ip: Option<String>,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let header = |(name, value): (String, String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value.into_bytes()).ok()?))
        };
        let body = event.body.unwrap_or_default();
        let decoded = if event.is_base64_encoded { BASE64_STANDARD.decode(&body).ok() } else { None };
        Self {
            method: event.request_context.http.method,
            path: event.raw_path,
            query: event.raw_query_string,
            headers: event.headers.into_iter().filter_map(header).collect(),
            body: decoded.unwrap_or_else(|| body.into_bytes()),
            source_ip: event.request_context.http.source_ip,
        }
    }
}

/// The answer to one request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl From<http::Response<String>> for Response {
    fn from(response: http::Response<String>) -> Self {
        let (parts, body) = response.into_parts();
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Self { status_code: parts.status.as_u16(), headers, body }
    }
}

#[cfg(test)]
mod tests {
    use http::{StatusCode, header};
    use serde_json::{Value, json};

    use super::*;

    fn request(changes: Value) -> Request {
        let mut event = json!({
            "version": "2.0", "rawPath": "/api/audit", "rawQueryString": "", "headers": {},
            "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}}, "isBase64Encoded": false,
        });
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_request_is_what_the_gateway_says_of_it() {
        let request = request(json!({"rawQueryString": "limit=5&limit=6&q=a%20b", "headers": {"Consent-Token": "t"}}));
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/api/audit"));
        assert_eq!(request.source_ip.as_deref(), Some("192.0.2.1"));
        assert_eq!(request.header("consent-token"), Some("t"));
        assert_eq!(request.query_parameter("limit").as_deref(), Some("5"));
        assert_eq!(request.query_parameter("q").as_deref(), Some("a b"));
        assert_eq!(request.query_parameter("other"), None);
        assert!(request.body.is_empty());
    }

    #[test]
    fn a_body_is_decoded_when_the_gateway_says_that_it_is_encoded() {
        assert_eq!(request(json!({"body": "/w==", "isBase64Encoded": true})).body, [0xff]);
        assert_eq!(request(json!({"body": "/w=="})).body, b"/w==");
        assert_eq!(request(json!({"body": "not base64", "isBase64Encoded": true})).body, b"not base64");
    }

    #[test]
    fn whatever_a_client_sends_makes_a_request() {
        for host in ["", "a b", "[", "x:y", "\u{1f399}", "a@b/../c?d#e"] {
            let headers = json!({"host": host, "x-forwarded-proto": host, "kept": "yes"});
            assert_eq!(request(json!({"headers": headers})).header("kept"), Some("yes"), "{host}");
        }
        for text in ["\"", "<>", "a b", "#", "\u{1f399}", "%", "%zz", "\u{0}", &"x".repeat(70_000)] {
            let request =
                request(json!({"rawQueryString": text, "rawPath": text, "headers": {"odd": text, text: "x"}}));
            assert_eq!((request.query.as_str(), request.path.as_str()), (text, text));
        }
    }

    #[test]
    fn an_answer_has_the_shape_that_the_gateway_reads() {
        let mut response = http::Response::new("{}".to_owned());
        *response.status_mut() = StatusCode::ACCEPTED;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        let answer = serde_json::to_value(Response::from(response)).unwrap();
        assert_eq!(answer, json!({"statusCode": 202, "headers": {"retry-after": "5"}, "body": "{}"}));
    }
}
