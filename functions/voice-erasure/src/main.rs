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
    let erasure = Erasure {
        http: http_client(),
        supabase_url: Environment::variable("SUPABASE_URL")?,
        supabase: environment.secret("SUPABASE_SECRET_ARN")?,
        elevenlabs_url: Environment::variable("ELEVENLABS_API_URL")?,
        elevenlabs: environment.secret("ELEVENLABS_SECRET_ARN")?,
        twilio_url: Environment::variable("TWILIO_API_URL")?,
        twilio: environment.secret("TWILIO_SECRET_ARN")?,
        queue: environment.queue("ERASURE_QUEUE_URL")?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
    };
    erasure.supabase.warm_up().await;
    erasure.elevenlabs.warm_up().await;
    erasure.twilio.warm_up().await;
    lambda_runtime::run(service_fn(|event| erasure.handle(event))).await
}
