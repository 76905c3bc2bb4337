//! Runs on a schedule and does the work that is due although no message asks for it.
//!
//! It looks for consents that have expired, attempts and erasures whose message was lost, recordings whose callback
//! never came, objects in Storage that nothing refers to, voices at the vendor that belong to nobody, and voices that
//! the vendor lost.

mod handler;
mod sweep;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::environment::Environment;
use shared::invocation::invocation;
use shared::logging;

use crate::handler::Sweeper;
use crate::sweep::Queues;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    let environment = Environment::load().await;
    let sweeper = Sweeper {
        supabase: environment.supabase()?,
        elevenlabs: environment.elevenlabs()?,
        twilio: environment.twilio()?,
        queues: Queues {
            recordings: environment.queue("RECORDING_QUEUE_URL")?,
            clones: environment.queue("CLONE_QUEUE_URL")?,
            campaigns: environment.queue("CAMPAIGN_QUEUE_URL")?,
            erasures: environment.queue("ERASURE_QUEUE_URL")?,
        },
    };
    let run = async |event: LambdaEvent<Value>| {
        invocation(&event.context, None, sweeper.handle()).await.map_err(lambda_runtime::Error::from)
    };
    lambda_runtime::run(service_fn(run)).await
}
