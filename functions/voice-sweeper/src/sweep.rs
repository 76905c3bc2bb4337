//! One run: bounded, and harmless twice at once. What is left over is found by the next.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clients::VendorError;
use shared::clients::elevenlabs::ElevenLabs;
use shared::clients::supabase::Supabase;
use shared::clients::twilio::Twilio;
use shared::erasures::{ErasureStarted, asked_at};
use shared::error::Error;
use shared::queue::Queue;
use shared::recordings::{self, RecordingFinished};
use shared::voices::CloneRequested;
use uuid::Uuid;

/// How much of each kind one run takes on.
const LIMIT: usize = 100;
/// Pages of 1 000 recordings that one run reads.
const PAGES: usize = 5;

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
    /// Consents that had expired: their voices are taken off, an erasure is started.
    pub consents_expired: usize,
    /// Attempts whose message was gone, queued again.
    pub attempts_queued: usize,
    /// Attempts that nothing came of for a day, ended.
    pub attempts_timed_out: usize,
    /// Erasures whose message was gone, queued again.
    pub erasures_queued: usize,
    /// Recordings whose callback never came, queued.
    pub recordings_queued: usize,
    /// Objects in Storage that no recording names, removed.
    pub uploads_removed: usize,
    /// Voices at the vendor that belonged to no live row, deleted.
    pub voices_deleted: usize,
    /// Voices that the vendor no longer has, taken off.
    pub voices_missing: usize,
}

impl Findings {
    /// How many of them say that something has gone wrong before; an expired consent does not.
    pub fn symptoms(&self) -> usize {
        self.attempts_queued
            + self.attempts_timed_out
            + self.erasures_queued
            + self.recordings_queued
            + self.uploads_removed
            + self.voices_deleted
            + self.voices_missing
    }
}

/// An object that no recording names.
#[derive(Deserialize)]
struct Upload {
    recording_sid: String,
    storage_path: String,
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
            self.expired_consents(findings).await,
            self.unfinished(findings).await,
            self.lost_callbacks(findings).await,
            self.abandoned_uploads(findings).await,
            self.vendor_voices(findings).await,
        ];
        parts.into_iter().filter_map(Result::err).collect()
    }

    async fn expired_consents(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Swept {
            erasure_ids: Vec<Uuid>,
        }
        let arguments = json!({"p_limit": LIMIT, "p_now": asked_at()});
        let swept: Swept = self.supabase.rpc("sweep_expired_consents", arguments).await?;
        findings.consents_expired += swept.erasure_ids.len();
        self.queue_erasures(swept.erasure_ids).await
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
        #[derive(Deserialize)]
        struct Missing {
            recordings: Vec<RecordingFinished>,
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

    /// Objects that a worker stored before it died, and that no recording names.
    async fn abandoned_uploads(&self, findings: &mut Findings) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Abandoned {
            uploads: Vec<Upload>,
        }
        let abandoned: Abandoned = self.supabase.rpc("abandoned_uploads", json!({"p_limit": LIMIT})).await?;
        let mut outcome = Ok(());
        for upload in abandoned.uploads {
            let removed = self.remove(&upload).await.map(|()| true);
            findings.uploads_removed += usize::from(or_noted(removed, &mut outcome)?);
        }
        outcome
    }

    async fn remove(&self, Upload { recording_sid, storage_path }: &Upload) -> Result<(), Error> {
        self.supabase.remove(recordings::BUCKET, storage_path).await?;
        let cleared = json!({"p_recording_sid": recording_sid, "p_storage_path": storage_path});
        self.supabase.rpc::<Value>("upload_cleared", cleared).await?;
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
            let deleted = self.elevenlabs.delete_voice(voice_id).await.map(|()| true).map_err(Error::from);
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
        self.supabase.rpc::<Value>("voice_gone", json!({"p_attempt_id": attempt_id})).await?;
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
