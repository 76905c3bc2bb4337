//! Brings a finished call recording into the private bucket `recordings`.
//!
//! Each recording is kept under a key that never changes, `{employee_id}/{RecordingSid}.wav`; the employee's newest is
//! also copied to `{employee_id}/{employee_id}.wav`. Every step may run twice, or be cut short.

use http::StatusCode;
use uuid::Uuid;

use crate::clients::VendorError;
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::{Recording, RecordingSid, Twilio};
use crate::error::Error;
use crate::media::Wav;
use crate::messages::RecordingFinished;
use crate::metrics::{self, timed};
use crate::referee::recordings::{
    FinishedIngest, Newest, OversizedRecording, Publication, Published, RecordingTarget, SetAside, StoredRecording,
    finish_ingest, newest_published, recording_target, recording_too_large,
};
use crate::referee::writes::write_cleared;

/// The private bucket of the recordings.
pub const BUCKET: &str = "recordings";

/// Brings a finished recording into the private bucket. A recording that is larger than Storage's limit is set aside;
/// the sweep has it fetched when the limit is raised.
///
/// # Errors
/// [`Error::NotYet`] while the database does not know the call or Twilio has not finished the recording;
/// [`Error::Unusable`] for media that are encrypted or not a WAV; otherwise a vendor's error. Nothing is lost: the
/// message stays in the queue, and a later try does the rest.
pub async fn ingest(twilio: &Twilio, supabase: &Supabase, finished: &RecordingFinished) -> Result<(), Error> {
    let newest = match recording_target(supabase, finished).await? {
        RecordingTarget::CallUnknown => return Err(call_unknown()),
        RecordingTarget::Erased { storage_path: None } => return Ok(()),
        RecordingTarget::Erased { storage_path: Some(path) } => return Ok(supabase.remove(BUCKET, &path).await?),
        RecordingTarget::Stored { newest } => newest,
        RecordingTarget::Store { storage_path, write_id } => {
            timed("store_recording", store(twilio, supabase, finished, &storage_path, write_id)).await?
        }
    };
    timed("publish_recording", publish_newest(supabase, newest)).await
}

/// Streams the recording to its immutable key and records it; returns the employee's newest recording if it is to be
/// published.
async fn store(
    twilio: &Twilio,
    supabase: &Supabase,
    finished: &RecordingFinished,
    storage_path: &ObjectKey,
    write_id: Uuid,
) -> Result<Option<Newest>, Error> {
    let recording = twilio.finished_recording(&finished.call_sid, &finished.recording_sid).await?;
    check_is_readable(&recording)?;
    supabase.ensure_private_bucket(BUCKET).await?;
    let wav = Wav::open(twilio.media(&finished.recording_sid).await?).await?;
    let (bytes, hash) = (wav.length, wav.hash.clone());
    if let Err(error) = supabase.upload(BUCKET, storage_path, "audio/wav", bytes, wav.body).await {
        set_aside_if_too_large(supabase, finished, write_id, bytes, error).await?;
        return Ok(None);
    }
    tracing::info!(recording_sid = %finished.recording_sid, bytes, "the recording is stored");
    metrics::count("RecordingsStored", 1, &[], &[]);

    let stored = StoredRecording {
        write_id,
        finished,
        storage_path,
        bytes,
        sha256: hash.hex(),
        duration_seconds: recording.duration.as_deref().and_then(|seconds| seconds.parse().ok()),
        channels: recording.channels,
        track: recording.track.as_deref(),
        source: recording.source.as_deref(),
        account_sid: twilio.account_sid(),
        started_at: recording.start_time.as_deref(),
    };
    record(supabase, &stored).await
}

/// Tells the database of a recording that is in Storage, or removes it again if it no longer belongs there.
async fn record(supabase: &Supabase, stored: &StoredRecording<'_>) -> Result<Option<Newest>, Error> {
    match finish_ingest(supabase, stored).await? {
        FinishedIngest::Stored { newest } => Ok(newest),
        FinishedIngest::Erased => {
            supabase.remove(BUCKET, stored.storage_path).await?;
            Ok(None)
        }
        // The call was given to another employee meanwhile: the next try stores the recording for that one.
        FinishedIngest::TargetChanged => {
            take_back(supabase, stored.storage_path, stored.write_id).await?;
            Err(Error::NotYet { reason: "the recording's place has changed", retry_after: None })
        }
        FinishedIngest::CallUnknown => {
            take_back(supabase, stored.storage_path, stored.write_id).await?;
            Err(call_unknown())
        }
    }
}

/// Tells the database of a recording that is larger than Storage's limit, since another try is of no use before the
/// limit is raised. Storage refuses before it has read the body, and a proxy may then close the connection and lose the
/// answer. So the limit is read if there was no answer.
///
/// # Errors
/// The upload's own error if the size is not the reason; or Supabase's error.
async fn set_aside_if_too_large(
    supabase: &Supabase,
    finished: &RecordingFinished,
    write_id: Uuid,
    bytes: u64,
    error: VendorError,
) -> Result<(), Error> {
    let is_refused = error.status == Some(StatusCode::PAYLOAD_TOO_LARGE);
    if !is_refused && error.status.is_some() {
        return Err(error.into());
    }
    let size_limit = supabase.size_limit(BUCKET).await?;
    if !is_refused && size_limit.is_none_or(|limit| bytes <= limit) {
        return Err(error.into());
    }
    let oversized = OversizedRecording { write_id, finished, bytes, size_limit };
    if let SetAside::RecordingTooLarge = recording_too_large(supabase, &oversized).await? {
        let recording_sid = &finished.recording_sid;
        tracing::error!(%recording_sid, bytes, size_limit, "a recording is larger than Storage takes");
        metrics::count("OversizedRecordings", 1, &[], &[]);
    }
    Ok(())
}

/// Removes a recording that was stored where it does not belong, and then the note that it may be there.
async fn take_back(supabase: &Supabase, storage_path: &ObjectKey, write_id: Uuid) -> Result<(), Error> {
    supabase.remove(BUCKET, storage_path).await?;
    write_cleared(supabase, write_id).await
}

/// Copies the employee's newest recording to the key that always names the newest.
///
/// Afterwards it asks the database whether this still is the newest recording, and copies the newer one if not. So a
/// slow worker never leaves an older recording there, in whatever order the messages come. If all recordings were
/// erased meanwhile, the copy is removed.
///
/// # Errors
/// Supabase's error. The database knows that a copy was begun, so the sweep or an erasure finishes the work.
pub async fn publish_newest(supabase: &Supabase, mut newest: Option<Newest>) -> Result<(), Error> {
    while let Some(Newest { write_id, recording_sid, storage_path, copy_to }) = newest {
        supabase.copy(BUCKET, &storage_path, &copy_to).await?;
        newest = published(supabase, write_id, &recording_sid, true).await?;
    }
    Ok(())
}

/// Finishes a copy whose worker died: copies the newest recording, or removes the copy if all recordings are erased.
///
/// # Errors
/// Supabase's error.
pub async fn publish_again(supabase: &Supabase, write_id: Uuid, recording_sid: &RecordingSid) -> Result<(), Error> {
    let newest = published(supabase, write_id, recording_sid, false).await?;
    publish_newest(supabase, newest).await
}

/// Tells the database that a copy is finished; returns the recording that is to be copied next, if there is one.
async fn published(
    supabase: &Supabase,
    write_id: Uuid,
    recording_sid: &RecordingSid,
    is_copied: bool,
) -> Result<Option<Newest>, Error> {
    match newest_published(supabase, &Publication { write_id, recording_sid, is_copied }).await? {
        Published::Current => Ok(None),
        Published::Behind { newest } => Ok(Some(newest)),
        Published::Erased { storage_path } => {
            supabase.remove(BUCKET, &storage_path).await?;
            Ok(None)
        }
    }
}

fn call_unknown() -> Error {
    Error::NotYet { reason: "the database does not know the call", retry_after: None }
}

fn check_is_readable(recording: &Recording) -> Result<(), Error> {
    if recording.encryption_details.is_some() {
        return Err(Error::Unusable("the recording is encrypted with the account's public key"));
    }
    match recording.status.as_str() {
        "completed" if recording.start_time.is_none() => {
            Err(Error::NotYet { reason: "Twilio does not say when the recording began", retry_after: None })
        }
        "completed" => Ok(()),
        "absent" | "deleted" | "failed" => Err(Error::Unusable("Twilio has no audio of this recording")),
        _ => Err(Error::NotYet { reason: "Twilio has not finished the recording", retry_after: None }),
    }
}
