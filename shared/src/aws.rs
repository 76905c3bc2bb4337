//! The settings of AWS's SDK, its way to the network, and a text for its errors that holds no secret.

use std::time::Duration;

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::ProvideRegion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_secretsmanager::config::SharedCredentialsProvider;
use aws_sdk_secretsmanager::error::{ConnectorError, ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use reqwest::{Body, Client, Request};

/// The settings. `endpoint_url` sends all calls there instead of to AWS.
///
/// Region and credentials are in the variables that Lambda sets. `aws_config::defaults` would look for them in files, at
/// metadata services and by other roles, too, and each function would carry the code for all of these.
pub(crate) async fn load(http: &Client, endpoint_url: Option<String>) -> SdkConfig {
    settings(http, endpoint_url)
        .into_builder()
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .build()
}

/// The settings that do not depend on the environment.
fn settings(http: &Client, endpoint_url: Option<String>) -> SdkConfig {
    // Each is shorter than any function's timeout, so that our own error is reported if AWS does not answer.
    let bounds = TimeoutConfig::builder()
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5));
    let connector = SharedHttpConnector::new(Connector(http.clone()));
    let mut settings = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .timeout_config(bounds.build())
        .retry_config(RetryConfig::standard())
        .http_client(http_client_fn(move |_, _| connector.clone()));
    settings.set_endpoint_url(endpoint_url);
    settings.build()
}

/// The SDK's way to the network: the client that all other requests go through, so that a function carries, and sets
/// up, one HTTP client and not two.
#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let request = Request::try_from(request.map(Body::wrap)).map_err(connector_error)?;
            let response = http::Response::from(client.execute(request).await.map_err(connector_error)?);
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The kind of an error decides whether the SDK tries again: it does so after everything but a request that is invalid.
fn connector_error(error: reqwest::Error) -> ConnectorError {
    let kind = match () {
        () if error.is_timeout() => ConnectorError::timeout,
        () if error.is_builder() => ConnectorError::user,
        () => ConnectorError::io,
    };
    kind(error.into())
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

/// The settings of a test, for a stand-in at this URL that is asked once and not again.
#[cfg(test)]
pub(crate) fn stand_in(url: String) -> SdkConfig {
    use aws_config::Region;
    use aws_sdk_secretsmanager::config::Credentials;

    let credentials = Credentials::new("id", "secret", None, None, "test");
    settings(&crate::clients::http_client(), Some(url))
        .into_builder()
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::error::ErrorMetadata;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::http_client;

    /// Reads a secret with these settings.
    async fn read(settings: &SdkConfig) -> Result<String, String> {
        let request = aws_sdk_secretsmanager::Client::new(settings).get_secret_value().secret_id("arn");
        let answer = request.send().await.map_err(|error| aws_cause(&error))?;
        Ok(answer.secret_string.unwrap_or_default())
    }

    #[tokio::test]
    async fn the_sdk_sends_its_signed_request_and_reads_the_answer_by_our_client() {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_string(r#"{"SecretString":"a secret"}"#);
        Mock::given(any()).respond_with(answer).mount(&server).await;
        assert_eq!(read(&stand_in(server.uri())).await.unwrap(), "a secret");
        let request = &server.received_requests().await.unwrap()[0];
        assert_eq!(request.body, br#"{"SecretId":"arn"}"#);
        let header = |name: &str| request.headers[name].to_str().unwrap();
        assert!(header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=id/"));
        assert!(header("user-agent").starts_with("aws-sdk-rust/"), "our own must not take its place");
    }

    #[tokio::test]
    async fn the_sdk_tries_again_after_a_connection_that_broke() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            drop(listener.accept().await.unwrap());
            let (mut second, _) = listener.accept().await.unwrap();
            assert!(second.read(&mut [0; 16 * 1024]).await.unwrap() > 0);
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"SecretString\":\"\"}";
            second.write_all(answer.as_bytes()).await.unwrap();
        });
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let settings = stand_in(url).into_builder().retry_config(retries).build();
        assert_eq!(read(&settings).await, Ok(String::new()));
        server.await.unwrap();
    }

    #[tokio::test]
    async fn an_error_of_our_client_keeps_its_kind_for_the_sdk() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let invalid = http_client().get("no url").send().await.unwrap_err();
        assert!(connector_error(invalid).is_user());
        let refused = http_client().get(format!("http://{gone}")).send().await.unwrap_err();
        assert!(connector_error(refused).is_io());
        // Its connections are made, and nobody ever answers on them.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let late = http_client().get(url).timeout(Duration::from_millis(50)).send().await.unwrap_err();
        assert!(connector_error(late).is_timeout());
    }

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
            (SdkError::dispatch_failure(ConnectorError::other("a secret".into(), None)), "not reachable"),
            (SdkError::service_error(Stated(denied), "a secret"), "refused: AccessDenied: not allowed"),
            (SdkError::response_error("garbled", "a secret"), "unreadable answer"),
        ] {
            assert_eq!(aws_cause::<Stated, &str>(&error), cause);
        }
    }
}
