//! ElevenLabs' API: making, finding and deleting instant voice clones.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use http::StatusCode;
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, SHORT, VendorError, too_short};
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

/// ElevenLabs' keys are `sk_` and 48 characters, older ones 32; nobody documents that it stays so.
const LEAST_KEY: usize = 20;

impl ElevenLabsSecret {
    /// What keeps it from being used; `None` if nothing does.
    pub fn problem(&self) -> Option<String> {
        too_short("api_key", Some(&self.api_key), LEAST_KEY)
    }
}

/// Words of a voice's labels, and of its description before the same ids: what made the voice, and where. The vendor
/// names other keys of labels than these, so it may drop them: then the description is read.
const ATTEMPT: &str = "attempt";
const DEPLOYMENT: &str = "deployment";

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
    /// Whose voice it is; stands in the labels.
    pub employee_id: Uuid,
    /// What made it. It stands in the labels and in the description, so that a voice whose answer was lost can be found
    /// again.
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

/// A page of what was generated with a voice.
#[derive(Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The vendor's ids.
    pub items: Vec<String>,
    /// After which the next page begins, if there is one.
    pub next: Option<String>,
}

/// What the vendor answers when it has deleted something. Without it, whoever answered 200 was somebody in between.
#[derive(Deserialize)]
struct Deleted {
    #[serde(rename = "status")]
    _status: String,
}

/// A voice as the vendor lists it.
#[derive(Deserialize)]
struct Voice {
    voice_id: String,
    description: Option<String>,
    #[serde(default)]
    labels: Value,
    voice_verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    requires_verification: bool,
    is_verified: bool,
}

impl Voice {
    fn attempt_id(&self) -> Option<Uuid> {
        self.mark(ATTEMPT)
    }

    /// The id of that name: the label's, or the one that the description says.
    fn mark(&self, word: &str) -> Option<Uuid> {
        let label = self.labels[word].as_str().and_then(|id| Uuid::try_parse(id).ok());
        label.or_else(|| {
            let (_, after) = self.description.as_ref()?.rsplit_once(&format!("{word} "))?;
            Uuid::try_parse(after.get(..36)?).ok()
        })
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

    /// The voices that an attempt has made, by their marks. The vendor searches labels and descriptions.
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
            let (attempt_id, deployment_id) = (voice.attempt_id()?, voice.mark(DEPLOYMENT));
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

    /// Deletes a voice. One that is not there counts as deleted, whichever way the vendor says so: by its specification a
    /// deletion that fails is a 500, so whether the voice is there decides. Returns whether the vendor says that it had it.
    ///
    /// # Errors
    /// What the vendor said to the deletion, while the voice is there or nobody can tell.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/delete>
    pub async fn delete_voice(&self, voice_id: &str) -> Result<bool, VendorError> {
        let call = Call { vendor: NAME, action: "delete a voice" };
        let request = self.request(Method::DELETE, &format!("/v1/voices/{voice_id}")).timeout(SHORT);
        match call.json::<Deleted>(request).await {
            Ok(_) => Ok(true),
            Err(error) if says_not_found(&error) => Ok(false),
            Err(error) if error.is_unauthorised() => Err(error),
            Err(error) => match self.has_voice(voice_id).await {
                Ok(false) => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// A page of what was generated with a voice and is kept, newest first: of the first hundred items, or of those after
    /// `after`. It outlives the voice. Where the workspace has zero retention (enterprise plans), there is nothing.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/history/list>
    pub async fn history_of(&self, voice_id: &str, after: Option<&str>) -> Result<HistoryPage, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            history: Vec<Item>,
            last_history_item_id: Option<String>,
            has_more: bool,
        }
        #[derive(Deserialize)]
        struct Item {
            history_item_id: String,
            state: String,
        }
        let call = Call { vendor: NAME, action: "list the history of a voice" };
        let request = self.request(Method::GET, "/v1/history").query(&[("voice_id", voice_id), ("page_size", "100")]);
        let request = request.query(&after.map(|id| [("start_after_history_item_id", id)]));
        let page: Page = call.json(request.timeout(SHORT)).await?;
        let kept = page.history.into_iter().filter(|item| item.state != "deleted");
        let next = page.last_history_item_id.filter(|_| page.has_more);
        Ok(HistoryPage { items: kept.map(|item| item.history_item_id).collect(), next })
    }

    /// Deletes one item of the history, its audio and its text. One that is not there counts as deleted; as with a voice,
    /// a look decides where the deletion fails.
    ///
    /// # Errors
    /// What the vendor said to the deletion, while the item is there or nobody can tell.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/history/delete>
    pub async fn delete_history_item(&self, id: &str) -> Result<(), VendorError> {
        #[derive(Deserialize)]
        struct Item {
            state: String,
        }
        let path = format!("/v1/history/{id}");
        let call = Call { vendor: NAME, action: "delete an item of the history" };
        match call.json::<Deleted>(self.request(Method::DELETE, &path).timeout(SHORT)).await {
            Ok(_) => Ok(()),
            Err(error) if says_not_found(&error) => Ok(()),
            Err(error) if error.is_unauthorised() => Err(error),
            Err(error) => {
                let look = Call { vendor: NAME, action: "read an item of the history" };
                match look.json::<Item>(self.request(Method::GET, &path).timeout(SHORT)).await {
                    Ok(item) if item.state == "deleted" => Ok(()),
                    Err(answer) if says_not_found(&answer) => Ok(()),
                    _ => Err(error),
                }
            }
        }
    }

    /// Which account this is: "gone" from another one says nothing.
    ///
    /// The vendor's API names no workspace to a key, but it names the key's user (`user_id`), who stays the same when the
    /// key is replaced: `user:…`. A key that may not read its user (it lacks the permission `user_read`) is told apart by
    /// the first 16 hexadecimal digits of its SHA-256: `key:…`, which is another one after a rotation, as `user:…` is when
    /// another user's key takes its place.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/user/get>
    pub async fn account(&self) -> Result<String, VendorError> {
        #[derive(Deserialize)]
        struct User {
            user_id: String,
        }
        let call = Call { vendor: NAME, action: "read the user" };
        match call.json::<User>(self.request(Method::GET, "/v1/user").timeout(SHORT)).await {
            Ok(user) => Ok(format!("user:{}", user.user_id)),
            Err(error) if matches!(error.code.as_deref(), Some("missing_permissions" | "insufficient_permissions")) => {
                let hash = digest(&SHA256, self.secret.api_key.expose_secret().as_bytes());
                Ok(hash.as_ref()[..8].iter().fold("key:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the vendor has a voice.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/voices/get>
    pub async fn has_voice(&self, voice_id: &str) -> Result<bool, VendorError> {
        let call = Call { vendor: NAME, action: "read a voice" };
        match call.send(self.request(Method::GET, &format!("/v1/voices/{voice_id}")).timeout(SHORT)).await {
            Err(error) if says_not_found(&error) => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base_url))
            .header("xi-api-key", self.secret.api_key.expose_secret())
    }
}

/// For whoever looks through the vendor's list of voices. Whose voice it is, its name says.
fn description(voice: &NewVoice) -> String {
    let NewVoice { attempt_id, deployment_id, .. } = voice;
    format!(
        "Cloned by Understudy from recorded calls, with the speaker's consent; do not delete it by hand. \
         It was made by {ATTEMPT} {attempt_id} of {DEPLOYMENT} {deployment_id}."
    )
}

/// The marks that our search relies on: a JSON object of strings, as text.
fn labels(voice: &NewVoice) -> String {
    json!({ATTEMPT: voice.attempt_id, "employee": voice.employee_id, DEPLOYMENT: voice.deployment_id}).to_string()
}

fn says_not_found(error: &VendorError) -> bool {
    let codes = ["voice_not_found", "voice_does_not_exist", "history_item_not_found", "history_item_does_not_exist"];
    error.status == Some(StatusCode::NOT_FOUND) || error.code.as_deref().is_some_and(|code| codes.contains(&code))
}

/// Whether a 401 or 403 with this code, or without any, is about the key or the account that it opens: then another key, or
/// the same one later, may do.
///
/// Source: <https://elevenlabs.io/docs/eleven-api/resources/errors>; `needs_authorization`, `missing_permissions` and
/// `detected_unusual_activity` stand in answers that others have seen.
pub(super) fn is_about_the_key(code: Option<&str>) -> bool {
    matches!(
        code,
        None | Some(
            "invalid_api_key"
                | "missing_api_key"
                | "needs_authorization"
                | "unauthorized"
                | "invalid_authorization_header"
                | "authentication_error"
                | "authorization_error"
                | "missing_permissions"
                | "insufficient_permissions"
                | "detected_unusual_activity"
        )
    )
}

/// The vendor's HTTP statuses contradict its codes, so the code is looked at first.
///
/// Source: <https://elevenlabs.io/docs/eleven-api/resources/errors>
fn why_not_added(error: VendorError) -> AddVoiceError {
    let refusal = match error.code.as_deref() {
        Some(
            "voice_limit_reached"
            | "max_voice_limit_reached"
            | "max_voice_add_edits_reached"
            | "voice_add_edit_limit_reached",
        ) => Refusal::VoiceLimitReached,
        // The samples are of somebody whose voice the vendor protects: no other try makes it.
        Some("voice_access_denied" | "detected_captcha_voice") => Refusal::VoiceProtected,
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
            Some(StatusCode::PAYMENT_REQUIRED) => Refusal::VoicePlanRequired,
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
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

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

    #[test]
    fn a_403_is_about_the_key_only_if_its_code_says_so_or_there_is_none() {
        for code in ["missing_permissions", "insufficient_permissions", "detected_unusual_activity", "invalid_api_key"]
        {
            assert!(matches!(answered(403, Some(code)), AddVoiceError::NotAdded(_)), "{code}");
            assert!(matches!(answered(401, Some(code)), AddVoiceError::NotAdded(_)), "{code}");
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

    fn described(description: Option<&str>) -> Voice {
        let description = description.map(str::to_owned);
        Voice { voice_id: "v".into(), description, labels: Value::Null, voice_verification: None }
    }

    #[test]
    fn what_made_a_voice_is_found_in_its_labels_and_without_them_in_its_description() {
        let [employee_id, attempt_id, deployment_id] = [1, 2, 3].map(Uuid::from_u128);
        let voice = NewVoice {
            name: "Robin",
            employee_id,
            attempt_id,
            deployment_id,
            sample: Vec::new(),
            remove_background_noise: false,
        };
        let mut found = described(Some(&description(&voice)));
        assert_eq!((found.attempt_id(), found.mark(DEPLOYMENT)), (Some(attempt_id), Some(deployment_id)));
        found.labels = serde_json::from_str(&labels(&voice)).unwrap();
        assert_eq!(found.labels["employee"], json!(employee_id));
        found.description = Some(description(&NewVoice { attempt_id: Uuid::nil(), ..voice }));
        assert_eq!((found.attempt_id(), found.mark(DEPLOYMENT)), (Some(attempt_id), Some(deployment_id)));
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

    async fn elevenlabs(server: &MockServer) -> ElevenLabs {
        let secret = serde_json::from_value(json!({"api_key": "sk_0123456789abcdef0123456789abcdef"})).unwrap();
        ElevenLabs::new(crate::clients::http_client(), server.uri().into(), Arc::new(secret))
    }

    async fn serve(answers: &[(&str, &str, u16, Value)]) -> MockServer {
        let server = MockServer::start().await;
        for (verb, at, status, body) in answers {
            let answer = ResponseTemplate::new(*status).set_body_json(body);
            Mock::given(method(*verb)).and(path(*at)).respond_with(answer).mount(&server).await;
        }
        server
    }

    #[test]
    fn an_empty_or_short_key_is_not_one_to_start_with() {
        let problem = |key: &str| ElevenLabsSecret { api_key: key.into() }.problem();
        assert_eq!(problem("sk_0123456789abcdef0123456789abcdef"), None);
        assert!(problem("").is_some() && problem("sk_short").is_some_and(|text| !text.contains("sk_short")));
    }

    #[tokio::test]
    async fn a_deletion_that_fails_counts_if_the_voice_is_gone_and_not_if_it_is_there() {
        let failing = ("DELETE", "/v1/voices/v", 500, json!({"detail": {"status": "internal_error"}}));
        let missing = json!({"detail": {"code": "voice_not_found"}});
        let gone = serve(&[failing.clone(), ("GET", "/v1/voices/v", 404, missing)]).await;
        assert!(elevenlabs(&gone).await.delete_voice("v").await.is_ok());
        let there = serve(&[failing.clone(), ("GET", "/v1/voices/v", 200, json!({"voice_id": "v"}))]).await;
        assert_eq!(elevenlabs(&there).await.delete_voice("v").await.unwrap_err().status.unwrap(), 500);
        let nobody_knows = serve(&[failing, ("GET", "/v1/voices/v", 503, json!({}))]).await;
        assert!(elevenlabs(&nobody_knows).await.delete_voice("v").await.is_err());
    }

    #[tokio::test]
    async fn a_page_of_somebody_in_between_deletes_nothing() {
        for (body, is_deleted) in [(json!("<html>Please log in</html>"), false), (json!({"status": "ok"}), true)] {
            let answers = [
                ("DELETE", "/v1/voices/v", 200, body.clone()),
                ("GET", "/v1/voices/v", 200, json!({"voice_id": "v"})),
                ("DELETE", "/v1/history/i", 200, body.clone()),
                ("GET", "/v1/history/i", 200, json!({"state": "created"})),
            ];
            let server = serve(&answers).await;
            let client = elevenlabs(&server).await;
            assert_eq!(client.delete_voice("v").await.is_ok(), is_deleted, "{body}");
            assert_eq!(client.delete_history_item("i").await.is_ok(), is_deleted, "{body}");
        }
    }

    #[tokio::test]
    async fn the_history_of_a_voice_is_read_page_by_page_without_what_is_deleted() {
        let item = |id: &str, state: &str| json!({"history_item_id": id, "state": state});
        let history = [item("a", "created"), item("b", "deleted")];
        let page = json!({"history": history, "last_history_item_id": "b", "has_more": true});
        let server = serve(&[("GET", "/v1/history", 200, page)]).await;
        let read = elevenlabs(&server).await.history_of("v", Some("0")).await.unwrap();
        assert_eq!(read, HistoryPage { items: vec!["a".into()], next: Some("b".into()) });
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.url.query(), Some("voice_id=v&page_size=100&start_after_history_item_id=0"));

        let last = json!({"history": [], "last_history_item_id": null, "has_more": false});
        let server = serve(&[("GET", "/v1/history", 200, last)]).await;
        assert_eq!(elevenlabs(&server).await.history_of("v", None).await.unwrap().next, None);
    }

    #[tokio::test]
    async fn an_item_of_the_history_that_is_gone_counts_as_deleted_and_one_that_is_there_does_not() {
        let at = "/v1/history/i";
        let missing = serve(&[("DELETE", at, 404, json!({}))]).await;
        assert!(elevenlabs(&missing).await.delete_history_item("i").await.is_ok());
        for (state, is_gone) in [("deleted", true), ("created", false)] {
            let server = serve(&[("DELETE", at, 500, json!({})), ("GET", at, 200, json!({"state": state}))]).await;
            assert_eq!(elevenlabs(&server).await.delete_history_item("i").await.is_ok(), is_gone, "{state}");
        }
    }

    #[tokio::test]
    async fn an_account_is_its_user_or_for_a_key_that_may_not_say_so_the_keys_own_hash() {
        let user = serve(&[("GET", "/v1/user", 200, json!({"user_id": "u1"}))]).await;
        assert_eq!(elevenlabs(&user).await.account().await.unwrap(), "user:u1");
        let detail = json!({"detail": {"status": "missing_permissions", "message": "user_read"}});
        let restricted = serve(&[("GET", "/v1/user", 401, detail)]).await;
        let account = elevenlabs(&restricted).await.account().await.unwrap();
        assert_eq!(account, "key:9baa890b171009c3");
        let refused = serve(&[("GET", "/v1/user", 401, json!({"detail": {"status": "invalid_api_key"}}))]).await;
        assert!(elevenlabs(&refused).await.account().await.is_err());
    }
}
