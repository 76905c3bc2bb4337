//! Erasing every copy of a voice, and saying of each whether it is gone.
//!
//! The database lists the copies and keeps the state of each; a copy counts as gone only when its keeper, asked
//! afterwards, no longer has it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::elevenlabs::ElevenLabs;
use crate::clients::supabase::Supabase;
use crate::clients::twilio::Twilio;
use crate::error::Error;
use crate::queue::Queue;
use crate::recordings::{self, CallSid, Newest, RecordingSid, publish_newest};
use crate::voices::{CloneRequested, METADATA_BUCKET};

/// The message to `voice-erasure`: somebody's copies are to go.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ErasureStarted {
    /// A row of `voice_erasures`.
    pub erasure_id: Uuid,
}

/// The moment of a request to erase, as the database takes it (`p_now`): seconds since 1970.
///
/// The erasure covers what was recorded before, and when a recording began is what Twilio says. Twilio's clock and ours
/// are kept by NTP; the database's may be off.
#[must_use]
pub fn asked_at() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// What the database says is left to erase.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Begun {
    ErasureUnknown,
    Erased,
    Erase(Left),
}

/// What is left of an erasure.
#[derive(Deserialize)]
struct Left {
    /// In the order in which they are to go.
    copies: Vec<Copy>,
    /// What cannot be erased yet, because a worker may still be making it.
    #[serde(default)]
    blocked: Vec<Blocked>,
    /// Until all of `blocked` can be.
    wait_seconds: Option<u64>,
    /// What stands in the metadata's place.
    tombstone: Value,
}

#[derive(Deserialize)]
struct Blocked {
    attempt_id: Option<Uuid>,
    wait_seconds: u64,
}

/// One copy that is not confirmed gone.
#[derive(Deserialize)]
struct Copy {
    copy_id: Uuid,
    #[serde(flatten)]
    what: What,
}

#[derive(Deserialize)]
#[serde(tag = "kind", content = "reference", rename_all = "snake_case")]
enum What {
    VendorVoice(String),
    StoredRecording(String),
    NewestRecording(String),
    TwilioRecording(RecordingSid),
    /// The key of the metadata, which is replaced by a tombstone.
    Metadata(String),
}

/// Works on erasures, between the database and the keepers of the copies.
pub struct Eraser<'a> {
    /// The database and Storage.
    pub supabase: Supabase,
    /// Keeps voices.
    pub elevenlabs: ElevenLabs,
    /// Keeps recordings.
    pub twilio: Twilio,
    /// Where attempts of unknown fate are brought to their end, so that their voice can be erased.
    pub clones: &'a Queue,
}

impl Eraser<'_> {
    /// Erases what can be erased now. Done only when every copy is confirmed gone.
    ///
    /// # Errors
    /// [`Error::NotYet`] while copies are left; each one's own failure is kept with it in the database. A vendor that has
    /// turned our key away is an error of its own: another key may do.
    pub async fn work(&self, erasure_id: Uuid) -> Result<(), Error> {
        self.find_recordings_at_twilio(erasure_id).await?;
        let left = match self.begin(erasure_id).await? {
            Begun::Erased => return Ok(()),
            Begun::ErasureUnknown => return Err(Error::Unusable("the database does not know the erasure")),
            Begun::Erase(left) => left,
        };
        let mut turned_away = None;
        for copy in &left.copies {
            let failed = self.erase_and_report(copy, &left.tombstone).await?;
            turned_away = turned_away.or(failed.filter(Error::is_unauthorised));
        }
        for attempt_id in left.blocked.iter().filter(|blocked| blocked.wait_seconds == 0).filter_map(|b| b.attempt_id) {
            self.clones.send(&CloneRequested { attempt_id }).await?;
        }
        match self.begin(erasure_id).await? {
            Begun::Erased => Ok(()),
            _ if let Some(error) = turned_away => Err(error),
            _ => {
                let retry_after = left.wait_seconds.filter(|&seconds| seconds > 0).map(Duration::from_secs);
                Err(Error::NotYet { reason: "not every copy is gone", retry_after })
            }
        }
    }

    async fn begin(&self, erasure_id: Uuid) -> Result<Begun, Error> {
        Ok(self.supabase.rpc("begin_erasure", json!({"p_erasure_id": erasure_id})).await?)
    }

    /// Twilio may have recordings of the employee's calls whose callback never came.
    async fn find_recordings_at_twilio(&self, erasure_id: Uuid) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            call_sids: Vec<String>,
        }
        let answer: Answer = self.supabase.rpc("erasure_calls", json!({"p_erasure_id": erasure_id})).await?;
        for call_sid in &answer.call_sids {
            // What is no SID was never a call at Twilio.
            let recordings = match CallSid::try_from(call_sid.clone()) {
                Ok(call_sid) => self.twilio.recordings_of(&call_sid).await?,
                Err(_) => Vec::new(),
            };
            for recording_sid in recordings {
                let copy = json!({
                    "p_erasure_id": erasure_id, "p_kind": "twilio_recording", "p_reference": recording_sid,
                });
                self.supabase.rpc::<Value>("add_erasure_copy", copy).await?;
            }
            let listed = json!({"p_erasure_id": erasure_id, "p_call_sid": call_sid});
            self.supabase.rpc::<Value>("erasure_call_listed", listed).await?;
        }
        Ok(())
    }

    /// One copy's failure is its own: it is kept with it, and given back, and the others go on.
    async fn erase_and_report(&self, copy: &Copy, tombstone: &Value) -> Result<Option<Error>, Error> {
        #[derive(Deserialize)]
        struct Recorded {
            /// A recording made since a new consent, whose copy has just been erased with the old one's.
            newest: Option<Newest>,
        }
        if let Err(error) = self.erase(&copy.what, tombstone).await {
            tracing::warn!(copy_id = %copy.copy_id, %error, "a copy could not be erased");
            let failed = json!({"p_copy_id": copy.copy_id, "p_code": error.code()});
            self.supabase.rpc::<Value>("copy_failed", failed).await?;
            return Ok(Some(error));
        }
        let recorded: Recorded = self.supabase.rpc("copy_erased", json!({"p_copy_id": copy.copy_id})).await?;
        publish_newest(&self.supabase, recorded.newest).await?;
        Ok(None)
    }

    /// Erases a copy and asks its keeper whether it is gone.
    async fn erase(&self, what: &What, tombstone: &Value) -> Result<(), Error> {
        let gone = match what {
            What::VendorVoice(voice_id) => {
                self.elevenlabs.delete_voice(voice_id).await?;
                !self.elevenlabs.has_voice(voice_id).await?
            }
            What::StoredRecording(path) | What::NewestRecording(path) => {
                self.supabase.remove(recordings::BUCKET, path).await?;
                !self.supabase.has_object(recordings::BUCKET, path).await?
            }
            What::TwilioRecording(sid) => {
                self.twilio.delete_recording(sid).await?;
                !self.twilio.has_recording(sid).await?
            }
            What::Metadata(path) => {
                self.supabase.ensure_private_bucket(METADATA_BUCKET).await?;
                let tombstone = tombstone.to_string();
                let length = tombstone.len() as u64;
                self.supabase.upload(METADATA_BUCKET, path, "application/json", length, tombstone).await?;
                true
            }
        };
        if gone { Ok(()) } else { Err(Error::NotYet { reason: "the copy is still there", retry_after: None }) }
    }
}
