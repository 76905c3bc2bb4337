//! Recording queue → Twilio → the private bucket `recordings`.

mod handler;

use lambda_runtime::service_fn;
use shared::clients::http_client;
use shared::environment::Environment;
use tokio::try_join;

use crate::handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let http = http_client();
    let (twilio, supabase) = try_join!(environment.twilio(&http), environment.supabase(&http))?;
    let ingest = Ingest { twilio, supabase, queue: environment.queue("RECORDING_QUEUE_URL")? };
    lambda_runtime::run(service_fn(|event| ingest.handle(event))).await
}
