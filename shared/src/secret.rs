//! A secret of Secrets Manager, kept in memory and read again when it is rotated.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::DateTime;
use aws_sdk_secretsmanager::types::SecretValueEntry;
use futures_util::future::join3;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::aws::aws_cause;
use crate::error::Error;

/// A secret is read again at most once in this time, so that nobody can make us hammer Secrets Manager.
const REREAD_EVERY: Duration = Duration::from_secs(60);

/// The version before a rotation is accepted for this long after it.
const PREVIOUS_IS_VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// Labels of a secret's versions. A rotation makes the pending version the current one, and the current one the
/// previous.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html>
const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

/// A secret was read and cannot be used: it is not the expected JSON, or a field is empty or too short. No later try
/// would change that, so the function does not start. The error names the problem, never a value.
#[derive(Debug, thiserror::Error)]
#[error("the secret {arn} is unusable: {problem}")]
pub struct UnusableSecret {
    arn: String,
    problem: String,
}

/// The secrets of a function as they are at its cold start, all read with one call.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_BatchGetSecretValue.html>
pub(crate) struct SecretsAtStart {
    client: Client,
    values: Vec<SecretValueEntry>,
}

impl SecretsAtStart {
    /// Reads the current versions. A failure is only logged: the request that needs the secret tries again, and answers
    /// 503 if that fails, too.
    pub(crate) async fn read(client: Client, arns: BTreeSet<String>) -> Self {
        let answer = client.batch_get_secret_value().set_secret_id_list(Some(arns.into_iter().collect())).send().await;
        let values = match answer {
            Ok(answer) => {
                for refused in answer.errors() {
                    let error = [refused.error_code(), refused.message()].map(Option::unwrap_or_default).join(": ");
                    tracing::warn!(secret = refused.secret_id(), error, "a secret could not be read at start");
                }
                answer.secret_values.unwrap_or_default()
            }
            Err(error) => {
                tracing::warn!(error = aws_cause(&error), "the secrets could not be read at start");
                Vec::new()
            }
        };
        Self { client, values }
    }

    /// The secret with this ARN. It is read when it is needed if it could not be read at start.
    pub(crate) fn secret<T: DeserializeOwned>(
        &self,
        arn: String,
        problem: fn(&T) -> Option<String>,
    ) -> Result<Secret<T>, UnusableSecret> {
        let mut secret = Secret::new(self.client.clone(), arn, problem);
        if let Some(read) = self.values.iter().find(|value| value.arn() == Some(&secret.arn)) {
            let version = secret
                .version(read.secret_string(), read.created_date())
                .inspect_err(|error| tracing::error!(%error, "a secret is unusable: the function does not start"))?;
            secret.kept.get_mut().keep(&version);
        }
        Ok(secret)
    }
}

/// A secret of Secrets Manager, read once and kept in memory.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
pub struct Secret<T> {
    client: Client,
    arn: String,
    problem: fn(&T) -> Option<String>,
    kept: Mutex<Kept<T>>,
}

/// A version in memory, with the time until which it is held to be valid.
struct Held<T> {
    value: Arc<T>,
    until: Instant,
}

struct Kept<T> {
    /// The current version. It is read again when its time is over, because a rotation may have replaced it right after
    /// it was read.
    current: Option<Held<T>>,
    /// Versions that are valid as well while a rotation is under way.
    in_rotation: Vec<Held<T>>,
    /// The time of the last try to read it again, successful or not, since failing tries must be bounded as well.
    reread_at: Option<Instant>,
}

/// A version of a secret.
struct Version<T> {
    value: Arc<T>,
    age: Duration,
}

/// The reason why a version of a secret could not be read.
enum NotRead {
    /// Secrets Manager did not give it.
    Unavailable(Error),
    /// The secret was read and is unusable.
    Unusable(UnusableSecret),
}

impl<T: DeserializeOwned> Secret<T> {
    fn new(client: Client, arn: String, problem: fn(&T) -> Option<String>) -> Self {
        let kept = Kept { current: None, in_rotation: Vec::new(), reread_at: None };
        Self { client, arn, problem, kept: Mutex::new(kept) }
    }

    /// Gives the secret in memory, and reads it first if there is none.
    pub async fn get(&self) -> Result<Arc<T>, Error> {
        let mut kept = self.kept.lock().await;
        if let Some(current) = &kept.current {
            return Ok(current.value.clone());
        }
        Ok(self.read_current(&mut kept).await?.0)
    }

    /// Reads the current version, keeps it, and returns it with its age.
    async fn read_current(&self, kept: &mut Kept<T>) -> Result<(Arc<T>, Duration), NotRead> {
        let version = self.read(CURRENT).await?;
        kept.keep(&version);
        Ok((version.value, version.age))
    }

    /// Gives the secret and the known versions that a rotation makes valid beside it. A version is forgotten a day
    /// after it was replaced, however long the environment stays warm.
    pub async fn valid(&self) -> Result<Vec<Arc<T>>, Error> {
        self.kept.lock().await.forget(Instant::now());
        let current = self.get().await?;
        let kept = self.kept.lock().await;
        Ok(std::iter::once(current).chain(kept.in_rotation.iter().map(|held| held.value.clone())).collect())
    }

    /// Reads the secret again, with the versions that a rotation makes valid, after a signature matched none in memory.
    /// Returns `None` within a minute of the last try.
    ///
    /// While AWS rotates, the vendor may use the new value before it is the current one. After a rotation, the vendor
    /// may still use the one before.
    pub async fn reread_valid(&self) -> Result<Option<Vec<Arc<T>>>, Error> {
        let mut kept = self.kept.lock().await;
        if !kept.may_reread() {
            return Ok(None);
        }
        // All three are read at the same time: one after the other, they could take longer than the function's timeout.
        let (current, pending, previous) =
            join3(self.read_current(&mut kept), self.read(PENDING), self.read(PREVIOUS)).await;
        let (current, age) = current?;
        // Usually neither of the other two versions exists.
        let beside = [(pending, PREVIOUS_IS_VALID), (previous, PREVIOUS_IS_VALID.saturating_sub(age))];
        kept.in_rotation = beside
            .into_iter()
            .filter(|(_, left)| !left.is_zero())
            .filter_map(|(version, left)| Some(Held { value: version.ok()?.value, until: Instant::now() + left }))
            .collect();
        let beside = kept.in_rotation.iter().map(|held| held.value.clone());
        Ok(Some(std::iter::once(current).chain(beside).collect()))
    }

    /// Reads a secret again that the vendor rejected. Returns whether that succeeded; false within a minute of the last
    /// try.
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
        let answer = self.client.get_secret_value().secret_id(&self.arn).version_stage(stage).send().await;
        let answer =
            answer.map_err(|error| NotRead::Unavailable(Error::unavailable("reading a secret")(aws_cause(&error))))?;
        self.version(answer.secret_string(), answer.created_date()).map_err(NotRead::Unusable)
    }

    /// Parses and checks a version that was read.
    fn version(&self, text: Option<&str>, created: Option<&DateTime>) -> Result<Version<T>, UnusableSecret> {
        let unusable = |problem| UnusableSecret { arn: self.arn.clone(), problem };
        // Serde's message could quote the secret, so the error gives only the position.
        let value = serde_json::from_str(text.unwrap_or_default()).map_err(|error| {
            unusable(format!("it is not the expected JSON, at line {} column {}", error.line(), error.column()))
        })?;
        if let Some(problem) = (self.problem)(&value) {
            return Err(unusable(problem));
        }
        let created = created.and_then(|date| SystemTime::try_from(*date).ok());
        let age = created.and_then(|created| created.elapsed().ok()).unwrap_or_default();
        Ok(Version { value: Arc::new(value), age })
    }
}

impl<T> Kept<T> {
    /// Keeps a version that was read as the current one.
    fn keep(&mut self, version: &Version<T>) {
        self.current = Some(Held { value: version.value.clone(), until: Instant::now() + PREVIOUS_IS_VALID });
    }

    /// Forgets the versions that are no longer held to be valid.
    fn forget(&mut self, now: Instant) {
        self.current.take_if(|held| held.until <= now);
        self.in_rotation.retain(|held| held.until > now);
    }

    /// Returns true at most once in [`REREAD_EVERY`], and notes the time of the try.
    fn may_reread(&mut self) -> bool {
        let may = self.reread_at.is_none_or(|at| at.elapsed() >= REREAD_EVERY);
        if may {
            self.reread_at = Some(Instant::now());
        }
        may
    }
}

impl From<NotRead> for Error {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::Unavailable(error) => error,
            NotRead::Unusable(error) => Self::unavailable("reading a secret")(error),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
