//! `POST /twilio/recording`: verify → parse → queue → 204.
//!
//! Twilio says that a recording is finished. The work here is one queue send and nothing else.

mod handler;
mod signature;

use lambda_http::service_fn;
use shared::config::Environment;

use crate::handler::Webhook;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let webhook = Webhook {
        public_base_url: Environment::variable("PUBLIC_BASE_URL")?,
        twilio: environment.secret("TWILIO_SECRET_ARN")?,
        queue: environment.queue("RECORDING_QUEUE_URL")?,
    };
    webhook.twilio.warm_up().await;
    lambda_http::run(service_fn(|request| webhook.handle(request))).await
}
