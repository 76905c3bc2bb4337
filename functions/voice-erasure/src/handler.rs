//! A batch of erasures, one at a time.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use lambda_runtime::LambdaEvent;
use shared::clients::elevenlabs::ElevenLabsSecret;
use shared::clients::supabase::SupabaseSecret;
use shared::clients::twilio::TwilioSecret;
use shared::erasures::Eraser;
use shared::error::Error;
use shared::messages::ErasureStarted;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::vendor::{Vendor, with_fresh_secrets};
use tokio::time::Instant;

/// What is left of an invocation for the round that is under way when no further one is begun.
const LAST_ROUND: Duration = Duration::from_secs(120);

/// The function, with what it reaches.
pub struct Erasure {
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// Deletes voices.
    pub elevenlabs: Vendor<ElevenLabsSecret>,
    /// Deletes recordings.
    pub twilio: Vendor<TwilioSecret>,
    /// The queue that the batches come from, and where a large erasure goes on.
    pub queue: Queue,
    /// Where attempts of unknown fate are brought to their end.
    pub clones: Queue,
}

impl Erasure {
    /// Works through a batch; the erasures that are not complete stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        let time_left = event.context.deadline().duration_since(SystemTime::now()).unwrap_or_default();
        let deadline = Instant::now() + time_left.saturating_sub(LAST_ROUND);
        Ok(self.queue.work(event, |started| self.erase(started, deadline)).await)
    }

    async fn erase(&self, started: ErasureStarted, deadline: Instant) -> Result<(), Error> {
        with_fresh_secrets(&[&self.supabase, &self.elevenlabs, &self.twilio], async || {
            let eraser = Eraser {
                supabase: self.supabase.client().await?,
                elevenlabs: self.elevenlabs.client().await?,
                twilio: self.twilio.client().await?,
                clones: &self.clones,
                erasures: &self.queue,
                deadline,
            };
            eraser.work(started.erasure_id).await
        })
        .await
    }
}
