//! Answers one callback. No field of it is used before its signature is verified.

use std::sync::Arc;

use http::{Response, StatusCode};
use lambda_http::{Request, RequestExt};
use shared::answer;
use shared::clients::twilio::{CallSid, RecordingSid, TwilioSecret};
use shared::error::Error;
use shared::gateway::{header, raw_query};
use shared::messages::RecordingFinished;
use shared::queue::Queue;
use shared::refusal::{Allow, Refusal};
use shared::secret::Secret;

use crate::signature::{SignedRequest, SigningKey};

/// A recording callback has about a dozen short fields.
const LARGEST_BODY_BYTES: usize = 64 * 1024;

/// The webhook, with the services that it uses.
pub struct Webhook {
    /// The URL that Twilio was configured to call, without the path. The signature covers it; no header is trusted for
    /// it.
    pub public_base_url: String,
    /// The secret that verifies the callbacks.
    pub twilio: Secret<TwilioSecret>,
    /// The queue of `recording-ingest`.
    pub queue: Queue,
}

impl Webhook {
    /// Answers a request; every error becomes a problem document, so that the invocation itself never fails.
    pub async fn handle(&self, request: Request) -> Response<String> {
        self.accept(&request).await.unwrap_or_else(|error| {
            if let Error::Refused { refusal, .. } = &error {
                // Nobody reads the answer, so a wrong secret or public URL is visible only in this log line.
                tracing::warn!(code = refusal.code(), "a callback is refused");
            }
            answer::problem(error)
        })
    }

    async fn accept(&self, request: &Request) -> Result<Response<String>, Error> {
        if request.method() != "POST" {
            return Err(Refusal::MethodNotAllowed(Allow("POST")).into());
        }
        if request.body().len() > LARGEST_BODY_BYTES {
            return Err(Refusal::PayloadTooLarge.into());
        }
        let account_sid = self.verify(request).await?;
        let callback = Callback::parse(request.body())?;
        if callback.account_sid != account_sid {
            return Err(Refusal::AccountMismatch.into());
        }
        let recording_sid = &callback.finished.recording_sid;
        if callback.status == "completed" {
            self.queue.send(&callback.finished).await?;
            tracing::info!(%recording_sid, "the recording is queued");
        } else {
            // For `absent`, `in-progress`, `failed` and any new status there is nothing to fetch, but it is worth a log
            // line.
            tracing::warn!(%recording_sid, status = callback.status, "the recording is not completed");
        }
        let mut response = Response::new(String::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    /// Verifies that Twilio sent the request. Returns the account that it must be about.
    ///
    /// If the signature does not match the secret in memory, the secret may have been rotated, so it is read again, at
    /// most once a minute.
    async fn verify(&self, request: &Request) -> Result<String, Error> {
        let signature = header(request, "x-twilio-signature").ok_or(Refusal::SignatureMissing)?;
        let (path, query) = (request.raw_http_path(), raw_query(request));
        let question_mark = if query.is_empty() { "" } else { "?" };
        let signed = SignedRequest {
            url: format!("{}{path}{question_mark}{query}", self.public_base_url),
            is_form: header(request, "content-type").is_some_and(is_form),
            body: request.body(),
        };
        let genuine = |secrets: Vec<Arc<TwilioSecret>>| {
            secrets.into_iter().find(|secret| signed.is_genuine(signature, &signing_keys(secret)))
        };
        if let Some(secret) = genuine(self.twilio.valid().await?) {
            return Ok(secret.account_sid.clone());
        }
        let secret = self.twilio.reread_valid().await?.and_then(genuine);
        Ok(secret.ok_or(Refusal::SignatureInvalid)?.account_sid.clone())
    }
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The keys that we have, each bound to its algorithm. The request does not choose the algorithm of its own signature.
fn signing_keys(secret: &TwilioSecret) -> Vec<SigningKey<'_>> {
    let tokens = secret.auth_token.iter().map(SigningKey::AuthToken);
    tokens.chain(secret.shared_key_secret.iter().map(SigningKey::SharedKey)).collect()
}

/// The fields of a callback that matter here.
///
/// Source: <https://www.twilio.com/docs/voice/api/recording#recording-status-callback>
#[derive(Debug)]
struct Callback {
    account_sid: String,
    /// An open set. Only `completed` has a recording to fetch.
    status: String,
    finished: RecordingFinished,
}

impl Callback {
    fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let finished = RecordingFinished {
            call_sid: CallSid::try_from(field(body, "CallSid")?).map_err(|_| Refusal::CallbackIncomplete)?,
            recording_sid: RecordingSid::try_from(field(body, "RecordingSid")?)
                .map_err(|_| Refusal::CallbackIncomplete)?,
        };
        Ok(Self { account_sid: field(body, "AccountSid")?, status: field(body, "RecordingStatus")?, finished })
    }
}

/// The value of a field that must be there exactly once.
fn field(body: &[u8], name: &str) -> Result<String, Refusal> {
    let mut values = form_urlencoded::parse(body).filter(|(key, _)| key == name).map(|(_, value)| value);
    let value = values.next().filter(|value| !value.is_empty()).ok_or(Refusal::CallbackIncomplete)?;
    if values.any(|other| other != value) {
        return Err(Refusal::CallbackIncomplete);
    }
    Ok(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDING: &str = "RE0123456789abcdef0123456789abcdef";

    fn parse(body: &str) -> Result<Callback, Refusal> {
        Callback::parse(body.as_bytes())
    }

    fn body(without: &str) -> String {
        let call = "CA0123456789abcdef0123456789abcdef";
        let fields =
            [("AccountSid", "AC1"), ("CallSid", call), ("RecordingSid", RECORDING), ("RecordingStatus", "completed")];
        let kept: Vec<_> =
            fields.iter().filter(|(name, _)| *name != without).map(|(n, v)| format!("{n}={v}")).collect();
        kept.join("&")
    }

    #[test]
    fn unknown_fields_do_not_matter() {
        let callback = parse(&format!("{}&NewField=x&RecordingTrack=both", body(""))).unwrap();
        assert_eq!(callback.finished.recording_sid.to_string(), RECORDING);
        assert_eq!(callback.status, "completed");
    }

    #[test]
    fn each_needed_field_must_be_there() {
        for name in ["AccountSid", "CallSid", "RecordingSid", "RecordingStatus"] {
            assert_eq!(parse(&body(name)).unwrap_err(), Refusal::CallbackIncomplete, "without {name}");
            let blank = format!("{}&{name}=", body(name));
            assert_eq!(parse(&blank).unwrap_err(), Refusal::CallbackIncomplete, "blank {name}");
        }
    }

    #[test]
    fn a_field_that_says_two_things_says_nothing() {
        let twice = format!("{}&RecordingSid={RECORDING}", body(""));
        assert!(parse(&twice).is_ok());
        let differing = format!("{}&RecordingSid=RE00000000000000000000000000000000", body(""));
        assert_eq!(parse(&differing).unwrap_err(), Refusal::CallbackIncomplete);
    }

    #[test]
    fn an_empty_token_or_shared_key_is_no_key_at_all() {
        let keys = |fields: &str| {
            let secret = serde_json::from_str(&format!(r#"{{"account_sid": "AC1", {fields}}}"#)).unwrap();
            signing_keys(&secret).len()
        };
        assert_eq!(keys(r#""auth_token": "x", "shared_key_secret": "y""#), 2);
        assert_eq!(keys(r#""auth_token": "", "shared_key_secret": """#), 0);
        assert_eq!(keys(r#""authToken": "", "shared_key_secret": null"#), 0);
    }

    #[test]
    fn a_form_is_told_by_its_media_type_alone() {
        assert!(is_form("application/x-www-form-urlencoded"));
        assert!(is_form("Application/X-WWW-Form-Urlencoded; charset=UTF-8"));
        assert!(!is_form("application/json"));
    }
}
