//! On a schedule: what no message will ever come for again.
//!
//! Consents that have expired, attempts and erasures whose message is gone, and voices at the vendor that nobody owns.

mod sweep;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::clients::http_client;
use shared::config::Environment;

use crate::sweep::Sweeper;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda_runtime::tracing::init_default_subscriber();
    let environment = Environment::load().await;
    let sweeper = Sweeper {
        http: http_client(),
        supabase_url: Environment::variable("SUPABASE_URL")?,
        supabase: environment.secret("SUPABASE_SECRET_ARN")?,
        elevenlabs_url: Environment::variable("ELEVENLABS_API_URL")?,
        elevenlabs: environment.secret("ELEVENLABS_SECRET_ARN")?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
        erasures: environment.queue("ERASURE_QUEUE_URL")?,
    };
    sweeper.supabase.warm_up().await;
    sweeper.elevenlabs.warm_up().await;
    let run = async |_: LambdaEvent<Value>| sweeper.run().await.map_err(lambda_runtime::Error::from);
    lambda_runtime::run(service_fn(run)).await
}
