//! A batch of attempts, one at a time.

use std::convert::Infallible;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use shared::clients::elevenlabs::{ElevenLabs, ElevenLabsSecret};
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::config::Secret;
use shared::error::Error;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::voices::{CloneRequested, CloneWorker};

/// A lease outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// The function, with what it reaches.
pub struct Worker {
    /// All requests go through it.
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub supabase_url: String,
    /// Reaches the database and Storage.
    pub supabase: Secret<SupabaseSecret>,
    /// Without a trailing slash.
    pub elevenlabs_url: String,
    /// Makes and deletes voices.
    pub elevenlabs: Secret<ElevenLabsSecret>,
    /// The queue that the batches come from.
    pub queue: Queue,
}

impl Worker {
    /// Works through a batch; the messages that failed are named in the answer and stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        let time_left = event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
        let lease = time_left + LEASE_MARGIN;
        Ok(self.queue.work(event.payload, |requested| self.clone_voice(requested, lease)).await)
    }

    async fn clone_voice(&self, requested: CloneRequested, lease: Duration) -> Result<(), Error> {
        let (supabase, elevenlabs) = (self.supabase.get().await?, self.elevenlabs.get().await?);
        let worker = CloneWorker {
            supabase: Supabase::new(self.http.clone(), &self.supabase_url, &supabase),
            elevenlabs: ElevenLabs::new(self.http.clone(), &self.elevenlabs_url, &elevenlabs),
            lease,
        };
        let outcome = worker.work(requested.attempt_id).await;
        if let Err(error) = &outcome {
            self.supabase.notice_refusal("supabase", error).await;
            self.elevenlabs.notice_refusal("elevenlabs", error).await;
        }
        outcome
    }
}
