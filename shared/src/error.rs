//! The one error type, told by what the caller can do about it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clients::VendorError;
use crate::refusal::Refusal;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request is understood and the answer is no; asking again changes nothing by itself.
    #[error("refused: {}", .refusal.code())]
    Refused {
        /// Why the answer is no.
        refusal: Refusal,
        /// What explains it: members of the problem document beside its own.
        members: Map<String, Value>,
    },
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
        Self::Refused { refusal, members: Map::new() }
    }
}

impl Error {
    /// A refusal, with the figure that it rests on, where `facts` have one.
    pub fn refused(refusal: Refusal, facts: &Value) -> Self {
        let member = |name: &str| facts.get(name).filter(|value| !value.is_null()).cloned();
        let members = ["figure", "limit", "unit"].into_iter().filter_map(|name| Some((name.to_owned(), member(name)?)));
        Self::Refused { refusal, members: members.collect() }
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
            Self::Refused { .. } | Self::Unusable(_) => false,
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
            Self::Refused { refusal, .. } => refusal.code().to_owned(),
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_final_and_a_lease_held_by_another_is_not() {
        assert!(!Error::from(Refusal::RecordingMissing).is_transient());
        assert!(Error::NotYet { reason: "the lease", retry_after: None }.is_transient());
    }
}
