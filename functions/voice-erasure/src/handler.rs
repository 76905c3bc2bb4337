//! Works through a batch of erasures, one at a time.

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

/// The time before the end of an invocation in which no further round is begun, so that the last one can finish.
const LAST_ROUND: Duration = Duration::from_secs(120);

/// The function, with the services that it uses.
pub struct Erasure {
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// The keeper of voices.
    pub elevenlabs: Vendor<ElevenLabsSecret>,
    /// The keeper of recordings.
    pub twilio: Vendor<TwilioSecret>,
    /// The queue that the batches come from, and through which a large erasure goes on.
    pub queue: Queue,
    /// The queue of `clone-worker`, which settles attempts of unknown fate.
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
