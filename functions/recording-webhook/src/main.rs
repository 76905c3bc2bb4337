//! `POST /twilio/recording`: verify → parse → queue → 204.
//!
//! Twilio says that a recording is finished. The work here is one queue send and nothing else.

mod handler;
mod signature;

use shared::clients::twilio::TwilioSecret;
use shared::environment::Environment;
use shared::gateway;
use shared::logging;

use crate::handler::Webhook;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    logging::init();
    let environment = Environment::load().await;
    let webhook = Webhook {
        public_base_url: Environment::variable("PUBLIC_BASE_URL")?,
        twilio: environment.secret("TWILIO_SECRET_ARN", TwilioSecret::problem_for_callbacks)?,
        queue: environment.queue("RECORDING_QUEUE_URL")?,
    };
    gateway::run(|request| webhook.handle(request)).await
}
