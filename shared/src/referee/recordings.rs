//! Where a recording belongs in Storage, and which of an employee's is the newest.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask;
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::RecordingSid;
use crate::error::Error;
use crate::messages::RecordingFinished;

/// Where a finished recording belongs.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RecordingTarget {
    /// Its call is not in the database, or not yet.
    CallUnknown,
    /// It must not be stored.
    Erased {
        /// Where a worker that died may have left it all the same.
        storage_path: Option<ObjectKey>,
    },
    /// It is to be stored.
    Store {
        /// Its immutable key.
        storage_path: ObjectKey,
        /// The note that it is about to be written.
        write_id: Uuid,
    },
    /// It is stored already.
    Stored {
        /// To be published.
        newest: Option<Newest>,
    },
}

/// The employee's newest recording, to be copied to where the newest one is.
#[derive(Deserialize)]
pub struct Newest {
    /// The note that it is about to be copied.
    pub write_id: Uuid,
    /// The recording.
    pub recording_sid: RecordingSid,
    /// Its immutable key.
    pub storage_path: ObjectKey,
    /// The key of the newest.
    pub copy_to: ObjectKey,
}

/// Asks where a recording belongs. If it is to be stored, the database notes that it is about to be written.
pub async fn recording_target(supabase: &Supabase, finished: &RecordingFinished) -> Result<RecordingTarget, Error> {
    ask(supabase, "recording_target", finished).await
}

/// A recording that was stored, as Twilio describes it.
#[derive(Serialize)]
pub struct StoredRecording<'a> {
    /// The note that it was about to be written.
    pub write_id: Uuid,
    /// The recording and its call.
    #[serde(flatten)]
    pub finished: &'a RecordingFinished,
    /// Its immutable key.
    pub storage_path: &'a ObjectKey,
    /// Its length.
    pub bytes: u64,
    /// Its hash, in hexadecimal.
    pub sha256: String,
    /// Its length in time, if Twilio knows it.
    pub duration_seconds: Option<u32>,
    /// 1 or 2.
    pub channels: Option<i32>,
    /// `inbound`, `outbound` or `both`.
    pub track: Option<&'a str>,
    /// `DialVerb`, `Conference`, …
    pub source: Option<&'a str>,
    /// The account that has it.
    pub account_sid: &'a str,
    /// RFC 2822.
    pub started_at: Option<&'a str>,
}

/// What the database made of a stored recording.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FinishedIngest {
    /// Its call has gone meanwhile: it is to be removed.
    CallUnknown,
    /// Its call belongs to somebody else by now: it is to be removed.
    TargetChanged,
    /// It is to be removed.
    Erased,
    /// It is recorded.
    Stored {
        /// To be published.
        newest: Option<Newest>,
    },
}

/// Records a recording that is in Storage.
pub async fn finish_ingest(supabase: &Supabase, stored: &StoredRecording<'_>) -> Result<FinishedIngest, Error> {
    ask(supabase, "finish_ingest", stored).await
}

/// A recording that Storage does not take.
#[derive(Serialize)]
pub struct OversizedRecording<'a> {
    /// The note that it was about to be written.
    pub write_id: Uuid,
    /// The recording and its call.
    #[serde(flatten)]
    pub finished: &'a RecordingFinished,
    /// Its length.
    pub bytes: u64,
    /// How many bytes Storage says that it takes.
    pub size_limit: Option<u64>,
}

/// What the database says of a recording that Storage does not take.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SetAside {
    /// It waits until Storage takes so much.
    RecordingTooLarge,
    /// It was erased or stored meanwhile, or its call is gone.
    NotWanted,
}

/// Sets a recording aside that is larger than Storage takes.
pub async fn recording_too_large(supabase: &Supabase, oversized: &OversizedRecording<'_>) -> Result<SetAside, Error> {
    ask(supabase, "recording_too_large", oversized).await
}

/// A copy of the newest recording that is over.
#[derive(Serialize)]
pub struct Publication<'a> {
    /// The note that it was about to be copied.
    pub write_id: Uuid,
    /// What was to be copied.
    pub recording_sid: &'a RecordingSid,
    /// Whether it was; not if whoever was to do it died.
    pub is_copied: bool,
}

/// Whether the recording that was copied still is the newest.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Published {
    /// It is.
    Current,
    /// Another one is the newest by now.
    Behind {
        /// To be published.
        newest: Newest,
    },
    /// There is none any more.
    Erased {
        /// The copy that is to be removed.
        storage_path: ObjectKey,
    },
}

/// Tells the database of a copy that is over, and asks which recording is the newest now.
pub async fn newest_published(supabase: &Supabase, publication: &Publication<'_>) -> Result<Published, Error> {
    ask(supabase, "newest_published", publication).await
}
