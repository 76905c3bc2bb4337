//! Why a vendor did not do what was asked.

use std::time::Duration;

use http::StatusCode;

use super::elevenlabs::codes;

/// A vendor did not do what was asked. Holds nothing of the request or the body: both may be personal.
#[derive(Debug, thiserror::Error)]
#[error("{vendor} {action}: {}{}{}", status_text(.status, .code), code_text(.code), cause_text(.cause))]
pub struct VendorError {
    /// `twilio`, `elevenlabs` or `supabase`.
    pub vendor: &'static str,
    /// What was asked of it.
    pub action: &'static str,
    /// The status of the answer; `None` when there was no answer.
    pub status: Option<StatusCode>,
    /// The vendor's own code for what is wrong, where the answer had one.
    pub code: Option<String>,
    /// How long the vendor asked us to wait.
    pub retry_after: Option<Duration>,
    /// What went wrong on the way, without the URL.
    pub cause: Option<reqwest::Error>,
}

fn status_text(status: &Option<StatusCode>, code: &Option<String>) -> String {
    match (status, code) {
        (Some(status), _) => format!("answered {}", status.as_u16()),
        // The code is ours: what was answered is not something to go on with.
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
    /// Whether the same request may succeed later. A refused key counts as such: a rotation puts it right.
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

    /// Whether the vendor turned our key away, so that it is worth reading the secret again. ElevenLabs answers 403 for
    /// other reasons, too: there the code decides.
    pub fn is_unauthorised(&self) -> bool {
        matches!(self.status, Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN))
            && (self.vendor != codes::NAME || codes::is_about_the_key(self.code.as_deref()))
    }

    /// Whether the request never left, so that the vendor cannot have acted on it.
    pub fn never_sent(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.is_connect() || cause.is_builder())
    }
}
