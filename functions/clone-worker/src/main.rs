//! Clone queue → recordings → sample → ElevenLabs → the employee's voice.

mod attempt;
mod full_account;
mod handler;
mod refusals;
mod sampling;

use lambda_runtime::service_fn;
use shared::environment::Environment;
use shared::logging;

use crate::full_account::FullAccount;
use crate::handler::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    let environment = Environment::load().await;
    let worker = Worker {
        supabase: environment.supabase()?,
        elevenlabs: environment.elevenlabs()?,
        usual_channel: Environment::usual_channel()?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
        campaigns: environment.queue("CAMPAIGN_QUEUE_URL")?,
        full_account: FullAccount::default(),
    };
    lambda_runtime::run(service_fn(|event| worker.handle(event))).await
}
