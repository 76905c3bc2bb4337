//! Making a voice, and the errors by which it is known whether one may exist.

use std::time::Duration;

use http::StatusCode;
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use super::client::ElevenLabs;
use super::codes::{Meaning, NAME, meaning};
use super::marks::{ATTEMPT, DEPLOYMENT};
use crate::clients::call::Call;
use crate::clients::vendor_error::VendorError;
use crate::refusal::Refusal;

/// Bound for making a voice; shorter than `clone-worker`'s timeout.
const ADD_VOICE: Duration = Duration::from_secs(120);

/// A voice to be made.
pub struct NewVoice<'a> {
    /// Shown in the vendor's list of voices.
    pub name: &'a str,
    /// The employee; stands in the labels.
    pub employee_id: Uuid,
    /// The attempt to clone. It stands in the labels and in the description, so that a voice whose answer was lost can
    /// be found again.
    pub attempt_id: Uuid,
    /// The deployment, which stands there too, since several may share an account.
    pub deployment_id: Uuid,
    /// A WAV file of one speaker, one to two minutes long.
    pub sample: Vec<u8>,
    /// True only where there is noise: the vendor advises against it on clean speech.
    pub remove_background_noise: bool,
}

/// A voice that the vendor says it has made.
#[derive(Debug, Deserialize)]
pub struct AddedVoice {
    /// The vendor's id of the voice.
    pub voice_id: String,
    /// True if the voice exists but may not be used before somebody has verified it.
    #[serde(default)]
    pub(super) requires_verification: bool,
    /// Present if the samples match a protected voice, which also demands verification.
    pub(super) library_voice_match: Option<serde::de::IgnoredAny>,
}

impl AddedVoice {
    /// True if the voice may be used without verification. A 200 alone does not say so.
    pub fn is_usable(&self) -> bool {
        !self.requires_verification && self.library_voice_match.is_none()
    }
}

/// The reason why no voice came back. The variants differ in what may have happened at the vendor.
#[derive(Debug, thiserror::Error)]
pub enum AddVoiceError {
    /// The vendor will never make this voice from this sample on this account.
    #[error("the vendor refused: {}", .0.code())]
    Refused(Refusal),
    /// The vendor has not processed the sample: it was never sent, or the vendor was busy or turned the key away. The
    /// same request may succeed later.
    #[error(transparent)]
    TurnedAway(VendorError),
    /// Nothing was made, but the vendor may have read the sample. The same request may succeed later.
    #[error(transparent)]
    NotAdded(VendorError),
    /// The answer is lost: the voice may exist, or come to exist after we look.
    #[error(transparent)]
    FateUnknown(VendorError),
}

impl ElevenLabs {
    /// Makes an instant voice clone. Never repeats itself: the vendor has no idempotency key, so a second call could
    /// make a second voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/ivc/create>
    pub async fn add_voice(&self, voice: NewVoice<'_>) -> Result<AddedVoice, AddVoiceError> {
        let call = Call { vendor: NAME, action: "add a voice" };
        let (description, labels) = (description(&voice), labels(&voice));
        let file = Part::bytes(voice.sample).file_name("sample.wav").mime_str("audio/wav").expect("a media type");
        let form = Form::new()
            .text("name", voice.name.to_owned())
            .text("description", description)
            .text("labels", labels)
            .text("remove_background_noise", voice.remove_background_noise.to_string())
            .part("files", file);
        let request = self.request(Method::POST, "/v1/voices/add").timeout(ADD_VOICE).multipart(form);
        call.json(request).await.map_err(why_not_added)
    }
}

/// The description is for people who look through the vendor's list of voices. It leaves out the employee, whom the
/// voice's name gives.
fn description(voice: &NewVoice) -> String {
    let NewVoice { attempt_id, deployment_id, .. } = voice;
    format!(
        "Cloned by Understudy from recorded calls, with the speaker's consent; do not delete it by hand. \
         It was made by {ATTEMPT} {attempt_id} of {DEPLOYMENT} {deployment_id}."
    )
}

/// The labels by which the search finds a voice: a JSON object of strings, as text.
fn labels(voice: &NewVoice) -> String {
    json!({ATTEMPT: voice.attempt_id, "employee": voice.employee_id, DEPLOYMENT: voice.deployment_id}).to_string()
}

/// The vendor's HTTP statuses contradict its codes, so the code is looked at first.
fn why_not_added(error: VendorError) -> AddVoiceError {
    match error.code.as_deref().and_then(meaning) {
        Some(Meaning::Refused(refusal)) => return AddVoiceError::Refused(refusal),
        Some(Meaning::Busy) => return AddVoiceError::TurnedAway(error),
        Some(Meaning::Running) => return AddVoiceError::FateUnknown(error),
        // The code is about the key or about a missing voice, so the status says more.
        Some(Meaning::Key | Meaning::NotThere) | None => {}
    }
    match error.status {
        Some(StatusCode::PAYMENT_REQUIRED) => AddVoiceError::Refused(Refusal::VoicePlanRequired),
        Some(status) if status.is_client_error() && !error.is_transient() => {
            AddVoiceError::Refused(Refusal::VoiceRejected)
        }
        Some(StatusCode::TOO_MANY_REQUESTS) => AddVoiceError::TurnedAway(error),
        Some(_) if error.is_unauthorised() => AddVoiceError::TurnedAway(error),
        Some(status) if status.is_client_error() => AddVoiceError::NotAdded(error),
        None if error.never_sent() => AddVoiceError::TurnedAway(error),
        // For a 5xx, an unreadable success, or no answer, the voice may be made, or being made.
        _ => AddVoiceError::FateUnknown(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::clients::elevenlabs::marks;
    use crate::clients::elevenlabs::testing::{elevenlabs_at, serve};

    fn new_voice() -> NewVoice<'static> {
        let [employee_id, attempt_id, deployment_id] = [1, 2, 3].map(Uuid::from_u128);
        let (name, sample) = ("Robin", Vec::new());
        NewVoice { name, employee_id, attempt_id, deployment_id, sample, remove_background_noise: false }
    }

    fn answered(status: u16, code: Option<&str>) -> AddVoiceError {
        why_not_added(VendorError {
            vendor: NAME,
            action: "add a voice",
            status: StatusCode::from_u16(status).ok(),
            code: code.map(str::to_owned),
            retry_after: None,
            cause: None,
        })
    }

    #[test]
    fn the_code_decides_before_the_status() {
        assert!(matches!(
            answered(400, Some("voice_limit_reached")),
            AddVoiceError::Refused(Refusal::VoiceLimitReached)
        ));
        assert!(matches!(
            answered(400, Some("paid_plan_required")),
            AddVoiceError::Refused(Refusal::VoicePlanRequired)
        ));
        assert!(matches!(answered(400, Some("system_busy")), AddVoiceError::TurnedAway(_)));
    }

    #[test]
    fn a_server_error_or_an_unreadable_success_leaves_the_fate_unknown() {
        for status in [500, 502, 503, 504, 200] {
            assert!(matches!(answered(status, None), AddVoiceError::FateUnknown(_)), "{status}");
        }
    }

    #[test]
    fn without_an_answer_to_a_request_that_was_sent_a_voice_may_exist() {
        let no_status = 0;
        assert!(matches!(answered(no_status, None), AddVoiceError::FateUnknown(_)));
    }

    #[tokio::test]
    async fn a_request_that_was_never_sent_has_made_nothing() {
        // Nobody listens on the port of a listener that is gone.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let added = elevenlabs_at(url).add_voice(NewVoice { sample: b"RIFF".to_vec(), ..new_voice() }).await;
        assert!(matches!(added, Err(AddVoiceError::TurnedAway(_))), "{added:?}");
    }

    #[tokio::test]
    async fn a_voice_is_added_with_all_that_was_asked_for() {
        let server = serve(&[("POST", "/v1/voices/add", 200, json!({"voice_id": "v1"}))]).await;
        let voice = NewVoice { sample: b"RIFF".to_vec(), remove_background_noise: true, ..new_voice() };
        assert_eq!(elevenlabs_at(server.uri()).add_voice(voice).await.unwrap().voice_id, "v1");
        let body = server.received_requests().await.unwrap().remove(0).body;
        let form = String::from_utf8_lossy(&body).replace("\r\n", "\n");
        for field in ["name=\"name\"\n\nRobin\n", "name=\"remove_background_noise\"\n\ntrue\n", "\n\nRIFF\n"] {
            assert!(form.contains(field), "{field:?} in {form}");
        }
    }

    #[test]
    fn a_refused_key_or_a_busy_vendor_has_made_nothing() {
        for status in [401, 403, 429] {
            assert!(matches!(answered(status, None), AddVoiceError::TurnedAway(_)), "{status}");
        }
    }

    #[test]
    fn a_vendor_that_may_have_read_the_sample_has_not_turned_it_away() {
        for status in [404, 408, 423, 425] {
            assert!(matches!(answered(status, None), AddVoiceError::NotAdded(_)), "{status}");
        }
    }

    #[test]
    fn a_vendor_at_work_on_a_like_request_may_still_make_its_voice() {
        for code in ["already_running", "concurrent_modification"] {
            assert!(matches!(answered(409, Some(code)), AddVoiceError::FateUnknown(_)), "{code}");
        }
    }

    #[test]
    fn an_unknown_4xx_is_a_rejection() {
        assert!(matches!(answered(422, None), AddVoiceError::Refused(Refusal::VoiceRejected)));
    }

    #[test]
    fn a_403_is_about_the_key_only_if_its_code_says_so_or_there_is_none() {
        for code in ["missing_permissions", "insufficient_permissions", "detected_unusual_activity", "invalid_api_key"]
        {
            assert!(matches!(answered(403, Some(code)), AddVoiceError::TurnedAway(_)), "{code}");
            assert!(matches!(answered(401, Some(code)), AddVoiceError::TurnedAway(_)), "{code}");
        }
        for code in ["voice_access_denied", "detected_captcha_voice"] {
            let answer = answered(403, Some(code));
            assert!(matches!(answer, AddVoiceError::Refused(Refusal::VoiceProtected)), "{code}: {answer:?}");
        }
        let other = answered(403, Some("some_other_reason"));
        assert!(matches!(other, AddVoiceError::Refused(Refusal::VoiceRejected)), "{other:?}");
    }

    #[test]
    fn a_full_account_and_one_that_must_pay_are_told_apart() {
        let full = answered(403, Some("max_voice_limit_reached"));
        assert!(matches!(full, AddVoiceError::Refused(Refusal::VoiceLimitReached)), "{full:?}");
        let unpaid = answered(402, None);
        assert!(matches!(unpaid, AddVoiceError::Refused(Refusal::VoicePlanRequired)), "{unpaid:?}");
    }

    #[test]
    fn what_made_a_voice_is_found_in_its_labels_and_without_them_in_its_description() {
        let voice = new_voice();
        let NewVoice { employee_id, attempt_id, deployment_id, .. } = voice;
        let text = description(&voice);
        let by_text = |word| marks::read(word, &Value::Null, Some(&text));
        assert_eq!((by_text(ATTEMPT), by_text(DEPLOYMENT)), (Some(attempt_id), Some(deployment_id)));
        let labels: Value = serde_json::from_str(&labels(&voice)).unwrap();
        assert_eq!(labels["employee"], json!(employee_id));
        let other_text = description(&NewVoice { attempt_id: Uuid::nil(), ..voice });
        let by_label = |word| marks::read(word, &labels, Some(&other_text));
        assert_eq!((by_label(ATTEMPT), by_label(DEPLOYMENT)), (Some(attempt_id), Some(deployment_id)));
    }

    #[test]
    fn a_voice_that_needs_verification_is_not_usable() {
        let usable = |json| serde_json::from_str::<AddedVoice>(json).unwrap().is_usable();
        assert!(usable(r#"{"voice_id":"v","requires_verification":false,"library_voice_match":null}"#));
        assert!(usable(r#"{"voice_id":"v"}"#));
        assert!(!usable(r#"{"voice_id":"v","requires_verification":true}"#));
        assert!(!usable(r#"{"voice_id":"v","library_voice_match":{"library_voice_id":"x"}}"#));
    }
}
