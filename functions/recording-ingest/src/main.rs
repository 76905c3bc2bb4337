//! Recording queue → Twilio → the private bucket `recordings`.

mod handler;

use lambda_runtime::service_fn;
use shared::environment::Environment;
use shared::logging;

use crate::handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logging::init();
    let environment = Environment::load().await;
    let ingest = Ingest {
        twilio: environment.twilio()?,
        supabase: environment.supabase()?,
        queue: environment.queue("RECORDING_QUEUE_URL")?,
    };
    lambda_runtime::run(service_fn(|event| ingest.handle(event))).await
}
