//! Refusals: every reason to refuse a request or an attempt.

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// The methods that a path answers, as the header `Allow` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow(pub &'static str);

/// Makes [`Refusal`] of its table, so that no refusal is without its status, its code or its sentence.
macro_rules! refusals {
    ($($(#[$attribute:meta])? $name:ident $(($data:ty))?, $status:ident, $code:literal, $detail:literal;)+) => {
        /// One reason to refuse. The HTTP API, the database's outcomes and failed attempts use the same codes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Refusal {
            $(#[doc = $detail] #[serde(rename = $code)] $(#[$attribute])? $name $(($data))?,)+
        }

        impl Refusal {
            fn row(self) -> (StatusCode, &'static str, &'static str) {
                match self {
                    $(Self::$name { .. } => (StatusCode::$status, $code, $detail),)+
                }
            }
        }
    };
}

// The name, the HTTP status, the stable code for programs, and one sentence for people.
refusals! {
    RouteNotFound, NOT_FOUND, "route_not_found", "There is nothing at this path.";
    #[serde(skip)]
    MethodNotAllowed(Allow), METHOD_NOT_ALLOWED, "method_not_allowed", "This path does not answer this method; `Allow` names those it does.";
    PayloadTooLarge, PAYLOAD_TOO_LARGE, "payload_too_large", "The body is larger than anything that belongs here.";
    BodyInvalid, BAD_REQUEST, "body_invalid", "The body is not the JSON that is expected here.";
    SignatureMissing, FORBIDDEN, "signature_missing", "The request carries no X-Twilio-Signature.";
    SignatureInvalid, FORBIDDEN, "signature_invalid", "The X-Twilio-Signature does not match this request.";
    AccountMismatch, FORBIDDEN, "account_mismatch", "The AccountSid is not the one this service works for.";
    CallbackIncomplete, BAD_REQUEST, "callback_incomplete", "AccountSid, CallSid, RecordingSid and RecordingStatus are required, once each and well-formed.";
    TokenMissing, UNAUTHORIZED, "token_missing", "An Authorization header with a Supabase access token is required.";
    TokenInvalid, UNAUTHORIZED, "token_invalid", "The access token is not one that this project's Supabase issued for a signed-in user.";
    TokenExpired, UNAUTHORIZED, "token_expired", "The access token has expired.";
    TokenAnonymous, UNAUTHORIZED, "token_anonymous", "Anonymous users cannot do this; please sign in.";
    EmployeeIdInvalid, BAD_REQUEST, "employee_id_invalid", "The employee id is not a UUID.";
    QueryInvalid, BAD_REQUEST, "query_invalid", "A value of the query is not of the expected kind.";
    ConsentTokenMissing, UNAUTHORIZED, "consent_token_missing", "A Consent-Token header is required.";
    ConsentTokenInvalid, NOT_FOUND, "consent_token_invalid", "This token does not withdraw any consent.";
    InvitationInvalid, NOT_FOUND, "invitation_invalid", "This invitation does not exist, or is replaced or expired.";
    InvitationAnswered, CONFLICT, "invitation_answered", "This invitation was answered otherwise before; only a new one takes another answer.";
    StatementNotFound, NOT_FOUND, "statement_not_found", "There is no statement in this language.";
    StatementUnknown, UNPROCESSABLE_ENTITY, "statement_unknown", "There is no statement of this version with this hash.";
    PurposeUnknown, UNPROCESSABLE_ENTITY, "purpose_unknown", "The statement does not name one of these purposes.";
    ConsentExpiryInvalid, UNPROCESSABLE_ENTITY, "consent_expiry_invalid", "A consent ends in the future, and after three years at the latest.";
    ConsentMethodInvalid, UNPROCESSABLE_ENTITY, "consent_method_invalid", "An admin records a written release or a recorded call; the employee answers for themself by an invitation.";
    ConsentNeedsEmployee, CONFLICT, "consent_needs_employee", "The employee has refused, withdrawn, or granted less than this: it takes their own answer to a new invitation.";
    EvidenceMissing, UNPROCESSABLE_ENTITY, "evidence_missing", "The reference names no evidence of this employee: a key of the evidence bucket, or the RecordingSid of a stored recording.";
    EvidenceMismatch, UNPROCESSABLE_ENTITY, "evidence_mismatch", "The evidence does not have this hash.";
    EvidenceUnreadable, UNPROCESSABLE_ENTITY, "evidence_unreadable", "The evidence is empty, or is a recording whose hash is not known.";
    EvidenceTooLarge, UNPROCESSABLE_ENTITY, "evidence_too_large", "The evidence is larger than 25 MB.";
    NoConsent, NOT_FOUND, "no_consent", "There is no consent to withdraw.";
    VoiceMissing, CONFLICT, "voice_missing", "The employee has no cloned voice.";
    NotAMember, FORBIDDEN, "not_a_member", "The signed-in user does not belong to an organisation.";
    RoleForbidden, FORBIDDEN, "role_forbidden", "Only an admin of the organisation may do this.";
    EmployeeNotFound, NOT_FOUND, "employee_not_found", "The organisation has no employee with this id.";
    ConsentRequired, FORBIDDEN, "consent_required", "The employee has not consented to having their voice cloned.";
    ConsentExpired, FORBIDDEN, "consent_expired", "The employee's consent has expired.";
    ConsentWithdrawn, FORBIDDEN, "consent_withdrawn", "The employee has withdrawn their consent.";
    ConsentPurpose, FORBIDDEN, "consent_purpose", "The employee's consent does not cover this purpose.";
    RecordingMissing, CONFLICT, "recording_missing", "There is no recording of a call with this employee yet.";
    RecordingTooLarge, CONFLICT, "recording_too_large", "The employee's only recordings are larger than Storage takes; an operator has to raise its upload limit.";
    RecordingUnusable, UNPROCESSABLE_ENTITY, "recording_not_audio", "The recording is not one of a call, or the voice vendor cannot use what was made of it.";
    EmployeeChannelUnknown, UNPROCESSABLE_ENTITY, "employee_channel_unknown", "Nobody has said which channel of the recording is the employee's, or it holds the other party alone.";
    SampleMixedSpeakers, UNPROCESSABLE_ENTITY, "sample_mixed_speakers", "The recording holds both parties in one channel, so the employee's voice cannot be told apart.";
    SampleTooShort, UNPROCESSABLE_ENTITY, "sample_too_short", "The employee speaks too little in the recordings; another call adds to them.";
    SampleTooQuiet, UNPROCESSABLE_ENTITY, "sample_too_quiet", "The employee is too quiet in the recording.";
    SampleClipped, UNPROCESSABLE_ENTITY, "sample_clipped", "The employee's voice is cut off at its peaks in the recording.";
    SampleTooNoisy, UNPROCESSABLE_ENTITY, "sample_too_noisy", "The recording is too noisy: the noise would be heard in the voice.";
    VoiceQuotaReached, CONFLICT, "voice_quota_reached", "The organisation has as many voices as it may have.";
    VoiceLimitReached, CONFLICT, "voice_limit_reached", "The voice vendor's account has no free place for another voice.";
    TooManyEmployees, UNPROCESSABLE_ENTITY, "too_many_employees", "So many employees cannot be cloned with one request.";
    CloneTimedOut, UNPROCESSABLE_ENTITY, "clone_timed_out", "The voice could not be made within a day; please ask again.";
    VoicePlanRequired, PAYMENT_REQUIRED, "voice_plan_required", "The voice vendor's plan does not include instant voice cloning, or its credits are used up.";
    VoiceRequiresVerification, CONFLICT, "voice_requires_verification", "The voice vendor wants this voice verified before it may be used, so it was deleted again.";
    VoiceRejected, UNPROCESSABLE_ENTITY, "voice_rejected", "The voice vendor refused to make a voice from this recording.";
    VoiceProtected, UNPROCESSABLE_ENTITY, "voice_protected", "The voice vendor takes this for the voice of somebody whom it protects, and does not clone it.";
    SampleSynthetic, UNPROCESSABLE_ENTITY, "sample_synthetic", "A cloned voice spoke in the recorded calls, and no clone is made of a clone.";
    CloneAttemptsExhausted, CONFLICT, "clone_attempts_exhausted", "A sample of the newest recording was sent to the voice vendor as often as it may be; a newer call starts anew.";
    CloneFailed, UNPROCESSABLE_ENTITY, "clone_failed", "The voice could not be cloned.";
}

impl Refusal {
    /// The HTTP status that goes with it.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// The stable code, for programs.
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// One sentence for people.
    pub fn detail(self) -> &'static str {
        self.row().2
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
}
