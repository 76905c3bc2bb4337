//! A recording → a cloned voice.
//!
//! The database decides each step (`supabase/migrations`): whether the caller may, whether consent is there, who
//! holds the lease, which voice is the current one. Here stands what happens between those decisions.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clients::elevenlabs::{AddVoiceError, AddedVoice, ElevenLabs, NewVoice};
use crate::clients::supabase::Supabase;
use crate::error::{Error, Refusal};
use crate::{recordings, referee};

/// The private bucket of the voices' metadata.
pub const METADATA_BUCKET: &str = "deep-fakes";

/// The message from `clone-voice` to `clone-worker`: an attempt waits to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneRequested {
    /// The attempt: a row of `voices`.
    pub attempt_id: Uuid,
}

/// What a request for a clone came to.
#[derive(Debug, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Requested {
    /// The newest recording is already cloned: this is its voice.
    Ready {
        /// The vendor's id of the voice.
        voice_id: String,
    },
    /// A new attempt.
    Requested(CloneRequested),
    /// An attempt is under way already.
    Pending(CloneRequested),
}

/// An employee's voice, as the API tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct VoiceState {
    /// The employee.
    pub employee_id: Uuid,
    /// The vendor's id of the current voice; none without a live consent.
    pub voice_id: Option<String>,
    /// The state of the newest attempt.
    pub status: Status,
    /// Why there is no voice.
    pub code: Option<String>,
    /// The newest attempt.
    pub attempt_id: Option<Uuid>,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Status {
    None,
    Pending,
    Ready,
    Failed,
}

impl VoiceState {
    /// Why the attempt has failed, in the API's terms.
    pub fn refusal(&self) -> Refusal {
        let code = self.code.clone().unwrap_or_default();
        serde_json::from_value(code.into()).unwrap_or(Refusal::CloneFailed)
    }
}

/// Asks the database for a clone of the employee's newest recording, in the name of the user.
///
/// # Errors
/// [`Error::Refused`] when the user may not, consent is missing, or there is no recording.
pub async fn request_clone(supabase: &Supabase<'_>, user_id: Uuid, employee_id: Uuid) -> Result<Requested, Error> {
    referee::ask(supabase, "request_clone", json!({"p_user_id": user_id, "p_employee_id": employee_id})).await
}

/// Reads the state of an employee's voice, in the name of the user.
///
/// # Errors
/// [`Error::Refused`] when the user may not see it.
pub async fn read_voice(supabase: &Supabase<'_>, user_id: Uuid, employee_id: Uuid) -> Result<VoiceState, Error> {
    referee::ask(supabase, "read_voice", json!({"p_user_id": user_id, "p_employee_id": employee_id})).await
}

/// What the database lets a worker do with an attempt.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Begun {
    AttemptUnknown,
    Wait { retry_after_seconds: u64 },
    Clone(Job),
    Resolve { lease_id: Uuid },
    Finish,
    Refused { code: String },
    Closed { delete_voices: Vec<DoomedVoice> },
}

/// A clone to be made, under a lease.
#[derive(Deserialize)]
struct Job {
    lease_id: Uuid,
    employee_id: Uuid,
    employee_name: String,
    recording: Source,
}

#[derive(Deserialize)]
struct Source {
    storage_path: String,
}

/// A voice that must go from the vendor: replaced, refused or failed.
#[derive(Deserialize)]
struct DoomedVoice {
    attempt_id: Uuid,
    vendor_voice_id: String,
}

/// How an attempt has ended, and what is left to do.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Ended {
    Finished { metadata: Option<Value>, delete_voices: Vec<DoomedVoice> },
    Refused { code: String, delete_voices: Vec<DoomedVoice> },
    NotFinishable,
}

/// What became of a vendor voice id that was handed to the database.
#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Saved {
    Saved,
    Superfluous,
}

/// Works on attempts, between the database and the vendor.
pub struct CloneWorker<'a> {
    /// The database and Storage.
    pub supabase: Supabase<'a>,
    /// The vendor of the voices.
    pub elevenlabs: ElevenLabs<'a>,
    /// How long the attempt is ours; longer than the function may run.
    pub lease: Duration,
}

impl CloneWorker<'_> {
    /// Brings an attempt as far as it can go: to its voice, to its refusal, or to the next try.
    ///
    /// # Errors
    /// [`Error::NotYet`] while another worker may still be at it, or the fate of a lost `add_voice` is not known;
    /// otherwise what a vendor said. The message then stays in the queue.
    pub async fn work(&self, attempt_id: Uuid) -> Result<(), Error> {
        loop {
            match self.begin(attempt_id).await? {
                Begun::Clone(job) => self.add_voice(attempt_id, job).await?,
                Begun::Resolve { lease_id } => self.resolve(attempt_id, lease_id).await?,
                Begun::Finish => return self.finish(attempt_id).await,
                Begun::Closed { delete_voices } => return self.delete(delete_voices).await,
                Begun::Refused { code } => {
                    tracing::info!(%attempt_id, code, "the attempt is refused");
                    return Ok(());
                }
                Begun::Wait { retry_after_seconds } => {
                    let retry_after = Some(Duration::from_secs(retry_after_seconds));
                    return Err(Error::NotYet { reason: "the lease of another worker", retry_after });
                }
                Begun::AttemptUnknown => return Err(Error::Unusable("the database does not know the attempt")),
            }
        }
    }

    async fn begin(&self, attempt_id: Uuid) -> Result<Begun, Error> {
        let arguments = json!({"p_attempt_id": attempt_id, "p_lease_seconds": self.lease.as_secs()});
        Ok(self.supabase.rpc("begin_clone", arguments).await?)
    }

    /// Sends the recording to the vendor, and saves the id of the voice before anything else.
    async fn add_voice(&self, attempt_id: Uuid, job: Job) -> Result<(), Error> {
        let added = match self.supabase.download(recordings::BUCKET, &job.recording.storage_path).await {
            Ok(recording) => {
                let name = Some(job.employee_name.as_str()).filter(|name| !name.trim().is_empty());
                let voice = NewVoice { name: name.unwrap_or("Employee"), employee_id: job.employee_id, attempt_id };
                self.elevenlabs.add_voice(voice, recording.length, recording.stream).await
            }
            Err(error) if is_gone(&error) => {
                return self.fail(attempt_id, job.lease_id, Refusal::RecordingMissing, None).await;
            }
            Err(error) => {
                self.release(attempt_id, job.lease_id, true).await?;
                return Err(error);
            }
        };
        match added {
            Ok(voice) => self.keep(attempt_id, job.lease_id, vec![voice]).await,
            Err(AddVoiceError::Refused(refusal)) => self.fail(attempt_id, job.lease_id, refusal, None).await,
            Err(AddVoiceError::NotAdded(error)) => {
                self.release(attempt_id, job.lease_id, true).await?;
                Err(error.into())
            }
            Err(AddVoiceError::FateUnknown(error)) => {
                tracing::warn!(%attempt_id, %error, "the answer of add_voice is lost");
                self.release(attempt_id, job.lease_id, false).await?;
                // The next turn of the loop is told by the database how long to wait.
                Ok(())
            }
        }
    }

    /// Looks for the voice of an attempt whose `add_voice` never answered: adopts it, or lets the attempt start anew.
    async fn resolve(&self, attempt_id: Uuid, lease_id: Uuid) -> Result<(), Error> {
        let voices = self.elevenlabs.find_voices(attempt_id).await?;
        if voices.is_empty() {
            return self.release(attempt_id, lease_id, true).await;
        }
        self.keep(attempt_id, lease_id, voices).await
    }

    /// Keeps the first of an attempt's voices that may be used. If there is none, the attempt has failed: a voice that
    /// the vendor wants verified first is no success. What is not kept is deleted, after the database knows of it.
    async fn keep(&self, attempt_id: Uuid, lease_id: Uuid, voices: Vec<AddedVoice>) -> Result<(), Error> {
        let (usable, unusable): (Vec<_>, Vec<_>) = voices.into_iter().partition(AddedVoice::is_usable);
        for voice in &usable {
            self.save(attempt_id, &voice.voice_id).await?;
        }
        let mut unusable = unusable.iter();
        if usable.is_empty()
            && let Some(voice) = unusable.next()
        {
            self.fail(attempt_id, lease_id, Refusal::VoiceRequiresVerification, Some(&voice.voice_id)).await?;
        }
        for voice in unusable {
            self.elevenlabs.delete_voice(&voice.voice_id).await?;
        }
        Ok(())
    }

    /// Tells the database the vendor's id. A voice that the attempt does not need, or no longer, is deleted at once.
    async fn save(&self, attempt_id: Uuid, voice_id: &str) -> Result<(), Error> {
        let arguments = json!({"p_attempt_id": attempt_id, "p_vendor_voice_id": voice_id});
        match self.supabase.rpc("save_vendor_voice", arguments).await? {
            Saved::Saved => Ok(()),
            Saved::Superfluous => Ok(self.elevenlabs.delete_voice(voice_id).await?),
        }
    }

    async fn release(&self, attempt_id: Uuid, lease_id: Uuid, fate_known: bool) -> Result<(), Error> {
        let arguments = json!({"p_attempt_id": attempt_id, "p_lease_id": lease_id, "p_fate_known": fate_known});
        self.supabase.rpc::<Value>("release_clone", arguments).await?;
        Ok(())
    }

    /// Ends the attempt for good; a voice that it has made all the same is then one to delete.
    async fn fail(
        &self,
        attempt_id: Uuid,
        lease_id: Uuid,
        refusal: Refusal,
        voice_id: Option<&str>,
    ) -> Result<(), Error> {
        tracing::info!(%attempt_id, code = refusal.code(), "the attempt has failed");
        let arguments = json!({
            "p_attempt_id": attempt_id, "p_lease_id": lease_id, "p_code": refusal.code(), "p_vendor_voice_id": voice_id,
        });
        self.supabase.rpc::<Value>("fail_clone", arguments).await?;
        // The next turn of the loop finds the attempt closed, with what must be deleted.
        Ok(())
    }

    /// Makes the voice the employee's current one, unless consent is gone by now, and does what follows from that.
    async fn finish(&self, attempt_id: Uuid) -> Result<(), Error> {
        match self.supabase.rpc("finish_clone", json!({"p_attempt_id": attempt_id})).await? {
            Ended::Finished { metadata, delete_voices } => {
                tracing::info!(%attempt_id, "the voice is the employee's");
                if let Some(metadata) = metadata {
                    self.write_metadata(attempt_id, metadata).await?;
                }
                self.delete(delete_voices).await
            }
            Ended::Refused { code, delete_voices } => {
                tracing::info!(%attempt_id, code, "the voice is refused");
                self.delete(delete_voices).await
            }
            Ended::NotFinishable => Err(Error::Unusable("the attempt has no voice to finish with")),
        }
    }

    /// Writes `{employee_id}/{employee_id}.json`, and again while another voice has become the current one meanwhile.
    async fn write_metadata(&self, mut attempt_id: Uuid, mut metadata: Value) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(tag = "outcome", rename_all = "snake_case")]
        enum Written {
            Current,
            Behind { attempt_id: Uuid, metadata: Value },
        }
        self.supabase.ensure_private_bucket(METADATA_BUCKET).await?;
        loop {
            let employee_id = metadata["employee_id"].as_str().unwrap_or_default();
            let path = format!("{employee_id}/{employee_id}.json");
            let json = metadata.to_string();
            self.supabase.upload(METADATA_BUCKET, &path, "application/json", json.len() as u64, json).await?;
            match self.supabase.rpc("metadata_written", json!({"p_attempt_id": attempt_id})).await? {
                Written::Current => return Ok(()),
                Written::Behind { attempt_id: current, metadata: newer } => (attempt_id, metadata) = (current, newer),
            }
        }
    }

    /// Deletes voices at the vendor, and tells the database of each that is gone. One that will not go does not keep
    /// the others.
    async fn delete(&self, voices: Vec<DoomedVoice>) -> Result<(), Error> {
        let mut outcome = Ok(());
        for voice in voices {
            let deleted = self.delete_one(&voice).await;
            outcome = outcome.and(deleted);
        }
        outcome
    }

    async fn delete_one(&self, voice: &DoomedVoice) -> Result<(), Error> {
        self.elevenlabs.delete_voice(&voice.vendor_voice_id).await?;
        self.supabase.rpc::<Value>("voice_deleted", json!({"p_attempt_id": voice.attempt_id})).await?;
        Ok(())
    }
}

/// Whether the recording is not there any more, or cannot be sent: waiting will not bring it.
fn is_gone(error: &Error) -> bool {
    !error.is_transient() || matches!(error, Error::Vendor(error) if error.status == Some(StatusCode::NOT_FOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_failed_attempt_is_the_apis() {
        let state = |code: Option<&str>| VoiceState {
            employee_id: Uuid::nil(),
            voice_id: None,
            status: Status::Failed,
            code: code.map(str::to_owned),
            attempt_id: None,
        };
        assert_eq!(state(Some("voice_limit_reached")).refusal(), Refusal::VoiceLimitReached);
        assert_eq!(state(Some("unheard_of")).refusal(), Refusal::CloneFailed);
        assert_eq!(state(None).refusal(), Refusal::CloneFailed);
    }
}
