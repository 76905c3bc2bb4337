//! Answers one call of the schedule.

use shared::clients::elevenlabs::ElevenLabsSecret;
use shared::clients::supabase::SupabaseSecret;
use shared::clients::twilio::TwilioSecret;
use shared::error::Error;
use shared::metrics;
use shared::vendor::{Vendor, is_any_renewed_after};

use crate::sweep::{Findings, Queues, Sweep};

/// The function, with the services that it uses.
pub struct Sweeper {
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// The vendor of the voices.
    pub elevenlabs: Vendor<ElevenLabsSecret>,
    /// The vendor of the recordings.
    pub twilio: Vendor<TwilioSecret>,
    /// The queues for messages that were lost.
    pub queues: Queues,
}

impl Sweeper {
    /// Does one run and returns its findings. It fails if a part of the run fails; then Lambda tries it again.
    pub async fn handle(&self) -> Result<Findings, Error> {
        let mut findings = Findings::default();
        let mut errors = self.sweep(&mut findings).await?;
        if self.has_fresh_secret_after(&errors).await {
            errors = self.sweep(&mut findings).await?;
        }
        tracing::info!(
            erasures_started = findings.erasures_started,
            attempts_queued = findings.attempts_queued,
            attempts_timed_out = findings.attempts_timed_out,
            erasures_queued = findings.erasures_queued,
            recordings_queued = findings.recordings_queued,
            recordings_fetched_again = findings.recordings_fetched_again,
            writes_settled = findings.writes_settled,
            purged = findings.purged,
            voices_deleted = findings.voices_deleted,
            voices_missing = findings.voices_missing,
            symptoms = findings.symptoms(),
            "swept"
        );
        metrics::count("SweepSymptoms", findings.symptoms(), &[], &[]);
        for error in &errors {
            tracing::error!(%error, "a part of the sweep has failed");
        }
        errors.into_iter().next().map_or(Ok(findings), Err)
    }

    async fn sweep(&self, findings: &mut Findings) -> Result<Vec<Error>, Error> {
        let sweep = Sweep {
            supabase: self.supabase.client().await?,
            elevenlabs: self.elevenlabs.client().await?,
            twilio: self.twilio.client().await?,
            queues: &self.queues,
        };
        Ok(sweep.run(findings).await)
    }

    async fn has_fresh_secret_after(&self, errors: &[Error]) -> bool {
        let mut renewed = false;
        for error in errors {
            renewed |= is_any_renewed_after(error, &[&self.supabase, &self.elevenlabs, &self.twilio]).await;
        }
        renewed
    }
}
