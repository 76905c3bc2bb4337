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

/// What a worker may do with an attempt.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BegunClone {
    /// There is no such attempt.
    AttemptUnknown,
    /// Another worker may still be at it, or the vendor.
    Wait {
        /// How long.
        retry_after_seconds: u64,
    },
    /// Nothing was sent: a sample is to be made and sent.
    Clone(CloneJob),
    /// Something may have been sent: its voice is to be looked for.
    Resolve {
        /// To be shown with what is found.
        lease_id: Uuid,
    },
    /// Its voice is saved: [`finish_clone`].
    Finish,
    /// It must not become a voice.
    Refused {
        /// Why.
        code: String,
    },
    /// It is over.
    Closed {
        /// What the vendor still has.
        delete_voices: Vec<DoomedVoice>,
    },
}

/// A clone to be made, under a lease.
#[derive(Deserialize)]
pub struct CloneJob {
    /// To be shown with the result.
    pub lease_id: Uuid,
    /// Marks the voice at the vendor.
    pub deployment_id: Uuid,
    /// Whose voice it is.
    pub employee_id: Uuid,
    /// The name of the voice.
    pub employee_name: String,
    /// To be sampled, newest first.
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
    /// What somebody said of this very call.
    pub employee_channel: Option<Channel>,
    /// A cloned voice spoke in this very call.
    pub synthetic: bool,
}

/// A voice that must go from the vendor: replaced, refused or failed.
#[derive(Deserialize)]
pub struct DoomedVoice {
    /// What made it.
    pub attempt_id: Uuid,
    /// The vendor's id.
    pub vendor_voice_id: String,
}

/// Takes the attempt's lease, and asks what is to be done with it.
pub async fn begin_clone(supabase: &Supabase, attempt_id: Uuid, lease: Duration) -> Result<BegunClone, Error> {
    #[derive(Serialize)]
    struct Arguments {
        attempt_id: Uuid,
        lease_seconds: u64,
    }
    ask(supabase, "begin_clone", Arguments { attempt_id, lease_seconds: lease.as_secs() }).await
}

/// A sample that is to be sent, with a report of the crate `sample`.
#[derive(Serialize)]
pub struct TakenSample<'a, R> {
    /// Whose it is.
    pub attempt_id: Uuid,
    /// Shows that the attempt is ours.
    pub lease_id: Uuid,
    /// What was looked at, newest first.
    pub sources: &'a [SampleSource],
    /// Of the code that made it.
    pub pipeline_version: u32,
    /// How it came about.
    pub report: &'a R,
}

/// A recording that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct SampleSource {
    /// The recording.
    pub recording_sid: RecordingSid,
    /// Whose party was taken; none where nothing was.
    pub channel: Option<Channel>,
    /// It was passed over, since a cloned voice spoke in it.
    pub synthetic: bool,
}

/// Whether a sample may be sent.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SampleTaken {
    /// It may.
    Taken {
        /// To be deleted first: they give way to the new voice.
        delete_voices: Vec<DoomedVoice>,
    },
    /// Another worker has taken over.
    LeaseLost,
    /// Consent, or one of the recordings, is gone by now.
    Refused,
}

/// Asks for leave to send a sample.
pub async fn take_sample<R: Serialize>(supabase: &Supabase, sample: &TakenSample<'_, R>) -> Result<SampleTaken, Error> {
    ask(supabase, "take_sample", sample).await
}

/// What is known of the voice when a lease is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The sample that was let go never left us.
    Unsent,
    /// Surely no voice was made.
    NotMade,
    /// A voice may have been made.
    Unknown,
}

/// Gives a lease back. Whatever came between, [`begin_clone`] tells what is to be done now.
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
        fate_known: bool,
        is_unsent: bool,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Released,
        Unknown,
        LeaseLost,
    }
    let (fate_known, is_unsent) = (release != Release::Unknown, release == Release::Unsent);
    let arguments = Arguments { attempt_id, lease_id, fate_known, is_unsent };
    let (Outcome::Released | Outcome::Unknown | Outcome::LeaseLost) = ask(supabase, "release_clone", arguments).await?;
    Ok(())
}

/// A voice that the vendor says it has made.
#[derive(Serialize)]
pub struct VendorVoice<'a> {
    /// What made it.
    pub attempt_id: Uuid,
    /// The vendor's id.
    pub vendor_voice_id: &'a str,
    /// The vendor's account that has it.
    pub account: &'a str,
}

/// What became of a vendor's id that was handed to the database.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SavedVoice {
    /// It is the attempt's.
    Saved,
    /// The attempt does not need it, or no longer: it is to be deleted.
    Superfluous,
}

/// Saves the vendor's id of a voice.
pub async fn save_vendor_voice(supabase: &Supabase, voice: &VendorVoice<'_>) -> Result<SavedVoice, Error> {
    ask(supabase, "save_vendor_voice", voice).await
}

/// How an attempt has ended, and what is left to do.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FinishedClone {
    /// Its voice is the employee's.
    Finished {
        /// To be written, if it is not.
        metadata: Option<Metadata>,
        /// What the vendor still has.
        delete_voices: Vec<DoomedVoice>,
    },
    /// Its voice must not be the employee's.
    Refused {
        /// Why.
        code: String,
        /// To be written, if it must say that there is no voice.
        metadata: Option<Metadata>,
        /// What the vendor still has.
        delete_voices: Vec<DoomedVoice>,
    },
    /// It has no voice.
    NotFinishable,
}

/// Makes the attempt's voice the employee's, unless consent is gone by now.
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
    /// Why.
    pub code: Refusal,
    /// A voice that it has made all the same, which is then one to delete.
    pub vendor_voice_id: Option<&'a str>,
    /// The figures for which there is no sample or no voice.
    pub report: Option<&'a Value>,
}

/// Ends an attempt. Whatever came between, [`begin_clone`] tells what is to be done now.
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
