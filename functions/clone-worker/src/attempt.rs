//! One attempt: recordings → sample → voice → the employee's current voice.
//!
//! The database decides each step (`supabase/schemas`): whether consent is there, who holds the lease, which voice is
//! the current one. This module does the work between those decisions; any two of them may be days apart.

use std::time::Duration;

use sample::{Channel, Report};
use serde_json::{Value, json};
use shared::clients::elevenlabs::{AddVoiceError, AddedVoice, ElevenLabs, NewVoice, VoiceLimit};
use shared::clients::supabase::Supabase;
use shared::error::Error;
use shared::metrics::{self, timed};
use shared::referee::clones::{
    BegunClone, CloneJob, DoomedVoice, FailedClone, FinishedClone, Release, SampleSource, SampleTaken, SavedVoice,
    TakenSample, VendorVoice, begin_clone, fail_clone, finish_clone, release_clone, save_vendor_voice, take_sample,
};
use shared::referee::voices::{DeletedVoice, voice_deleted};
use shared::referee::writes::{Metadata, WrittenMetadata, metadata_written};
use shared::refusal::Refusal;
use shared::voices::write_metadata;
use tokio::sync::OnceCell;
use uuid::Uuid;

use crate::full_account::FullAccount;
use crate::sampling::{NoSample, sample_recordings};

/// Does the steps of attempts, as the database decides them.
pub struct CloneWorker<'a> {
    /// The database and Storage.
    pub supabase: Supabase,
    /// The vendor of the voices.
    pub elevenlabs: ElevenLabs,
    /// The employees' usual channel in calls of two legs.
    pub usual_channel: Option<Channel>,
    /// The length of an attempt's lease; longer than the function may run.
    pub lease: Duration,
    /// The account that the key opens, once it was read.
    pub account: OnceCell<String>,
    /// Attempts look at the account's limit before they take a sample, once the vendor has called the account full.
    pub full_account: &'a FullAccount,
}

/// The next step, after one of the worker's own.
enum Next {
    /// The attempt has its voice, whose id is saved.
    Finish,
    /// The database says what is to be done.
    Ask,
}

impl CloneWorker<'_> {
    /// Does the steps of an attempt until it has its voice, is refused, or has to be tried again later.
    ///
    /// # Errors
    /// [`Error::NotYet`] while the attempt's lease has not ended, so that another worker, or the vendor after a lost
    /// answer, may still be making its voice; otherwise a vendor's error. The message then stays in the queue.
    pub async fn work(&self, attempt_id: Uuid) -> Result<(), Error> {
        loop {
            let next = match begin_clone(&self.supabase, attempt_id, self.lease).await? {
                BegunClone::Clone(job) => self.clone_voice(attempt_id, job).await?,
                BegunClone::Resolve { lease_id } => self.resolve(attempt_id, lease_id).await?,
                BegunClone::Finish => Next::Finish,
                BegunClone::Closed { delete_voices } => return self.delete(delete_voices).await,
                BegunClone::Refused { code } => {
                    tracing::info!(%attempt_id, code, "the attempt is refused");
                    metrics::count("ClonesRefused", 1, &[("Code", &code)], &[]);
                    return Ok(());
                }
                BegunClone::Wait { retry_after_seconds } => {
                    let retry_after = Some(Duration::from_secs(retry_after_seconds));
                    return Err(Error::NotYet { reason: "the attempt's lease has not ended", retry_after });
                }
                BegunClone::AttemptUnknown => return Err(Error::Unusable("the database does not know the attempt")),
            };
            // `finish_clone` itself decides whether the voice may be kept, whatever has happened since it was saved.
            if let Next::Finish = next {
                return timed("finish_clone", self.finish(attempt_id)).await;
            }
        }
    }

    /// Makes the sample, tells the database the recordings that it is made from, and only then sends it to the vendor.
    async fn clone_voice(&self, attempt_id: Uuid, job: CloneJob) -> Result<Next, Error> {
        let CloneJob { lease_id, deployment_id, employee_id, employee_name, replace_first, recordings } = job;
        let sampling = sample_recordings(&self.supabase, &recordings, self.usual_channel);
        let sampled = timed("make_sample", sampling).await;
        let sampled = self.release_on_error(attempt_id, lease_id, Release::NotMade, sampled).await?;
        let sample = match sampled.sample {
            Ok(sample) => sample,
            Err(NoSample { refusal, report }) => {
                return self.fail(attempt_id, lease_id, refusal, None, Some(&json!(report))).await;
            }
        };
        // The account is read before a voice is made, so that nothing comes between making the voice and saving its id.
        self.release_on_error(attempt_id, lease_id, Release::NotMade, self.account().await).await?;
        if let Some(limit) = self.limit_still_met(replace_first).await {
            let report = of_full_account(&sample.report, limit);
            return self.fail(attempt_id, lease_id, Refusal::VoiceLimitReached, None, Some(&report)).await;
        }
        if !self.take_sample(attempt_id, lease_id, &sampled.sources, &sample.report).await? {
            return Ok(Next::Ask);
        }
        let name = Some(employee_name.as_str()).filter(|name| !name.trim().is_empty()).unwrap_or("Employee");
        let remove_background_noise = sample.report.remove_background_noise;
        let (wav, report) = (sample.wav, sample.report);
        let voice = NewVoice { name, employee_id, attempt_id, deployment_id, sample: wav, remove_background_noise };
        self.add_voice(lease_id, voice, &report).await
    }

    /// Asks the database for permission to send the sample, and deletes the old voice first if that was requested.
    /// Returns whether it may be sent.
    async fn take_sample(
        &self,
        attempt_id: Uuid,
        lease_id: Uuid,
        sources: &[SampleSource],
        report: &Report,
    ) -> Result<bool, Error> {
        let pipeline_version = report.pipeline_version;
        let sample = TakenSample { attempt_id, lease_id, sources, pipeline_version, report };
        let taken = take_sample(&self.supabase, &sample).await;
        // If the answer is lost, the database may or may not have counted an upload.
        match self.release_on_error(attempt_id, lease_id, Release::NotMade, taken).await? {
            SampleTaken::Taken { delete_voices } => {
                let deleted = self.delete(delete_voices).await;
                self.release_on_error(attempt_id, lease_id, Release::Unprocessed, deleted).await.map(|()| true)
            }
            SampleTaken::LeaseLost | SampleTaken::Refused => Ok(false),
        }
    }

    /// Returns the result of `step`. If the step has failed, it gives the lease back first; if that fails as well, the
    /// lease runs out.
    async fn release_on_error<T>(
        &self,
        attempt_id: Uuid,
        lease_id: Uuid,
        release: Release,
        step: Result<T, Error>,
    ) -> Result<T, Error> {
        if step.is_err()
            && let Err(error) = release_clone(&self.supabase, attempt_id, lease_id, release).await
        {
            tracing::warn!(%attempt_id, %error, "the lease could not be given back");
        }
        step
    }

    /// Sends the sample to the vendor, and saves the id of the voice before anything else.
    async fn add_voice(&self, lease_id: Uuid, voice: NewVoice<'_>, report: &Report) -> Result<Next, Error> {
        let attempt_id = voice.attempt_id;
        match timed("add_voice", self.elevenlabs.add_voice(voice)).await {
            Ok(voice) => self.keep(attempt_id, lease_id, vec![voice]).await,
            Err(AddVoiceError::Refused(refusal @ Refusal::VoiceLimitReached)) => {
                // The vendor's word is remembered only if the account's own figures agree with it.
                let limit = self.voice_limit().await.filter(VoiceLimit::is_met);
                limit.inspect(|_| self.full_account.remember());
                let report = limit.map(|limit| of_full_account(report, limit));
                self.fail(attempt_id, lease_id, refusal, None, report.as_ref()).await
            }
            Err(AddVoiceError::Refused(refusal)) => self.fail(attempt_id, lease_id, refusal, None, None).await,
            Err(AddVoiceError::TurnedAway(error)) => {
                self.release_on_error(attempt_id, lease_id, Release::Unprocessed, Err(error.into())).await
            }
            Err(AddVoiceError::NotAdded(error)) => {
                self.release_on_error(attempt_id, lease_id, Release::NotMade, Err(error.into())).await
            }
            Err(AddVoiceError::FateUnknown(error)) => {
                tracing::warn!(%attempt_id, %error, "the answer of add_voice is lost");
                release_clone(&self.supabase, attempt_id, lease_id, Release::Unknown).await.map(|()| Next::Ask)
            }
        }
    }

    /// The limit of an account that the vendor has called full, if it is still met and leaves no room for this voice. A
    /// replacement gives a slot back first, so only the limit of the month stops it. If the limit cannot be read, the
    /// vendor decides.
    async fn limit_still_met(&self, replace_first: bool) -> Option<VoiceLimit> {
        if !self.full_account.is_remembered() {
            return None;
        }
        let limit = self.voice_limit().await?;
        if !limit.is_met() {
            self.full_account.forget();
            return None;
        }
        Some(limit).filter(|limit| limit.is_of_month || !replace_first)
    }

    /// The account's limit of voices; `None` if it cannot be read.
    async fn voice_limit(&self) -> Option<VoiceLimit> {
        self.elevenlabs.voice_limit().await.inspect_err(|error| tracing::warn!(%error, "no figures")).ok()
    }

    /// Looks for the voice of an attempt whose `add_voice` gave no answer. Keeps the voice if there is one; otherwise
    /// the attempt starts again.
    async fn resolve(&self, attempt_id: Uuid, lease_id: Uuid) -> Result<Next, Error> {
        self.account().await?;
        let voices = self.elevenlabs.find_voices(attempt_id).await?;
        if voices.is_empty() {
            return release_clone(&self.supabase, attempt_id, lease_id, Release::NotMade).await.map(|()| Next::Ask);
        }
        self.keep(attempt_id, lease_id, voices).await
    }

    /// Keeps the first of an attempt's voices that may be used. If there is none, the attempt has failed: a voice that
    /// the vendor wants verified first cannot be used. The other voices are deleted, after the database knows of them.
    async fn keep(&self, attempt_id: Uuid, lease_id: Uuid, voices: Vec<AddedVoice>) -> Result<Next, Error> {
        self.account().await?;
        let (usable, unusable): (Vec<_>, Vec<_>) = voices.into_iter().partition(AddedVoice::is_usable);
        let mut is_saved = false;
        for voice in &usable {
            is_saved |= self.save(attempt_id, &voice.voice_id).await?;
        }
        let mut unusable = unusable.iter();
        if usable.is_empty()
            && let Some(voice) = unusable.next()
        {
            self.fail(attempt_id, lease_id, Refusal::VoiceRequiresVerification, Some(&voice.voice_id), None).await?;
        }
        for voice in unusable {
            self.elevenlabs.delete_voice(&voice.voice_id).await?;
        }
        Ok(if is_saved { Next::Finish } else { Next::Ask })
    }

    /// Saves the vendor's id of a voice in the database. Returns whether it is the attempt's; a voice that the attempt
    /// does not need, or no longer, is deleted at once.
    async fn save(&self, attempt_id: Uuid, voice_id: &str) -> Result<bool, Error> {
        let account = self.account().await?;
        match save_vendor_voice(&self.supabase, &VendorVoice { attempt_id, vendor_voice_id: voice_id, account }).await?
        {
            SavedVoice::Saved => Ok(true),
            SavedVoice::Superfluous => {
                self.elevenlabs.delete_voice(voice_id).await?;
                Ok(false)
            }
        }
    }

    /// The vendor's account that this worker's key opens. It is read once.
    async fn account(&self) -> Result<&str, Error> {
        let account = self.account.get_or_try_init(|| self.elevenlabs.account()).await?;
        Ok(account)
    }

    /// Ends the attempt for good. A voice that it has made nevertheless is to be deleted then.
    async fn fail(
        &self,
        attempt_id: Uuid,
        lease_id: Uuid,
        refusal: Refusal,
        voice_id: Option<&str>,
        report: Option<&Value>,
    ) -> Result<Next, Error> {
        tracing::info!(%attempt_id, code = refusal.code(), "the attempt has failed");
        metrics::count("ClonesRefused", 1, &[("Code", refusal.code())], &[]);
        let failed = FailedClone { attempt_id, lease_id, code: refusal, vendor_voice_id: voice_id, report };
        // In the next turn of the loop the attempt is closed, and the database lists the voices to delete.
        fail_clone(&self.supabase, &failed).await.map(|()| Next::Ask)
    }

    /// Makes the voice the employee's current one, unless there is no consent any more; then writes the metadata and
    /// deletes the voices that are no longer needed.
    async fn finish(&self, attempt_id: Uuid) -> Result<(), Error> {
        let (metadata, delete_voices) = match finish_clone(&self.supabase, attempt_id).await? {
            FinishedClone::Finished { metadata, delete_voices } => {
                tracing::info!(%attempt_id, "the voice is the employee's");
                metrics::count("ClonesReady", 1, &[], &[]);
                (metadata, delete_voices)
            }
            FinishedClone::Refused { code, metadata, delete_voices } => {
                tracing::info!(%attempt_id, code, "the voice is refused");
                metrics::count("ClonesRefused", 1, &[("Code", &code)], &[]);
                (metadata, delete_voices)
            }
            FinishedClone::NotFinishable => return Err(Error::Unusable("the attempt has no voice to finish with")),
        };
        if let Some(metadata) = metadata {
            self.write_metadata(attempt_id, metadata).await?;
        }
        self.delete(delete_voices).await
    }

    /// Writes the metadata, and repeats that as long as another voice has become the current one meanwhile.
    async fn write_metadata(&self, mut attempt_id: Uuid, mut metadata: Metadata) -> Result<(), Error> {
        loop {
            write_metadata(&self.supabase, &metadata.object).await?;
            match metadata_written(&self.supabase, attempt_id, metadata.write_id).await? {
                WrittenMetadata::Current => return Ok(()),
                WrittenMetadata::Behind { attempt_id: current, metadata: newer } => {
                    (attempt_id, metadata) = (current, newer);
                }
            }
        }
    }

    /// Deletes voices at the vendor, and tells the database of each that is gone. A failure does not stop the deletion
    /// of the others.
    async fn delete(&self, voices: Vec<DoomedVoice>) -> Result<(), Error> {
        let mut outcome = Ok(());
        for voice in voices {
            let deleted = self.delete_one(&voice).await;
            outcome = outcome.and(deleted);
        }
        outcome
    }

    async fn delete_one(&self, voice: &DoomedVoice) -> Result<(), Error> {
        let account = self.account().await?;
        let was_there = self.elevenlabs.delete_voice(&voice.vendor_voice_id).await?;
        voice_deleted(&self.supabase, &DeletedVoice { attempt_id: voice.attempt_id, account, was_there }).await
    }
}

/// The sample's report, with the limit of the account as the reason why it led to no voice.
fn of_full_account(report: &Report, limit: VoiceLimit) -> Value {
    let (code, unit) = (Refusal::VoiceLimitReached.code(), limit.unit());
    let mut report = json!(report);
    report["problem"] = json!({"code": code, "figure": limit.used, "limit": limit.limit, "unit": unit});
    report
}
