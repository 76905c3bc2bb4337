//! A batch of erasures, one at a time.

use std::convert::Infallible;

use lambda_runtime::LambdaEvent;
use shared::clients::elevenlabs::ElevenLabsSecret;
use shared::clients::supabase::SupabaseSecret;
use shared::clients::twilio::TwilioSecret;
use shared::erasures::{Eraser, ErasureStarted};
use shared::error::Error;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::vendor::Vendor;

/// The function, with what it reaches.
pub struct Erasure {
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// Deletes voices.
    pub elevenlabs: Vendor<ElevenLabsSecret>,
    /// Deletes recordings.
    pub twilio: Vendor<TwilioSecret>,
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
        let eraser = Eraser {
            supabase: self.supabase.client().await?,
            elevenlabs: self.elevenlabs.client().await?,
            twilio: self.twilio.client().await?,
            clones: &self.clones,
        };
        eraser.work(started.erasure_id).await
    }

    async fn has_fresh_secret_after(&self, error: &Error) -> bool {
        self.supabase.is_renewed_after(error).await
            || self.elevenlabs.is_renewed_after(error).await
            || self.twilio.is_renewed_after(error).await
    }
}
