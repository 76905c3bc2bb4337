//! One run of the sweep. Its work is bounded, and the next run finds the rest. Two runs at the same time do no harm.

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

/// The most items of each kind that one run works on.
const LIMIT: usize = 100;
/// Recordings of unknown calls that one run looks at again.
const UNMATCHED: usize = 1_000;
/// Pages of 1 000 recordings that one run reads.
const PAGES: usize = 5;
/// The time in which one run starts erasures, and the number at the same time: the consents of very many employees may
/// expire at once.
const START_ERASURES_FOR: Duration = Duration::from_secs(90);
const ERASURES_AT_ONCE: usize = 4;
/// The time in which one run purges.
const PURGE_FOR: Duration = Duration::from_secs(20);

/// The services that a run uses.
pub struct Sweep<'a> {
    /// The database and Storage.
    pub supabase: Supabase,
    /// The vendor of the voices.
    pub elevenlabs: ElevenLabs,
    /// The vendor of the recordings.
    pub twilio: Twilio,
    /// The queues for messages that were lost.
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

/// The findings of a run.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Erasures that were due although nobody asked: a consent had expired, an employee had left, or recordings had
    /// reached the end of their retention.
    pub erasures_started: usize,
    /// Attempts that were queued again because their message was lost.
    pub attempts_queued: usize,
    /// Attempts that were ended because they had no result for a day.
    pub attempts_timed_out: usize,
    /// Erasures that were queued again because their message was lost.
    pub erasures_queued: usize,
    /// Recordings that were queued because their callback never came.
    pub recordings_queued: usize,
    /// Recordings that were queued again because Storage's limit was raised.
    pub recordings_fetched_again: usize,
    /// Writes to Storage whose worker died, and whose object was removed or written again.
    pub writes_settled: usize,
    /// Rows and evidence that were deleted because they were kept as proof for long enough.
    pub purged: usize,
    /// Voices that were deleted at the vendor because they belonged to no live row.
    pub voices_deleted: usize,
    /// Voices that were taken off their employee because the vendor no longer has them.
    pub voices_missing: usize,
}

impl Findings {
    /// The number of findings that show that something went wrong before. Erasures that were due, recordings that a
    /// raised limit allows, and purged rows are not counted.
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
    /// Does one run, and returns the errors of its parts. A failing part does not stop the others, nor a failing item
    /// the rest of its part.
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

    /// Starts the erasures that are due, one employee at a time, until none is left or the time for it is over. The
    /// next run goes on.
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

    /// Queues again the attempts and the erasures whose messages were lost.
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
        // This comes last, so that the next run finds again what was not queued.
        attempts_queued(&self.supabase, &queued).await?;
        self.queue_erasures(found.erasure_ids).await
    }

    async fn queue_erasures(&self, erasure_ids: Vec<Uuid>) -> Result<(), Error> {
        let erasures: Vec<_> = erasure_ids.into_iter().map(|erasure_id| ErasureStarted { erasure_id }).collect();
        self.queues.erasures.send_all(&erasures).await
    }

    /// Queues recordings that Twilio has of known calls and whose callback never came. It goes on where the last run
    /// stopped; a page counts as read only when its messages are queued.
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

    /// Queues recordings that were reported before their call was in the database, and whose call is there now.
    async fn late_calls(&self, findings: &mut Findings) -> Result<(), Error> {
        let found = matched_recordings(&self.supabase, UNMATCHED).await?;
        findings.recordings_queued += found.len();
        self.queue_recordings(&found).await
    }

    /// Queues recordings that were larger than Storage's limit and no longer are.
    async fn raised_limit(&self, findings: &mut Findings) -> Result<(), Error> {
        let size_limit = self.supabase.size_limit(recordings::BUCKET).await?;
        let found = storable_recordings(&self.supabase, size_limit, LIMIT).await?;
        findings.recordings_fetched_again += found.len();
        self.queue_recordings(&found).await
    }

    /// Queues recordings; they are not found again for a day.
    async fn queue_recordings(&self, found: &[RecordingFinished]) -> Result<(), Error> {
        self.queues.recordings.send_all(found).await?;
        let queued: Vec<_> = found.iter().map(|finished| &finished.recording_sid).collect();
        recordings_queued(&self.supabase, &queued).await
    }

    /// Settles writes to Storage that workers had begun before they died.
    async fn abandoned_writes(&self, findings: &mut Findings) -> Result<(), Error> {
        let mut outcome = Ok(());
        for write in abandoned_writes(&self.supabase, LIMIT).await? {
            let settled = self.settle(write).await.map(|()| true);
            findings.writes_settled += usize::from(note_vendor_error(settled, &mut outcome)?);
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

    /// Deletes rows that were kept as proof for long enough, and evidence that no consent rests on.
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
            findings.purged += usize::from(note_vendor_error(removed, &mut outcome)?);
        }
        outcome
    }

    async fn remove_evidence(&self, object: &ObjectKey) -> Result<(), Error> {
        self.supabase.remove(EVIDENCE_BUCKET, object).await?;
        evidence_cleared(&self.supabase, object).await
    }

    /// Compares the vendor's voices with the database's: voices that belong to nobody are deleted, and voices that the
    /// vendor no longer has are taken off their employee.
    async fn vendor_voices(&self, findings: &mut Findings) -> Result<(), Error> {
        let voices = self.elevenlabs.marked_voices().await?;
        let judged = judge_vendor_voices(&self.supabase, &voices).await?;
        let mut outcome = Ok(());
        for voice_id in judged.delete.iter().take(LIMIT) {
            let deleted = self.elevenlabs.delete_voice(voice_id).await.map(|_| true).map_err(Error::from);
            findings.voices_deleted += usize::from(note_vendor_error(deleted, &mut outcome)?);
        }
        for voice in judged.missing {
            let taken_off = self.take_off_if_gone(voice).await;
            findings.voices_missing += usize::from(note_vendor_error(taken_off, &mut outcome)?);
        }
        outcome
    }

    /// Takes a voice off its employee, unless the vendor still has it: the vendor's list may be out of date.
    async fn take_off_if_gone(
        &self,
        MissingVoice { attempt_id, vendor_voice_id }: MissingVoice,
    ) -> Result<bool, Error> {
        if self.elevenlabs.has_voice(&vendor_voice_id).await? {
            return Ok(false);
        }
        voice_gone(&self.supabase, attempt_id, &self.elevenlabs.account().await?).await?;
        // `clone-worker` then writes the metadata, which still name the voice.
        self.queues.clones.send(&CloneRequested { attempt_id }).await?;
        Ok(true)
    }
}

/// A listed recording as the database compares it; `None` if it is of no call.
fn of_a_call(listed: &ListedRecording) -> Option<TwilioRecording<'_>> {
    let (recording_sid, call_sid) = (listed.sid.as_ref()?, listed.call_sid.as_ref()?);
    Some(TwilioRecording { recording_sid, call_sid, created_at: listed.date_created.as_deref() })
}

/// Keeps a vendor's error about one item in `outcome` and returns false, so that the next item is tried. A vendor that
/// does not answer ends the part, because each further item would last until its timeout.
fn note_vendor_error(done: Result<bool, Error>, outcome: &mut Result<(), Error>) -> Result<bool, Error> {
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
