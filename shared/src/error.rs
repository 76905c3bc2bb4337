//! The one error type, told by what the caller can do about it.

use std::time::Duration;

use http::{Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::clients::VendorError;

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

/// The methods that a path answers, as the header `Allow` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow(pub &'static str);

/// Everything the bundle says no to. The names, in snake case, are the stable codes of the HTTP API, of the
/// database's outcomes and of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each one's meaning is its `detail`, below")]
pub enum Refusal {
    RouteNotFound,
    #[serde(skip)]
    MethodNotAllowed(Allow),
    PayloadTooLarge,
    BodyInvalid,
    SignatureMissing,
    SignatureInvalid,
    AccountMismatch,
    CallbackIncomplete,
    TokenMissing,
    TokenInvalid,
    TokenExpired,
    TokenAnonymous,
    EmployeeIdInvalid,
    QueryInvalid,
    ConsentTokenMissing,
    ConsentTokenInvalid,
    InvitationInvalid,
    InvitationAnswered,
    StatementNotFound,
    StatementUnknown,
    PurposeUnknown,
    ConsentExpiryInvalid,
    ConsentMethodInvalid,
    ConsentNeedsEmployee,
    EvidenceMissing,
    EvidenceMismatch,
    EvidenceUnreadable,
    EvidenceTooLarge,
    NoConsent,
    VoiceMissing,
    NotAMember,
    RoleForbidden,
    EmployeeNotFound,
    ConsentRequired,
    ConsentExpired,
    ConsentWithdrawn,
    ConsentPurpose,
    RecordingMissing,
    RecordingTooLarge,
    RecordingNotAudio,
    EmployeeChannelUnknown,
    SampleMixedSpeakers,
    SampleTooShort,
    SampleTooQuiet,
    SampleClipped,
    SampleTooNoisy,
    VoiceQuotaReached,
    VoiceLimitReached,
    TooManyEmployees,
    CloneTimedOut,
    VoicePlanRequired,
    VoiceRequiresVerification,
    VoiceRejected,
    VoiceProtected,
    SampleSynthetic,
    CloneAttemptsExhausted,
    CloneFailed,
}

impl Refusal {
    /// The stable code, for programs.
    pub fn code(self) -> &'static str {
        self.parts().1
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        self.parts().0
    }

    /// One sentence for people.
    pub fn detail(self) -> &'static str {
        self.parts().2
    }

    fn allowed_methods(self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed(Allow(methods)) => Some(methods),
            _ => None,
        }
    }

    #[rustfmt::skip]
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::RouteNotFound => (S::NOT_FOUND, "route_not_found", "There is nothing at this path."),
            Self::MethodNotAllowed(_) => (S::METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not answer this method; `Allow` names those it does."),
            Self::PayloadTooLarge => (S::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than anything that belongs here."),
            Self::BodyInvalid => (S::BAD_REQUEST, "body_invalid", "The body is not the JSON that is expected here."),
            Self::SignatureMissing => (S::FORBIDDEN, "signature_missing", "The request carries no X-Twilio-Signature."),
            Self::SignatureInvalid => (S::FORBIDDEN, "signature_invalid", "The X-Twilio-Signature does not match this request."),
            Self::AccountMismatch => (S::FORBIDDEN, "account_mismatch", "The AccountSid is not the one this service works for."),
            Self::CallbackIncomplete => (S::BAD_REQUEST, "callback_incomplete", "AccountSid, CallSid, RecordingSid and RecordingStatus are required, once each and well-formed."),
            Self::TokenMissing => (S::UNAUTHORIZED, "token_missing", "An Authorization header with a Supabase access token is required."),
            Self::TokenInvalid => (S::UNAUTHORIZED, "token_invalid", "The access token is not one that this project's Supabase issued for a signed-in user."),
            Self::TokenExpired => (S::UNAUTHORIZED, "token_expired", "The access token has expired."),
            Self::TokenAnonymous => (S::UNAUTHORIZED, "token_anonymous", "Anonymous users cannot do this; please sign in."),
            Self::EmployeeIdInvalid => (S::BAD_REQUEST, "employee_id_invalid", "The employee id is not a UUID."),
            Self::QueryInvalid => (S::BAD_REQUEST, "query_invalid", "A value of the query is not of the expected kind."),
            Self::ConsentTokenMissing => (S::UNAUTHORIZED, "consent_token_missing", "A Consent-Token header is required."),
            Self::ConsentTokenInvalid => (S::NOT_FOUND, "consent_token_invalid", "This token does not withdraw any consent."),
            Self::InvitationInvalid => (S::NOT_FOUND, "invitation_invalid", "This invitation does not exist, or is replaced or expired."),
            Self::InvitationAnswered => (S::CONFLICT, "invitation_answered", "This invitation was answered otherwise before; only a new one takes another answer."),
            Self::StatementNotFound => (S::NOT_FOUND, "statement_not_found", "There is no statement in this language."),
            Self::StatementUnknown => (S::UNPROCESSABLE_ENTITY, "statement_unknown", "There is no statement of this version with this hash."),
            Self::PurposeUnknown => (S::UNPROCESSABLE_ENTITY, "purpose_unknown", "The statement does not name one of these purposes."),
            Self::ConsentExpiryInvalid => (S::UNPROCESSABLE_ENTITY, "consent_expiry_invalid", "A consent ends in the future, and after three years at the latest."),
            Self::ConsentMethodInvalid => (S::UNPROCESSABLE_ENTITY, "consent_method_invalid", "An admin records a written release or a recorded call; the employee answers for themself by an invitation."),
            Self::ConsentNeedsEmployee => (S::CONFLICT, "consent_needs_employee", "The employee has refused, withdrawn, or granted less than this: it takes their own answer to a new invitation."),
            Self::EvidenceMissing => (S::UNPROCESSABLE_ENTITY, "evidence_missing", "The reference names no evidence of this employee: a key of the evidence bucket, or the RecordingSid of a stored recording."),
            Self::EvidenceMismatch => (S::UNPROCESSABLE_ENTITY, "evidence_mismatch", "The evidence does not have this hash."),
            Self::EvidenceUnreadable => (S::UNPROCESSABLE_ENTITY, "evidence_unreadable", "The evidence is empty, or is a recording whose hash is not known."),
            Self::EvidenceTooLarge => (S::UNPROCESSABLE_ENTITY, "evidence_too_large", "The evidence is larger than 25 MB."),
            Self::NoConsent => (S::NOT_FOUND, "no_consent", "There is no consent to withdraw."),
            Self::VoiceMissing => (S::CONFLICT, "voice_missing", "The employee has no cloned voice."),
            Self::NotAMember => (S::FORBIDDEN, "not_a_member", "The signed-in user does not belong to an organisation."),
            Self::RoleForbidden => (S::FORBIDDEN, "role_forbidden", "Only an admin of the organisation may do this."),
            Self::EmployeeNotFound => (S::NOT_FOUND, "employee_not_found", "The organisation has no employee with this id."),
            Self::ConsentRequired => (S::FORBIDDEN, "consent_required", "The employee has not consented to having their voice cloned."),
            Self::ConsentExpired => (S::FORBIDDEN, "consent_expired", "The employee's consent has expired."),
            Self::ConsentWithdrawn => (S::FORBIDDEN, "consent_withdrawn", "The employee has withdrawn their consent."),
            Self::ConsentPurpose => (S::FORBIDDEN, "consent_purpose", "The employee's consent does not cover this purpose."),
            Self::RecordingMissing => (S::CONFLICT, "recording_missing", "There is no recording of a call with this employee yet."),
            Self::RecordingTooLarge => (S::CONFLICT, "recording_too_large", "The employee's only recordings are larger than Storage takes; an operator has to raise its upload limit."),
            Self::RecordingNotAudio => (S::UNPROCESSABLE_ENTITY, "recording_not_audio", "The recording is not one of a call, or the voice vendor cannot use what was made of it."),
            Self::EmployeeChannelUnknown => (S::UNPROCESSABLE_ENTITY, "employee_channel_unknown", "Nobody has said which channel of the recording is the employee's, or it holds the other party alone."),
            Self::SampleMixedSpeakers => (S::UNPROCESSABLE_ENTITY, "sample_mixed_speakers", "The recording holds both parties in one channel, so the employee's voice cannot be told apart."),
            Self::SampleTooShort => (S::UNPROCESSABLE_ENTITY, "sample_too_short", "The employee speaks too little in the recordings; another call adds to them."),
            Self::SampleTooQuiet => (S::UNPROCESSABLE_ENTITY, "sample_too_quiet", "The employee is too quiet in the recording."),
            Self::SampleClipped => (S::UNPROCESSABLE_ENTITY, "sample_clipped", "The employee's voice is cut off at its peaks in the recording."),
            Self::SampleTooNoisy => (S::UNPROCESSABLE_ENTITY, "sample_too_noisy", "The recording is too noisy: the noise would be heard in the voice."),
            Self::VoiceQuotaReached => (S::CONFLICT, "voice_quota_reached", "The organisation has as many voices as it may have."),
            Self::TooManyEmployees => (S::UNPROCESSABLE_ENTITY, "too_many_employees", "So many employees cannot be cloned with one request."),
            Self::CloneTimedOut => (S::UNPROCESSABLE_ENTITY, "clone_timed_out", "The voice could not be made within a day; please ask again."),
            Self::VoiceLimitReached => (S::CONFLICT, "voice_limit_reached", "The voice vendor's account has no free place for another voice."),
            Self::VoicePlanRequired => (S::PAYMENT_REQUIRED, "voice_plan_required", "The voice vendor's plan does not include instant voice cloning, or its credits are used up."),
            Self::VoiceRequiresVerification => (S::CONFLICT, "voice_requires_verification", "The voice vendor wants this voice verified before it may be used, so it was deleted again."),
            Self::VoiceRejected => (S::UNPROCESSABLE_ENTITY, "voice_rejected", "The voice vendor refused to make a voice from this recording."),
            Self::VoiceProtected => (S::UNPROCESSABLE_ENTITY, "voice_protected", "The voice vendor takes this for the voice of somebody whom it protects, and does not clone it."),
            Self::SampleSynthetic => (S::UNPROCESSABLE_ENTITY, "sample_synthetic", "A cloned voice spoke in the recorded calls, and no clone is made of a clone."),
            Self::CloneAttemptsExhausted => (S::CONFLICT, "clone_attempts_exhausted", "A sample of the newest recording was sent to the voice vendor as often as it may be; a newer call starts anew."),
            Self::CloneFailed => (S::UNPROCESSABLE_ENTITY, "clone_failed", "The voice could not be cloned."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_refusal_is_the_name_the_database_uses() {
        for name in [
            "consent_withdrawn",
            "employee_not_found",
            "recording_missing",
            "recording_too_large",
            "voice_limit_reached",
        ] {
            let refusal: Refusal = serde_json::from_value(name.into()).unwrap();
            assert_eq!(refusal.code(), name);
        }
    }

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
