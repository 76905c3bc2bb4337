//! Erasure queue → every copy of a voice is erased: at ElevenLabs, in Storage, at Twilio and in the metadata.

mod handler;

use lambda_runtime::service_fn;
use shared::environment::Environment;
use shared::logging;

use crate::handler::Erasure;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    let environment = Environment::load().await;
    let erasure = Erasure {
        supabase: environment.supabase()?,
        elevenlabs: environment.elevenlabs()?,
        twilio: environment.twilio()?,
        queue: environment.queue("ERASURE_QUEUE_URL")?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
    };
    lambda_runtime::run(service_fn(|event| erasure.handle(event))).await
}
