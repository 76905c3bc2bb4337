//! The one error type, told by what the caller can do about it.

use std::time::Duration;

use http::{Response, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::clients::VendorError;
use crate::refusal::Refusal;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is understood and the answer is no; asking again changes nothing by itself.
    #[error("refused: {}", .0.code())]
    Refused(Refusal),
    /// The same, with what there is to say about it: members of the problem document beside its own.
    #[error("refused: {}", .0.code())]
    Explained(Refusal, Map<String, Value>),
    /// Twilio, ElevenLabs or Supabase did not do what was asked.
    #[error(transparent)]
    Vendor(#[from] VendorError),
    /// It is not time yet: another worker holds the lease, or the call is not known yet.
    #[error("not yet: {reason}")]
    NotYet {
        /// What is being waited for.
        reason: &'static str,
        /// When to look again; `None` leaves it to the queue's growing delay.
        retry_after: Option<Duration>,
    },
    /// A message or recording that will never be right, however often it is tried: it belongs in the dead letters.
    #[error("unusable: {0}")]
    Unusable(&'static str),
    /// AWS or the environment let us down: a secret, a queue, the temporary disk.
    #[error("{what}: {cause}")]
    Unavailable {
        /// What was being done.
        what: &'static str,
        /// Why it failed; never carries a secret or a body.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Error {
    /// A refusal, with the figure that it rests on, where `facts` have one.
    pub fn explained(refusal: Refusal, facts: &Value) -> Self {
        let member = |name: &str| facts.get(name).filter(|value| !value.is_null()).cloned();
        let members: Map<_, _> =
            ["figure", "limit", "unit"].into_iter().filter_map(|name| Some((name.to_owned(), member(name)?))).collect();
        if members.is_empty() { Self::Refused(refusal) } else { Self::Explained(refusal, members) }
    }

    /// Wraps a failure of AWS or the environment, told by what was being done.
    pub fn unavailable<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |cause| Self::Unavailable { what, cause: cause.into() }
    }

    /// Whether the same thing, tried again later, may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Explained(..) | Self::Unusable(_) => false,
            Self::Vendor(error) => error.is_transient(),
            Self::NotYet { .. } | Self::Unavailable { .. } => true,
        }
    }

    /// Whether a vendor turned our key away.
    pub fn is_unauthorised(&self) -> bool {
        matches!(self, Self::Vendor(error) if error.is_unauthorised())
    }

    /// A word for what went wrong, to be kept with the thing that it happened to.
    pub fn code(&self) -> String {
        match self {
            Self::Refused(refusal) | Self::Explained(refusal, _) => refusal.code().to_owned(),
            Self::Vendor(VendorError { code: Some(code), .. }) => code.to_lowercase(),
            Self::Vendor(VendorError { status: Some(status), .. }) => format!("status_{}", status.as_u16()),
            Self::Vendor(_) => "no_answer".to_owned(),
            Self::NotYet { .. } => "not_yet".to_owned(),
            Self::Unusable(_) => "unusable".to_owned(),
            Self::Unavailable { .. } => "unavailable".to_owned(),
        }
    }

    /// When to try again, where that is known better than by the queue's growing delay.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotYet { retry_after, .. } => *retry_after,
            Self::Vendor(error) => error.retry_after,
            _ => None,
        }
    }

    /// The HTTP status of the answer.
    pub fn status(&self) -> StatusCode {
        self.refusal().map_or(StatusCode::SERVICE_UNAVAILABLE, Refusal::status)
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) | Self::Explained(refusal, _) => Some(*refusal),
            _ => None,
        }
    }

    /// The answer as RFC 9457 `application/problem+json`.
    ///
    /// Logs the cause, once, when it is not the caller's doing; the caller reads a fixed sentence instead.
    ///
    /// Source: <https://www.rfc-editor.org/rfc/rfc9457>
    pub fn into_problem(self) -> Response<String> {
        let (status, refusal) = (self.status(), self.refusal());
        let (code, detail) = refusal.map_or_else(
            || {
                tracing::error!(error = %self, "the request could not be served");
                ("unavailable", "The service cannot answer just now. Please try again in a moment.")
            },
            |refusal| (refusal.code(), refusal.detail()),
        );
        let members = if let Self::Explained(_, members) = self { members } else { Map::new() };
        let title = status.canonical_reason().unwrap_or_default();
        let problem = Problem { status: status.as_u16(), title, detail, code, members };
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if let Some(allow) = refusal.and_then(Refusal::allowed_methods) {
            headers.insert(header::ALLOW, header::HeaderValue::from_static(allow));
        }
        if status == StatusCode::UNAUTHORIZED {
            let wants_consent_token = matches!(refusal, Some(Refusal::ConsentTokenMissing));
            let scheme = if wants_consent_token { "Consent-Token" } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static(scheme));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from_static("5"));
        }
        response
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Allow;

    #[test]
    fn a_refusal_becomes_a_problem_with_its_code() {
        let response = Error::from(Refusal::ConsentRequired).into_problem();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(problem["code"], "consent_required");
        assert_eq!(problem["status"], 403);
    }

    #[test]
    fn what_explains_a_refusal_stands_beside_its_code() {
        let members = Map::from_iter([("figure".to_owned(), Value::from(12.5))]);
        let response = Error::Explained(Refusal::SampleTooShort, members).into_problem();
        let problem: Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!((&problem["code"], &problem["figure"]), (&"sample_too_short".into(), &12.5.into()));
    }

    #[test]
    fn a_failure_of_ours_never_tells_its_cause() {
        let error = Error::unavailable("reading a secret")("arn:aws:secretsmanager:secret");
        let response = error.into_problem();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!response.body().contains("arn:"));
        assert_eq!(response.headers()[header::RETRY_AFTER], "5");
    }

    #[test]
    fn a_405_names_the_allowed_method() {
        let response = Error::from(Refusal::MethodNotAllowed(Allow("POST"))).into_problem();
        assert_eq!(response.headers()[header::ALLOW], "POST");
    }

    #[test]
    fn a_refusal_is_final_and_a_lease_held_by_another_is_not() {
        assert!(!Error::from(Refusal::RecordingMissing).is_transient());
        assert!(Error::NotYet { reason: "the lease", retry_after: None }.is_transient());
    }
}
