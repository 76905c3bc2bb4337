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
    let (environment, http) = Environment::load_with_http().await;
    let supabase = environment.supabase(&http)?;
    let endpoint = Endpoint {
        verifier: Verifier::new(http, supabase.base_url(), Environment::issuer()?),
        supabase,
        erasures: environment.queue("ERASURE_QUEUE_URL")?,
    };
    gateway::run(|request| endpoint.handle(request)).await
}
