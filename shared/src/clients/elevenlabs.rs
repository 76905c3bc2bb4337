//! ElevenLabs' API: making, finding and deleting instant voice clones.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Call, SHORT, VendorError};
use crate::error::Refusal;

/// Pages of a list that are read, of 100 voices each: more than any plan has.
const MOST_PAGES: usize = 200;
/// The vendor, in errors.
pub const NAME: &str = "elevenlabs";

/// Bound for making a voice; shorter than `clone-worker`'s timeout.
const ADD_VOICE: Duration = Duration::from_secs(120);

/// ElevenLabs' secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct ElevenLabsSecret {
    /// Goes into the header `xi-api-key`.
    pub api_key: SecretString,
}

/// Stand in a voice's description before the ids of the attempt and of the deployment that made it.
const ATTEMPT: &str = "attempt ";
const DEPLOYMENT: &str = "deployment ";

/// A client of one workspace.
pub struct ElevenLabs {
    http: Client,
    base_url: Arc<str>,
    secret: Arc<ElevenLabsSecret>,
}

/// A voice to be made.
pub struct NewVoice<'a> {
    /// Shown in the vendor's list of voices.
    pub name: &'a str,
    /// Whose voice it is.
    pub employee_id: Uuid,
    /// What made it. It stands in the description, so that a voice whose answer was lost can be found again.
    pub attempt_id: Uuid,
    /// Several deployments may share an account: it stands there too.
    pub deployment_id: Uuid,
    /// A WAV file of one speaker, one to two minutes long.
    pub sample: Vec<u8>,
    /// Only where there is noise: the vendor advises against it on clean speech.
    pub remove_background_noise: bool,
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

/// A voice at the vendor that an attempt has made.
#[derive(Debug, Serialize)]
pub struct MarkedVoice {
    /// The vendor's id.
    pub vendor_voice_id: String,
    /// What made it.
    pub attempt_id: Uuid,
    /// Where.
    pub deployment_id: Option<Uuid>,
}

/// How many voices an account has and may have.
///
/// Source: <https://elevenlabs.io/docs/api-reference/user/subscription/get>
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Slots {
    /// Voices there are.
    #[serde(rename = "voice_slots_used")]
    pub used: u32,
    /// Voices there may be.
    #[serde(rename = "voice_limit")]
    pub limit: u32,
}

/// A voice as the vendor lists it.
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

impl Voice {
    fn attempt_id(&self) -> Option<Uuid> {
        self.id_after(ATTEMPT)
    }

    fn id_after(&self, word: &str) -> Option<Uuid> {
        let (_, after) = self.description.as_ref()?.rsplit_once(word)?;
        Uuid::try_parse(after.get(..36)?).ok()
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

impl ElevenLabs {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<ElevenLabsSecret>) -> Self {
        Self { http, base_url, secret }
    }

    /// Makes an instant voice clone. Never repeats itself: the vendor has no idempotency key, so a second call could
    /// make a second voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/ivc/create>
    pub async fn add_voice(&self, voice: NewVoice<'_>) -> Result<AddedVoice, AddVoiceError> {
        let call = Call { vendor: NAME, action: "add a voice" };
        let description = description(&voice);
        let file = Part::bytes(voice.sample).file_name("sample.wav").mime_str("audio/wav").expect("a media type");
        let form = Form::new()
            .text("name", voice.name.to_owned())
            .text("description", description)
            .text("remove_background_noise", voice.remove_background_noise.to_string())
            .part("files", file);
        let request = self.request(Method::POST, "/v1/voices/add").timeout(ADD_VOICE).multipart(form);
        call.json(request).await.map_err(why_not_added)
    }

    /// The voices that an attempt has made, by the mark in their description.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/search>
    pub async fn find_voices(&self, attempt_id: Uuid) -> Result<Vec<AddedVoice>, VendorError> {
        let query = [("search", attempt_id.to_string())];
        let voices = self.list(&query).await?;
        let found = voices.into_iter().filter(|voice| voice.attempt_id() == Some(attempt_id)).map(|voice| AddedVoice {
            voice_id: voice.voice_id,
            requires_verification: voice.voice_verification.is_some_and(|v| v.requires_verification && !v.is_verified),
            library_voice_match: None,
        });
        Ok(found.collect())
    }

    /// The cloned voices that carry the mark of any attempt.
    pub async fn marked_voices(&self) -> Result<Vec<MarkedVoice>, VendorError> {
        let voices = self.list(&[("category", "cloned".to_owned())]).await?;
        let marked = voices.into_iter().filter_map(|voice| {
            let (attempt_id, deployment_id) = (voice.attempt_id()?, voice.id_after(DEPLOYMENT));
            Some(MarkedVoice { attempt_id, deployment_id, vendor_voice_id: voice.voice_id })
        });
        Ok(marked.collect())
    }

    /// How full the account is.
    pub async fn slots(&self) -> Result<Slots, VendorError> {
        let call = Call { vendor: NAME, action: "read the subscription" };
        call.json(self.request(Method::GET, "/v1/user/subscription").timeout(SHORT)).await
    }

    /// All voices that fit, page by page.
    async fn list(&self, query: &[(&str, String)]) -> Result<Vec<Voice>, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            voices: Vec<Voice>,
            #[serde(default)]
            has_more: bool,
            next_page_token: Option<String>,
        }
        let call = Call { vendor: NAME, action: "list the voices" };
        let mut found = Vec::new();
        let mut next_page_token = None;
        for _ in 0..MOST_PAGES {
            let request = self.request(Method::GET, "/v2/voices").query(query).query(&[("page_size", "100")]);
            let request = request.query(&next_page_token.map(|token: String| [("next_page_token", token)]));
            let page: Page = call.json(request.timeout(SHORT)).await?;
            found.extend(page.voices);
            next_page_token = page.next_page_token.filter(|_| page.has_more);
            if next_page_token.is_none() {
                return Ok(found);
            }
        }
        // Half a list would make voices seem gone that are there.
        let code = Some("endless_list".to_owned());
        Err(VendorError { vendor: NAME, action: call.action, status: None, code, retry_after: None, cause: None })
    }

    /// Deletes a voice. One that is not there counts as deleted, whichever way the vendor says so.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/delete>
    pub async fn delete_voice(&self, voice_id: &str) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "delete a voice" };
        let request = self.request(Method::DELETE, &format!("/v1/voices/{voice_id}")).timeout(SHORT);
        match call.send(request).await {
            Err(error) if says_no_such_voice(&error) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Whether the vendor has a voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/get>
    pub async fn has_voice(&self, voice_id: &str) -> Result<bool, VendorError> {
        let call = Call { vendor: NAME, action: "read a voice" };
        match call.send(self.request(Method::GET, &format!("/v1/voices/{voice_id}")).timeout(SHORT)).await {
            Err(error) if says_no_such_voice(&error) => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .header("xi-api-key", self.secret.api_key.expose_secret())
    }
}

fn description(voice: &NewVoice) -> String {
    format!("Employee {}, {ATTEMPT}{}, {DEPLOYMENT}{}.", voice.employee_id, voice.attempt_id, voice.deployment_id)
}

fn says_no_such_voice(error: &VendorError) -> bool {
    error.status == Some(StatusCode::NOT_FOUND)
        || matches!(error.code.as_deref(), Some("voice_not_found" | "voice_does_not_exist"))
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
    use super::*;

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

    fn described(description: Option<&str>) -> Voice {
        Voice { voice_id: "v".into(), description: description.map(str::to_owned), voice_verification: None }
    }

    #[test]
    fn what_made_a_voice_is_found_in_its_description() {
        let [employee_id, attempt_id, deployment_id] = [1, 2, 3].map(Uuid::from_u128);
        let voice = NewVoice {
            name: "Robin",
            employee_id,
            attempt_id,
            deployment_id,
            sample: Vec::new(),
            remove_background_noise: false,
        };
        let found = described(Some(&description(&voice)));
        assert_eq!((found.attempt_id(), found.id_after(DEPLOYMENT)), (Some(attempt_id), Some(deployment_id)));
    }

    #[test]
    fn any_other_description_is_no_mark() {
        for other in
            [None, Some(""), Some("attempt "), Some("attempt é7777777-7777-7777-7777-777777777777."), Some("My voice")]
        {
            assert_eq!(described(other).attempt_id(), None, "{other:?}");
        }
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
