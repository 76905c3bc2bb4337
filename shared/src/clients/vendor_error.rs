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
