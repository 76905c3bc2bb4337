//! The meaning of each of the vendor's error codes. A new code is a new row here.

use crate::refusal::Refusal;

/// The vendor's name in errors.
pub const NAME: &str = "elevenlabs";

/// The consequence of a code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The key, or the account that it opens, was turned away. Another key may work, or the same one later.
    Key,
    /// The vendor does not have the thing that it was asked about.
    NotThere,
    /// Nothing was done; the same request may succeed later.
    Busy,
    /// The vendor works on a like request, whose voice may still come.
    Running,
    /// The vendor will never make this voice from this sample on this account.
    Refused(Refusal),
}

/// Source: <https://elevenlabs.io/docs/eleven-api/resources/errors>; `needs_authorization`, `missing_permissions` and
/// `detected_unusual_activity` are not documented, but others have received them.
#[rustfmt::skip]
const CODES: &[(&str, Meaning)] = &[
    ("invalid_api_key", Meaning::Key),
    ("missing_api_key", Meaning::Key),
    ("needs_authorization", Meaning::Key),
    ("unauthorized", Meaning::Key),
    ("invalid_authorization_header", Meaning::Key),
    ("authentication_error", Meaning::Key),
    ("authorization_error", Meaning::Key),
    ("missing_permissions", Meaning::Key),
    ("insufficient_permissions", Meaning::Key),
    ("detected_unusual_activity", Meaning::Key),
    ("voice_not_found", Meaning::NotThere),
    ("voice_does_not_exist", Meaning::NotThere),
    ("history_item_not_found", Meaning::NotThere),
    ("history_item_does_not_exist", Meaning::NotThere),
    ("rate_limit_exceeded", Meaning::Busy),
    ("concurrent_limit_exceeded", Meaning::Busy),
    ("too_many_concurrent_requests", Meaning::Busy),
    ("system_busy", Meaning::Busy),
    ("already_running", Meaning::Running),
    ("concurrent_modification", Meaning::Running),
    ("voice_limit_reached", Meaning::Refused(Refusal::VoiceLimitReached)),
    ("max_voice_limit_reached", Meaning::Refused(Refusal::VoiceLimitReached)),
    ("max_voice_add_edits_reached", Meaning::Refused(Refusal::VoiceLimitReached)),
    ("voice_add_edit_limit_reached", Meaning::Refused(Refusal::VoiceLimitReached)),
    // The samples are of somebody whose voice the vendor protects, so another try is of no use.
    ("voice_access_denied", Meaning::Refused(Refusal::VoiceProtected)),
    ("detected_captcha_voice", Meaning::Refused(Refusal::VoiceProtected)),
    ("paid_plan_required", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("can_not_use_instant_voice_cloning", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("feature_not_available", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("subscription_required", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("insufficient_credits", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("quota_exceeded", Meaning::Refused(Refusal::VoicePlanRequired)),
    ("audio_too_long", Meaning::Refused(Refusal::RecordingUnusable)),
    ("audio_too_short", Meaning::Refused(Refusal::RecordingUnusable)),
    ("request_too_large", Meaning::Refused(Refusal::RecordingUnusable)),
    ("invalid_audio", Meaning::Refused(Refusal::RecordingUnusable)),
    ("invalid_audio_format", Meaning::Refused(Refusal::RecordingUnusable)),
    ("invalid_file_type", Meaning::Refused(Refusal::RecordingUnusable)),
    ("duplicate_files", Meaning::Refused(Refusal::RecordingUnusable)),
];

/// The meaning of a code; `None` for one that is not in the table.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    CODES.iter().find(|(known, _)| *known == code).map(|(_, meaning)| *meaning)
}

/// True if the code is in the table.
pub(in crate::clients) fn is_known(code: &str) -> bool {
    meaning(code).is_some()
}

/// True if a 401 or 403 with this code, or without any, is about the key.
pub(in crate::clients) fn is_about_the_key(code: Option<&str>) -> bool {
    code.is_none_or(|code| meaning(code) == Some(Meaning::Key))
}
