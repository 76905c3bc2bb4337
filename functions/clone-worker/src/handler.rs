//! Works through a batch of attempts, one at a time.

use std::convert::Infallible;
use std::time::Duration;

use lambda_runtime::LambdaEvent;
use sample::Channel;
use shared::clients::elevenlabs::ElevenLabsSecret;
use shared::clients::supabase::SupabaseSecret;
use shared::error::Error;
use shared::messages::CloneRequested;
use shared::queue::{Batch, BatchResponse, Queue};
use shared::vendor::{Vendor, with_fresh_secrets};
use tokio::sync::OnceCell;

use crate::attempt::CloneWorker;
use crate::full_account::FullAccount;

/// A lease outlives the invocation that holds it by this much.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// The function, with the services that it uses.
pub struct Worker {
    /// The database and Storage.
    pub supabase: Vendor<SupabaseSecret>,
    /// The vendor of the voices.
    pub elevenlabs: Vendor<ElevenLabsSecret>,
    /// The employees' usual channel in calls of two legs.
    pub usual_channel: Option<Channel>,
    /// The queue of single requests.
    pub clones: Queue,
    /// The queue of requests for many employees at once.
    pub campaigns: Queue,
    /// The memory that the vendor's account is full.
    pub full_account: FullAccount,
}

impl Worker {
    /// Works through a batch; the messages that failed are named in the answer and stay in the queue.
    pub async fn handle(&self, event: LambdaEvent<Batch>) -> Result<BatchResponse, Infallible> {
        let time_left = event.context.deadline().duration_since(std::time::SystemTime::now()).unwrap_or_default();
        let lease = time_left + LEASE_MARGIN;
        let queue = if self.campaigns.is_source_of(&event.payload) { &self.campaigns } else { &self.clones };
        Ok(queue.work(event, |requested| self.clone_voice(requested, lease)).await)
    }

    async fn clone_voice(&self, requested: CloneRequested, lease: Duration) -> Result<(), Error> {
        with_fresh_secrets(&[&self.supabase, &self.elevenlabs], async || {
            let worker = CloneWorker {
                supabase: self.supabase.client().await?,
                elevenlabs: self.elevenlabs.client().await?,
                usual_channel: self.usual_channel,
                lease,
                account: OnceCell::new(),
                full_account: &self.full_account,
            };
            worker.work(requested.attempt_id).await
        })
        .await
    }
}
