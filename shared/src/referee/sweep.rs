//! What no message will ever come for again.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::erasures::asked_at;
use super::{Limit, Recorded, ask};
use crate::clients::supabase::Supabase;
use crate::clients::twilio::{CallSid, RecordingSid};
use crate::error::Error;
use crate::messages::{ErasureStarted, RecordingFinished};

/// Starts the next erasure that is due although nobody asks for it; none when nothing is due.
pub async fn sweep_erasures(supabase: &Supabase) -> Result<Option<ErasureStarted>, Error> {
    #[derive(Serialize)]
    struct Arguments {
        now: f64,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Started(ErasureStarted),
        None,
    }
    match ask(supabase, "sweep_erasures", Arguments { now: asked_at() }).await? {
        Outcome::Started(started) => Ok(Some(started)),
        Outcome::None => Ok(None),
    }
}

/// Attempts and erasures that wait for a message that is not there.
#[derive(Deserialize)]
pub struct Unfinished {
    /// To be queued, and then told with [`attempts_queued`].
    pub attempts: Vec<UnfinishedAttempt>,
    /// To be queued.
    pub erasure_ids: Vec<Uuid>,
    /// How many attempts were ended, since nothing came of them for a day.
    pub timed_out: usize,
}

/// An attempt that waits for a message.
#[derive(Deserialize)]
pub struct UnfinishedAttempt {
    /// The attempt.
    pub attempt_id: Uuid,
    /// Whether it has the queue of those that nobody waits for.
    pub campaign: bool,
}

/// Asks for attempts and erasures that wait for a message, and ends attempts that have waited for a day.
pub async fn sweep_unfinished(supabase: &Supabase, limit: usize) -> Result<Unfinished, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Found(Unfinished),
    }
    let Outcome::Found(unfinished) = ask(supabase, "sweep_unfinished", Limit { limit }).await?;
    Ok(unfinished)
}

/// The messages of these attempts are in the queue: for an hour they are not found again.
pub async fn attempts_queued(supabase: &Supabase, attempt_ids: &[Uuid]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        attempt_ids: &'a [Uuid],
    }
    let Recorded::Recorded = ask(supabase, "attempts_queued", Arguments { attempt_ids }).await?;
    Ok(())
}

/// How far the list of Twilio's recordings was read.
#[derive(Deserialize)]
pub struct RecordingSweep {
    /// From this day on, `YYYY-MM-DD`.
    pub since: String,
    /// The page where it goes on; none for the first.
    pub next_page_uri: Option<String>,
}

/// Asks how far the list of Twilio's recordings was read.
pub async fn recording_sweep_state(supabase: &Supabase) -> Result<RecordingSweep, Error> {
    #[derive(Serialize)]
    struct Arguments {}
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        State(RecordingSweep),
    }
    let Outcome::State(state) = ask(supabase, "recording_sweep_state", Arguments {}).await?;
    Ok(state)
}

/// A recording that Twilio has.
#[derive(Serialize)]
pub struct TwilioRecording<'a> {
    /// The recording.
    pub recording_sid: &'a RecordingSid,
    /// Its call.
    pub call_sid: &'a CallSid,
    /// RFC 2822.
    pub created_at: Option<&'a str>,
}

/// Asks which of Twilio's recordings are missing here.
pub async fn missing_recordings(
    supabase: &Supabase,
    recordings: &[TwilioRecording<'_>],
) -> Result<Vec<RecordingFinished>, Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        recordings: &'a [TwilioRecording<'a>],
    }
    let Missing::Missing { recordings } = ask(supabase, "missing_recordings", Arguments { recordings }).await?;
    Ok(recordings)
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Missing {
    Missing { recordings: Vec<RecordingFinished> },
}

/// Asks for recordings that were heard of before their call, and whose call is known by now.
pub async fn matched_recordings(supabase: &Supabase, limit: usize) -> Result<Vec<RecordingFinished>, Error> {
    let Missing::Missing { recordings } = ask(supabase, "matched_recordings", Limit { limit }).await?;
    Ok(recordings)
}

/// Asks for recordings that were too large, and are not where Storage takes so many bytes.
pub async fn storable_recordings(
    supabase: &Supabase,
    size_limit: Option<u64>,
    limit: usize,
) -> Result<Vec<RecordingFinished>, Error> {
    #[derive(Serialize)]
    struct Arguments {
        size_limit: Option<u64>,
        limit: usize,
    }
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Storable { recordings: Vec<RecordingFinished> },
    }
    let Outcome::Storable { recordings } =
        ask(supabase, "storable_recordings", Arguments { size_limit, limit }).await?;
    Ok(recordings)
}

/// The messages of these recordings are in the queue: for a day they are not found again.
pub async fn recordings_queued(supabase: &Supabase, queued: &[&RecordingSid]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        queued: &'a [&'a RecordingSid],
    }
    let Recorded::Recorded = ask(supabase, "recordings_queued", Arguments { queued }).await?;
    Ok(())
}

/// The messages of what was missing on a page are in the queue. The list goes on at the next page, or is at its end.
pub async fn recording_page_seen(
    supabase: &Supabase,
    queued: &[&RecordingSid],
    next_page_uri: Option<&str>,
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        queued: &'a [&'a RecordingSid],
        next_page_uri: Option<&'a str>,
    }
    let Recorded::Recorded = ask(supabase, "recording_page_seen", Arguments { queued, next_page_uri }).await?;
    Ok(())
}

/// Deletes what was kept as proof and is owed no longer, at most so much of each kind; gives how many rows.
pub async fn purge(supabase: &Supabase, limit: usize) -> Result<usize, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Purged { purged: usize },
    }
    let Outcome::Purged { purged } = ask(supabase, "purge", Limit { limit }).await?;
    Ok(purged)
}
