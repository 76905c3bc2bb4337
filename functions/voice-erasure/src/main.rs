//! Erasure queue → every copy of a voice goes: at ElevenLabs, in Storage, at Twilio, in the metadata.

mod handler;

use lambda_runtime::service_fn;
use shared::clients::http_client;
use shared::config::Environment;

use crate::handler::Erasure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let http = http_client();
    let erasure = Erasure {
        supabase: environment.supabase(&http).await?,
        elevenlabs: environment.elevenlabs(&http).await?,
        twilio: environment.twilio(&http).await?,
        queue: environment.queue("ERASURE_QUEUE_URL")?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
    };
    lambda_runtime::run(service_fn(|event| erasure.handle(event))).await
}
