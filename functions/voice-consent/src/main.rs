//! The endpoint for decisions about a voice: consent, use, erasure, and the audit.
//!
//! Every decision is one function of the database; this function verifies the caller and puts the decision into HTTP.

mod evidence;
mod handler;
mod route;
mod token;

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
        erasures: environment.queue("ERASURE_QUEUE_URL")?,
    };
    gateway::run(|request| endpoint.handle(request)).await
}
