//! The same with one secret read before the first request, as every function here has to.

use lambda_http::{Error, Request, run, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let aws = aws_config::load_defaults(aws_config::BehaviorVersion::latest()).await;
    let secret = aws_sdk_secretsmanager::Client::new(&aws).get_secret_value();
    secret.secret_id(std::env::var("TWILIO_SECRET_ARN")?).send().await?;
    run(service_fn(|_: Request| async { Ok::<_, Error>("") })).await
}
