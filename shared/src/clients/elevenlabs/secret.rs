//! What opens a workspace.

use secrecy::SecretString;
use serde::Deserialize;

use crate::clients::secret_fields::too_short;

/// ElevenLabs' secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct ElevenLabsSecret {
    /// Goes into the header `xi-api-key`.
    pub api_key: SecretString,
}

/// ElevenLabs' keys are `sk_` and 48 characters, older ones 32; nobody documents that it stays so.
const LEAST_KEY: usize = 20;

impl ElevenLabsSecret {
    /// What keeps it from being used; `None` if nothing does.
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
