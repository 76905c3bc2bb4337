//! Twilio's REST API: what a recording is, and its audio.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{Call, SHORT, VendorError};
use crate::recordings::{CallSid, RecordingSid};

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
    #[serde(alias = "authToken")]
    pub auth_token: Option<SecretString>,
    /// `SK…`: with its secret, used for REST instead of the auth token, as Twilio recommends.
    #[serde(alias = "apiKeySid")]
    pub api_key_sid: Option<String>,
    /// The API key's secret.
    #[serde(alias = "apiKeySecret")]
    pub api_key_secret: Option<SecretString>,
    /// Signs the callbacks with HMAC-SHA256, where the account has a webhook shared key.
    pub shared_key_secret: Option<SecretString>,
}

/// A client of one account.
pub struct Twilio {
    http: Client,
    base_url: Arc<str>,
    secret: Arc<TwilioSecret>,
}

/// What Twilio says about a recording: the truth, whatever the callback said.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording>
#[derive(Debug, Deserialize)]
pub struct Recording {
    /// An open set; the audio is there when it is `completed`.
    pub status: String,
    /// RFC 2822, such as `Fri, 20 Nov 2026 10:00:00 +0000`.
    pub start_time: String,
    /// Seconds, as text; Twilio says `-1` or nothing while it does not know.
    pub duration: Option<String>,
    /// Channels of the final file: 1 or 2.
    pub channels: Option<i32>,
    /// `inbound`, `outbound` or `both`.
    pub track: Option<String>,
    /// `DialVerb`, `Conference`, `OutboundAPI`, …
    pub source: Option<String>,
    /// There when the media are encrypted with the customer's public key: ciphertext, useless to us.
    pub encryption_details: Option<serde::de::IgnoredAny>,
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
    /// RFC 2822.
    pub date_created: String,
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

    /// `AC…`: whose recordings these are.
    pub fn account_sid(&self) -> &str {
        &self.secret.account_sid
    }

    /// Reads what Twilio knows about a recording. A recording that Twilio does not (yet) have is a 404.
    pub async fn recording(&self, sid: &RecordingSid) -> Result<Recording, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording" };
        call.json(self.request(Method::GET, &self.recording_path(sid, ".json")).timeout(SHORT)).await
    }

    /// Whether Twilio still has a recording. A deleted one may be listed for a while, as `deleted`.
    pub async fn has_recording(&self, sid: &RecordingSid) -> Result<bool, VendorError> {
        match self.recording(sid).await {
            Ok(recording) => Ok(recording.status != "deleted"),
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => Ok(false),
            Err(error) => Err(error),
        }
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
            next = page.next_page_uri;
        }
        Ok(found)
    }

    /// The account's recordings from a day on (`YYYY-MM-DD`, in UTC), a page of them at a time: from the first, or from
    /// where an earlier page said that it goes on.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording#read-multiple-recording-resources>
    pub async fn recordings_since(&self, day: &str, page_uri: Option<&str>) -> Result<RecordingPage, VendorError> {
        let call = Call { vendor: NAME, action: "list the recordings" };
        let account = &self.secret.account_sid;
        let first = format!("/2010-04-01/Accounts/{account}/Recordings.json?DateCreated%3E={day}&PageSize=1000");
        call.json(self.request(Method::GET, page_uri.unwrap_or(&first)).timeout(SHORT)).await
    }

    /// Opens the WAV of a recording, both legs in their own channels where Twilio has them so.
    ///
    /// Conference recordings come mixed unless two channels are requested, and a request for two that cannot be met
    /// is a 400: then the recording is what it is, and comes as it was made.
    ///
    /// Source: <https://www.twilio.com/docs/voice/api/recording>
    pub async fn media(
        &self,
        sid: &RecordingSid,
    ) -> Result<Media<impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static>, VendorError> {
        let call = Call { vendor: NAME, action: "read a recording's audio" };
        let wav = || self.request(Method::GET, &self.recording_path(sid, ".wav")).timeout(MEDIA);
        let response = match call.send(wav().query(&[("RequestedChannels", "2")])).await {
            Err(error) if error.status == Some(StatusCode::BAD_REQUEST) => call.send(wav()).await?,
            answer => answer?,
        };
        Ok(Media { length: response.content_length(), stream: response.bytes_stream() })
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
