//! Works through a batch of finished recordings, one at a time.

use std::convert::Infallible;

use lambda_runtime::LambdaEvent;
use shared::clients::supabase::SupabaseSecret;
use shared::clients::twilio::TwilioSecret;
use shared::error::Error;
use shared::messages::RecordingFinished;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::recordings;
use shared::vendor::{Vendor, with_fresh_secrets};

/// The function, with the services that it uses.
pub struct Ingest {
    /// The vendor that has the recordings.
    pub twilio: Vendor<TwilioSecret>,
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// The queue that the batches come from.
    pub queue: Queue,
}

impl Ingest {
    /// Works through a batch; the messages that failed are named in the answer and stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        Ok(self.queue.work(event, |finished| self.ingest(finished)).await)
    }

    async fn ingest(&self, finished: RecordingFinished) -> Result<(), Error> {
        with_fresh_secrets(&[&self.twilio, &self.supabase], async || {
            recordings::ingest(&self.twilio.client().await?, &self.supabase.client().await?, &finished).await
        })
        .await
    }
}
