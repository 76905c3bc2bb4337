//! The environment and Secrets Manager: the only file that knows either.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use futures_util::future::join3;
use reqwest::Client;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use wav::Channel;

use crate::clients::elevenlabs::ElevenLabsSecret;
use crate::clients::supabase::SupabaseSecret;
use crate::clients::twilio::TwilioSecret;
use crate::error::Error;
use crate::queue::Queue;
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

/// A secret was read, and cannot be used: it is empty, or half of it is. No later try changes that, so the function does
/// not start. Names what is wrong, never a value.
#[derive(Debug, thiserror::Error)]
#[error("the secret {arn} is unusable: {problem}")]
pub struct UnusableSecret {
    arn: String,
    problem: String,
}

/// Why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// A variable is not what it must be.
    #[error(transparent)]
    Variable(#[from] UnusableVariable),
    /// A secret is not.
    #[error(transparent)]
    Secret(#[from] UnusableSecret),
}

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

    /// In whose name the project's tokens are issued.
    pub fn issuer() -> Result<String, UnusableVariable> {
        Self::variable("SUPABASE_ISSUER")
    }

    /// The secret whose ARN is in the variable, read, so that the first request need not wait. `problem` says what keeps it
    /// from being used.
    ///
    /// # Errors
    /// The variable is not set; or the secret was read and is unusable, which is logged. One that cannot be read just now is
    /// no error: who needs it tries again.
    pub async fn secret<T: DeserializeOwned>(
        &self,
        name: &'static str,
        problem: fn(&T) -> Option<String>,
    ) -> Result<Secret<T>, CannotStart> {
        let secret = Secret::new(aws_sdk_secretsmanager::Client::new(&self.aws), Self::variable(name)?, problem);
        secret.warm_up().await?;
        Ok(secret)
    }

    /// The database and Storage; see [`Self::vendor`].
    pub async fn supabase(&self, http: &Client) -> Result<Vendor<SupabaseSecret>, CannotStart> {
        self.vendor("SUPABASE_URL", "SUPABASE_SECRET_ARN", SupabaseSecret::problem, http).await
    }

    /// Who records calls; see [`Self::vendor`].
    pub async fn twilio(&self, http: &Client) -> Result<Vendor<TwilioSecret>, CannotStart> {
        self.vendor("TWILIO_API_URL", "TWILIO_SECRET_ARN", TwilioSecret::problem_for_rest, http).await
    }

    /// Who makes voices; see [`Self::vendor`].
    pub async fn elevenlabs(&self, http: &Client) -> Result<Vendor<ElevenLabsSecret>, CannotStart> {
        self.vendor("ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", ElevenLabsSecret::problem, http).await
    }

    /// A vendor, with its secret read, so that the first request need not wait; all requests go through `http`.
    async fn vendor<S: DeserializeOwned>(
        &self,
        url: &'static str,
        secret_arn: &'static str,
        problem: fn(&S) -> Option<String>,
        http: &Client,
    ) -> Result<Vendor<S>, CannotStart> {
        let secret = self.secret(secret_arn, problem).await?;
        Ok(Vendor { http: http.clone(), base_url: Self::variable(url)?.into(), secret })
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
    problem: fn(&T) -> Option<String>,
    kept: Mutex<Kept<T>>,
}

/// A version in memory, until when it is held to be valid.
struct Held<T> {
    value: Arc<T>,
    until: Instant,
}

struct Kept<T> {
    /// Read again when its time is over: a rotation may have made it the previous one right after it was read.
    current: Option<Held<T>>,
    /// Also valid while a rotation is under way.
    in_rotation: Vec<Held<T>>,
    /// Also when it failed: trying is what has to be bounded.
    reread_at: Option<Instant>,
}

/// A version of a secret.
struct Version<T> {
    value: Arc<T>,
    age: Duration,
}

impl<T: DeserializeOwned> Secret<T> {
    fn new(client: aws_sdk_secretsmanager::Client, arn: String, problem: fn(&T) -> Option<String>) -> Self {
        let kept = Kept { current: None, in_rotation: Vec::new(), reread_at: None };
        Self { client, arn, problem, kept: Mutex::new(kept) }
    }

    /// Reads the secret at cold start. That it cannot be read is only logged: the request that needs the secret tries
    /// again, and answers 503 if it must.
    async fn warm_up(&self) -> Result<(), UnusableSecret> {
        match self.read_current(&mut *self.kept.lock().await).await {
            Err(NotRead::Unusable(error)) => {
                tracing::error!(%error, "a secret is unusable: the function does not start");
                return Err(error);
            }
            Err(NotRead::Unavailable(error)) => tracing::warn!(%error, "a secret could not be read at start"),
            Ok(_) => {}
        }
        Ok(())
    }

    /// The secret as it is in memory; read if it is not there yet.
    pub async fn get(&self) -> Result<Arc<T>, Error> {
        let mut kept = self.kept.lock().await;
        if let Some(current) = &kept.current {
            return Ok(current.value.clone());
        }
        Ok(self.read_current(&mut kept).await?.0)
    }

    /// Reads the current version and keeps it; with its age.
    async fn read_current(&self, kept: &mut Kept<T>) -> Result<(Arc<T>, Duration), NotRead> {
        let Version { value, age } = self.read(CURRENT).await?;
        kept.current = Some(Held { value: value.clone(), until: Instant::now() + PREVIOUS_IS_VALID });
        Ok((value, age))
    }

    /// The secret and, as far as they are known, the versions that a rotation makes valid beside it. However long the
    /// environment stays warm, a version is forgotten a day after it was replaced.
    pub async fn valid(&self) -> Result<Vec<Arc<T>>, Error> {
        self.kept.lock().await.forget(Instant::now());
        let current = self.get().await?;
        let kept = self.kept.lock().await;
        Ok(std::iter::once(current).chain(kept.in_rotation.iter().map(|held| held.value.clone())).collect())
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
        // At the same time: one after the other they may take longer than the function has.
        let (current, pending, previous) =
            join3(self.read_current(&mut kept), self.read(PENDING), self.read(PREVIOUS)).await;
        let (current, age) = current?;
        // Mostly there is no such version beside the current one.
        let beside = [(pending, PREVIOUS_IS_VALID), (previous, PREVIOUS_IS_VALID.saturating_sub(age))];
        kept.in_rotation = beside
            .into_iter()
            .filter(|(_, left)| !left.is_zero())
            .filter_map(|(version, left)| Some(Held { value: version.ok()?.value, until: Instant::now() + left }))
            .collect();
        let beside = kept.in_rotation.iter().map(|held| held.value.clone());
        Ok(Some(std::iter::once(current).chain(beside).collect()))
    }

    /// Reads the secret anew, because whom it opens has turned the one in memory away. Whether there is a fresh one now;
    /// never if that was tried less than a minute ago.
    pub async fn renew(&self) -> bool {
        let mut kept = self.kept.lock().await;
        if !kept.may_reread() {
            return false;
        }
        match self.read_current(&mut kept).await {
            Ok(_) => {
                tracing::info!(secret = self.arn, "the secret was turned away and is read again");
                true
            }
            Err(error) => {
                let error = Error::from(error);
                tracing::warn!(secret = self.arn, %error, "the secret was turned away and cannot be read again");
                false
            }
        }
    }

    async fn read(&self, stage: &str) -> Result<Version<T>, NotRead> {
        let unusable = |problem| NotRead::Unusable(UnusableSecret { arn: self.arn.clone(), problem });
        let answer = self.client.get_secret_value().secret_id(&self.arn).version_stage(stage).send().await;
        let answer =
            answer.map_err(|error| NotRead::Unavailable(Error::unavailable("reading a secret")(aws_cause(&error))))?;
        let text = answer.secret_string().unwrap_or_default();
        // Serde's message could quote the secret, so only its place is told.
        let value = serde_json::from_str(text).map_err(|error| {
            unusable(format!("it is not the expected JSON, at line {} column {}", error.line(), error.column()))
        })?;
        if let Some(problem) = (self.problem)(&value) {
            return Err(unusable(problem));
        }
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

/// Why there is no version of a secret.
enum NotRead {
    /// Secrets Manager did not give it.
    Unavailable(Error),
    /// It is not one to go on with.
    Unusable(UnusableSecret),
}

impl From<NotRead> for Error {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::Unavailable(error) => error,
            NotRead::Unusable(error) => Self::unavailable("reading a secret")(error),
        }
    }
}

impl<T> Kept<T> {
    /// Forgets what is not held to be valid any more.
    fn forget(&mut self, now: Instant) {
        self.current.take_if(|held| held.until <= now);
        self.in_rotation.retain(|held| held.until > now);
    }

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

#[cfg(test)]
mod tests {
    use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
    use serde_json::{Value, json};
    use wiremock::matchers::body_partial_json;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const HOUR: Duration = Duration::from_secs(60 * 60);
    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const NEW: &str = "0123456789abcdef0123456789abcdef";
    const OLD: &str = "fedcba9876543210fedcba9876543210";

    fn secret(server: &MockServer) -> Secret<TwilioSecret> {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(server.uri());
        let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
        Secret::new(client, "arn:understudy/twilio".to_owned(), TwilioSecret::problem_for_callbacks)
    }

    /// Secrets Manager, with versions by their stage: `age` is how long ago each was made.
    async fn secrets_manager(versions: &[(&str, Value, Duration)]) -> MockServer {
        let server = MockServer::start().await;
        for (stage, value, age) in versions {
            let made = (SystemTime::now() - *age).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": value.to_string(), "CreatedDate": made});
            let asked = Mock::given(body_partial_json(json!({"VersionStage": stage})));
            asked.respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
        }
        let missing = json!({"__type": "ResourceNotFoundException", "message": "no such version"});
        let answer = ResponseTemplate::new(400).set_body_json(missing);
        Mock::given(wiremock::matchers::any()).respond_with(answer).with_priority(9).mount(&server).await;
        server
    }

    fn token(text: &str) -> Value {
        json!({"account_sid": ACCOUNT, "auth_token": text})
    }

    #[tokio::test]
    async fn a_secret_that_was_read_and_is_unusable_keeps_the_function_from_starting() {
        for (value, field) in [(token(""), "auth_token"), (token("short-token"), "auth_token"), (json!("x"), "JSON")] {
            let server = secrets_manager(&[(CURRENT, value.clone(), HOUR)]).await;
            let secret = secret(&server);
            let error = secret.warm_up().await.unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("arn:understudy/twilio"), "{error}");
            assert!(!error.contains("short-token"), "{error}");
            assert!(secret.get().await.is_err() && secret.valid().await.is_err(), "{value} is never handed out");
        }
    }

    #[tokio::test]
    async fn a_secret_that_cannot_be_read_just_now_is_read_when_it_is_needed() {
        let server = secrets_manager(&[]).await;
        let secret = secret(&server);
        assert!(secret.warm_up().await.is_ok());
        assert!(secret.get().await.is_err());
        server.reset().await;
        let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": token(NEW).to_string(), "CreatedDate": 1});
        Mock::given(wiremock::matchers::any())
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
        assert!(secret.get().await.is_ok());
    }

    #[tokio::test]
    async fn an_unusable_new_version_does_not_take_the_place_of_the_one_in_memory() {
        let server = secrets_manager(&[(CURRENT, token(NEW), HOUR)]).await;
        let secret = secret(&server);
        secret.warm_up().await.unwrap();
        server.reset().await;
        let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": token("").to_string(), "CreatedDate": 1});
        Mock::given(wiremock::matchers::any())
            .respond_with(ResponseTemplate::new(200).set_body_json(body))
            .mount(&server)
            .await;
        assert!(!secret.renew().await);
        assert!(secret.get().await.is_ok());
    }

    #[tokio::test]
    async fn the_previous_token_is_forgotten_a_day_after_the_rotation_also_in_a_warm_environment() {
        let server = secrets_manager(&[(CURRENT, token(NEW), 20 * HOUR), (PREVIOUS, token(OLD), 500 * HOUR)]).await;
        let secret = secret(&server);
        assert_eq!(secret.reread_valid().await.unwrap().unwrap().len(), 2);
        let count = async |later: Duration| {
            let mut kept = secret.kept.lock().await;
            kept.forget(Instant::now() + later);
            (kept.current.is_some(), kept.in_rotation.len())
        };
        assert_eq!(count(3 * HOUR).await, (true, 1));
        assert_eq!(count(4 * HOUR).await, (true, 0), "it was replaced 24 hours ago");
        assert_eq!(count(24 * HOUR).await, (false, 0), "the current one may have been replaced just after it was read");
        assert_eq!(secret.valid().await.unwrap().len(), 1, "and is read again");
    }

    #[tokio::test]
    async fn a_token_that_was_replaced_more_than_a_day_ago_is_not_even_read() {
        let server = secrets_manager(&[(CURRENT, token(NEW), 25 * HOUR), (PREVIOUS, token(OLD), 500 * HOUR)]).await;
        assert_eq!(secret(&server).reread_valid().await.unwrap().unwrap().len(), 1);
    }
}
