//! `POST /api/employees/{employee_id}/clone-voice`, `GET /api/employees/{employee_id}/voice` and
//! `POST /api/voice-clones`: the frontend's endpoint.
//!
//! Authorise → ask the database → queue → wait a little → answer. It also answers 404 for every path that no other
//! function serves.

mod campaign;
mod handler;
mod route;

use shared::auth::Verifier;
use shared::environment::Environment;
use shared::gateway;
use shared::logging;

use crate::handler::Endpoint;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    logging::init();
    let environment = Environment::load().await;
    let supabase = environment.supabase()?;
    let endpoint = Endpoint {
        verifier: Verifier::new(environment.http().clone(), supabase.base_url(), Environment::issuer()?),
        supabase,
        usual_channel: Environment::usual_channel()?,
        clones: environment.queue("CLONE_QUEUE_URL")?,
        campaigns: environment.queue("CAMPAIGN_QUEUE_URL")?,
    };
    gateway::run(|request| endpoint.handle(request)).await
}
