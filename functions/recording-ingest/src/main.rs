//! Recording queue → Twilio → the private bucket `recordings`.

mod handler;

use lambda_runtime::service_fn;
use shared::clients::http_client;
use shared::config::Environment;

use crate::handler::Ingest;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let ingest = Ingest {
        http: http_client(),
        twilio_url: Environment::variable("TWILIO_API_URL")?,
        twilio: environment.secret("TWILIO_SECRET_ARN")?,
        supabase_url: Environment::variable("SUPABASE_URL")?,
        supabase: environment.secret("SUPABASE_SECRET_ARN")?,
        queue: environment.queue("RECORDING_QUEUE_URL")?,
    };
    ingest.twilio.warm_up().await;
    ingest.supabase.warm_up().await;
    lambda_runtime::run(service_fn(|event| ingest.handle(event))).await
}
