//! The environment of a function: its variables, and the secrets and queues that they name.

use std::collections::BTreeSet;

use reqwest::Client;
use serde::de::DeserializeOwned;
use wav::Channel;

use crate::aws;
use crate::clients::elevenlabs::ElevenLabsSecret;
use crate::clients::http_client;
use crate::clients::supabase::SupabaseSecret;
use crate::clients::twilio::TwilioSecret;
use crate::queue::Queue;
use crate::secret::{Secret, SecretsAtStart, UnusableSecret};
use crate::vendor::Vendor;

/// A variable that the template sets is missing or has an invalid value. That is a mistake of the deployment, so the
/// function does not start.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is not set, or not to something it may be")]
pub struct UnusableVariable(&'static str);

/// The reason why a function does not start.
#[derive(Debug, thiserror::Error)]
pub enum CannotStart {
    /// A variable is missing or invalid.
    #[error(transparent)]
    Variable(#[from] UnusableVariable),
    /// A secret was read and is unusable.
    #[error(transparent)]
    Secret(#[from] UnusableSecret),
}

/// The function's environment: its variables, and the secrets and queues that they name.
pub struct Environment {
    http: Client,
    sqs: aws_sdk_sqs::Client,
    secrets: SecretsAtStart,
}

/// The end of the names of the variables with a secret's ARN.
const SECRET_ARN: &str = "_SECRET_ARN";

impl Environment {
    /// Reads the AWS settings, and all secrets whose ARN is in a variable, so that the first request need not wait for
    /// them. `AWS_API_URL`, empty in the cloud, or else AWS's own `AWS_ENDPOINT_URL` sends the AWS calls to a local AWS
    /// instead.
    ///
    /// # Panics
    /// The system has no certificates.
    pub async fn load() -> Self {
        let http = http_client();
        let local_aws = Self::variable("AWS_API_URL").or_else(|_| Self::variable("AWS_ENDPOINT_URL")).ok();
        let aws = aws::load(&http, local_aws).await;
        let secrets = SecretsAtStart::read(aws_sdk_secretsmanager::Client::new(&aws), Self::secret_arns()).await;
        Self { http, sqs: aws_sdk_sqs::Client::new(&aws), secrets }
    }

    /// The HTTP client that all of the function's requests go through.
    pub fn http(&self) -> &Client {
        &self.http
    }

    /// The ARNs in the variables. The template gives a function only those of the secrets that it needs.
    fn secret_arns() -> BTreeSet<String> {
        let named =
            std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.ends_with(SECRET_ARN)));
        named.filter_map(|(_, arn)| arn.into_string().ok()).filter(|arn| !arn.is_empty()).collect()
    }

    /// Reads a variable that must be set and not be empty.
    pub fn variable(name: &'static str) -> Result<String, UnusableVariable> {
        std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or(UnusableVariable(name))
    }

    /// The usual channel of the employees in a call of two legs: `1`, `2`, or `unknown`. There is no default: a wrong
    /// one would clone somebody else.
    pub fn usual_channel() -> Result<Option<Channel>, UnusableVariable> {
        const NAME: &str = "EMPLOYEE_CHANNEL";
        channel(&Self::variable(NAME)?).ok_or(UnusableVariable(NAME))
    }

    /// The issuer that the project's tokens name.
    pub fn issuer() -> Result<String, UnusableVariable> {
        Self::variable("SUPABASE_ISSUER")
    }

    /// The secret whose ARN is in the variable. `problem` gives the reason why a secret cannot be used.
    ///
    /// # Errors
    /// The variable is not set; or the secret was read and is unusable, which is logged. It is no error if the secret
    /// could not be read at start: the request that needs it tries again.
    pub fn secret<T: DeserializeOwned>(
        &self,
        name: &'static str,
        problem: fn(&T) -> Option<String>,
    ) -> Result<Secret<T>, CannotStart> {
        Ok(self.secrets.secret(Self::variable(name)?, problem)?)
    }

    /// The database and Storage; see [`Self::vendor`].
    pub fn supabase(&self) -> Result<Vendor<SupabaseSecret>, CannotStart> {
        self.vendor("SUPABASE_URL", "SUPABASE_SECRET_ARN", SupabaseSecret::problem)
    }

    /// The vendor that records calls; see [`Self::vendor`].
    pub fn twilio(&self) -> Result<Vendor<TwilioSecret>, CannotStart> {
        self.vendor("TWILIO_API_URL", "TWILIO_SECRET_ARN", TwilioSecret::problem_for_rest)
    }

    /// The vendor that makes voices; see [`Self::vendor`].
    pub fn elevenlabs(&self) -> Result<Vendor<ElevenLabsSecret>, CannotStart> {
        self.vendor("ELEVENLABS_API_URL", "ELEVENLABS_SECRET_ARN", ElevenLabsSecret::problem)
    }

    /// A vendor with its secret.
    fn vendor<S: DeserializeOwned>(
        &self,
        url: &'static str,
        secret_arn: &'static str,
        problem: fn(&S) -> Option<String>,
    ) -> Result<Vendor<S>, CannotStart> {
        let secret = self.secret(secret_arn, problem)?;
        Ok(Vendor { http: self.http.clone(), base_url: Self::variable(url)?.into(), secret })
    }

    /// The queue whose URL is in the variable.
    pub fn queue(&self, name: &'static str) -> Result<Queue, UnusableVariable> {
        Ok(Queue::new(self.sqs.clone(), Self::variable(name)?))
    }
}

/// The channel that a text stands for: a channel, or the statement that it is unknown; `None` if it is neither.
fn channel(text: &str) -> Option<Option<Channel>> {
    match text {
        "unknown" => Some(None),
        "1" => Some(Some(Channel::First)),
        "2" => Some(Some(Channel::Second)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_channel_is_one_of_the_two_or_said_to_be_unknown_and_never_guessed() {
        assert_eq!(channel("1"), Some(Some(Channel::First)));
        assert_eq!(channel("2"), Some(Some(Channel::Second)));
        assert_eq!(channel("unknown"), Some(None));
        for other in ["", "0", "3", "12", "01", " 1", "1 ", "first", "Unknown", "none"] {
            assert_eq!(channel(other), None, "{other:?}");
        }
    }
}
