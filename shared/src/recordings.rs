//! A finished call recording → the private bucket `recordings`.
//!
//! Each recording is kept under a key that never changes, `{employee_id}/{RecordingSid}.wav`; the employee's newest
//! is also copied to `{employee_id}/{employee_id}.wav`. Every step may run twice, or never come to its end.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::clients::supabase::Supabase;
use crate::clients::twilio::{Recording, Twilio};
use crate::error::Error;
use crate::wav::Wav;

/// The private bucket of the recordings.
pub const BUCKET: &str = "recordings";

/// Twilio's id of a call, `CA…`. For a call of two legs it is always the parent leg's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct CallSid(String);

/// Twilio's id of a recording, `RE…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RecordingSid(String);

impl TryFrom<String> for CallSid {
    type Error = InvalidSid;

    fn try_from(text: String) -> Result<Self, InvalidSid> {
        sid("CA", text).map(Self)
    }
}

impl TryFrom<String> for RecordingSid {
    type Error = InvalidSid;

    fn try_from(text: String) -> Result<Self, InvalidSid> {
        sid("RE", text).map(Self)
    }
}

impl fmt::Display for CallSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RecordingSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not two letters and 32 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("not a Twilio SID of the expected kind")]
pub struct InvalidSid;

/// Checked, since it becomes part of addresses and keys.
fn sid(kind: &str, text: String) -> Result<String, InvalidSid> {
    let digits = text.strip_prefix(kind).ok_or(InvalidSid)?;
    let well_formed = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if well_formed { Ok(text) } else { Err(InvalidSid) }
}

/// The message from `recording-webhook` to `recording-ingest`: Twilio says that a recording is finished.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordingFinished {
    /// The call, by which the database knows the employee.
    pub call_sid: CallSid,
    /// The recording.
    pub recording_sid: RecordingSid,
}

/// Where the database wants a recording.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Target {
    CallUnknown,
    /// With the key at which a worker that died may have left it all the same.
    Erased {
        storage_path: Option<String>,
    },
    Store {
        storage_path: String,
    },
    Stored {
        newest: Option<Newest>,
    },
}

/// What the database made of a stored recording.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Finished {
    CallUnknown,
    TargetChanged,
    Erased,
    Stored { newest: Option<Newest> },
}

/// The employee's newest recording.
#[derive(Deserialize)]
pub(crate) struct Newest {
    employee_id: Uuid,
    recording_sid: RecordingSid,
    storage_path: String,
    copy_to: String,
}

/// Brings a finished recording into the private bucket.
///
/// # Errors
/// [`Error::NotYet`] while the database does not know the call or Twilio has not finished the recording;
/// [`Error::Unusable`] for media that are encrypted or not a WAV; otherwise what a vendor said. In each case nothing
/// is lost: the message stays, and a later try repeats what is missing.
pub async fn ingest(twilio: &Twilio, supabase: &Supabase, finished: &RecordingFinished) -> Result<(), Error> {
    let sids = json!({"p_recording_sid": finished.recording_sid, "p_call_sid": finished.call_sid});
    let newest = match supabase.rpc("recording_target", sids).await? {
        Target::CallUnknown => return Err(call_unknown()),
        Target::Erased { storage_path: None } => return Ok(()),
        Target::Erased { storage_path: Some(path) } => return Ok(supabase.remove(BUCKET, &path).await?),
        Target::Stored { newest } => newest,
        Target::Store { storage_path } => store(twilio, supabase, finished, &storage_path).await?,
    };
    publish_newest(supabase, newest).await
}

/// Streams the recording to its immutable key and records it; gives back the employee's newest recording.
async fn store(
    twilio: &Twilio,
    supabase: &Supabase,
    finished: &RecordingFinished,
    storage_path: &str,
) -> Result<Option<Newest>, Error> {
    let recording = twilio.recording(&finished.recording_sid).await?;
    check_is_readable(&recording)?;
    supabase.ensure_private_bucket(BUCKET).await?;
    let wav = Wav::open(twilio.media(&finished.recording_sid).await?).await?;
    let bytes = wav.length;
    supabase.upload(BUCKET, storage_path, "audio/wav", bytes, wav.body).await?;
    tracing::info!(recording_sid = %finished.recording_sid, bytes, "the recording is stored");

    let facts = json!({
        "p_recording_sid": finished.recording_sid,
        "p_call_sid": finished.call_sid,
        "p_storage_path": storage_path,
        "p_bytes": bytes,
        "p_duration_seconds": recording.duration.as_deref().and_then(|seconds| seconds.parse::<u32>().ok()),
        "p_channels": recording.channels,
        "p_track": recording.track,
        "p_source": recording.source,
        "p_started_at": recording.start_time,
    });
    match supabase.rpc("finish_ingest", facts).await? {
        Finished::Stored { newest } => Ok(newest),
        Finished::Erased => {
            supabase.remove(BUCKET, storage_path).await?;
            Ok(None)
        }
        // The call moved to another employee while its recording was on the way: the next try stores it there.
        Finished::TargetChanged => {
            supabase.remove(BUCKET, storage_path).await?;
            Err(Error::NotYet { reason: "the recording's place has changed", retry_after: None })
        }
        Finished::CallUnknown => {
            supabase.remove(BUCKET, storage_path).await?;
            Err(call_unknown())
        }
    }
}

/// Copies the employee's newest recording to the key that always names the newest.
///
/// Afterwards asks again which is the newest, and copies that one if it is another: so a slow worker with an older
/// recording never has the last word, whatever the order of the messages. If there is none any more, all were erased
/// meanwhile, and the copy goes too.
pub(crate) async fn publish_newest(supabase: &Supabase, mut newest: Option<Newest>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Answer {
        newest: Option<Newest>,
    }
    while let Some(copied) = newest {
        supabase.copy(BUCKET, &copied.storage_path, &copied.copy_to).await?;
        let answer: Answer = supabase.rpc("newest_recording", json!({"p_employee_id": copied.employee_id})).await?;
        if answer.newest.is_none() {
            supabase.remove(BUCKET, &copied.copy_to).await?;
        }
        newest = answer.newest.filter(|now| now.recording_sid != copied.recording_sid);
    }
    Ok(())
}

fn call_unknown() -> Error {
    Error::NotYet { reason: "the database does not know the call", retry_after: None }
}

fn check_is_readable(recording: &Recording) -> Result<(), Error> {
    if recording.encryption_details.is_some() {
        return Err(Error::Unusable("the recording is encrypted with the account's public key"));
    }
    match recording.status.as_str() {
        "completed" => Ok(()),
        "absent" | "deleted" => Err(Error::Unusable("Twilio has no audio of this recording")),
        _ => Err(Error::NotYet { reason: "Twilio has not finished the recording", retry_after: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_is_two_letters_and_32_hex_digits() {
        let parse = |text: &str| RecordingSid::try_from(text.to_owned());
        assert!(parse("RE0123456789abcdefABCDEF0123456789").is_ok());
        for wrong in [
            "",
            "RE",
            "CA0123456789abcdefABCDEF0123456789",
            "RE0123456789abcdefABCDEF012345678/",
            "RE../../../../../../../../../../../",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
