//! The settings of AWS's SDK, and what may be told of its errors.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

/// Loads the settings. `endpoint_url` sends all calls there instead of to AWS.
pub(crate) async fn load(endpoint_url: Option<String>) -> SdkConfig {
    // Shorter than any function's timeout, so that an AWS that does not answer becomes our own error.
    let bounds = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5));
    let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).timeout_config(bounds.build());
    if let Some(url) = endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

/// What may be told of a failed AWS call: never the answer itself, which may hold the secret.
pub(crate) fn aws_cause<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let kind = match error {
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "not reachable",
        SdkError::ServiceError(_) => "refused",
        _ => "unreadable answer",
    };
    let words = [Some(kind), error.code(), error.message()];
    words.into_iter().flatten().collect::<Vec<_>>().join(": ")
}
