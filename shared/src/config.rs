//! The environment and Secrets Manager: the only file that knows either.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use reqwest::Client;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::clients::elevenlabs::{self, ElevenLabsSecret};
use crate::clients::supabase::{self, SupabaseSecret};
use crate::clients::twilio::{self, TwilioSecret};
use crate::error::Error;
use crate::queue::Queue;
use crate::sample::Channel;
use crate::vendor::Vendor;

/// A secret is read again at most this often, so that nobody can make us hammer Secrets Manager.
const REREAD_EVERY: Duration = Duration::from_secs(60);
/// How long after a rotation the version before it is still accepted.
const PREVIOUS_IS_VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// A variable that the template sets is missing, or not what it may be: a mistake of the deployment, so the function
/// does not start.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set, or not to something it may be")]
pub struct UnusableVariable(&'static str);

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
    pub fn variable(name: &'static str) -> Result<String, UnusableVariable> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(UnusableVariable(name))
    }

    /// On which channel of a two-leg call the employees are: `1`, `2`, or `unknown`. There is no default: a wrong one
    /// would clone somebody else.
    pub fn employee_channel() -> Result<Option<Channel>, UnusableVariable> {
        const NAME: &str = "EMPLOYEE_CHANNEL";
        match Self::variable(NAME)?.as_str() {
            "unknown" => Ok(None),
            "1" => Ok(Some(Channel::First)),
            "2" => Ok(Some(Channel::Second)),
            _ => Err(UnusableVariable(NAME)),
        }
    }

    /// The secret whose ARN is in the variable. Nothing is read yet.
    pub fn secret<T: DeserializeOwned>(&self, name: &'static str) -> Result<Secret<T>, UnusableVariable> {
        Ok(Secret::new(aws_sdk_secretsmanager::Client::new(&self.aws), Self::variable(name)?))
    }

    /// The database and Storage; see [`Self::vendor`].
    pub async fn supabase(&self, http: &Client) -> Result<Vendor<SupabaseSecret>, UnusableVariable> {
        self.vendor(supabase::NAME, "SUPABASE_URL", "SUPABASE_SECRET_ARN", http).await
    }

    /// Who records calls; see [`Self::vendor`].
    pub async fn twilio(&self, http: &Client) -> Result<Vendor<TwilioSecret>, UnusableVariable> {
        self.vendor(twilio::NAME, "TWILIO_API_URL", "TWILIO_SECRET_ARN", http).await
    }

    /// Who makes voices; see [`Self::vendor`].
    pub async fn elevenlabs(&self, http: &Client) -> Result<Vendor<ElevenLabsSecret>, UnusableVariable> {
        self.vendor(elevenlabs::NAME, "ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", http).await
    }

    /// A vendor, with its secret read, so that the first request need not wait; all requests go through `http`.
    async fn vendor<S: DeserializeOwned>(
        &self,
        name: &'static str,
        url: &'static str,
        secret_arn: &'static str,
        http: &Client,
    ) -> Result<Vendor<S>, UnusableVariable> {
        let secret = self.secret(secret_arn)?;
        secret.warm_up().await;
        Ok(Vendor { http: http.clone(), name, base_url: Self::variable(url)?.into(), secret })
    }

    /// The queue whose URL is in the variable.
    pub fn queue(&self, name: &'static str) -> Result<Queue, UnusableVariable> {
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
    current: Option<Arc<T>>,
    /// Also valid while a rotation is under way.
    in_rotation: Vec<Arc<T>>,
    /// Also when it failed: trying is what has to be bounded.
    reread_at: Option<Instant>,
}

/// A version of a secret.
struct Version<T> {
    value: Arc<T>,
    age: Duration,
}

impl<T: DeserializeOwned> Secret<T> {
    fn new(client: aws_sdk_secretsmanager::Client, arn: String) -> Self {
        Self { client, arn, kept: Mutex::new(Kept { current: None, in_rotation: Vec::new(), reread_at: None }) }
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
        if let Some(current) = &kept.current {
            return Ok(current.clone());
        }
        let current = self.read(CURRENT).await?.value;
        kept.current = Some(current.clone());
        Ok(current)
    }

    /// The secret and, as far as they are known, the versions that a rotation makes valid beside it.
    pub async fn valid(&self) -> Result<Vec<Arc<T>>, Error> {
        let current = self.get().await?;
        let kept = self.kept.lock().await;
        Ok(std::iter::once(current).chain(kept.in_rotation.iter().cloned()).collect())
    }

    /// Reads the secret anew, with the versions that a rotation makes valid, because none in memory fitted. `None` if
    /// that was done less than a minute ago.
    ///
    /// While AWS rotates, the vendor may use the new value before it is the current one. After a rotation, the vendor
    /// may still use the one before.
    pub async fn reread_valid(&self) -> Result<Option<Vec<Arc<T>>>, Error> {
        let mut kept = self.kept.lock().await;
        if !kept.may_reread() {
            return Ok(None);
        }
        let current = self.read(CURRENT).await?;
        kept.current = Some(current.value.clone());
        kept.in_rotation.clear();
        let previous = Some(PREVIOUS).filter(|_| current.age < PREVIOUS_IS_VALID);
        for stage in [Some(PENDING), previous].into_iter().flatten() {
            // Mostly there is no such version.
            if let Ok(version) = self.read(stage).await {
                kept.in_rotation.push(version.value);
            }
        }
        Ok(Some(std::iter::once(current.value).chain(kept.in_rotation.iter().cloned()).collect()))
    }

    /// Reads the secret anew, because whom it opens has turned the one in memory away. Whether there is a fresh one now;
    /// never if that was tried less than a minute ago.
    pub async fn renew(&self) -> bool {
        let mut kept = self.kept.lock().await;
        if !kept.may_reread() {
            return false;
        }
        match self.read(CURRENT).await {
            Ok(version) => {
                tracing::info!(secret = self.arn, "the secret was turned away and is read again");
                kept.current = Some(version.value);
                true
            }
            Err(error) => {
                tracing::warn!(secret = self.arn, %error, "the secret was turned away and cannot be read again");
                false
            }
        }
    }

    async fn read(&self, stage: &str) -> Result<Version<T>, Error> {
        let answer = self.client.get_secret_value().secret_id(&self.arn).version_stage(stage).send().await;
        let answer = answer.map_err(|error| Error::unavailable("reading a secret")(aws_cause(&error)))?;
        let text = answer.secret_string().unwrap_or_default();
        // Serde's message could quote the secret, so only its place is told.
        let value = serde_json::from_str(text).map_err(|error| {
            let place = format!("not the expected JSON, at line {} column {}", error.line(), error.column());
            Error::unavailable("reading a secret")(place)
        })?;
        let made = answer.created_date().and_then(|date| SystemTime::try_from(*date).ok());
        let age = made.and_then(|made| made.elapsed().ok()).unwrap_or_default();
        Ok(Version { value: Arc::new(value), age })
    }
}

/// Labels of a secret's versions. The pending one is being rotated to, the previous one was rotated from.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>
const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

impl<T> Kept<T> {
    /// At most once in [`REREAD_EVERY`]; asking counts.
    fn may_reread(&mut self) -> bool {
        let may = self.reread_at.is_none_or(|at| at.elapsed() >= REREAD_EVERY);
        if may {
            self.reread_at = Some(Instant::now());
        }
        may
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
