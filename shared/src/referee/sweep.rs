//! Work that is due although no message asks for it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::erasures::asked_at;
use super::{Limit, Recorded, ask};
use crate::clients::supabase::Supabase;
use crate::clients::twilio::{CallSid, RecordingSid};
use crate::error::Error;
use crate::messages::{ErasureStarted, RecordingFinished};

/// Starts the next erasure that is due although nobody has asked for it; `None` if none is due.
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

/// Attempts and erasures whose message was lost.
#[derive(Deserialize)]
pub struct Unfinished {
    /// Attempts to queue, and then to report with [`attempts_queued`].
    pub attempts: Vec<UnfinishedAttempt>,
    /// Erasures to queue.
    pub erasure_ids: Vec<Uuid>,
    /// The number of attempts that were ended because they had no result for a day.
    pub timed_out: usize,
}

/// An attempt whose message was lost.
#[derive(Deserialize)]
pub struct UnfinishedAttempt {
    /// The attempt.
    pub attempt_id: Uuid,
    /// True if it belongs into the queue of campaigns.
    pub campaign: bool,
}

/// Asks for attempts and erasures whose message was lost, and ends attempts that are a day old.
pub async fn sweep_unfinished(supabase: &Supabase, limit: usize) -> Result<Unfinished, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Found(Unfinished),
    }
    let Outcome::Found(unfinished) = ask(supabase, "sweep_unfinished", Limit { limit }).await?;
    Ok(unfinished)
}

/// Reports that the messages of these attempts are in the queue: they are not found again for an hour.
pub async fn attempts_queued(supabase: &Supabase, attempt_ids: &[Uuid]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        attempt_ids: &'a [Uuid],
    }
    let Recorded::Recorded = ask(supabase, "attempts_queued", Arguments { attempt_ids }).await?;
    Ok(())
}

/// The position up to which the list of Twilio's recordings was read.
#[derive(Deserialize)]
pub struct RecordingSweep {
    /// The first day of the list, `YYYY-MM-DD`.
    pub since: String,
    /// The page to read next; `None` for the first.
    pub next_page_uri: Option<String>,
}

/// Asks for the position up to which the list of Twilio's recordings was read.
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

/// Asks for recordings that were reported before their call was known, and whose call is known by now.
pub async fn matched_recordings(supabase: &Supabase, limit: usize) -> Result<Vec<RecordingFinished>, Error> {
    let Missing::Missing { recordings } = ask(supabase, "matched_recordings", Limit { limit }).await?;
    Ok(recordings)
}

/// Asks for recordings that were too large, and are no longer, now that Storage takes this many bytes.
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

/// Reports that the messages of these recordings are in the queue: they are not found again for a day.
pub async fn recordings_queued(supabase: &Supabase, queued: &[&RecordingSid]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Arguments<'a> {
        queued: &'a [&'a RecordingSid],
    }
    let Recorded::Recorded = ask(supabase, "recordings_queued", Arguments { queued }).await?;
    Ok(())
}

/// Reports that the missing recordings of a page are in the queue. The list goes on at the next page, or is at its end.
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

/// Deletes rows that were kept as proof for long enough, at most `limit` of each kind. Returns the number of rows.
pub async fn purge(supabase: &Supabase, limit: usize) -> Result<usize, Error> {
    #[derive(Deserialize)]
    #[serde(tag = "outcome", rename_all = "snake_case")]
    enum Outcome {
        Purged { purged: usize },
    }
    let Outcome::Purged { purged } = ask(supabase, "purge", Limit { limit }).await?;
    Ok(purged)
}
