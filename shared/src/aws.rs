//! The settings of AWS's SDK, and a text for its errors that holds no secret.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};

/// Loads the settings. `endpoint_url` sends all calls there instead of to AWS.
pub(crate) async fn load(endpoint_url: Option<String>) -> SdkConfig {
    // Each is shorter than any function's timeout, so that our own error is reported if AWS does not answer.
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

/// The cause of a failed AWS call, without the answer itself, which may hold a secret.
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

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::error::ErrorMetadata;

    use super::*;

    #[derive(Debug)]
    struct Stated(ErrorMetadata);

    impl ProvideErrorMetadata for Stated {
        fn meta(&self) -> &ErrorMetadata {
            &self.0
        }
    }

    #[test]
    fn the_cause_of_a_failed_call_names_its_kind_and_what_aws_states_and_nothing_of_the_answer() {
        let denied = ErrorMetadata::builder().code("AccessDenied").message("not allowed").build();
        for (error, cause) in [
            (SdkError::timeout_error("slow"), "no answer in time"),
            (SdkError::service_error(Stated(denied), "a secret"), "refused: AccessDenied: not allowed"),
            (SdkError::response_error("garbled", "a secret"), "unreadable answer"),
        ] {
            assert_eq!(aws_cause::<Stated, &str>(&error), cause);
        }
    }
}
