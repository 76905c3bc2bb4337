//! The environment and Secrets Manager: the only file that knows either.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::error::Error;
use crate::queue::Queue;

/// A secret is read again at most this often, so that nobody can make us hammer Secrets Manager.
const REREAD_EVERY: Duration = Duration::from_secs(60);

/// A variable that the template sets is missing: a mistake of the deployment, so the function does not start.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set")]
pub struct MissingVariable(&'static str);

/// The function's environment: variables, and what they point to in AWS.
pub struct Environment {
    aws: SdkConfig,
}

impl Environment {
    /// Reads the AWS settings. `AWS_API_URL`, empty in the cloud, sends the AWS calls to a local AWS instead.
    pub async fn load() -> Self {
        // Shorter than any function's timeout, so that an AWS that does not answer becomes our own error.
        let bounds = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(2))
            .operation_timeout(Duration::from_secs(5));
        let mut loader = aws_config::defaults(aws_config::BehaviorVersion::latest()).timeout_config(bounds.build());
        if let Ok(url) = Self::variable("AWS_API_URL") {
            loader = loader.endpoint_url(url);
        }
        Self { aws: loader.load().await }
    }

    /// A variable that must be there and not be empty.
    pub fn variable(name: &'static str) -> Result<String, MissingVariable> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(MissingVariable(name))
    }

    /// The secret whose ARN is in the variable. Nothing is read yet.
    pub fn secret<T: DeserializeOwned>(&self, name: &'static str) -> Result<Secret<T>, MissingVariable> {
        Ok(Secret::new(aws_sdk_secretsmanager::Client::new(&self.aws), Self::variable(name)?))
    }

    /// The queue whose URL is in the variable.
    pub fn queue(&self, name: &'static str) -> Result<Queue, MissingVariable> {
        Ok(Queue::new(aws_sdk_sqs::Client::new(&self.aws), Self::variable(name)?))
    }
}

/// A secret of Secrets Manager, read once and kept in memory.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
pub struct Secret<T> {
    client: aws_sdk_secretsmanager::Client,
    arn: String,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    value: Option<Arc<T>>,
    /// Also when it failed: trying is what has to be bounded.
    tried_at: Option<Instant>,
}

impl<T: DeserializeOwned> Secret<T> {
    fn new(client: aws_sdk_secretsmanager::Client, arn: String) -> Self {
        Self { client, arn, kept: Mutex::new(Kept { value: None, tried_at: None }) }
    }

    /// Reads the secret at cold start, so that the first request need not wait. A failure is only logged: the
    /// request that needs the secret tries again, and answers 503 if it must.
    pub async fn warm_up(&self) {
        if let Err(error) = self.get().await {
            tracing::warn!(%error, "a secret could not be read at start");
        }
    }

    /// The secret as it is in memory; read if it is not there yet.
    pub async fn get(&self) -> Result<Arc<T>, Error> {
        let mut kept = self.kept.lock().await;
        match &kept.value {
            Some(value) => Ok(value.clone()),
            None => self.read(&mut kept).await,
        }
    }

    /// The secret read anew, because the one in memory was refused; `None` if that was done less than a minute ago.
    pub async fn reread(&self) -> Result<Option<Arc<T>>, Error> {
        let mut kept = self.kept.lock().await;
        if kept.tried_at.is_some_and(|at| at.elapsed() < REREAD_EVERY) {
            return Ok(None);
        }
        self.read(&mut kept).await.map(Some)
    }

    /// Reads the secret anew if `vendor` has turned the one in memory away, so that the next try has a fresh one.
    pub async fn notice_refusal(&self, vendor: &str, error: &Error) {
        if !matches!(error, Error::Vendor(error) if error.vendor == vendor && error.is_unauthorised()) {
            return;
        }
        match self.reread().await {
            Ok(Some(_)) => tracing::info!(vendor, "the vendor refused our key; the secret is read again"),
            Ok(None) => {}
            Err(error) => tracing::warn!(vendor, %error, "the vendor refused our key, and the secret cannot be read"),
        }
    }

    async fn read(&self, kept: &mut Kept<T>) -> Result<Arc<T>, Error> {
        kept.tried_at = Some(Instant::now());
        let answer = self.client.get_secret_value().secret_id(&self.arn).send().await;
        let answer = answer.map_err(|error| Error::unavailable("reading a secret")(aws_cause(&error)))?;
        let text = answer.secret_string().unwrap_or_default();
        // Serde's message could quote the secret, so only its place is told.
        let value: T = serde_json::from_str(text).map_err(|error| {
            let place = format!("not the expected JSON, at line {} column {}", error.line(), error.column());
            Error::unavailable("reading a secret")(place)
        })?;
        let value = Arc::new(value);
        kept.value = Some(value.clone());
        Ok(value)
    }
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
