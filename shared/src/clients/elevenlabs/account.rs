//! The account that a key opens, and its limits of voices.

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::client::ElevenLabs;
use super::codes::NAME;
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// A limit of an account, and how much of it is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoiceLimit {
    /// The voices that count.
    pub used: u32,
    /// The voices that may be.
    pub limit: u32,
    /// The unit of both: `voices`, or `voices this month` for those that were added or edited.
    pub unit: &'static str,
}

impl VoiceLimit {
    /// True if there is no room for another voice.
    pub fn is_met(&self) -> bool {
        self.used >= self.limit
    }
}

/// The numbers of voices that an account has and may have, and that it has added this month and may add.
#[derive(Deserialize)]
struct Subscription {
    voice_slots_used: u32,
    voice_limit: u32,
    #[serde(default)]
    voice_add_edit_counter: u32,
    /// `None`: any number.
    max_voice_add_edits: Option<u32>,
}

impl From<Subscription> for VoiceLimit {
    fn from(subscription: Subscription) -> Self {
        let Subscription { voice_slots_used, voice_limit, voice_add_edit_counter, max_voice_add_edits } = subscription;
        let slots = Self { used: voice_slots_used, limit: voice_limit, unit: "voices" };
        let additions =
            max_voice_add_edits.map(|limit| Self { used: voice_add_edit_counter, limit, unit: "voices this month" });
        additions.filter(|additions| additions.is_met() && !slots.is_met()).unwrap_or(slots)
    }
}

impl ElevenLabs {
    /// Reads the account's limit of voices: the slots, or the month's additions where those alone are used up.
    ///
    /// Source: <https://elevenlabs.io/docs/api-reference/user/subscription/get>
    pub async fn voice_limit(&self) -> Result<VoiceLimit, VendorError> {
        let call = Call { vendor: NAME, action: "read the subscription" };
        let subscription: Subscription =
            call.json(self.request(Method::GET, "/v1/user/subscription").timeout(SHORT)).await?;
        Ok(subscription.into())
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
    use super::*;

    /// The limit of an account with so many voices of so many, and so many additions of so many this month.
    fn limit(slots: [u32; 2], additions: [u32; 2], is_limited: bool) -> (VoiceLimit, bool) {
        let [voice_slots_used, voice_limit] = slots;
        let [voice_add_edit_counter, most] = additions;
        let max_voice_add_edits = is_limited.then_some(most);
        let limit = VoiceLimit::from(Subscription {
            voice_slots_used,
            voice_limit,
            voice_add_edit_counter,
            max_voice_add_edits,
        });
        (limit, limit.is_met())
    }

    #[test]
    fn an_account_is_full_without_a_slot_or_without_an_addition_this_month() {
        let voices = |used, limit| VoiceLimit { used, limit, unit: "voices" };
        let added = |used, limit| VoiceLimit { used, limit, unit: "voices this month" };
        assert_eq!(limit([9, 10], [4, 95], true), (voices(9, 10), false));
        assert_eq!(limit([10, 10], [4, 95], true), (voices(10, 10), true));
        assert_eq!(limit([11, 10], [95, 95], true), (voices(11, 10), true));
        assert_eq!(limit([9, 10], [94, 95], true), (voices(9, 10), false));
        assert_eq!(limit([9, 10], [95, 95], true), (added(95, 95), true));
        assert_eq!(limit([9, 10], [96, 95], true), (added(96, 95), true));
        assert_eq!(limit([9, 10], [95, 95], false), (voices(9, 10), false));
    }

    #[tokio::test]
    async fn the_limit_is_read_from_the_subscription_which_need_not_limit_additions() {
        let subscription = json!({"tier": "x", "voice_slots_used": 1, "voice_limit": 10, "max_voice_add_edits": null});
        let server = serve(&[("GET", "/v1/user/subscription", 200, subscription)]).await;
        let limit = elevenlabs(&server).await.voice_limit().await.unwrap();
        assert_eq!(limit, VoiceLimit { used: 1, limit: 10, unit: "voices" });
    }

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
