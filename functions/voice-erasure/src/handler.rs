//! A batch of erasures, one at a time.

use std::convert::Infallible;

use lambda_runtime::LambdaEvent;
use shared::clients::elevenlabs::{ElevenLabs, ElevenLabsSecret};
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::clients::twilio::{Twilio, TwilioSecret};
use shared::config::Secret;
use shared::erasures::{Eraser, ErasureStarted};
use shared::error::Error;
use shared::queue::{Batch, BatchResponse, Queue};

/// The function, with what it reaches.
pub struct Erasure {
    /// All requests go through it.
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub supabase_url: String,
    /// Reaches the database and Storage.
    pub supabase: Secret<SupabaseSecret>,
    /// Without a trailing slash.
    pub elevenlabs_url: String,
    /// Deletes voices.
    pub elevenlabs: Secret<ElevenLabsSecret>,
    /// Without a trailing slash.
    pub twilio_url: String,
    /// Deletes recordings.
    pub twilio: Secret<TwilioSecret>,
    /// The queue that the batches come from.
    pub queue: Queue,
    /// Where attempts of unknown fate are brought to their end.
    pub clones: Queue,
}

impl Erasure {
    /// Works through a batch; the erasures that are not complete stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        Ok(self.queue.work(event.payload, |started| self.erase(started)).await)
    }

    async fn erase(&self, started: ErasureStarted) -> Result<(), Error> {
        match self.try_erase(&started).await {
            Err(error) if self.has_fresh_secret_after(&error).await => self.try_erase(&started).await,
            outcome => outcome,
        }
    }

    async fn try_erase(&self, started: &ErasureStarted) -> Result<(), Error> {
        let supabase = self.supabase.get().await?;
        let (elevenlabs, twilio) = (self.elevenlabs.get().await?, self.twilio.get().await?);
        let eraser = Eraser {
            supabase: Supabase::new(self.http.clone(), &self.supabase_url, &supabase),
            elevenlabs: ElevenLabs::new(self.http.clone(), &self.elevenlabs_url, &elevenlabs),
            twilio: Twilio::new(self.http.clone(), &self.twilio_url, &twilio),
            clones: &self.clones,
        };
        eraser.work(started.erasure_id).await
    }

    async fn has_fresh_secret_after(&self, error: &Error) -> bool {
        self.supabase.is_renewed_after("supabase", error).await
            || self.elevenlabs.is_renewed_after("elevenlabs", error).await
            || self.twilio.is_renewed_after("twilio", error).await
    }
}
