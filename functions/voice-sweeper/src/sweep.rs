//! One run: bounded, and harmless twice at once. What is left over is found by the next.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clients::VendorError;
use shared::clients::elevenlabs::ElevenLabs;
use shared::clients::supabase::Supabase;
use shared::clients::twilio::{RecordingSid, Twilio};
use shared::erasures::{ErasureStarted, asked_at};
use shared::error::Error;
use shared::queue::Queue;
use shared::recordings::{self, RecordingFinished, publish_again};
use shared::voices::{CloneRequested, EVIDENCE_BUCKET};
use tokio::time::Instant;
use uuid::Uuid;

/// How much of each kind one run takes on.
const LIMIT: usize = 100;
/// Recordings of unknown calls that one run looks at again.
const UNMATCHED: usize = 1_000;
/// Pages of 1 000 recordings that one run reads.
const PAGES: usize = 5;
/// For how long one run starts erasures, and how many at the same time: consents of very many employees may run out at once.
const START_ERASURES_FOR: Duration = Duration::from_secs(90);
const ERASURES_AT_ONCE: usize = 4;
/// For how long one run purges.
const PURGE_FOR: Duration = Duration::from_secs(20);

/// What a run reaches.
pub struct Sweep<'a> {
    /// The database and Storage.
    pub supabase: Supabase,
    /// Lists and deletes voices.
    pub elevenlabs: ElevenLabs,
    /// Lists recordings.
    pub twilio: Twilio,
    /// Where the messages that are missing go.
    pub queues: &'a Queues,
}

/// The queues of the functions that do the work.
pub struct Queues {
    /// `recording-ingest`'s.
    pub recordings: Queue,
    /// `clone-worker`'s, for single requests.
    pub clones: Queue,
    /// `clone-worker`'s, for many employees at once.
    pub campaigns: Queue,
    /// `voice-erasure`'s.
    pub erasures: Queue,
}

/// What a run has found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Erasures that were due although nobody asked: a consent had expired, an employee had left, or recordings are older
    /// than they are kept.
    pub erasures_started: usize,
    /// Attempts whose message was gone, queued again.
    pub attempts_queued: usize,
    /// Attempts that nothing came of for a day, ended.
    pub attempts_timed_out: usize,
    /// Erasures whose message was gone, queued again.
    pub erasures_queued: usize,
    /// Recordings whose callback never came, queued.
    pub recordings_queued: usize,
    /// Recordings that were larger than Storage took before its limit was raised, queued.
    pub recordings_fetched_again: usize,
    /// Writes to Storage whose worker died, put right: removed, or written again.
    pub writes_settled: usize,
    /// Rows, and evidence, whose time as proof is over.
    pub purged: usize,
    /// Voices at the vendor that belonged to no live row, deleted.
    pub voices_deleted: usize,
    /// Voices that the vendor no longer has, taken off.
    pub voices_missing: usize,
}

impl Findings {
    /// How many of them say that something has gone wrong before; an erasure that was due, a limit that was raised, and a
    /// purge do not.
    pub fn symptoms(&self) -> usize {
        self.attempts_queued
            + self.attempts_timed_out
            + self.erasures_queued
            + self.recordings_queued
            + self.writes_settled
            + self.voices_deleted
            + self.voices_missing
    }
}

/// A write to Storage whose worker died.
#[derive(Deserialize)]
struct Abandoned {
    write_id: Uuid,
    path: String,
    #[serde(flatten)]
    left_over: LeftOver,
}

/// What it needs.
#[derive(Deserialize)]
#[serde(tag = "left_over", rename_all = "snake_case")]
enum LeftOver {
    /// The object belongs elsewhere, or nowhere.
    Remove,
    /// The copy of the newest recording is to be made again, or taken away.
    Publish { recording_sid: RecordingSid },
    /// The metadata are to be written again, which is `clone-worker`'s.
    Metadata { attempt_id: Uuid },
}

/// Recordings that Twilio has and the database has not.
#[derive(Deserialize)]
struct Missing {
    recordings: Vec<RecordingFinished>,
}

/// A voice that the vendor does not list.
#[derive(Deserialize)]
struct MissingVoice {
    attempt_id: Uuid,
    vendor_voice_id: String,
}

impl Sweep<'_> {
    /// One run. A part that fails does not keep the others from being done, nor in a part one thing the next.
    pub async fn run(&self, findings: &mut Findings) -> Vec<Error> {
        let parts = [
            self.due_erasures(findings).await,
            self.unfinished(findings).await,
            self.lost_callbacks(findings).await,
            self.late_calls(findings).await,
            self.raised_limit(findings).await,
            self.abandoned_writes(findings).await,
            self.vendor_voices(findings).await,
            self.purge(findings).await,
        ];
        parts.into_iter().filter_map(Result::err).collect()
    }

    /// Starts the erasures that are due, one employee at a time, until there is none or the time for it is over. The next
    /// run goes on.
    async fn due_erasures(&self, findings: &mut Findings) -> Result<(), Error> {
        let deadline = Instant::now() + START_ERASURES_FOR;
        let started = try_join_all((0..ERASURES_AT_ONCE).map(|_| self.start_due_erasures(deadline))).await?;
        findings.erasures_started += started.into_iter().sum::<usize>();
        Ok(())
    }

    async fn start_due_erasures(&self, deadline: Instant) -> Result<usize, Error> {
        #[derive(Deserialize)]
        #[serde(tag = "outcome", rename_all = "snake_case")]
        enum Due {
            Started(ErasureStarted),
            None,
        }
        let mut count = 0;
        while Instant::now() < deadline {
            match self.supabase.rpc("sweep_erasures", json!({"p_now": asked_at()})).await? {
                Due::Started(started) => self.queues.erasures.send(&started).await?,
                Due::None => break,
            }
            count += 1;
        }
        Ok(count)
    }

    /// Attempts and erasures that wait for a message that is not there.
    async fn unfinished(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Found {
            attempts: Vec<Attempt>,
            erasure_ids: Vec<Uuid>,
            timed_out: usize,
        }
        #[derive(Deserialize)]
        struct Attempt {
            attempt_id: Uuid,
            campaign: bool,
        }
        let found: Found = self.supabase.rpc("sweep_unfinished", json!({"p_limit": LIMIT})).await?;
        findings.attempts_timed_out += found.timed_out;
        findings.attempts_queued += found.attempts.len();
        findings.erasures_queued += found.erasure_ids.len();
        let mut queued = Vec::new();
        for Attempt { attempt_id, campaign } in found.attempts {
            let queue = if campaign { &self.queues.campaigns } else { &self.queues.clones };
            queue.send(&CloneRequested { attempt_id }).await?;
            queued.push(attempt_id);
        }
        // Only now: of whatever is not queued the next run must hear again.
        self.supabase.rpc::<Value>("attempts_queued", json!({"p_attempt_ids": queued})).await?;
        self.queue_erasures(found.erasure_ids).await
    }

    async fn queue_erasures(&self, erasure_ids: Vec<Uuid>) -> Result<(), Error> {
        let erasures: Vec<_> = erasure_ids.into_iter().map(|erasure_id| ErasureStarted { erasure_id }).collect();
        self.queues.erasures.send_all(&erasures).await
    }

    /// Recordings that Twilio has of calls that the database knows, and that nobody told us of. Goes on where the last
    /// run stopped; a page counts as read only when its messages are queued.
    async fn lost_callbacks(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct State {
            since: String,
            next_page_uri: Option<String>,
        }
        let State { since, mut next_page_uri } = self.supabase.rpc("recording_sweep_state", json!({})).await?;
        for _ in 0..PAGES {
            let page = self.twilio.recordings_since(&since, next_page_uri.as_deref()).await?;
            let completed = page
                .recordings
                .iter()
                .filter(|recording| recording.status == "completed" && recording.call_sid.is_some());
            let listed: Vec<Value> = completed
                .map(|r| json!({"recording_sid": r.sid, "call_sid": r.call_sid, "created_at": r.date_created}))
                .collect();
            let missing: Missing = self.supabase.rpc("missing_recordings", json!({"p_recordings": listed})).await?;
            findings.recordings_queued += missing.recordings.len();
            self.queues.recordings.send_all(&missing.recordings).await?;
            next_page_uri = page.next_page_uri;
            let queued: Vec<_> = missing.recordings.iter().map(|finished| &finished.recording_sid).collect();
            let seen = json!({"p_queued": queued, "p_next_page_uri": next_page_uri});
            self.supabase.rpc::<Value>("recording_page_seen", seen).await?;
            if next_page_uri.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Recordings that were heard of before their call was in the database, and whose call is there now.
    async fn late_calls(&self, findings: &mut Findings) -> Result<(), Error> {
        let found: Missing = self.supabase.rpc("matched_recordings", json!({"p_limit": UNMATCHED})).await?;
        findings.recordings_queued += found.recordings.len();
        self.queue_recordings(&found.recordings).await
    }

    /// Recordings that were larger than Storage took, and are not any more.
    async fn raised_limit(&self, findings: &mut Findings) -> Result<(), Error> {
        let size_limit = self.supabase.size_limit(recordings::BUCKET).await?;
        let asked = json!({"p_size_limit": size_limit, "p_limit": LIMIT});
        let found: Missing = self.supabase.rpc("storable_recordings", asked).await?;
        findings.recordings_fetched_again += found.recordings.len();
        self.queue_recordings(&found.recordings).await
    }

    /// Has recordings fetched; for a day they are not found again.
    async fn queue_recordings(&self, found: &[RecordingFinished]) -> Result<(), Error> {
        self.queues.recordings.send_all(found).await?;
        let queued: Vec<_> = found.iter().map(|finished| &finished.recording_sid).collect();
        self.supabase.rpc::<Value>("recordings_queued", json!({"p_queued": queued})).await?;
        Ok(())
    }

    /// What workers had begun to write before they died.
    async fn abandoned_writes(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Found {
            writes: Vec<Abandoned>,
        }
        let found: Found = self.supabase.rpc("abandoned_writes", json!({"p_limit": LIMIT})).await?;
        let mut outcome = Ok(());
        for write in found.writes {
            let settled = self.settle(write).await.map(|()| true);
            findings.writes_settled += usize::from(or_noted(settled, &mut outcome)?);
        }
        outcome
    }

    async fn settle(&self, Abandoned { write_id, path, left_over }: Abandoned) -> Result<(), Error> {
        match left_over {
            LeftOver::Remove => self.supabase.remove(recordings::BUCKET, &path).await?,
            LeftOver::Publish { recording_sid } => {
                return publish_again(&self.supabase, write_id, &recording_sid).await;
            }
            LeftOver::Metadata { attempt_id } => self.queues.clones.send(&CloneRequested { attempt_id }).await?,
        }
        self.supabase.rpc::<Value>("write_cleared", json!({"p_write_id": write_id})).await?;
        Ok(())
    }

    /// What was kept as proof, and is owed no longer; and evidence that no consent rests on, or none any more.
    async fn purge(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Purged {
            purged: usize,
        }
        #[derive(Deserialize)]
        struct Evidence {
            objects: Vec<String>,
        }
        let deadline = Instant::now() + PURGE_FOR;
        while Instant::now() < deadline {
            let Purged { purged } = self.supabase.rpc("purge", json!({"p_limit": LIMIT})).await?;
            findings.purged += purged;
            if purged == 0 {
                break;
            }
        }
        let evidence: Evidence = self.supabase.rpc("abandoned_evidence", json!({"p_limit": LIMIT})).await?;
        let mut outcome = Ok(());
        for object in evidence.objects {
            let removed = self.remove_evidence(&object).await.map(|()| true);
            findings.purged += usize::from(or_noted(removed, &mut outcome)?);
        }
        outcome
    }

    async fn remove_evidence(&self, object: &str) -> Result<(), Error> {
        self.supabase.remove(EVIDENCE_BUCKET, object).await?;
        self.supabase.rpc::<Value>("evidence_cleared", json!({"p_object": object})).await?;
        Ok(())
    }

    /// Holds what the vendor has against what the database says: what should not be there is deleted, and what is not
    /// there any more is taken off the employee.
    async fn vendor_voices(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Judged {
            delete: Vec<String>,
            missing: Vec<MissingVoice>,
        }
        let voices = self.elevenlabs.marked_voices().await?;
        let judged: Judged = self.supabase.rpc("judge_vendor_voices", json!({"p_voices": voices})).await?;
        let mut outcome = Ok(());
        for voice_id in judged.delete.iter().take(LIMIT) {
            let deleted = self.elevenlabs.delete_voice(voice_id).await.map(|_| true).map_err(Error::from);
            findings.voices_deleted += usize::from(or_noted(deleted, &mut outcome)?);
        }
        for voice in judged.missing {
            let taken_off = self.take_off_if_gone(voice).await;
            findings.voices_missing += usize::from(or_noted(taken_off, &mut outcome)?);
        }
        outcome
    }

    /// Whether the vendor really has the voice no more: its list may be behind.
    async fn take_off_if_gone(
        &self,
        MissingVoice { attempt_id, vendor_voice_id }: MissingVoice,
    ) -> Result<bool, Error> {
        if self.elevenlabs.has_voice(&vendor_voice_id).await? {
            return Ok(false);
        }
        let gone = json!({"p_attempt_id": attempt_id, "p_account": self.elevenlabs.account().await?});
        self.supabase.rpc::<Value>("voice_gone", gone).await?;
        // The metadata still name it.
        self.queues.clones.send(&CloneRequested { attempt_id }).await?;
        Ok(true)
    }
}

/// Whether a thing was put right. What a vendor answers about one is noted, and the next goes on; one that does not answer
/// ends the part, since each thing would take all its patience.
fn or_noted(done: Result<bool, Error>, outcome: &mut Result<(), Error>) -> Result<bool, Error> {
    match done {
        Err(error @ Error::Vendor(VendorError { status: Some(_), .. })) => {
            if outcome.is_ok() {
                *outcome = Err(error);
            }
            Ok(false)
        }
        done => done,
    }
}
