//! The least that `lambda_http` can be: nothing that answers over HTTP on Lambda in Rust starts sooner.

use lambda_http::{Error, Request, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(|_: Request| async { Ok::<_, Error>("") })).await
}
