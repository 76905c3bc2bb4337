//! The secret that opens a project.

use secrecy::SecretString;
use serde::Deserialize;

use crate::clients::secret_fields::{absent_if_empty, too_short};

/// Supabase's secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct SupabaseSecret {
    /// `sb_secret_…`, or the legacy `service_role` JWT.
    pub secret_key: SecretString,
    /// Verifies HS256 tokens, for projects that still sign with the legacy secret.
    #[serde(default, deserialize_with = "absent_if_empty")]
    pub jwt_secret: Option<SecretString>,
}

/// The shortest key that is accepted. Supabase's secret keys have `sb_secret_` and 31 characters; legacy ones are JWTs,
/// and longer.
const LEAST_KEY: usize = 20;

/// The least length of an HS256 key by RFC 7518: a shorter one can be guessed from a single token.
const LEAST_JWT_SECRET: usize = 32;

impl SupabaseSecret {
    /// The reason why the secret cannot be used; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        too_short("secret_key", Some(&self.secret_key), LEAST_KEY)
            .or_else(|| too_short("jwt_secret", self.jwt_secret.as_ref(), LEAST_JWT_SECRET))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_legacy_secret_is_none_and_a_short_one_is_not_one_to_start_with() {
        let secret = |jwt_secret: &str| -> SupabaseSecret {
            serde_json::from_value(json!({"secret_key": "sb_secret_0123456789abcdef", "jwt_secret": jwt_secret}))
                .unwrap()
        };
        assert!(secret("").jwt_secret.is_none() && secret("").problem().is_none());
        assert!(secret("short-secret").problem().is_some_and(|text| !text.contains("short-secret")));
        assert!(secret("0123456789abcdef0123456789abcdef").problem().is_none());
        for key in ["", "sb_secret_"] {
            let secret: SupabaseSecret = serde_json::from_value(json!({"secret_key": key})).unwrap();
            assert!(secret.problem().is_some_and(|text| text.contains("secret_key")));
        }
    }
}
