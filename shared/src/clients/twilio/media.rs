//! The audio of a recording.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use reqwest::Method;

use super::client::{NAME, Twilio};
use super::recording::RecordingState;
use super::sid::RecordingSid;
use crate::clients::call::Call;
use crate::error::Error;

/// Bound for a whole recording; shorter than `recording-ingest`'s timeout.
const MEDIA: Duration = Duration::from_secs(270);

/// The audio of a recording that is being downloaded.
pub struct Media<S> {
    /// Length in bytes, if Twilio stated it in the header.
    pub length: Option<u64>,
    /// The bytes as they arrive.
    pub stream: S,
}

impl Twilio {
    /// Opens the WAV of a recording, with each leg in a channel of its own if Twilio has it so.
    ///
    /// Conference recordings come mixed unless two channels are requested, and a request for two channels that do not
    /// exist is a 400. Then the recording is requested as it was made.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the account keeps its recordings in a bucket of its own; otherwise Twilio's error, which
    /// is a 404 while the audio is not there yet.
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
                // The runbook says what to do, under the alarm of the dead letters.
                RecordingState::KeptElsewhere => Err(Error::Unusable(
                    "the account keeps the recording in a bucket of its own, where we cannot read it",
                )),
                _ => Err(error.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use wiremock::matchers::{path, query_param, query_param_is_missing};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::{ACCOUNT, CALL, RECORDING, recording_sid, resource, serve, twilio};
    use super::*;

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
    async fn both_legs_are_asked_for_and_where_there_is_one_channel_the_recording_as_it_was_made() {
        let at = format!("/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}.wav");
        let asked_for_two = || Mock::given(path(at.clone())).and(query_param("RequestedChannels", "2"));
        let as_it_was = || Mock::given(path(at.clone())).and(query_param_is_missing("RequestedChannels"));
        for (status, bytes, requests) in [(200, Some("two"), 1), (400, Some("one"), 2), (503, None, 1)] {
            let server = MockServer::start().await;
            asked_for_two().respond_with(ResponseTemplate::new(status).set_body_string("two")).mount(&server).await;
            as_it_was().respond_with(ResponseTemplate::new(200).set_body_string("one")).mount(&server).await;
            let media = twilio(&server).await.media(&recording_sid()).await;
            assert_eq!(media.as_ref().ok().and_then(|media| media.length), bytes.map(|_| 3), "{status}");
            let mut found = None;
            if let Ok(media) = media {
                let chunks: Vec<Bytes> = media.stream.try_collect().await.unwrap();
                found = Some(chunks.concat());
            }
            assert_eq!(found.as_deref(), bytes.map(str::as_bytes), "{status}");
            assert_eq!(server.received_requests().await.unwrap().len(), requests, "{status}");
        }
    }
}
