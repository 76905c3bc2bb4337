//! Twilio's description of a recording, and its erasure.

use http::StatusCode;
use reqwest::{Method, Url};
use serde::Deserialize;

use super::client::{NAME, Twilio};
use super::sid::{CallSid, RecordingSid, if_well_formed};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;
use crate::error::Error;

/// A recording as Twilio describes it. This is believed, and not the callback.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>, and Twilio's OpenAPI description (`twilio_api_v2010`), by
/// which nearly every field may be null.
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// The recorded call: the parent leg of a call of two legs, or the call that Twilio names for a conference.
    #[serde(default, deserialize_with = "if_well_formed")]
    pub call_sid: Option<CallSid>,
    /// RFC 2822, such as `Fri, 20 Nov 2026 10:00:00 +0000`; missing for a recording that is absent, deleted or still
    /// being made.
    pub start_time: Option<String>,
    /// Seconds, as text; `-1` or missing while Twilio does not know them.
    pub duration: Option<String>,
    /// Channels of the final file: 1 or 2.
    pub channels: Option<i32>,
    /// `inbound`, `outbound` or `both`. Only [`Twilio::recording_of_call`] gives it.
    pub track: Option<String>,
    /// `DialVerb`, `Conference`, `OutboundAPI`, …
    pub source: Option<String>,
    /// Present if the media are encrypted with the customer's public key, and so of no use here.
    pub encryption_details: Option<serde::de::IgnoredAny>,
    /// The address of the media. With external storage it is in a bucket of the account's own. Only the account's
    /// resource has this field, not the call's.
    media_url: Option<String>,
}

/// The parts of a recording that Twilio has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingState {
    /// Twilio has nothing: the recording was deleted, or never existed.
    Gone,
    /// Twilio has a row without audio, because the recording was too short, failed, or is deleted and still listed.
    /// Twilio refuses to delete most of these.
    HasNoMedia,
    /// Twilio has a row whose audio is in a bucket of the account's own.
    KeptElsewhere,
    /// Twilio has the audio, or is still making it.
    There,
}

/// The result of erasing a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Twilio was asked afterwards and has no audio of it.
    Erased {
        /// True if Twilio had the recording before, with or without its audio.
        was_there: bool,
    },
    /// Its audio is in a bucket of the account's own, where only its owner can delete it. Twilio's row is kept, because
    /// it says where the audio is.
    KeptElsewhere,
}

impl Twilio {
    /// Reads Twilio's description of a call's recording, the only one with the `track`. A recording of another call is
    /// a 404.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording>
    pub async fn recording_of_call(&self, call_sid: &CallSid, sid: &RecordingSid) -> Result<Recording, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording of a call" };
        let account = self.account_sid();
        let path = format!("/2010-04-01/Accounts/{account}/Calls/{call_sid}/Recordings/{sid}.json");
        call.json(self.request(Method::GET, &path).timeout(SHORT)).await
    }

    /// Reads the recording that a callback names, and checks that it belongs to the call that the callback names.
    ///
    /// If the call's path does not have the recording, the call that Twilio's description names decides: that is so for
    /// some conferences.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it belongs to another call, or Twilio names no call: the audio may be another
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

    /// Reads Twilio's description of a recording, without the `track`. A recording that Twilio does not have (yet) is a
    /// 404.
    pub async fn recording(&self, sid: &RecordingSid) -> Result<Recording, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording" };
        call.json(self.request(Method::GET, &self.recording_path(sid, ".json")).timeout(SHORT)).await
    }

    /// Asks which parts of a recording Twilio has.
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

    /// Deletes a recording for good, then asks what is left; only the second answer decides. The first one says little:
    /// Twilio refuses to delete a recording without audio (code 20001), and a lost answer may have been a success.
    ///
    /// A recording whose audio is in the account's own storage is not deleted: without Twilio's row nobody would know
    /// of the audio.
    ///
    /// # Errors
    /// Twilio's error of the deletion, if the audio is still there; or its error of the question.
    pub async fn erase_recording(&self, sid: &RecordingSid) -> Result<Erasure, VendorError> {
        let before = self.recording_state(sid).await?;
        if before == RecordingState::KeptElsewhere {
            return Ok(Erasure::KeptElsewhere);
        }
        // This is tried even if the recording seems to be gone: one answer is not proof enough.
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

    /// True if the audio is in a bucket of the account's own (external storage), and not at Twilio.
    ///
    /// Source: <https://www.twilio.com/docs/voice/recording-settings>
    fn keeps_elsewhere(&self, recording: &Recording) -> bool {
        let host = |url: &str| Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
        recording.media_url.as_deref().is_some_and(|url| {
            let (media, ours) = (host(url), host(&self.base_url));
            // Twilio has several hosts, one for each region, so only a host that is not Twilio's is elsewhere.
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

    #[test]
    fn only_a_host_that_is_not_twilios_is_elsewhere() {
        let secret = serde_json::from_value(json!({"account_sid": ACCOUNT})).unwrap();
        let base_url = "https://twilio.internal.example";
        let twilio = Twilio::new(crate::clients::http_client(), base_url.into(), std::sync::Arc::new(secret));
        for (media_url, is_elsewhere) in [
            (None, false),
            (Some("https://twilio.internal.example/x"), false),
            (Some("https://twilio.com/x"), false),
            (Some("https://api.dublin.ie1.twilio.com/x"), false),
            (Some("https://eviltwilio.com/x"), true),
            (Some("https://twilio.com.evil.example/x"), true),
            (Some("no address"), true),
        ] {
            let recording = serde_json::from_value(resource("completed", Some(CALL), media_url)).unwrap();
            assert_eq!(twilio.keeps_elsewhere(&recording), is_elsewhere, "{media_url:?}");
        }
    }

    #[tokio::test]
    async fn a_recording_that_is_not_there_counts_as_deleted_and_another_error_does_not() {
        for (status, is_deleted) in [(204, true), (404, true), (400, false), (500, false)] {
            let below = format!("Recordings/{RECORDING}.json");
            let server = serve(&[("DELETE", &below, status, json!({}))]).await;
            assert_eq!(twilio(&server).await.delete_recording(&recording_sid()).await.is_ok(), is_deleted, "{status}");
        }
    }

    #[tokio::test]
    async fn a_twilio_that_cannot_answer_says_nothing_about_what_it_has() {
        let below = format!("Recordings/{RECORDING}.json");
        let of_call = format!("Calls/{CALL}/{below}");
        let recording = resource("completed", Some(CALL), None);
        let server = serve(&[("GET", &below, 500, json!({}))]).await;
        assert!(twilio(&server).await.recording_state(&recording_sid()).await.is_err(), "it may be there");
        let server = serve(&[("GET", &of_call, 500, json!({})), ("GET", &below, 200, recording)]).await;
        assert!(twilio(&server).await.finished_recording(&call_sid(), &recording_sid()).await.is_err());
    }
}
