//! The secret that opens an account and verifies the signatures of its callbacks.

use secrecy::SecretString;
use serde::Deserialize;

use super::sid::is_sid;
use crate::clients::secret_fields::{absent_if_empty, too_short};

/// Twilio's secret, as it stands in Secrets Manager: with these names, or with those that AWS gives it where it rotates
/// the auth token or the API key itself.
///
/// Source: <https://docs.aws.amazon.com/secretsmanager/latest/userguide/mes-partner-TwilioAuthToken.html>
#[derive(Deserialize)]
pub struct TwilioSecret {
    /// `AC…`: the account whose callbacks are accepted and whose recordings are read.
    #[serde(alias = "accountSid")]
    pub account_sid: String,
    /// Signs the callbacks; also the password for REST unless there is an API key.
    #[serde(alias = "authToken", default, deserialize_with = "absent_if_empty")]
    pub auth_token: Option<SecretString>,
    /// `SK…`: used for REST instead of the auth token, together with its secret, as Twilio recommends.
    #[serde(alias = "apiKeySid")]
    pub api_key_sid: Option<String>,
    /// The API key's secret.
    #[serde(alias = "apiKeySecret", default, deserialize_with = "absent_if_empty")]
    pub api_key_secret: Option<SecretString>,
    /// Signs the callbacks with HMAC-SHA256, where the account has a webhook shared key.
    #[serde(default, deserialize_with = "absent_if_empty")]
    pub shared_key_secret: Option<SecretString>,
}

/// Twilio's auth tokens and API key secrets are 32 characters long.
const LEAST_TOKEN: usize = 32;

/// The shortest shared key that is accepted. Its length is not documented; one of this length cannot be guessed.
const LEAST_SHARED_KEY: usize = 16;

impl TwilioSecret {
    /// The reason why the REST API cannot be called with this secret; `None` if it can.
    pub fn problem_for_rest(&self) -> Option<String> {
        let has_key = self.api_key_sid.as_ref().is_some_and(|sid| !sid.is_empty()) && self.api_key_secret.is_some();
        let none = (!has_key && self.auth_token.is_none())
            .then(|| "it has neither `auth_token` nor `api_key_sid` with `api_key_secret`".to_owned());
        self.malformed().or(none)
    }

    /// The reason why callbacks cannot be verified with this secret; `None` if they can.
    pub fn problem_for_callbacks(&self) -> Option<String> {
        let none = (self.auth_token.is_none() && self.shared_key_secret.is_none())
            .then(|| "it has neither `auth_token` nor `shared_key_secret`".to_owned());
        self.malformed().or(none)
    }

    fn malformed(&self) -> Option<String> {
        let account =
            (!is_sid("AC", &self.account_sid)).then(|| "`account_sid` is not AC and 32 hexadecimal digits".to_owned());
        account
            .or_else(|| too_short("auth_token", self.auth_token.as_ref(), LEAST_TOKEN))
            .or_else(|| too_short("api_key_secret", self.api_key_secret.as_ref(), LEAST_TOKEN))
            .or_else(|| too_short("shared_key_secret", self.shared_key_secret.as_ref(), LEAST_SHARED_KEY))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::testing::ACCOUNT;
    use super::*;

    #[test]
    fn a_secret_with_an_empty_or_short_field_is_not_one_to_start_with() {
        let token = "0123456789abcdef0123456789abcdef";
        let secret = |fields: Value| -> TwilioSecret {
            let mut whole = json!({"account_sid": ACCOUNT});
            whole.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value(whole).unwrap()
        };
        let problems = |secret: &TwilioSecret| [secret.problem_for_rest(), secret.problem_for_callbacks()];
        for usable in [
            json!({"auth_token": token}),
            json!({"authToken": token, "shared_key_secret": ""}),
            json!({"auth_token": "", "shared_key_secret": token, "api_key_sid": "SK1", "api_key_secret": token}),
        ] {
            assert_eq!(problems(&secret(usable.clone())), [None, None], "{usable}");
        }
        let callbacks_only = secret(json!({"shared_key_secret": token}));
        assert!(callbacks_only.problem_for_rest().is_some() && callbacks_only.problem_for_callbacks().is_none());
        let rest_only = secret(json!({"api_key_sid": "SK1", "api_key_secret": token}));
        assert!(rest_only.problem_for_rest().is_none() && rest_only.problem_for_callbacks().is_some());
        for half_a_key in [
            json!({"api_key_sid": "SK1"}),
            json!({"api_key_secret": token}),
            json!({"api_key_sid": "", "api_key_secret": token}),
        ] {
            assert!(secret(half_a_key).problem_for_rest().is_some());
        }
        for (unusable, field) in [
            (json!({}), "auth_token"),
            (json!({"auth_token": ""}), "auth_token"),
            (json!({"auth_token": "short-token"}), "auth_token"),
            (json!({"auth_token": token, "shared_key_secret": "short-key"}), "shared_key_secret"),
            (json!({"auth_token": token, "api_key_secret": "short-secret"}), "api_key_secret"),
            (json!({"auth_token": token, "account_sid": ""}), "account_sid"),
        ] {
            for problem in problems(&secret(unusable.clone())) {
                let problem = problem.unwrap_or_else(|| panic!("{unusable} is usable"));
                assert!(problem.contains(field) && !problem.contains("short-"), "{problem}");
            }
        }
    }
}
