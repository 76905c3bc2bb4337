//! A batch of finished recordings, one at a time.

use std::convert::Infallible;

use lambda_runtime::LambdaEvent;
use shared::clients::supabase::{Supabase, SupabaseSecret};
use shared::clients::twilio::{Twilio, TwilioSecret};
use shared::config::Secret;
use shared::error::Error;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::recordings::{self, RecordingFinished};

/// The function, with what it reaches.
pub struct Ingest {
    /// All requests go through it.
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub twilio_url: String,
    /// Reads the recordings.
    pub twilio: Secret<TwilioSecret>,
    /// Without a trailing slash.
    pub supabase_url: String,
    /// Reaches the database and Storage.
    pub supabase: Secret<SupabaseSecret>,
    /// The queue that the batches come from.
    pub queue: Queue,
}

impl Ingest {
    /// Works through a batch; the messages that failed are named in the answer and stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        Ok(self.queue.work(event.payload, |finished| self.ingest(finished)).await)
    }

    async fn ingest(&self, finished: RecordingFinished) -> Result<(), Error> {
        match self.try_ingest(&finished).await {
            Err(error) if self.has_fresh_secret_after(&error).await => self.try_ingest(&finished).await,
            outcome => outcome,
        }
    }

    async fn try_ingest(&self, finished: &RecordingFinished) -> Result<(), Error> {
        let (twilio, supabase) = (self.twilio.get().await?, self.supabase.get().await?);
        recordings::ingest(
            &Twilio::new(self.http.clone(), &self.twilio_url, &twilio),
            &Supabase::new(self.http.clone(), &self.supabase_url, &supabase),
            finished,
        )
        .await
    }

    async fn has_fresh_secret_after(&self, error: &Error) -> bool {
        self.twilio.is_renewed_after("twilio", error).await || self.supabase.is_renewed_after("supabase", error).await
    }
}
