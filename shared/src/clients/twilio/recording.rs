//! What Twilio has of a recording, and its erasure.

use http::StatusCode;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::client::{NAME, Twilio};
use super::sid::{CallSid, RecordingSid, if_well_formed};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;
use crate::error::Error;

/// What Twilio says about a recording: the truth, whatever the callback said.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>, and Twilio's OpenAPI description (`twilio_api_v2010`), by
/// which nearly every field may be null.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// The call that it is of: of a call of two legs the parent leg, of a conference the call that Twilio names.
    #[serde(default, deserialize_with = "if_well_formed")]
    pub call_sid: Option<CallSid>,
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

impl Twilio {
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
    pub async fn finished_recording(&self, call_sid: &CallSid, sid: &RecordingSid) -> Result<Recording, Error> {
        let recording = match self.recording_of_call(call_sid, sid).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => self.recording(sid).await?,
            answer => answer?,
        };
        match &recording.call_sid {
            Some(named) if named == call_sid => Ok(recording),
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
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, ResponseTemplate};

    use super::super::testing::{ACCOUNT, CALL, RECORDING, call_sid, recording_sid, resource, serve, twilio};
    use super::*;

    const OTHER_CALL: &str = "CA00000000000000000000000000000002";

    #[tokio::test]
    async fn a_recording_is_read_below_its_call_which_tells_the_track() {
        let mut recording = resource("completed", Some(CALL), None);
        recording["track"] = "inbound".into();
        let server = serve(&[("GET", &format!("Calls/{CALL}/Recordings/{RECORDING}.json"), 200, recording)]).await;
        let read = twilio(&server).await.finished_recording(&call_sid(), &recording_sid()).await.unwrap();
        assert_eq!(read.track.as_deref(), Some("inbound"));
    }

    #[tokio::test]
    async fn a_recording_of_another_call_or_of_none_is_refused() {
        for (named, allowed) in [(Some(OTHER_CALL), false), (None, false), (Some(CALL), true)] {
            let recording = resource("completed", named, None);
            for below in [format!("Recordings/{RECORDING}.json"), format!("Calls/{CALL}/Recordings/{RECORDING}.json")] {
                let server = serve(&[("GET", &below, 200, recording.clone())]).await;
                let read = twilio(&server).await.finished_recording(&call_sid(), &recording_sid()).await;
                assert_eq!(read.is_ok(), allowed, "{named:?} at {below}");
                assert!(allowed || matches!(read, Err(Error::Unusable(_))), "{named:?} at {below}");
            }
        }
    }

    #[tokio::test]
    async fn a_recording_that_is_not_there_yet_is_waited_for() {
        let error =
            twilio(&serve(&[]).await).await.finished_recording(&call_sid(), &recording_sid()).await.unwrap_err();
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
}
