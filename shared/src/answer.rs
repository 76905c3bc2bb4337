//! The answers of the HTTP API.

use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::metrics;
use crate::refusal::{Allow, Refusal};

/// The body of an `application/problem+json` answer; `type` is left out, which means `about:blank`.
#[derive(Serialize)]
struct Problem {
    status: u16,
    title: &'static str,
    detail: &'static str,
    code: &'static str,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// A JSON answer that no cache may keep, because it is about one person and changes.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response<String> {
    answer(status, "application/json", body)
}

/// An error as RFC 9457 `application/problem+json`.
///
/// Logs the cause, once, when it is not the caller's doing; the caller reads a fixed sentence instead.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9457>
pub fn problem(error: Error) -> Response<String> {
    match error {
        Error::Refused { refusal, members } => refused(refusal, members),
        error => {
            tracing::error!(%error, "the request could not be served");
            let sentence = "The service cannot answer just now. Please try again in a moment.";
            let mut response = document(StatusCode::SERVICE_UNAVAILABLE, "unavailable", sentence, Map::new());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            response
        }
    }
}

fn refused(refusal: Refusal, members: Map<String, Value>) -> Response<String> {
    metrics::count("RequestsRefused", 1, &[("Code", refusal.code())], &[]);
    let status = refusal.status();
    let mut response = document(status, refusal.code(), refusal.detail(), members);
    let line = match refusal {
        Refusal::MethodNotAllowed(Allow(methods)) => Some((header::ALLOW, methods)),
        Refusal::ConsentTokenMissing => Some((header::WWW_AUTHENTICATE, "Consent-Token")),
        _ if status == StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
        _ => None,
    };
    response.headers_mut().extend(line.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

fn document(
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    members: Map<String, Value>,
) -> Response<String> {
    let title = status.canonical_reason().unwrap_or_default();
    answer(status, "application/problem+json", &Problem { status: status.as_u16(), title, detail, code, members })
}

fn answer(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Response<String> {
    let mut response = Response::new(serde_json::to_string(body).expect("our answers are maps of strings"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_becomes_a_problem_with_its_code() {
        let response = problem(Refusal::ConsentRequired.into());
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let document: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(document["code"], "consent_required");
        assert_eq!(document["status"], 403);
        assert_eq!(document["detail"], "The employee has not consented to having their voice cloned.");
    }

    #[test]
    fn what_explains_a_refusal_stands_beside_its_code() {
        let response = problem(Error::refused(Refusal::SampleTooShort, &json!({"figure": 12.5, "unit": null})));
        let document: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!((&document["code"], &document["figure"]), (&"sample_too_short".into(), &12.5.into()));
    }

    #[test]
    fn a_failure_of_ours_never_tells_its_cause() {
        let error = Error::unavailable("reading a secret")("arn:aws:secretsmanager:secret");
        let response = problem(error);
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!response.body().contains("arn:"));
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[test]
    fn a_405_names_the_allowed_method() {
        let response = problem(Refusal::MethodNotAllowed(Allow("POST")).into());
        assert_eq!(response.headers()[header::ALLOW], "POST");
    }

    #[test]
    fn a_401_names_what_has_to_be_shown() {
        let scheme = |refusal: Refusal| problem(refusal.into()).headers()[header::WWW_AUTHENTICATE].clone();
        assert_eq!(scheme(Refusal::TokenExpired), "Bearer");
        assert_eq!(scheme(Refusal::ConsentTokenMissing), "Consent-Token");
        let forbidden = problem(Refusal::RoleForbidden.into());
        assert!(!forbidden.headers().contains_key(header::WWW_AUTHENTICATE), "nothing that is shown would help");
    }

    #[test]
    fn an_answer_is_json_and_no_cache_keeps_it() {
        let response = json(StatusCode::ACCEPTED, &json!({"status": "pending"}));
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::ACCEPTED, r#"{"status":"pending"}"#));
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(problem(Refusal::VoiceMissing.into()).headers()[header::CACHE_CONTROL], "no-store");
    }
}
