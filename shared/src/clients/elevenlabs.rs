//! ElevenLabs' API: making, finding and deleting instant voice clones.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::{Call, SHORT, VendorError};
use crate::error::Refusal;

/// Bound for making a voice; shorter than `clone-worker`'s timeout.
const ADD_VOICE: Duration = Duration::from_secs(120);

/// ElevenLabs' secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct ElevenLabsSecret {
    /// Goes into the header `xi-api-key`.
    pub api_key: SecretString,
}

/// A client of one workspace.
pub struct ElevenLabs<'a> {
    http: Client,
    base_url: &'a str,
    secret: &'a ElevenLabsSecret,
}

/// A voice to be made.
pub struct NewVoice<'a> {
    /// Shown in the vendor's list of voices.
    pub name: &'a str,
    /// Whose voice it is.
    pub employee_id: Uuid,
    /// What made it. It stands in the description, so that a voice whose answer was lost can be found again.
    pub attempt_id: Uuid,
}

/// A voice that the vendor says it has made.
#[derive(Debug, Deserialize)]
pub struct AddedVoice {
    /// The vendor's id of the voice.
    pub voice_id: String,
    /// The voice exists but may not be used before somebody has verified it.
    #[serde(default)]
    requires_verification: bool,
    /// The samples match a protected voice, which also demands verification.
    library_voice_match: Option<serde::de::IgnoredAny>,
}

impl AddedVoice {
    /// Whether the voice may be used as it is: a 200 alone does not say so.
    pub fn is_usable(&self) -> bool {
        !self.requires_verification && self.library_voice_match.is_none()
    }
}

/// Why no voice came back, told by what may have happened at the vendor.
#[derive(Debug, thiserror::Error)]
pub enum AddVoiceError {
    /// The vendor will never make this voice from this sample on this account.
    #[error("the vendor refused: {}", .0.code())]
    Refused(Refusal),
    /// Nothing was made; the same request may succeed later.
    #[error(transparent)]
    NotAdded(VendorError),
    /// The answer is lost: the voice may exist, or come to exist after we look.
    #[error(transparent)]
    FateUnknown(VendorError),
}

impl<'a> ElevenLabs<'a> {
    /// `base_url` without a trailing slash, such as `https://api.elevenlabs.io` or a residency host.
    pub fn new(http: Client, base_url: &'a str, secret: &'a ElevenLabsSecret) -> Self {
        Self { http, base_url, secret }
    }

    /// Makes an instant voice clone from `length` bytes of WAV. Never repeats itself: the vendor has no idempotency
    /// key, so a second call could make a second voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/ivc/create>
    pub async fn add_voice<S>(&self, voice: NewVoice<'_>, length: u64, sample: S) -> Result<AddedVoice, AddVoiceError>
    where
        S: Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
    {
        let call = Call { vendor: "elevenlabs", action: "add a voice" };
        let file = Part::stream_with_length(Body::wrap_stream(sample), length)
            .file_name("sample.wav")
            .mime_str("audio/wav")
            .expect("a literal media type");
        let form = Form::new()
            .text("name", voice.name.to_owned())
            .text("description", format!("Employee {}, attempt {}.", voice.employee_id, voice.attempt_id))
            .text("remove_background_noise", "true")
            .part("files", file);
        let request = self.request(Method::POST, "/v1/voices/add").timeout(ADD_VOICE).multipart(form);
        call.json(request).await.map_err(why_not_added)
    }

    /// The voices that an attempt has made, by the mark in their description.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/search>
    pub async fn find_voices(&self, attempt_id: Uuid) -> Result<Vec<AddedVoice>, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            voices: Vec<Voice>,
        }
        #[derive(Deserialize)]
        struct Voice {
            voice_id: String,
            description: Option<String>,
            voice_verification: Option<Verification>,
        }
        #[derive(Deserialize)]
        struct Verification {
            requires_verification: bool,
            is_verified: bool,
        }
        let mark = attempt_id.to_string();
        let call = Call { vendor: "elevenlabs", action: "search the voices" };
        let request = self.request(Method::GET, "/v2/voices").query(&[("search", mark.as_str()), ("page_size", "100")]);
        let page: Page = call.json(request.timeout(SHORT)).await?;
        let carries_mark = |voice: &Voice| voice.description.as_ref().is_some_and(|text| text.contains(&mark));
        let found = page.voices.into_iter().filter(carries_mark).map(|voice| AddedVoice {
            voice_id: voice.voice_id,
            requires_verification: voice.voice_verification.is_some_and(|v| v.requires_verification && !v.is_verified),
            library_voice_match: None,
        });
        Ok(found.collect())
    }

    /// Deletes a voice. One that is not there counts as deleted, whichever way the vendor says so.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/delete>
    pub async fn delete_voice(&self, voice_id: &str) -> Result<(), VendorError> {
        let call = Call { vendor: "elevenlabs", action: "delete a voice" };
        let request = self.request(Method::DELETE, &format!("/v1/voices/{voice_id}")).timeout(SHORT);
        match call.send(request).await {
            Ok(_) => Ok(()),
            Err(error) if error.status == Some(http::StatusCode::NOT_FOUND) => Ok(()),
            Err(error) if matches!(error.code.as_deref(), Some("voice_not_found" | "voice_does_not_exist")) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .header("xi-api-key", self.secret.api_key.expose_secret())
    }
}

/// The vendor's HTTP statuses contradict its codes, so the code is looked at first.
///
/// Source: <https://elevenlabs.io/docs/eleven-api/resources/errors>
fn why_not_added(error: VendorError) -> AddVoiceError {
    let refusal = match error.code.as_deref() {
        Some("voice_limit_reached" | "max_voice_add_edits_reached" | "voice_add_edit_limit_reached") => {
            Refusal::VoiceLimitReached
        }
        Some(
            "paid_plan_required"
            | "can_not_use_instant_voice_cloning"
            | "feature_not_available"
            | "subscription_required"
            | "insufficient_credits"
            | "quota_exceeded",
        ) => Refusal::VoicePlanRequired,
        Some(
            "audio_too_long"
            | "audio_too_short"
            | "request_too_large"
            | "invalid_audio"
            | "invalid_audio_format"
            | "invalid_file_type"
            | "duplicate_files",
        ) => Refusal::RecordingNotAudio,
        Some(
            "rate_limit_exceeded"
            | "concurrent_limit_exceeded"
            | "too_many_concurrent_requests"
            | "system_busy"
            | "already_running"
            | "concurrent_modification",
        ) => return AddVoiceError::NotAdded(error),
        _ => match error.status {
            Some(status) if status.is_client_error() && !error.is_transient() => Refusal::VoiceRejected,
            Some(status) if status.is_client_error() => return AddVoiceError::NotAdded(error),
            None if error.never_sent() => return AddVoiceError::NotAdded(error),
            // A 5xx, a success that cannot be read, or no answer: the work may be done, or under way.
            _ => return AddVoiceError::FateUnknown(error),
        },
    };
    AddVoiceError::Refused(refusal)
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn answered(status: u16, code: Option<&str>) -> AddVoiceError {
        why_not_added(VendorError {
            vendor: "elevenlabs",
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
        assert!(matches!(answered(400, Some("system_busy")), AddVoiceError::NotAdded(_)));
    }

    #[test]
    fn a_server_error_or_an_unreadable_success_leaves_the_fate_unknown() {
        for status in [500, 502, 503, 504, 200] {
            assert!(matches!(answered(status, None), AddVoiceError::FateUnknown(_)), "{status}");
        }
    }

    #[test]
    fn a_refused_key_or_a_busy_vendor_has_made_nothing() {
        for status in [401, 403, 429] {
            assert!(matches!(answered(status, None), AddVoiceError::NotAdded(_)), "{status}");
        }
    }

    #[test]
    fn an_unknown_4xx_is_a_rejection() {
        assert!(matches!(answered(422, None), AddVoiceError::Refused(Refusal::VoiceRejected)));
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
