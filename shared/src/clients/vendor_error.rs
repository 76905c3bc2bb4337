//! The error of a request to a vendor.

use std::time::Duration;

use http::StatusCode;

use super::elevenlabs::codes;

/// A request to a vendor has failed. The error holds no part of the request or of the answer's body: both may be
/// personal.
#[derive(Debug, thiserror::Error)]
#[error("{vendor} {action}: {}{}{}", status_text(.status, .code), code_text(.code), cause_text(.cause))]
pub struct VendorError {
    /// `twilio`, `elevenlabs` or `supabase`.
    pub vendor: &'static str,
    /// The action that was requested.
    pub action: &'static str,
    /// The status of the answer; `None` when there was no answer.
    pub status: Option<StatusCode>,
    /// The vendor's own error code, if the answer had one.
    pub code: Option<String>,
    /// The time that the vendor asked us to wait.
    pub retry_after: Option<Duration>,
    /// The failure of the transport, without the URL.
    pub cause: Option<reqwest::Error>,
}

fn status_text(status: &Option<StatusCode>, code: &Option<String>) -> String {
    match (status, code) {
        (Some(status), _) => format!("answered {}", status.as_u16()),
        // The code is our own: the answer must not be used.
        (None, Some(_)) => "unacceptable".to_owned(),
        (None, None) => "no answer".to_owned(),
    }
}

fn code_text(code: &Option<String>) -> String {
    code.as_ref().map_or(String::new(), |code| format!(" {code}"))
}

fn cause_text(cause: &Option<reqwest::Error>) -> String {
    // The reason of a transport failure ("connection refused") sits at the end of the chain.
    let Some(cause) = cause else { return String::new() };
    if cause.is_decode() {
        // A parser's message may quote what it could not parse.
        return " (unreadable answer)".to_owned();
    }
    let mut innermost: &dyn std::error::Error = cause;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!(" ({innermost})")
}

impl VendorError {
    /// True if the same request may succeed later. That includes a refused key, which a rotation may replace.
    pub fn is_transient(&self) -> bool {
        match self.status {
            None => true,
            Some(status) => {
                status.is_server_error()
                    || status.is_success() // an answer that made no sense
                    || self.is_unauthorised()
                    || matches!(status.as_u16(), 404 | 408 | 423 | 425 | 429)
            }
        }
    }

    /// True if the vendor turned our key away, so that the secret should be read again. ElevenLabs answers 403 for
    /// other reasons, too, so its code decides.
    pub fn is_unauthorised(&self) -> bool {
        matches!(self.status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
            && (self.vendor != codes::NAME || codes::is_about_the_key(self.code.as_deref()))
    }

    /// True if the request was never sent, so that the vendor cannot have acted on it.
    pub fn never_sent(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.is_connect() || cause.is_builder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(vendor: &'static str, status: Option<u16>, code: Option<&str>) -> VendorError {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        let (action, code) = ("do something", code.map(str::to_owned));
        VendorError { vendor, action, status, code, retry_after: None, cause: None }
    }

    #[test]
    fn an_error_is_told_by_its_status_and_code_or_by_there_being_no_answer() {
        for (status, code, text) in [
            (Some(404), None, "twilio do something: answered 404"),
            (Some(404), Some("20404"), "twilio do something: answered 404 20404"),
            (None, Some("foreign_page"), "twilio do something: unacceptable foreign_page"),
            (None, None, "twilio do something: no answer"),
        ] {
            assert_eq!(error("twilio", status, code).to_string(), text);
        }
    }

    #[test]
    fn what_may_succeed_later_is_told_by_the_status() {
        let is_transient = |status| error("supabase", status, None).is_transient();
        for status in [None, Some(200), Some(401), Some(403), Some(404), Some(408), Some(423), Some(425), Some(429)] {
            assert!(is_transient(status), "{status:?}");
        }
        assert!(is_transient(Some(500)) && is_transient(Some(599)));
        for status in [301, 400, 402, 405, 409, 413, 422, 499] {
            assert!(!is_transient(Some(status)), "{status}");
        }
    }

    #[test]
    fn a_key_is_turned_away_by_a_401_or_403_and_at_elevenlabs_only_by_the_codes_about_it() {
        let is_unauthorised = |vendor, status, code| error(vendor, Some(status), code).is_unauthorised();
        for vendor in ["twilio", "supabase", "elevenlabs"] {
            assert!(is_unauthorised(vendor, 401, None) && is_unauthorised(vendor, 403, None), "{vendor}");
            assert!(!is_unauthorised(vendor, 404, None) && !is_unauthorised(vendor, 500, None), "{vendor}");
        }
        assert!(is_unauthorised("supabase", 403, Some("voice_not_found")), "another vendor's codes say nothing");
        assert!(is_unauthorised("elevenlabs", 401, Some("invalid_api_key")));
        assert!(!is_unauthorised("elevenlabs", 403, Some("voice_access_denied")));
        assert!(!is_unauthorised("elevenlabs", 400, Some("invalid_api_key")));
    }

    #[tokio::test]
    async fn a_request_that_reached_nobody_was_never_sent_and_says_why() {
        // Nobody listens on the port of a listener that is gone.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/secret-path", listener.local_addr().unwrap());
        drop(listener);
        let cause = crate::clients::http_client().get(url).send().await.unwrap_err().without_url();
        let unsent = VendorError { cause: Some(cause), ..error("twilio", None, None) };
        assert!(unsent.never_sent() && !error("twilio", None, None).never_sent());
        let text = unsent.to_string();
        assert!(text.contains("(Connection refused") && !text.contains("secret-path"), "{text}");
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_is_not_quoted_and_was_sent() {
        let answer = http::Response::new("Ann Example");
        let cause = reqwest::Response::from(answer).json::<u8>().await.unwrap_err();
        let unreadable = VendorError { cause: Some(cause), ..error("twilio", Some(200), None) };
        assert_eq!(unreadable.to_string(), "twilio do something: answered 200 (unreadable answer)");
        assert!(!unreadable.never_sent());
    }
}
