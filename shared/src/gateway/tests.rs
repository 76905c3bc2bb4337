use std::panic::catch_unwind;
use std::sync::Mutex;

use fastrand::Rng;
use futures_util::FutureExt;
use http::{StatusCode, header};
use lambda_http::Context;

use super::*;

/// The request that a handler gets for an event.
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

/// The correlation id under which a request is worked on whose headers state another one.
fn worked_on_under(request_id: &Value) -> String {
    let forged = "forged-by-a-stranger";
    let headers =
        json!({"x-request-id": forged, "x-amzn-requestid": forged, "x-amzn-trace-id": format!("Root={forged}")});
    let request_context = json!({"requestId": request_id, "http": {"method": "GET"}});
    let event = json!({"rawPath": "/", "headers": headers, "requestContext": request_context}).to_string();
    let event = serde_json::from_str(&event).unwrap();
    let mut context = Context::default();
    context.request_id = "of-lambdas-own-request".to_owned();
    let id = Mutex::new(None);
    let handle = |_| async {
        *id.lock().unwrap() = CorrelationId::current();
        Response::new(String::new())
    };
    assert!(answer(LambdaEvent::new(event, context), &handle).now_or_never().is_some());
    id.into_inner().unwrap().unwrap().to_string()
}

#[test]
fn a_request_is_worked_on_under_the_gateways_id_whatever_its_headers_say() {
    assert_eq!(worked_on_under(&json!("JKJaXmPLvHcESHA=")), "JKJaXmPLvHcESHA=");
    for wrong in [json!(null), json!(7), json!(""), json!("two\nlines")] {
        assert_eq!(worked_on_under(&wrong), "of-lambdas-own-request", "{wrong}");
    }
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
        let request = request(json!({"rawQueryString": text, "rawPath": text, "headers": {"odd": text, text: "x"}}));
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

/// An event with a method. Its other parts are random, or replaced by random JSON.
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

/// A random text, mostly of characters that are special to parsers of URIs, headers or base64; now and then it is
/// longer than any URI.
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
