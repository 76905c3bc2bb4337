//! The place of a recording in Storage, and an employee's newest recording.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ask;
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::RecordingSid;
use crate::error::Error;
use crate::messages::RecordingFinished;

/// The place of a finished recording.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum RecordingTarget {
    /// Its call is not in the database, at least not yet.
    CallUnknown,
    /// The recording must not be stored, since it was erased.
    Erased {
        /// The key at which a worker that died may have stored it nevertheless.
        storage_path: Option<ObjectKey>,
    },
    /// The recording is to be stored.
    Store {
        /// Its immutable key.
        storage_path: ObjectKey,
        /// The database's note that it is about to be written.
        write_id: Uuid,
    },
    /// The recording is stored already.
    Stored {
        /// The newest recording, if it is to be published.
        newest: Option<Newest>,
    },
}

/// The employee's newest recording, which is to be copied to the key of the newest.
#[derive(Deserialize)]
pub struct Newest {
    /// The database's note that it is about to be copied.
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
    /// The database's note that it was about to be written.
    pub write_id: Uuid,
    /// The recording and its call.
    #[serde(flatten)]
    pub finished: &'a RecordingFinished,
    /// Its immutable key.
    pub storage_path: &'a ObjectKey,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its hash, in hexadecimal.
    pub sha256: String,
    /// Its duration, if Twilio knows it.
    pub duration_seconds: Option<u32>,
    /// 1 or 2.
    pub channels: Option<i32>,
    /// `inbound`, `outbound` or `both`.
    pub track: Option<&'a str>,
    /// `DialVerb`, `Conference`, …
    pub source: Option<&'a str>,
    /// The Twilio account that has it.
    pub account_sid: &'a str,
    /// RFC 2822.
    pub started_at: Option<&'a str>,
}

/// The database's decision about a stored recording.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum FinishedIngest {
    /// The recording is to be removed, since its call was deleted meanwhile.
    CallUnknown,
    /// The recording is to be removed, since its call belongs to another employee by now.
    TargetChanged,
    /// The recording is to be removed, since it was erased.
    Erased,
    /// The database knows the recording now.
    Stored {
        /// The newest recording, if it is to be published.
        newest: Option<Newest>,
    },
}

/// Records a recording that is in Storage.
pub async fn finish_ingest(supabase: &Supabase, stored: &StoredRecording<'_>) -> Result<FinishedIngest, Error> {
    ask(supabase, "finish_ingest", stored).await
}

/// A recording that is larger than Storage's limit.
#[derive(Serialize)]
pub struct OversizedRecording<'a> {
    /// The database's note that it was about to be written.
    pub write_id: Uuid,
    /// The recording and its call.
    #[serde(flatten)]
    pub finished: &'a RecordingFinished,
    /// Its length in bytes.
    pub bytes: u64,
    /// Storage's limit in bytes, if Storage states it.
    pub size_limit: Option<u64>,
}

/// The database's answer to a recording that is larger than Storage's limit.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SetAside {
    /// The recording waits until the limit is raised.
    RecordingTooLarge,
    /// It was erased or stored meanwhile, or its call is gone.
    NotWanted,
}

/// Sets a recording aside that is larger than Storage takes.
pub async fn recording_too_large(supabase: &Supabase, oversized: &OversizedRecording<'_>) -> Result<SetAside, Error> {
    ask(supabase, "recording_too_large", oversized).await
}

/// A copy of the newest recording that is finished, or was given up.
#[derive(Serialize)]
pub struct Publication<'a> {
    /// The database's note that it was about to be copied.
    pub write_id: Uuid,
    /// The recording that was to be copied.
    pub recording_sid: &'a RecordingSid,
    /// True if it was copied; false if its worker died.
    pub is_copied: bool,
}

/// The answer to whether the copied recording still is the newest.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Published {
    /// It still is the newest.
    Current,
    /// Another one is the newest by now.
    Behind {
        /// The newest recording, which is to be published.
        newest: Newest,
    },
    /// All recordings were erased meanwhile.
    Erased {
        /// The copy that is to be removed.
        storage_path: ObjectKey,
    },
}

/// Tells the database that a copy is finished or was given up, and asks which recording is the newest now.
pub async fn newest_published(supabase: &Supabase, publication: &Publication<'_>) -> Result<Published, Error> {
    ask(supabase, "newest_published", publication).await
}
