//! The account that a key opens, and its slots for voices.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::client::ElevenLabs;
use super::codes::NAME;
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// The numbers of voices that an account has and may have.
///
/// Source: <https://elevenlabs.io/docs/api-reference/user/subscription/get>
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Slots {
    /// Voices that the account has.
    #[serde(rename = "voice_slots_used")]
    pub used: u32,
    /// Voices that the account may have.
    #[serde(rename = "voice_limit")]
    pub limit: u32,
}

impl ElevenLabs {
    /// Reads the account's numbers of voices.
    pub async fn slots(&self) -> Result<Slots, VendorError> {
        let call = Call { vendor: NAME, action: "read the subscription" };
        call.json(self.request(Method::GET, "/v1/user/subscription").timeout(SHORT)).await
    }

    /// An id of the account that the key opens. A voice that is missing in one account may still be in another, so each
    /// answer is kept with its account.
    ///
    /// The vendor's API names no workspace to a key, but it names the key's user (`user_id`), who stays the same when
    /// the key is replaced: `user:…`. For a key that may not read its user (it lacks the permission `user_read`), the
    /// id is the first 16 hexadecimal digits of the key's SHA-256: `key:…`. It changes when the key is rotated;
    /// `user:…` changes only when the new key belongs to another user.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/user/get>
    pub async fn account(&self) -> Result<String, VendorError> {
        #[derive(Deserialize)]
        struct User {
            user_id: String,
        }
        let call = Call { vendor: NAME, action: "read the user" };
        match call.json::<User>(self.request(Method::GET, "/v1/user").timeout(SHORT)).await {
            Ok(user) => Ok(format!("user:{}", user.user_id)),
            Err(error) if matches!(error.code.as_deref(), Some("missing_permissions" | "insufficient_permissions")) => {
                let hash = digest(&SHA256, self.secret.api_key.expose_secret().as_bytes());
                Ok(hash.as_ref()[..8].iter().fold("key:".to_owned(), |text, byte| format!("{text}{byte:02x}")))
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{elevenlabs, serve};

    #[tokio::test]
    async fn an_account_is_its_user_or_for_a_key_that_may_not_say_so_the_keys_own_hash() {
        let user = serve(&[("GET", "/v1/user", 200, json!({"user_id": "u1"}))]).await;
        assert_eq!(elevenlabs(&user).await.account().await.unwrap(), "user:u1");
        let detail = json!({"detail": {"status": "missing_permissions", "message": "user_read"}});
        let restricted = serve(&[("GET", "/v1/user", 401, detail)]).await;
        let account = elevenlabs(&restricted).await.account().await.unwrap();
        assert_eq!(account, "key:9baa890b171009c3");
        let refused = serve(&[("GET", "/v1/user", 401, json!({"detail": {"status": "invalid_api_key"}}))]).await;
        assert!(elevenlabs(&refused).await.account().await.is_err());
    }
}
