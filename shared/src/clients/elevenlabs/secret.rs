//! The secret that opens a workspace.

use secrecy::SecretString;
use serde::Deserialize;

use crate::clients::secret_fields::too_short;

/// ElevenLabs' secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct ElevenLabsSecret {
    /// Goes into the header `xi-api-key`.
    pub api_key: SecretString,
}

/// The shortest key that is accepted. Today's keys have `sk_` and 48 characters, older ones 32; no documentation
/// promises a length.
const LEAST_KEY: usize = 20;

impl ElevenLabsSecret {
    /// The reason why the secret cannot be used; `None` if it can.
    pub fn problem(&self) -> Option<String> {
        too_short("api_key", Some(&self.api_key), LEAST_KEY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_or_short_key_is_not_one_to_start_with() {
        let problem = |key: &str| ElevenLabsSecret { api_key: key.into() }.problem();
        assert_eq!(problem("sk_0123456789abcdef0123456789abcdef"), None);
        assert!(problem("").is_some() && problem("sk_short").is_some_and(|text| !text.contains("sk_short")));
    }
}
