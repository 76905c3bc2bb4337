//! Writes to Storage: each is noted before it begins, since it may land after its worker has died.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{Limit, Recorded, ask};
use crate::clients::supabase::{ObjectKey, Supabase};
use crate::clients::twilio::RecordingSid;
use crate::error::Error;

/// An object that is to be written to Storage.
#[derive(Deserialize)]
pub struct ObjectWrite {
    /// The key.
    pub path: ObjectKey,
    /// The content of the object.
    pub body: Value,
}

/// An employee's metadata. The database has noted that they are about to be written.
#[derive(Deserialize)]
pub struct Metadata {
    /// The note.
    pub write_id: Uuid,
    /// The content and the key.
    #[serde(flatten)]
    pub object: ObjectWrite,
}

/// The answer to whether the written metadata are those of the current voice.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum WrittenMetadata {
    /// They are those of the current voice.
    Current,
    /// Another voice is the current one by now.
    Behind {
        /// The attempt that made the current voice.
        attempt_id: Uuid,
        /// Its metadata, to be written.
        metadata: Metadata,
    },
}

/// Tells the database that an attempt's metadata are written.
pub async fn metadata_written(supabase: &Supabase, attempt_id: Uuid, write_id: Uuid) -> Result<WrittenMetadata, Error> {
    #[derive(Serialize)]
    struct Arguments {
        attempt_id: Uuid,
        write_id: Uuid,
    }
    ask(supabase, "metadata_written", Arguments { attempt_id, write_id }).await
}

/// Reports that a write to Storage is over, and that no object is left of it.
pub async fn write_cleared(supabase: &Supabase, write_id: Uuid) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments {
        write_id: Uuid,
    }
    let Recorded::Recorded = ask(supabase, "write_cleared", Arguments { write_id }).await?;
    Ok(())
}

/// A write whose worker died.
#[derive(Deserialize)]
pub struct AbandonedWrite {
    /// The note.
    pub write_id: Uuid,
    /// The key at which an object may be.
    pub path: ObjectKey,
    /// The work that it needs.
    #[serde(flatten)]
    pub left_over: LeftOver,
}

/// The work that an abandoned write needs.
#[derive(Deserialize)]
#[serde(tag = "left_over", rename_all = "snake_case")]
pub enum LeftOver {
    /// The object is to be removed: it belongs elsewhere, or nowhere.
    Remove,
    /// The copy of the newest recording is to be made again, or removed.
    Publish {
        /// The recording that was to be copied.
        recording_sid: RecordingSid,
    },
    /// The metadata are to be written again, by `clone-worker`.
    Metadata {
        /// The attempt whose metadata they are.
        attempt_id: Uuid,
    },
}

/// Asks for writes whose workers died.
pub async fn abandoned_writes(supabase: &Supabase, limit: usize) -> Result<Vec<AbandonedWrite>, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Abandoned { writes: Vec<AbandonedWrite> },
    }
    let Outcome::Abandoned { writes } = ask(supabase, "abandoned_writes", Limit { limit }).await?;
    Ok(writes)
}
