//! The HTTP functions: `lambda_http`, behind a guard.
//!
//! A stranger decides what is in a request, and every request has to be answered. `lambda_http` 1.3.2 fails on some
//! requests and panics on others. The guard takes the event as JSON and passes on only what `lambda_http` can handle:
//!
//! | part of the event | the behaviour of `lambda_http` alone | the part as it is passed on |
//! |---|---|---|
//! | `Host`, `domainName` | panics if they do not form a URL | left out, since nothing here trusts them |
//! | path | panics if it does not begin with a slash, or is too long for a URI | replaced by `/` then |
//! | query | panics if it does not fit into a URI | left out then |
//! | body | panics if it is declared as base64 and is not | passed on as text then |
//! | the gateway's id of the request | ignores it | left out; it becomes the [`CorrelationId`] of the work |
//! | headers | fails if a name or a value is invalid; panics above 24,576 headers | the valid ones, up to 10,240 |
//! | method | fails if it is invalid, and takes an empty one for `GET` | replaced by a method that no route has |
//! | everything else | fails if a type is unexpected | left out, since nothing here reads it |
//!
//! Handlers read the path and the query as the client wrote them, from [`RequestExt::raw_http_path`] and [`raw_query`].
//! A request's `uri()` lacks the parts that were left out.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>,
//! payload format 2.0

use std::convert::Infallible;
use std::future::{Future, ready};

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::query_map::QueryMap;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Response};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Adapter, Body, IntoResponse, LambdaEvent, Request, RequestExt, Service, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::correlation::CorrelationId;
use crate::invocation::invocation;

/// API Gateway's limit for a request line and its headers together, in bytes.
///
/// Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const LARGEST_HEAD_BYTES: usize = 10_240;
/// Stands for an invalid method. No route has it.
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
    let LambdaEvent { payload: Event { guarded, path, query, id }, context } = event;
    let service = service_fn(|request: Request| {
        let answer = handle(with_query(request.with_raw_http_path(&path), &query));
        async { Ok::<_, Infallible>(Text(answer.await)) }
    });
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(guarded), context.clone());
    invocation(&context, id, async { Adapter::from(service).call(event).await }).await
}

/// An answer that is text in UTF-8. A `Response<String>` would be converted from the encoding that it names, and each
/// function would contain the tables of all encodings.
struct Text(Response<String>);

impl IntoResponse for Text {
    fn into_response(self) -> BoxFuture<'static, Response<Body>> {
        ready(self.0.map(Body::from)).boxed()
    }
}

/// Gives a request this raw query, without the question mark.
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

/// The client's address as the gateway states it. Headers are not asked, since a client can forge them.
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
    /// The parts that are passed on to `lambda_http`.
    guarded: ApiGatewayV2httpRequest,
    /// The path as the client wrote it.
    path: String,
    /// The query as the client wrote it, without the question mark.
    query: String,
    /// The gateway's id of the request.
    id: Option<CorrelationId>,
}

impl TryFrom<Value> for Event {
    type Error = serde_json::Error;

    /// # Errors
    /// The event has no method, so it is none of an HTTP API.
    fn try_from(mut event: Value) -> Result<Self, serde_json::Error> {
        let mut take = |pointer| event.pointer_mut(pointer).map(Value::take).unwrap_or_default();
        let text = |value| if let Value::String(text) = value { text } else { String::new() };
        let (path, query) = (text(take("/rawPath")), text(take("/rawQueryString")));
        let body = text(take("/body"));
        let id = CorrelationId::parse(&text(take("/requestContext/requestId")));
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
        Ok(Self { guarded, path, query, id })
    }
}

/// True if `lambda_http` can take this path. It escapes a path, which makes it at most three times as long; at this
/// limit, that is not too long for a URI.
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

/// The valid headers, without `Host`. The event holds a header that was sent several times once, with its values joined
/// by commas.
fn headers(headers: Value) -> Map<String, Value> {
    let Value::Object(headers) = headers else { return Map::new() };
    let is_header = |name: &str, value: &Value| {
        let is_value = value.as_str().is_some_and(|value| HeaderValue::from_str(value).is_ok());
        is_value && HeaderName::try_from(name).is_ok_and(|name| name != http::header::HOST)
    };
    headers.into_iter().filter(|(name, value)| is_header(name, value)).take(LARGEST_HEAD_BYTES).collect()
}

#[cfg(test)]
mod tests;
