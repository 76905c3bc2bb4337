//! The one error type. Its variants differ in what the caller can do about them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clients::VendorError;
use crate::refusal::Refusal;

/// The reason why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is understood and refused; the same request is refused again until something else changes.
    #[error("refused: {}", .refusal.code())]
    Refused {
        /// The reason for the refusal.
        refusal: Refusal,
        /// Further members of the problem document, such as the figure that the refusal rests on.
        members: Map<String, Value>,
    },
    /// A request to Twilio, ElevenLabs or Supabase has failed.
    #[error(transparent)]
    Vendor(#[from] VendorError),
    /// The work cannot be done yet: for example, a lease is still held, or the call is not known.
    #[error("not yet: {reason}")]
    NotYet {
        /// The thing that is being waited for.
        reason: &'static str,
        /// The time after which to look again; `None` leaves it to the queue's growing delay.
        retry_after: Option<Duration>,
    },
    /// A message or recording can never be used, however often it is tried: it belongs in the dead letters.
    #[error("unusable: {0}")]
    Unusable(&'static str),
    /// AWS or the environment has failed: a secret, a queue, the temporary disk.
    #[error("{what}: {cause}")]
    Unavailable {
        /// The action that failed.
        what: &'static str,
        /// The cause, which never carries a secret or a body.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused { refusal, members: Map::new() }
    }
}

impl Error {
    /// A refusal, with the figure that it rests on if `facts` has one.
    pub fn refused(refusal: Refusal, facts: &Value) -> Self {
        let member = |name: &str| facts.get(name).filter(|value| !value.is_null()).cloned();
        let members = ["figure", "limit", "unit"].into_iter().filter_map(|name| Some((name.to_owned(), member(name)?)));
        Self::Refused { refusal, members: members.collect() }
    }

    /// Wraps a failure of AWS or the environment; `what` names the action that failed.
    pub fn unavailable<E>(what: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |cause| Self::Unavailable { what, cause: cause.into() }
    }

    /// True if the same work may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Unusable(_) => false,
            Self::Vendor(error) => error.is_transient(),
            Self::NotYet { .. } | Self::Unavailable { .. } => true,
        }
    }

    /// True if a vendor turned our key away.
    pub fn is_unauthorised(&self) -> bool {
        matches!(self, Self::Vendor(error) if error.is_unauthorised())
    }

    /// A short code for the error, for the database to keep.
    pub fn code(&self) -> String {
        match self {
            Self::Refused { refusal, .. } => refusal.code().to_owned(),
            Self::Vendor(VendorError { code: Some(code), .. }) => code.to_lowercase(),
            Self::Vendor(VendorError { status: Some(status), .. }) => format!("status_{}", status.as_u16()),
            Self::Vendor(_) => "no_answer".to_owned(),
            Self::NotYet { .. } => "not_yet".to_owned(),
            Self::Unusable(_) => "unusable".to_owned(),
            Self::Unavailable { .. } => "unavailable".to_owned(),
        }
    }

    /// The time after which to try again, if it is known better than by the queue's growing delay.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::NotYet { retry_after, .. } => *retry_after,
            Self::Vendor(error) => error.retry_after,
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_and_a_lease_held_by_another_is_not() {
        assert!(!Error::from(Refusal::RecordingMissing).is_transient());
        assert!(Error::NotYet { reason: "the lease", retry_after: None }.is_transient());
    }

    fn answered(status: Option<u16>, code: Option<&str>) -> Error {
        let status = status.map(|status| http::StatusCode::from_u16(status).unwrap());
        let (vendor, action, code) = ("twilio", "do something", code.map(str::to_owned));
        Error::from(VendorError {
            vendor,
            action,
            status,
            code,
            retry_after: Some(Duration::from_secs(7)),
            cause: None,
        })
    }

    #[test]
    fn each_error_has_a_short_code_for_the_database() {
        let not_yet = Error::NotYet { reason: "the lease", retry_after: None };
        for (error, code) in [
            (Error::from(Refusal::ConsentExpired), "consent_expired"),
            (answered(Some(404), Some("NoSuchKey")), "nosuchkey"),
            (answered(Some(503), None), "status_503"),
            (answered(None, None), "no_answer"),
            (not_yet, "not_yet"),
            (Error::Unusable("garbage"), "unusable"),
            (Error::unavailable("reading a secret")("no answer"), "unavailable"),
        ] {
            assert_eq!(error.code(), code);
        }
    }

    #[test]
    fn a_time_to_try_again_comes_from_a_vendor_or_from_what_is_waited_for() {
        let in_a_minute = Some(Duration::from_secs(60));
        let not_yet = Error::NotYet { reason: "the lease", retry_after: in_a_minute };
        assert_eq!(not_yet.retry_after(), in_a_minute);
        assert_eq!(answered(Some(429), None).retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(Error::Unusable("garbage").retry_after(), None);
    }

    #[test]
    fn only_a_vendor_turns_a_key_away() {
        assert!(answered(Some(401), None).is_unauthorised());
        assert!(!answered(Some(404), None).is_unauthorised());
        assert!(!Error::from(Refusal::TokenInvalid).is_unauthorised());
    }

    #[test]
    fn a_vendors_error_says_itself_whether_it_may_pass() {
        assert!(answered(Some(503), None).is_transient());
        assert!(!answered(Some(400), None).is_transient());
        assert!(!Error::Unusable("garbage").is_transient());
        assert!(Error::unavailable("reading a secret")("no answer").is_transient());
    }
}
