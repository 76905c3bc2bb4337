//! The HTTP functions: `lambda_http`, behind a guard.
//!
//! A stranger decides what is in a request, and whatever it is has to come to an answer. `lambda_http` 1.3.2 is made for
//! what API Gateway should send: it fails on some requests, and panics on others. The guard takes the event as JSON and
//! hands on what `lambda_http` can make a request of:
//!
//! | part of the event | what `lambda_http` does with any text there | what reaches it |
//! |---|---|---|
//! | `Host`, `domainName` | panics where they make no URL | nothing; nobody here trusts them |
//! | path | panics where it does not begin with a slash, or is too long for a URI | a path that is neither |
//! | query | panics where it does not fit into a URI | a query that does |
//! | body | panics where it is said to be base64 and is not | such a body as text |
//! | headers | fails where a name or a value is no header's; panics above 24,576 of them | headers, not too many |
//! | method | fails where it is none, and takes an empty one for `GET` | a method that no route has |
//! | everything else | fails where a type is unexpected | nothing; nobody here reads it |
//!
//! A request has its path and its query as the client wrote them, whatever reached `lambda_http`:
//! [`RequestExt::raw_http_path`] and [`raw_query`]. Its `uri()` leaves out what does not fit.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! payload format 2.0

use std::convert::Infallible;
use std::future::Future;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::query_map::QueryMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Response};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, LambdaEvent, Request, RequestExt, Service, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What API Gateway takes at most of a request line and its headers together, in bytes.
///
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const LARGEST_HEAD_BYTES: usize = 10_240;
/// Stands for whatever is no method. No route has it.
const NO_METHOD: &str = "NONE";

/// Answers requests until Lambda ends the environment.
///
/// # Errors
/// The runtime API cannot be reached.
pub async fn run<F>(handle: impl Fn(Request) -> F) -> Result<(), lambda_http::Error>
where
    F: Future<Output = Response<String>> + Send,
{
    lambda_http::lambda_runtime::run(service_fn(|event| answer(event, &handle))).await
}

async fn answer<F>(event: LambdaEvent<Event>, handle: &impl Fn(Request) -> F) -> Result<impl Serialize, Infallible>
where
    F: Future<Output = Response<String>> + Send,
{
    let LambdaEvent { payload: Event { guarded, path, query }, context } = event;
    let service = service_fn(|request: Request| {
        let answer = handle(with_query(request.with_raw_http_path(&path), &query));
        async { Ok::<_, Infallible>(answer.await) }
    });
    Adapter::from(service).call(LambdaEvent::new(LambdaRequest::ApiGatewayV2(guarded), context)).await
}

/// A request, with this query, as the client wrote it, without the question mark.
pub fn with_query(request: Request, query: &str) -> Request {
    let Ok(parameters) = query.parse::<QueryMap>();
    let mut request = request.with_query_string_parameters(parameters);
    request.extensions_mut().insert(RawQuery(query.to_owned()));
    request
}

/// The query as the client wrote it, without the question mark; empty when there is none.
pub fn raw_query(request: &Request) -> &str {
    request.extensions().get().map_or("", |RawQuery(query)| query)
}

/// The first value of a parameter of the query.
pub fn query_parameter<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.query_string_parameters_ref()?.first(name)
}

/// The value of a header that is there and is plain text.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Where the gateway says that the request came from: a header could say anything.
pub fn source_ip(request: &Request) -> Option<&str> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref(),
        _ => None,
    }
}

/// A query as the client wrote it, among the extensions of its request.
#[derive(Clone)]
struct RawQuery(String);

/// The event of one request.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
struct Event {
    /// What `lambda_http` can make a request of.
    guarded: ApiGatewayV2httpRequest,
    /// As the client wrote it.
    path: String,
    /// As the client wrote it, without the question mark.
    query: String,
}

impl TryFrom<Value> for Event {
    type Error = serde_json::Error;

    /// # Errors
    /// There is no method: that is no event of an HTTP API.
    fn try_from(mut event: Value) -> Result<Self, serde_json::Error> {
        let mut take = |pointer| event.pointer_mut(pointer).map(Value::take).unwrap_or_default();
        let text = |value| if let Value::String(text) = value { text } else { String::new() };
        let (path, query) = (text(take("/rawPath")), text(take("/rawQueryString")));
        let body = text(take("/body"));
        let method = take("/requestContext/http/method");
        let http = json!({
            "method": if is_no_method(&method) { NO_METHOD.into() } else { method },
            "sourceIp": take("/requestContext/http/sourceIp"),
        });
        let guarded = serde_json::from_value(json!({
            "rawPath": if is_path(&path) { &path } else { "/" },
            "rawQueryString": if is_query(&query) { &query } else { "" },
            "headers": headers(take("/headers")),
            "isBase64Encoded": take("/isBase64Encoded") == true && is_base64(&body),
            "body": body,
            "requestContext": {"http": http},
        }))?;
        Ok(Self { guarded, path, query })
    }
}

/// `lambda_http` escapes it, which makes it three times as long at most: still no URI that is too long.
fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= LARGEST_HEAD_BYTES
}

fn is_query(query: &str) -> bool {
    query.len() <= LARGEST_HEAD_BYTES && PathAndQuery::try_from(format!("/?{query}")).is_ok()
}

fn is_base64(body: &str) -> bool {
    BASE64_STANDARD.decode(body).is_ok()
}

fn is_no_method(method: &Value) -> bool {
    method.as_str().is_some_and(|method| method.parse::<Method>().is_err())
}

/// Those that are headers at all. One that was sent several times is there once, its values joined by commas.
fn headers(headers: Value) -> Map<String, Value> {
    let Value::Object(headers) = headers else { return Map::new() };
    let is_header = |name: &str, value: &Value| {
        let is_value = value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok());
        is_value && HeaderName::try_from(name).is_ok_and(|name| name != http::header::HOST)
    };
    headers.into_iter().filter(|(name, value)| is_header(name, value)).take(LARGEST_HEAD_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::Mutex;

    use fastrand::Rng;
    use futures_util::FutureExt;
    use http::{StatusCode, header};
    use lambda_http::Context;

    use super::*;

    /// What a handler gets of an event.
    fn served(event: Value) -> Request {
        let event = serde_json::from_str(&event.to_string()).unwrap();
        let served = Mutex::new(None);
        let handle = |request| {
            *served.lock().unwrap() = Some(request);
            async { Response::new(String::new()) }
        };
        assert!(answer(LambdaEvent::new(event, Context::default()), &handle).now_or_never().is_some());
        served.into_inner().unwrap().unwrap()
    }

    fn request(changes: Value) -> Request {
        let mut event = json!({
            "version": "2.0", "rawPath": "/api/audit", "rawQueryString": "", "headers": {},
            "requestContext": {
                "domainName": "a b", "stage": "$default", "timeEpoch": "now",
                "http": {"method": "GET", "sourceIp": "192.0.2.1"},
            },
            "isBase64Encoded": false,
        });
        event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        served(event)
    }

    fn body(changes: Value) -> Vec<u8> {
        request(changes).body().to_vec()
    }

    #[test]
    fn a_request_is_what_the_gateway_says_of_it() {
        let request = request(json!({"rawQueryString": "limit=5&limit=6&q=a%20b", "headers": {"Consent-Token": "t"}}));
        assert_eq!((request.method(), request.raw_http_path()), (&Method::GET, "/api/audit"));
        assert_eq!(request.uri(), "/api/audit?limit=5&limit=6&q=a%20b");
        assert_eq!(source_ip(&request), Some("192.0.2.1"));
        assert_eq!(header(&request, "consent-token"), Some("t"));
        assert_eq!(raw_query(&request), "limit=5&limit=6&q=a%20b");
        assert_eq!(query_parameter(&request, "limit"), Some("5"));
        assert_eq!(query_parameter(&request, "q"), Some("a b"));
        assert_eq!(query_parameter(&request, "other"), None);
        assert!(request.body().is_empty());
    }

    #[test]
    fn a_body_is_decoded_when_the_gateway_says_that_it_is_encoded() {
        assert_eq!(body(json!({"body": "/w==", "isBase64Encoded": true})), [0xff]);
        assert_eq!(body(json!({"body": "/w=="})), b"/w==");
        assert_eq!(body(json!({"body": "not base64", "isBase64Encoded": true})), b"not base64");
    }

    #[test]
    fn whatever_a_client_sends_makes_a_request() {
        for host in ["", "a b", "[", "x:y", "\u{1f399}", "a@b/../c?d#e"] {
            let headers = json!({"host": host, "x-forwarded-proto": host, "kept": "yes"});
            assert_eq!(header(&request(json!({"headers": headers})), "kept"), Some("yes"), "{host}");
        }
        for text in ["\"", "<>", "a b", "#", "\u{1f399}", "%", "%zz", "\u{0}", &"x".repeat(70_000)] {
            let request =
                request(json!({"rawQueryString": text, "rawPath": text, "headers": {"odd": text, text: "x"}}));
            assert_eq!((raw_query(&request), request.raw_http_path()), (text, text));
        }
    }

    #[test]
    fn a_path_and_a_query_may_be_too_long_for_one_uri() {
        let escaped = |length: usize| "/".to_owned() + &"\"".repeat(length - 1);
        for (path, query) in [(10_240, 10_240), (10_241, 10_240), (10_240, 60_000), (60_000, 60_000)] {
            let (path, query) = (escaped(path), "x".repeat(query));
            let request = request(json!({"rawPath": path, "rawQueryString": query}));
            assert_eq!((request.raw_http_path(), raw_query(&request)), (path.as_str(), query.as_str()));
        }
    }

    #[test]
    fn a_parameter_is_read_from_a_query_that_is_no_uri() {
        for (query, limit) in [("limit=\"", "\""), ("limit=a b", "a b"), ("limit=5&more=\u{0}", "5")] {
            assert_eq!(query_parameter(&request(json!({"rawQueryString": query})), "limit"), Some(limit), "{query}");
        }
    }

    #[test]
    fn whatever_is_no_method_is_one_that_no_route_has() {
        for method in ["", "G T", "GET\r\n", "\u{1f399}"] {
            let request = request(json!({"requestContext": {"http": {"method": method}}}));
            assert_eq!(request.method().as_str(), NO_METHOD, "{method}");
        }
    }

    #[test]
    fn what_has_no_method_is_no_request() {
        for event in [json!(null), json!([]), json!({}), json!({"requestContext": {"http": {"method": 7}}})] {
            assert!(serde_json::from_value::<Event>(event.clone()).is_err(), "{event}");
        }
    }

    #[test]
    fn no_request_makes_lambda_http_panic() {
        for seed in 0..5_000 {
            let event = any_event(&mut Rng::with_seed(seed));
            let request = catch_unwind(|| served(event.clone()));
            let request = request.unwrap_or_else(|_| panic!("{event}"));
            let written = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
            assert_eq!(request.raw_http_path(), written("rawPath"));
            assert_eq!(raw_query(&request), written("rawQueryString"));
            assert!(request.headers().get("host").is_none());
        }
    }

    /// An event with a method, and with anything at all in, or instead of, its other parts.
    fn any_event(random: &mut Rng) -> Value {
        let names = ["host", "Host", "x-forwarded-proto", "content-type", "cookie", "x-amzn-trace-id", "authorization"];
        let mut headers = Map::new();
        for _ in 0..random.u8(..6) {
            let name = if random.bool() { any_text(random) } else { names[random.usize(..names.len())].to_owned() };
            headers.insert(name, any_value(random));
        }
        if random.u16(..1000) == 0 {
            headers.extend((0..40_000).map(|number| (format!("x-{number}"), json!("y"))));
        }
        let method = if random.bool() { "POST".to_owned() } else { any_text(random) };
        let mut event = json!({
            "version": "2.0", "rawPath": any_path(random), "rawQueryString": any_text(random), "headers": headers,
            "cookies": [any_text(random)], "queryStringParameters": {"a": any_text(random)}, "body": any_text(random),
            "isBase64Encoded": random.bool(), "stageVariables": {}, "pathParameters": {"id": any_text(random)},
        });
        let parts: Vec<String> = event.as_object().unwrap().keys().cloned().collect();
        for part in parts {
            match random.u8(..30) {
                0 => drop(event.as_object_mut().unwrap().remove(&part)),
                1 => event[part] = any_value(random),
                _ => {}
            }
        }
        event["requestContext"] = json!({
            "http": {"method": method, "sourceIp": any_text(random), "path": any_value(random)},
            "domainName": any_text(random), "stage": any_text(random), "timeEpoch": any_value(random),
        });
        event
    }

    fn any_path(random: &mut Rng) -> String {
        let slash = ["/", "//", "", "/api/employees/"][random.usize(..4)];
        slash.to_owned() + &any_text(random)
    }

    fn any_value(random: &mut Rng) -> Value {
        match random.u8(..12) {
            0 => json!(null),
            1 => json!(random.bool()),
            2 => json!(random.f64()),
            3 => json!([any_text(random)]),
            4 => json!({any_text(random): any_text(random)}),
            _ => json!(any_text(random)),
        }
    }

    /// Mostly of what means something to a parser of URIs, headers or base64; now and then longer than any URI.
    fn any_text(random: &mut Rng) -> String {
        const MEANINGFUL: &[char] = &[
            '/',
            '?',
            '#',
            ':',
            '@',
            '[',
            ']',
            '%',
            '&',
            '=',
            '+',
            '.',
            ',',
            ';',
            '\\',
            '"',
            '<',
            '>',
            '{',
            '|',
            '^',
            '`',
            ' ',
            '\t',
            '\r',
            '\n',
            '\0',
            '\u{7f}',
            'a',
            'Z',
            '0',
            'é',
            '\u{feff}',
            '\u{202e}',
            '\u{1f399}',
        ];
        let one = |random: &mut Rng| match random.u8(..10) {
            0 => random.char(..),
            1..4 => random.alphanumeric(),
            _ => MEANINGFUL[random.usize(..MEANINGFUL.len())],
        };
        let length = random.usize(..12);
        let text: String = (0..length).map(|_| one(random)).collect();
        if random.u16(..200) == 0 { text.repeat(random.usize(..10_000)) } else { text }
    }

    #[test]
    fn an_answer_has_the_shape_that_the_gateway_reads() {
        let event = serde_json::from_value(json!({"requestContext": {"http": {"method": "GET"}}})).unwrap();
        let handle = |_| async {
            let mut response = Response::new("{\"ü\": 1}".to_owned());
            *response.status_mut() = StatusCode::ACCEPTED;
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            response
        };
        let answer = answer(LambdaEvent::new(event, Context::default()), &handle).now_or_never().unwrap().unwrap();
        let headers = json!({"retry-after": "5", "content-type": "application/problem+json"});
        let expected = json!({
            "statusCode": 202, "headers": headers, "body": "{\"ü\": 1}", "isBase64Encoded": false,
            "multiValueHeaders": {}, "cookies": [],
        });
        assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    }
}
