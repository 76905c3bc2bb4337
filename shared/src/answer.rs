//! An answer of the HTTP API that is not a problem.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// JSON that nobody may keep: it is about one person and changes.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<String> {
    let mut response = Response::new(serde_json::to_string(body).expect("our answers are maps of strings"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
