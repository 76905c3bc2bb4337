//! Twilio's REST API: what a recording is, and its audio.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use reqwest::{Client, Method, RequestBuilder, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Call, SHORT, VendorError, absent_if_empty, too_short};
use crate::error::Error;
use crate::recordings::{CallSid, RecordingFinished, RecordingSid};

/// The vendor, in errors.
pub const NAME: &str = "twilio";

/// Bound for a whole recording; shorter than `recording-ingest`'s timeout.
const MEDIA: Duration = Duration::from_secs(270);

/// Twilio's secret, as it stands in Secrets Manager: with these names, or with those that AWS gives it where it rotates
/// the auth token or the API key itself.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/mes-partner-TwilioAuthToken.html>
#[derive(Deserialize)]
pub struct TwilioSecret {
    /// `AC…`: the account whose callbacks are accepted and whose recordings are read.
    #[serde(alias = "accountSid")]
    pub account_sid: String,
    /// Signs the callbacks; also the password for REST unless there is an API key.
    #[serde(alias = "authToken", default, deserialize_with = "absent_if_empty")]
    pub auth_token: Option<SecretString>,
    /// `SK…`: with its secret, used for REST instead of the auth token, as Twilio recommends.
    #[serde(alias = "apiKeySid")]
    pub api_key_sid: Option<String>,
    /// The API key's secret.
    #[serde(alias = "apiKeySecret", default, deserialize_with = "absent_if_empty")]
    pub api_key_secret: Option<SecretString>,
    /// Signs the callbacks with HMAC-SHA256, where the account has a webhook shared key.
    #[serde(default, deserialize_with = "absent_if_empty")]
    pub shared_key_secret: Option<SecretString>,
}

/// Twilio's auth tokens and API key secrets are 32 characters long.
const LEAST_TOKEN: usize = 32;
/// Nobody documents how long a shared key is; nobody could guess one of this length.
const LEAST_SHARED_KEY: usize = 16;

impl TwilioSecret {
    /// What keeps the REST API from being called with it; `None` if nothing does.
    pub fn problem_for_rest(&self) -> Option<String> {
        let has_key = self.api_key_sid.as_ref().is_some_and(|sid| !sid.is_empty()) && self.api_key_secret.is_some();
        let none = (!has_key && self.auth_token.is_none())
            .then(|| "it has neither `auth_token` nor `api_key_sid` with `api_key_secret`".to_owned());
        self.malformed().or(none)
    }

    /// What keeps callbacks from being verified with it; `None` if nothing does.
    pub fn problem_for_callbacks(&self) -> Option<String> {
        let none = (self.auth_token.is_none() && self.shared_key_secret.is_none())
            .then(|| "it has neither `auth_token` nor `shared_key_secret`".to_owned());
        self.malformed().or(none)
    }

    fn malformed(&self) -> Option<String> {
        let is_account = self
            .account_sid
            .strip_prefix("AC")
            .is_some_and(|digits| digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let account = (!is_account).then(|| "`account_sid` is not AC and 32 hexadecimal digits".to_owned());
        account
            .or_else(|| too_short("auth_token", self.auth_token.as_ref(), LEAST_TOKEN))
            .or_else(|| too_short("api_key_secret", self.api_key_secret.as_ref(), LEAST_TOKEN))
            .or_else(|| too_short("shared_key_secret", self.shared_key_secret.as_ref(), LEAST_SHARED_KEY))
    }
}

/// A client of one account.
pub struct Twilio {
    http: Client,
    base_url: Arc<str>,
    secret: Arc<TwilioSecret>,
}

/// What Twilio says about a recording: the truth, whatever the callback said.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>, and Twilio's OpenAPI description (`twilio_api_v2010`), by
/// which nearly every field may be null.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// The call that it is of: of a call of two legs the parent leg, of a conference the call that Twilio names.
    pub call_sid: Option<String>,
    /// RFC 2822, such as `Fri, 20 Nov 2026 10:00:00 +0000`; none of a recording that is absent, deleted or in the making.
    pub start_time: Option<String>,
    /// Seconds, as text; Twilio says `-1` or nothing while it does not know.
    pub duration: Option<String>,
    /// Channels of the final file: 1 or 2.
    pub channels: Option<i32>,
    /// `inbound`, `outbound` or `both`. Only the call's own resource has it.
    pub track: Option<String>,
    /// `DialVerb`, `Conference`, `OutboundAPI`, …
    pub source: Option<String>,
    /// There when the media are encrypted with the customer's public key: ciphertext, useless to us.
    pub encryption_details: Option<serde::de::IgnoredAny>,
    /// Where the media are: an account with external storage has them in a bucket of its own. Only the account's resource
    /// tells it, and not the call's.
    media_url: Option<String>,
}

/// What Twilio has of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingState {
    /// Nothing: it was deleted, or never was.
    Gone,
    /// A row without audio: it was too short, failed, or is deleted and still listed. Twilio refuses to delete most of these.
    HasNoMedia,
    /// A row, whose audio is in a bucket of the account's own.
    KeptElsewhere,
    /// Its audio, or Twilio is still making it.
    There,
}

/// What became of a recording that was to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Twilio, asked afterwards, has no audio of it.
    Erased {
        /// Whether it had some before.
        was_there: bool,
    },
    /// Its audio is in a bucket of the account's own, where only its owner can delete it. Twilio's row stays: it says where.
    KeptElsewhere,
}

/// A page of the list of recordings.
#[derive(Debug, Deserialize)]
pub struct RecordingPage {
    /// Those of this page.
    pub recordings: Vec<ListedRecording>,
    /// Where it goes on: path and query.
    pub next_page_uri: Option<String>,
}

/// A recording as the list has it.
#[derive(Debug, Deserialize)]
pub struct ListedRecording {
    /// `RE…`, as it came.
    pub sid: String,
    /// `CA…`, as it came; none of a recording that is of no call.
    pub call_sid: Option<String>,
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// RFC 2822; none of some that are not completed.
    pub date_created: Option<String>,
}

/// The audio of a recording, on its way.
pub struct Media<S> {
    /// Bytes, if Twilio said so beforehand.
    pub length: Option<u64>,
    /// The bytes as they arrive.
    pub stream: S,
}

impl Twilio {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<TwilioSecret>) -> Self {
        Self { http, base_url, secret }
    }

    /// The account whose recordings these are, `AC…`.
    pub fn account_sid(&self) -> &str {
        &self.secret.account_sid
    }

    /// Reads what Twilio knows about a recording of a call; only here it tells the `track`. What is no recording of that
    /// call is a 404.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording>
    pub async fn recording_of_call(&self, call_sid: &CallSid, sid: &RecordingSid) -> Result<Recording, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording of a call" };
        let account = self.account_sid();
        let path = format!("/2010-04-01/Accounts/{account}/Calls/{call_sid}/Recordings/{sid}.json");
        call.json(self.request(Method::GET, &path).timeout(SHORT)).await
    }

    /// Reads the recording that a callback has told of, and proves that it is one of the call that the callback names.
    ///
    /// A conference's recording is one of the call that Twilio names as its own; where the call's path does not have it,
    /// that name decides.
    ///
    /// # Errors
    /// [`Error::Unusable`] when it is of another call, or of none that Twilio names: its audio may be another
    /// organisation's. A 404 while Twilio does not have the recording at all.
    pub async fn finished_recording(&self, finished: &RecordingFinished) -> Result<Recording, Error> {
        let RecordingFinished { call_sid, recording_sid } = finished;
        let recording = match self.recording_of_call(call_sid, recording_sid).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => self.recording(recording_sid).await?,
            answer => answer?,
        };
        match &recording.call_sid {
            Some(named) if *named == call_sid.to_string() => Ok(recording),
            Some(_) => Err(Error::Unusable("the recording is one of another call than the callback named")),
            None => Err(Error::Unusable("Twilio does not say which call the recording is of")),
        }
    }

    /// Reads what Twilio knows about a recording, but for its `track`. A recording that Twilio does not (yet) have is a
    /// 404.
    pub async fn recording(&self, sid: &RecordingSid) -> Result<Recording, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording" };
        call.json(self.request(Method::GET, &self.recording_path(sid, ".json")).timeout(SHORT)).await
    }

    /// What Twilio has of a recording.
    pub async fn recording_state(&self, sid: &RecordingSid) -> Result<RecordingState, VendorError> {
        let recording = match self.recording(sid).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => return Ok(RecordingState::Gone),
            answer => answer?,
        };
        Ok(match recording.status.as_str() {
            "absent" | "failed" | "deleted" => RecordingState::HasNoMedia,
            _ if self.keeps_elsewhere(&recording) => RecordingState::KeptElsewhere,
            _ => RecordingState::There,
        })
    }

    /// Deletes a recording for good, and asks what is there afterwards: that decides, whatever Twilio said to the
    /// deletion. It refuses what holds no audio (code 20001), and a lost answer may have been a yes.
    ///
    /// Nothing is deleted of a recording whose audio is in the account's own storage: without Twilio's row nobody would
    /// know that it is there.
    ///
    /// # Errors
    /// What Twilio said to the deletion, while the audio is still there; or to the question.
    pub async fn erase_recording(&self, sid: &RecordingSid) -> Result<Erasure, VendorError> {
        let before = self.recording_state(sid).await?;
        if before == RecordingState::KeptElsewhere {
            return Ok(Erasure::KeptElsewhere);
        }
        // Also of what seems to be gone: one answer is not proof enough to leave somebody's audio behind.
        let deleted = self.delete_recording(sid).await;
        match self.recording_state(sid).await? {
            RecordingState::Gone | RecordingState::HasNoMedia => {
                Ok(Erasure::Erased { was_there: before != RecordingState::Gone })
            }
            RecordingState::KeptElsewhere => Ok(Erasure::KeptElsewhere),
            RecordingState::There => match deleted {
                Err(error) => Err(error),
                Ok(()) => Err(Call { vendor: NAME, action: "delete a recording" }.unacceptable("still_there")),
            },
        }
    }

    /// Whether the audio is in a bucket of the account's own (external storage), where Twilio's API has none.
    ///
    /// Source: <https://www.twilio.com/docs/voice/recording-settings>
    fn keeps_elsewhere(&self, recording: &Recording) -> bool {
        let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        recording.media_url.as_deref().is_some_and(|url| {
            let (media, ours) = (host(url), host(&self.base_url));
            // A region's address may stand for the same host: only what is not Twilio's at all is elsewhere.
            media != ours && !media.is_some_and(|host| host == "twilio.com" || host.ends_with(".twilio.com"))
        })
    }

    /// Deletes a recording for good. One that is not there counts as deleted.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#delete-a-recording-resource>
    pub async fn delete_recording(&self, sid: &RecordingSid) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "delete a recording" };
        match call.send(self.request(Method::DELETE, &self.recording_path(sid, ".json")).timeout(SHORT)).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// The recordings that Twilio has of a call.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#read-multiple-recording-resources>
    pub async fn recordings_of(&self, call_sid: &CallSid) -> Result<Vec<RecordingSid>, VendorError> {
        #[derive(Deserialize)]
        struct Page {
            recordings: Vec<Listed>,
            next_page_uri: Option<String>,
        }
        #[derive(Deserialize)]
        struct Listed {
            sid: RecordingSid,
        }
        let call = Call { vendor: NAME, action: "list the recordings of a call" };
        let account = &self.secret.account_sid;
        let mut next = Some(format!("/2010-04-01/Accounts/{account}/Recordings.json?CallSid={call_sid}&PageSize=1000"));
        let mut found = Vec::new();
        while let Some(path) = next {
            let page: Page = call.json(self.request(Method::GET, &path).timeout(SHORT)).await?;
            found.extend(page.recordings.into_iter().map(|listed| listed.sid));
            next = page.next_page_uri.map(|uri| self.checked_page(call, uri)).transpose()?;
        }
        Ok(found)
    }

    /// The account's recordings from a day on (`YYYY-MM-DD`, in UTC), a page of them at a time: from the first, or from
    /// where an earlier page said that it goes on.
    ///
    /// # Errors
    /// What Twilio said; `foreign_page` when `page_uri` leads anywhere but to this account's recordings.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#read-multiple-recording-resources>
    pub async fn recordings_since(&self, day: &str, page_uri: Option<&str>) -> Result<RecordingPage, VendorError> {
        let call = Call { vendor: NAME, action: "list the recordings" };
        let account = &self.secret.account_sid;
        let first = format!("/2010-04-01/Accounts/{account}/Recordings.json?DateCreated%3E={day}&PageSize=1000");
        let path = page_uri.map_or(Ok(first), |uri| self.checked_page(call, uri.to_owned()))?;
        call.json(self.request(Method::GET, &path).timeout(SHORT)).await
    }

    /// A link to a further page, if it may be followed. The error names no value: a link may come from anywhere.
    fn checked_page(&self, call: Call, uri: String) -> Result<String, VendorError> {
        if is_page_of(&self.base_url, self.account_sid(), &uri) {
            Ok(uri)
        } else {
            Err(call.unacceptable("foreign_page"))
        }
    }

    /// Opens the WAV of a recording, both legs in their own channels where Twilio has them so.
    ///
    /// Conference recordings come mixed unless two channels are requested, and a request for two that cannot be met
    /// is a 400: then the recording is what it is, and comes as it was made.
    ///
    /// # Errors
    /// [`Error::Unusable`] when the account keeps its recordings in a bucket of its own; otherwise what Twilio said, a 404
    /// while it does not have the audio yet.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording>
    pub async fn media(
        &self,
        sid: &RecordingSid,
    ) -> Result<Media<impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static>, Error> {
        let call = Call { vendor: NAME, action: "read a recording's audio" };
        let wav = || self.request(Method::GET, &self.recording_path(sid, ".wav")).timeout(MEDIA);
        let response = match call.send(wav().query(&[("RequestedChannels", "2")])).await {
            Err(error) if error.status == Some(StatusCode::BAD_REQUEST) => call.send(wav()).await,
            answer => answer,
        };
        match response {
            Ok(response) => Ok(Media { length: response.content_length(), stream: response.bytes_stream() }),
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => match self.recording_state(sid).await? {
                // What to do about it stands in the runbook, under the alarm of the dead letters.
                RecordingState::KeptElsewhere => Err(Error::Unusable(
                    "the account keeps the recording in a bucket of its own, where we cannot read it",
                )),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    fn recording_path(&self, sid: &RecordingSid, suffix: &str) -> String {
        format!("/2010-04-01/Accounts/{}/Recordings/{sid}{suffix}", self.secret.account_sid)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (user, password) = match (&self.secret.api_key_sid, &self.secret.api_key_secret) {
            (Some(sid), Some(secret)) => (sid, Some(secret)),
            _ => (&self.secret.account_sid, self.secret.auth_token.as_ref()),
        };
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        request.basic_auth(user, password.map(ExposeSecret::expose_secret))
    }
}

/// Whether a link is one to a page of the account's own recordings, at Twilio's own address. The account's password goes
/// with the request, so no link decides where that is.
fn is_page_of(base_url: &str, account_sid: &str, uri: &str) -> bool {
    let list = format!("/2010-04-01/Accounts/{account_sid}/Recordings.json");
    let is_a_page = uri.strip_prefix(&list).is_some_and(|rest| rest.starts_with('?'));
    let (Ok(ours), Ok(joined)) = (Url::parse(base_url), Url::parse(&format!("{base_url}{uri}"))) else { return false };
    let has_no_user = joined.username().is_empty() && joined.password().is_none();
    is_a_page && joined.origin() == ours.origin() && joined.path() == list && has_no_user
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{any, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const CALL: &str = "CA00000000000000000000000000000001";
    const OTHER_CALL: &str = "CA00000000000000000000000000000002";
    const RECORDING: &str = "RE00000000000000000000000000000001";

    async fn twilio(server: &MockServer) -> Twilio {
        let secret = json!({"account_sid": ACCOUNT, "auth_token": "0123456789abcdef0123456789abcdef"});
        let secret = serde_json::from_value(secret).unwrap();
        Twilio::new(crate::clients::http_client(), server.uri().into(), Arc::new(secret))
    }

    fn recording_sid() -> RecordingSid {
        RecordingSid::try_from(RECORDING.to_owned()).unwrap()
    }

    fn finished() -> RecordingFinished {
        let call_sid = CallSid::try_from(CALL.to_owned()).unwrap();
        RecordingFinished { call_sid, recording_sid: recording_sid() }
    }

    /// Answers each of these paths, and everything else with Twilio's 404.
    async fn serve(answers: &[(&str, &str, u16, Value)]) -> MockServer {
        let server = MockServer::start().await;
        for (verb, below, status, body) in answers {
            let at = format!("/2010-04-01/Accounts/{ACCOUNT}/{below}");
            let answer = ResponseTemplate::new(*status).set_body_json(body);
            Mock::given(method(*verb)).and(path(at)).respond_with(answer).with_priority(1).mount(&server).await;
        }
        let missing = ResponseTemplate::new(404).set_body_json(json!({"code": 20404}));
        Mock::given(any()).respond_with(missing).with_priority(9).mount(&server).await;
        server
    }

    fn resource(status: &str, call_sid: Option<&str>, media_url: Option<&str>) -> Value {
        json!({"status": status, "call_sid": call_sid, "start_time": null, "channels": 2, "media_url": media_url})
    }

    #[test]
    fn a_secret_with_an_empty_or_short_field_is_not_one_to_start_with() {
        let token = "0123456789abcdef0123456789abcdef";
        let secret = |fields: Value| -> TwilioSecret {
            let mut whole = json!({"account_sid": ACCOUNT});
            whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value(whole).unwrap()
        };
        let both = |secret: &TwilioSecret| [secret.problem_for_rest(), secret.problem_for_callbacks()];
        for usable in [
            json!({"auth_token": token}),
            json!({"authToken": token, "shared_key_secret": ""}),
            json!({"auth_token": "", "shared_key_secret": token, "api_key_sid": "SK1", "api_key_secret": token}),
        ] {
            assert_eq!(both(&secret(usable.clone())), [None, None], "{usable}");
        }
        let callbacks_only = secret(json!({"shared_key_secret": token}));
        assert!(callbacks_only.problem_for_rest().is_some() && callbacks_only.problem_for_callbacks().is_none());
        let rest_only = secret(json!({"api_key_sid": "SK1", "api_key_secret": token}));
        assert!(rest_only.problem_for_rest().is_none() && rest_only.problem_for_callbacks().is_some());
        for (unusable, field) in [
            (json!({}), "auth_token"),
            (json!({"auth_token": ""}), "auth_token"),
            (json!({"auth_token": "short-token"}), "auth_token"),
            (json!({"auth_token": token, "shared_key_secret": "short-key"}), "shared_key_secret"),
            (json!({"auth_token": token, "api_key_secret": "short-secret"}), "api_key_secret"),
            (json!({"auth_token": token, "account_sid": ""}), "account_sid"),
        ] {
            for problem in both(&secret(unusable.clone())) {
                let problem = problem.unwrap_or_else(|| panic!("{unusable} is usable"));
                assert!(problem.contains(field) && !problem.contains("short-"), "{problem}");
            }
        }
    }

    #[tokio::test]
    async fn a_recording_is_read_below_its_call_which_tells_the_track() {
        let mut recording = resource("completed", Some(CALL), None);
        recording["track"] = "inbound".into();
        let server = serve(&[("GET", &format!("Calls/{CALL}/Recordings/{RECORDING}.json"), 200, recording)]).await;
        let read = twilio(&server).await.finished_recording(&finished()).await.unwrap();
        assert_eq!(read.track.as_deref(), Some("inbound"));
    }

    #[tokio::test]
    async fn a_recording_of_another_call_or_of_none_is_refused() {
        for (named, allowed) in [(Some(OTHER_CALL), false), (None, false), (Some(CALL), true)] {
            let recording = resource("completed", named, None);
            for below in [format!("Recordings/{RECORDING}.json"), format!("Calls/{CALL}/Recordings/{RECORDING}.json")] {
                let server = serve(&[("GET", &below, 200, recording.clone())]).await;
                let read = twilio(&server).await.finished_recording(&finished()).await;
                assert_eq!(read.is_ok(), allowed, "{named:?} at {below}");
                assert!(allowed || matches!(read, Err(Error::Unusable(_))), "{named:?} at {below}");
            }
        }
    }

    #[tokio::test]
    async fn a_recording_that_is_not_there_yet_is_waited_for() {
        let error = twilio(&serve(&[]).await).await.finished_recording(&finished()).await.unwrap_err();
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn what_twilio_has_of_a_recording_is_told_by_its_status_and_where_its_media_are() {
        let elsewhere = Some("https://recordings-of-a-customer.s3.amazonaws.com/x.wav");
        let regional = Some("https://api.dublin.ie1.twilio.com/2010-04-01/x");
        for (status, media_url, state) in [
            ("completed", regional, RecordingState::There),
            ("completed", None, RecordingState::There),
            ("processing", None, RecordingState::There),
            ("completed", elsewhere, RecordingState::KeptElsewhere),
            ("absent", None, RecordingState::HasNoMedia),
            ("failed", None, RecordingState::HasNoMedia),
            ("deleted", elsewhere, RecordingState::HasNoMedia),
        ] {
            let recording = resource(status, Some(CALL), media_url);
            let server = serve(&[("GET", &format!("Recordings/{RECORDING}.json"), 200, recording)]).await;
            let found = twilio(&server).await.recording_state(&recording_sid()).await.unwrap();
            assert_eq!(found, state, "{status} {media_url:?}");
        }
        let gone = twilio(&serve(&[]).await).await.recording_state(&recording_sid()).await.unwrap();
        assert_eq!(gone, RecordingState::Gone);
    }

    async fn erased(recording: Option<Value>, deletion: u16) -> (Result<Erasure, VendorError>, usize) {
        let below = format!("Recordings/{RECORDING}.json");
        let mut answers = vec![("DELETE", below.as_str(), deletion, json!({"code": 20001}))];
        answers.extend(recording.map(|recording| ("GET", below.as_str(), 200, recording)));
        let server = serve(&answers).await;
        let outcome = twilio(&server).await.erase_recording(&recording_sid()).await;
        let requests = server.received_requests().await.unwrap();
        (outcome, requests.iter().filter(|request| request.method == "DELETE").count())
    }

    #[tokio::test]
    async fn whether_a_recording_is_erased_is_decided_by_a_look_and_not_by_the_answer_to_its_deletion() {
        let absent = resource("absent", Some(CALL), None);
        assert_eq!(
            erased(Some(absent), 400).await.0.unwrap(),
            Erasure::Erased { was_there: true },
            "Twilio refuses to delete it"
        );
        assert_eq!(erased(None, 500).await.0.unwrap(), Erasure::Erased { was_there: false }, "it was gone before");
        let there = resource("completed", Some(CALL), None);
        assert_eq!(erased(Some(there.clone()), 400).await.0.unwrap_err().code.as_deref(), Some("20001"));
        assert_eq!(erased(Some(there), 204).await.0.unwrap_err().code.as_deref(), Some("still_there"));
    }

    #[tokio::test]
    async fn audio_that_twilio_does_not_have_is_waited_for_unless_the_account_keeps_it_itself() {
        let elsewhere = Some("https://bucket.s3.amazonaws.com/x.wav");
        for (media_url, is_final) in [(None, false), (elsewhere, true)] {
            let recording = resource("completed", Some(CALL), media_url);
            let server = serve(&[("GET", &format!("Recordings/{RECORDING}.json"), 200, recording)]).await;
            let Err(error) = twilio(&server).await.media(&recording_sid()).await.map(drop) else { panic!("audio") };
            assert_eq!(matches!(error, Error::Unusable(_)), is_final, "{error}");
        }
    }

    #[tokio::test]
    async fn what_seems_to_be_gone_is_deleted_and_looked_at_again() {
        let below = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}.json");
        let server = serve(&[("DELETE", &format!("Recordings/{RECORDING}.json"), 400, json!({"code": 20001}))]).await;
        let there = ResponseTemplate::new(200).set_body_json(resource("completed", Some(CALL), None));
        let missing = ResponseTemplate::new(404).set_body_json(json!({"code": 20404}));
        let get = || Mock::given(method("GET")).and(path(below.clone()));
        get().respond_with(missing).up_to_n_times(1).with_priority(1).mount(&server).await;
        get().respond_with(there).with_priority(2).mount(&server).await;
        let error = twilio(&server).await.erase_recording(&recording_sid()).await.unwrap_err();
        assert_eq!(error.code.as_deref(), Some("20001"));
    }

    #[tokio::test]
    async fn nothing_is_deleted_of_what_the_account_keeps_itself() {
        let recording = resource("completed", Some(CALL), Some("https://bucket.s3.amazonaws.com/x.wav"));
        let (outcome, deletions) = erased(Some(recording), 204).await;
        assert_eq!((outcome.unwrap(), deletions), (Erasure::KeptElsewhere, 0));
    }

    #[test]
    fn a_page_is_followed_only_if_it_is_one_of_the_accounts_own_recordings_at_twilio() {
        let list = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings.json");
        let is_page = |uri: &str| is_page_of("https://api.twilio.com", ACCOUNT, uri);
        assert!(is_page(&format!("{list}?Page=1&PageToken=PARE1&PageSize=1000&DateCreated%3E=2026-11-20")));
        let other = list.replace(ACCOUNT, "AC00000000000000000000000000000002");
        for hostile in [
            "",
            "@evil.example/2010-04-01/Accounts",
            &format!("@evil.example{list}?Page=1"),
            &format!(".evil.example{list}?Page=1"),
            &format!(":8443@evil.example{list}?Page=1"),
            &format!("//evil.example{list}?Page=1"),
            &format!("\\\\evil.example{list}?Page=1"),
            &format!("/\\evil.example{list}?Page=1"),
            &format!("https://evil.example{list}?Page=1"),
            &format!("https://api.twilio.com{list}?Page=1"),
            &format!("{list}/../../../AC2/Recordings.json?Page=1"),
            &format!("{list}#?Page=1"),
            &format!(" {list}?Page=1"),
            &format!("\t{list}?Page=1"),
            &format!("{other}?Page=1"),
            &list,
            "/2010-04-01/Accounts.json?Page=1",
        ] {
            assert!(!is_page(hostile), "{hostile:?}");
        }
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_not_followed_wherever_it_comes_from() {
        let elsewhere = MockServer::start().await;
        let host = elsewhere.uri().trim_start_matches("http://").to_owned();
        let evil = format!("@{host}/2010-04-01/Accounts/{ACCOUNT}/Recordings.json?Page=1");
        let page = json!({"recordings": [], "next_page_uri": evil});
        let server = serve(&[("GET", "Recordings.json", 200, page)]).await;
        let twilio = twilio(&server).await;
        let call_sid = CallSid::try_from(CALL.to_owned()).unwrap();
        for error in [
            twilio.recordings_of(&call_sid).await.unwrap_err(),
            twilio.recordings_since("2026-11-20", Some(&evil)).await.unwrap_err(),
        ] {
            assert_eq!(error.code.as_deref(), Some("foreign_page"));
            assert!(!error.to_string().contains(&host), "{error}");
        }
        assert!(elsewhere.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_recording_without_dates_does_not_spoil_the_page_it_is_on() {
        let listed = json!({"sid": RECORDING, "call_sid": null, "status": "absent", "date_created": null});
        let page = json!({"recordings": [listed], "next_page_uri": null});
        let server = serve(&[("GET", "Recordings.json", 200, page)]).await;
        let page = twilio(&server).await.recordings_since("2026-11-20", None).await.unwrap();
        assert_eq!(page.recordings[0].date_created, None);
    }
}
