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
    pub used: i64,
    /// The voices that may be.
    pub limit: i64,
    /// True for the voices that were added or edited this month, which no deletion gives back; false for the slots.
    pub is_of_month: bool,
}

impl VoiceLimit {
    /// True if there is no room for another voice.
    pub fn is_met(&self) -> bool {
        self.used >= self.limit
    }

    /// The unit of both numbers.
    pub fn unit(&self) -> &'static str {
        if self.is_of_month { "voices this month" } else { "voices" }
    }
}

/// The numbers of voices that an account has and may have, and that it has added or edited this month and may.
#[derive(Deserialize)]
struct Subscription {
    voice_slots_used: i64,
    voice_limit: i64,
    voice_add_edit_counter: Option<i64>,
    /// Without a number, and for a negative one, there is no limit.
    max_voice_add_edits: Option<i64>,
}

impl From<Subscription> for VoiceLimit {
    fn from(subscription: Subscription) -> Self {
        let Subscription { voice_slots_used, voice_limit, voice_add_edit_counter, max_voice_add_edits } = subscription;
        let slots = Self { used: voice_slots_used, limit: voice_limit, is_of_month: false };
        let additions = voice_add_edit_counter
            .zip(max_voice_add_edits.filter(|&limit| limit >= 0))
            .map(|(used, limit)| Self { used, limit, is_of_month: true });
        additions.filter(Self::is_met).unwrap_or(slots)
    }
}

impl ElevenLabs {
    /// Reads the account's limit of voices: the month's additions if they are used up, or else the slots.
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

    #[test]
    fn an_account_is_full_without_a_slot_or_without_an_addition_this_month() {
        let slots = |used, limit| VoiceLimit { used, limit, is_of_month: false };
        let additions = |used, limit| VoiceLimit { used, limit, is_of_month: true };
        let cases = [
            ([9, 10], (Some(4), Some(95)), slots(9, 10), false),
            ([10, 10], (Some(94), Some(95)), slots(10, 10), true),
            ([11, 10], (Some(4), None), slots(11, 10), true),
            ([9, 10], (Some(95), Some(95)), additions(95, 95), true),
            ([10, 10], (Some(96), Some(95)), additions(96, 95), true),
            ([9, 10], (Some(0), Some(0)), additions(0, 0), true),
            ([9, 10], (Some(95), None), slots(9, 10), false),
            ([9, 10], (Some(95), Some(-1)), slots(9, 10), false),
            ([9, 10], (None, Some(95)), slots(9, 10), false),
        ];
        for ([voice_slots_used, voice_limit], (voice_add_edit_counter, max_voice_add_edits), limit, is_met) in cases {
            let subscription =
                Subscription { voice_slots_used, voice_limit, voice_add_edit_counter, max_voice_add_edits };
            let found = VoiceLimit::from(subscription);
            assert_eq!((found, found.is_met()), (limit, is_met));
        }
        assert_eq!([slots(1, 2), additions(1, 2)].map(|limit| limit.unit()), ["voices", "voices this month"]);
    }

    #[tokio::test]
    async fn the_limit_is_read_from_a_subscription_that_says_nothing_of_additions_too() {
        for additions in [json!({}), json!({"voice_add_edit_counter": null, "max_voice_add_edits": null})] {
            let mut subscription = json!({"tier": "x", "voice_slots_used": 1, "voice_limit": 10});
            subscription.as_object_mut().unwrap().extend(additions.as_object().unwrap().clone());
            let server = serve(&[("GET", "/v1/user/subscription", 200, subscription)]).await;
            let limit = elevenlabs(&server).await.voice_limit().await.unwrap();
            assert_eq!(limit, VoiceLimit { used: 1, limit: 10, is_of_month: false });
        }
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
