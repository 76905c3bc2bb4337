//! Clone queue → recordings → sample → ElevenLabs → the employee's voice.

mod attempt;
mod handler;
mod sampling;

use lambda_runtime::service_fn;
use shared::clients::http_client;
use shared::config::Environment;

use crate::handler::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let worker = Worker {
        http: http_client(),
        supabase_url: Environment::variable("SUPABASE_URL")?,
        supabase: environment.secret("SUPABASE_SECRET_ARN")?,
        elevenlabs_url: Environment::variable("ELEVENLABS_API_URL")?,
        elevenlabs: environment.secret("ELEVENLABS_SECRET_ARN")?,
        usual_channel: Environment::employee_channel()?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
        campaigns: environment.queue("CAMPAIGN_QUEUE_URL")?,
    };
    worker.supabase.warm_up().await;
    worker.elevenlabs.warm_up().await;
    lambda_runtime::run(service_fn(|event| worker.handle(event))).await
}
