//! One run: bounded, and harmless twice at once. What is left over is found by the next.

use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;
use shared::clients::VendorError;
use shared::clients::elevenlabs::ElevenLabs;
use shared::clients::supabase::{ObjectKey, Supabase};
use shared::clients::twilio::{ListedRecording, Twilio};
use shared::error::Error;
use shared::messages::{CloneRequested, ErasureStarted, RecordingFinished};
use shared::queue::Queue;
use shared::recordings::{self, publish_again};
use shared::referee::evidence::{abandoned_evidence, evidence_cleared};
use shared::referee::sweep::{
    RecordingSweep, TwilioRecording, UnfinishedAttempt, attempts_queued, matched_recordings, missing_recordings, purge,
    recording_page_seen, recording_sweep_state, recordings_queued, storable_recordings, sweep_erasures,
    sweep_unfinished,
};
use shared::referee::voices::{MissingVoice, judge_vendor_voices, voice_gone};
use shared::referee::writes::{AbandonedWrite, LeftOver, abandoned_writes, write_cleared};
use shared::voices::EVIDENCE_BUCKET;
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
        let mut count = 0;
        while Instant::now() < deadline
            && let Some(started) = sweep_erasures(&self.supabase).await?
        {
            self.queues.erasures.send(&started).await?;
            count += 1;
        }
        Ok(count)
    }

    /// Attempts and erasures that wait for a message that is not there.
    async fn unfinished(&self, findings: &mut Findings) -> Result<(), Error> {
        let found = sweep_unfinished(&self.supabase, LIMIT).await?;
        findings.attempts_timed_out += found.timed_out;
        findings.attempts_queued += found.attempts.len();
        findings.erasures_queued += found.erasure_ids.len();
        let mut queued = Vec::new();
        for UnfinishedAttempt { attempt_id, campaign } in found.attempts {
            let queue = if campaign { &self.queues.campaigns } else { &self.queues.clones };
            queue.send(&CloneRequested { attempt_id }).await?;
            queued.push(attempt_id);
        }
        // Only now: of whatever is not queued the next run must hear again.
        attempts_queued(&self.supabase, &queued).await?;
        self.queue_erasures(found.erasure_ids).await
    }

    async fn queue_erasures(&self, erasure_ids: Vec<Uuid>) -> Result<(), Error> {
        let erasures: Vec<_> = erasure_ids.into_iter().map(|erasure_id| ErasureStarted { erasure_id }).collect();
        self.queues.erasures.send_all(&erasures).await
    }

    /// Recordings that Twilio has of calls that the database knows, and that nobody told us of. Goes on where the last
    /// run stopped; a page counts as read only when its messages are queued.
    async fn lost_callbacks(&self, findings: &mut Findings) -> Result<(), Error> {
        let RecordingSweep { since, mut next_page_uri } = recording_sweep_state(&self.supabase).await?;
        for _ in 0..PAGES {
            let page = self.twilio.recordings_since(&since, next_page_uri.as_deref()).await?;
            let completed = page.recordings.iter().filter(|recording| recording.status == "completed");
            let listed: Vec<_> = completed.filter_map(of_a_call).collect();
            let missing = missing_recordings(&self.supabase, &listed).await?;
            findings.recordings_queued += missing.len();
            self.queues.recordings.send_all(&missing).await?;
            next_page_uri = page.next_page_uri;
            let queued: Vec<_> = missing.iter().map(|finished| &finished.recording_sid).collect();
            recording_page_seen(&self.supabase, &queued, next_page_uri.as_deref()).await?;
            if next_page_uri.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Recordings that were heard of before their call was in the database, and whose call is there now.
    async fn late_calls(&self, findings: &mut Findings) -> Result<(), Error> {
        let found = matched_recordings(&self.supabase, UNMATCHED).await?;
        findings.recordings_queued += found.len();
        self.queue_recordings(&found).await
    }

    /// Recordings that were larger than Storage took, and are not any more.
    async fn raised_limit(&self, findings: &mut Findings) -> Result<(), Error> {
        let size_limit = self.supabase.size_limit(recordings::BUCKET).await?;
        let found = storable_recordings(&self.supabase, size_limit, LIMIT).await?;
        findings.recordings_fetched_again += found.len();
        self.queue_recordings(&found).await
    }

    /// Has recordings fetched; for a day they are not found again.
    async fn queue_recordings(&self, found: &[RecordingFinished]) -> Result<(), Error> {
        self.queues.recordings.send_all(found).await?;
        let queued: Vec<_> = found.iter().map(|finished| &finished.recording_sid).collect();
        recordings_queued(&self.supabase, &queued).await
    }

    /// What workers had begun to write before they died.
    async fn abandoned_writes(&self, findings: &mut Findings) -> Result<(), Error> {
        let mut outcome = Ok(());
        for write in abandoned_writes(&self.supabase, LIMIT).await? {
            let settled = self.settle(write).await.map(|()| true);
            findings.writes_settled += usize::from(or_noted(settled, &mut outcome)?);
        }
        outcome
    }

    async fn settle(&self, AbandonedWrite { write_id, path, left_over }: AbandonedWrite) -> Result<(), Error> {
        match left_over {
            LeftOver::Remove => self.supabase.remove(recordings::BUCKET, &path).await?,
            LeftOver::Publish { recording_sid } => {
                return publish_again(&self.supabase, write_id, &recording_sid).await;
            }
            LeftOver::Metadata { attempt_id } => self.queues.clones.send(&CloneRequested { attempt_id }).await?,
        }
        write_cleared(&self.supabase, write_id).await
    }

    /// What was kept as proof, and is owed no longer; and evidence that no consent rests on, or none any more.
    async fn purge(&self, findings: &mut Findings) -> Result<(), Error> {
        let deadline = Instant::now() + PURGE_FOR;
        while Instant::now() < deadline {
            let purged = purge(&self.supabase, LIMIT).await?;
            findings.purged += purged;
            if purged == 0 {
                break;
            }
        }
        let mut outcome = Ok(());
        for object in abandoned_evidence(&self.supabase, LIMIT).await? {
            let removed = self.remove_evidence(&object).await.map(|()| true);
            findings.purged += usize::from(or_noted(removed, &mut outcome)?);
        }
        outcome
    }

    async fn remove_evidence(&self, object: &ObjectKey) -> Result<(), Error> {
        self.supabase.remove(EVIDENCE_BUCKET, object).await?;
        evidence_cleared(&self.supabase, object).await
    }

    /// Holds what the vendor has against what the database says: what should not be there is deleted, and what is not
    /// there any more is taken off the employee.
    async fn vendor_voices(&self, findings: &mut Findings) -> Result<(), Error> {
        let voices = self.elevenlabs.marked_voices().await?;
        let judged = judge_vendor_voices(&self.supabase, &voices).await?;
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
        voice_gone(&self.supabase, attempt_id, &self.elevenlabs.account().await?).await?;
        // The metadata still name it.
        self.queues.clones.send(&CloneRequested { attempt_id }).await?;
        Ok(true)
    }
}

/// A listed recording of a call, as the database compares it; none of one that is of no call.
fn of_a_call(listed: &ListedRecording) -> Option<TwilioRecording<'_>> {
    let (recording_sid, call_sid) = (listed.sid.as_ref()?, listed.call_sid.as_ref()?);
    Some(TwilioRecording { recording_sid, call_sid, created_at: listed.date_created.as_deref() })
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
