//! An attempt to clone a voice, from its lease to its end.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;
use wav::Channel;

use super::ask;
use super::writes::Metadata;
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::RecordingSid;
use crate::error::Error;
use crate::messages::CloneRequested;
use crate::refusal::Refusal;

/// The next step of an attempt, as the database decides it.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BegunClone {
    /// There is no such attempt.
    AttemptUnknown,
    /// The attempt's lease has not ended: a worker, or the vendor, may still be making its voice.
    Wait {
        /// The time to wait, in seconds.
        retry_after_seconds: u64,
    },
    /// The vendor has no voice of it: a sample is to be made and sent.
    Clone(CloneJob),
    /// A sample may have been sent: its voice is to be looked for.
    Resolve {
        /// Proves that the attempt is ours when the result is reported.
        lease_id: Uuid,
    },
    /// Its voice is saved, and [`finish_clone`] is next.
    Finish,
    /// The attempt is refused.
    Refused {
        /// The reason, as the code of a refusal.
        code: String,
    },
    /// The attempt has ended.
    Closed {
        /// Voices to delete at the vendor.
        delete_voices: Vec<DoomedVoice>,
    },
}

/// A clone to be made, under a lease.
#[derive(Deserialize)]
pub struct CloneJob {
    /// Proves that the attempt is ours when the result is reported.
    pub lease_id: Uuid,
    /// Marks the voice at the vendor.
    pub deployment_id: Uuid,
    /// The employee whose voice it is.
    pub employee_id: Uuid,
    /// The name of the voice.
    pub employee_name: String,
    /// True if the old voice is to be deleted before the new one is made.
    #[serde(default)]
    pub replace_first: bool,
    /// The recordings to sample, newest first.
    pub recordings: Vec<SourceRecording>,
}

/// A recording to sample.
#[derive(Deserialize)]
pub struct SourceRecording {
    /// The recording.
    pub recording_sid: RecordingSid,
    /// Its immutable key.
    pub storage_path: ObjectKey,
    /// `inbound`, `outbound` or `both`.
    pub track: Option<String>,
    /// `DialVerb`, `Conference`, …
    pub source: Option<String>,
    /// The employee's channel, if somebody has stated it for this very call.
    pub employee_channel: Option<Channel>,
    /// True if a cloned voice spoke in this very call.
    pub synthetic: bool,
}

/// A voice that must be deleted at the vendor, because it was replaced or refused, or its attempt failed.
#[derive(Deserialize)]
pub struct DoomedVoice {
    /// The attempt that made it.
    pub attempt_id: Uuid,
    /// The vendor's id.
    pub vendor_voice_id: String,
}

/// Takes the attempt's lease, and asks for the next step.
pub async fn begin_clone(supabase: &Supabase, attempt_id: Uuid, lease: Duration) -> Result<BegunClone, Error> {
    #[derive(Serialize)]
    struct Arguments {
        attempt_id: Uuid,
        lease_seconds: u64,
    }
    ask(supabase, "begin_clone", Arguments { attempt_id, lease_seconds: lease.as_secs() }).await
}

/// A sample that is to be sent, with its report from the crate `sample`.
#[derive(Serialize)]
pub struct TakenSample<'a, R> {
    /// The attempt.
    pub attempt_id: Uuid,
    /// Shows that the attempt is ours.
    pub lease_id: Uuid,
    /// The recordings that were looked at, newest first.
    pub sources: &'a [SampleSource],
    /// The version of the code that made it.
    pub pipeline_version: u32,
    /// The report of how the sample was made.
    pub report: &'a R,
}

/// A recording that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct SampleSource {
    /// The recording.
    pub recording_sid: RecordingSid,
    /// The channel that was taken; `None` if nothing was.
    pub channel: Option<Channel>,
    /// True if it was passed over because a cloned voice spoke in it.
    pub synthetic: bool,
}

/// The decision whether a sample may be sent.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SampleTaken {
    /// The sample may be sent.
    Taken {
        /// Voices to delete first, to make room for the new one.
        delete_voices: Vec<DoomedVoice>,
    },
    /// The lease was given back or taken over, the attempt has ended, or its voice is saved already.
    LeaseLost,
    /// There is no consent any more, or one of the recordings was erased meanwhile.
    Refused,
}

/// Asks for permission to send a sample.
pub async fn take_sample<R: Serialize>(supabase: &Supabase, sample: &TakenSample<'_, R>) -> Result<SampleTaken, Error> {
    ask(supabase, "take_sample", sample).await
}

/// The knowledge about the voice when a lease is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// No voice was made, and the vendor has not processed the sample that was taken: it was never sent, or the vendor
    /// turned it away, for example because it was busy. So it does not count as an upload.
    Unprocessed,
    /// No voice was made.
    NotMade,
    /// A voice may have been made.
    Unknown,
}

/// Gives a lease back. If it was lost, or the attempt has changed meanwhile, that is no error: [`begin_clone`] decides
/// the next step.
pub async fn release_clone(
    supabase: &Supabase,
    attempt_id: Uuid,
    lease_id: Uuid,
    release: Release,
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments {
        attempt_id: Uuid,
        lease_id: Uuid,
        no_voice_was_made: bool,
        is_unprocessed: bool,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Released,
        Unknown,
        LeaseLost,
    }
    let (no_voice_was_made, is_unprocessed) = (release != Release::Unknown, release == Release::Unprocessed);
    let arguments = Arguments { attempt_id, lease_id, no_voice_was_made, is_unprocessed };
    let (Outcome::Released | Outcome::Unknown | Outcome::LeaseLost) = ask(supabase, "release_clone", arguments).await?;
    Ok(())
}

/// A voice that the vendor says it has made.
#[derive(Serialize)]
pub struct VendorVoice<'a> {
    /// The attempt that made it.
    pub attempt_id: Uuid,
    /// The vendor's id.
    pub vendor_voice_id: &'a str,
    /// The vendor's account that has the voice.
    pub account: &'a str,
}

/// The database's answer to a vendor's id of a voice.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SavedVoice {
    /// It is saved as the attempt's voice.
    Saved,
    /// The attempt does not need this voice, or no longer: it is to be deleted.
    Superfluous,
}

/// Saves the vendor's id of a voice.
pub async fn save_vendor_voice(supabase: &Supabase, voice: &VendorVoice<'_>) -> Result<SavedVoice, Error> {
    ask(supabase, "save_vendor_voice", voice).await
}

/// The end of an attempt, with the work that is left.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FinishedClone {
    /// Its voice is now the employee's.
    Finished {
        /// The metadata to write, if they are not written yet.
        metadata: Option<Metadata>,
        /// Voices to delete at the vendor.
        delete_voices: Vec<DoomedVoice>,
    },
    /// Its voice must not become the employee's.
    Refused {
        /// The reason, as the code of a refusal.
        code: String,
        /// The metadata to write, if they must say that there is no voice.
        metadata: Option<Metadata>,
        /// Voices to delete at the vendor.
        delete_voices: Vec<DoomedVoice>,
    },
    /// The attempt has no voice.
    NotFinishable,
}

/// Makes the attempt's voice the employee's, unless there is no consent any more.
pub async fn finish_clone(supabase: &Supabase, attempt_id: Uuid) -> Result<FinishedClone, Error> {
    ask(supabase, "finish_clone", CloneRequested { attempt_id }).await
}

/// An attempt that has failed for good.
#[derive(Serialize)]
pub struct FailedClone<'a> {
    /// The attempt.
    pub attempt_id: Uuid,
    /// Shows that the attempt is ours.
    pub lease_id: Uuid,
    /// The reason, as the code of a refusal.
    pub code: Refusal,
    /// A voice that the attempt has made nevertheless; it is to be deleted.
    pub vendor_voice_id: Option<&'a str>,
    /// The report with the figures that explain the failure.
    pub report: Option<&'a Value>,
}

/// Ends an attempt. If the lease was lost meanwhile, that is no error: [`begin_clone`] decides the next step.
pub async fn fail_clone(supabase: &Supabase, failed: &FailedClone<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Failed,
        LeaseLost,
    }
    let (Outcome::Failed | Outcome::LeaseLost) = ask(supabase, "fail_clone", failed).await?;
    Ok(())
}
