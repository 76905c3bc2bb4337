//! The client of one account.

use std::sync::Arc;

use reqwest::{Client, Method, RequestBuilder};
use secrecy::ExposeSecret;

use super::secret::TwilioSecret;
use super::sid::RecordingSid;

/// The vendor's name in errors.
pub const NAME: &str = "twilio";

/// A client of one account.
pub struct Twilio {
    http: Client,
    pub(super) base_url: Arc<str>,
    secret: Arc<TwilioSecret>,
}

impl Twilio {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<TwilioSecret>) -> Self {
        Self { http, base_url, secret }
    }

    /// The SID of the account, `AC…`.
    pub fn account_sid(&self) -> &str {
        &self.secret.account_sid
    }

    pub(super) fn recording_path(&self, sid: &RecordingSid, suffix: &str) -> String {
        format!("/2010-04-01/Accounts/{}/Recordings/{sid}{suffix}", self.account_sid())
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let (user, password) = match (&self.secret.api_key_sid, &self.secret.api_key_secret) {
            (Some(sid), Some(secret)) => (sid, Some(secret)),
            _ => (&self.secret.account_sid, self.secret.auth_token.as_ref()),
        };
        let request = self.http.request(method, format!("{}{path}", self.base_url));
        request.basic_auth(user, password.map(ExposeSecret::expose_secret))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::http_client;

    #[test]
    fn a_request_is_made_with_the_api_key_if_it_is_whole_and_else_with_the_auth_token() {
        for (fields, user, password) in [
            (json!({"auth_token": "t"}), "AC1", "t"),
            (json!({"auth_token": "t", "api_key_sid": "SK1", "api_key_secret": "s"}), "SK1", "s"),
            (json!({"auth_token": "t", "api_key_sid": "SK1", "api_key_secret": ""}), "AC1", "t"),
            (json!({"auth_token": "t", "api_key_secret": "s"}), "AC1", "t"),
        ] {
            let mut secret = json!({"account_sid": "AC1"});
            secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let secret = Arc::new(serde_json::from_value::<TwilioSecret>(secret).unwrap());
            let twilio = Twilio::new(http_client(), "https://api.twilio.com".into(), secret);
            let request = twilio.request(Method::GET, "/x.json").build().unwrap();
            let expected = http_client().get("https://api.twilio.com/x.json").basic_auth(user, Some(password));
            let expected = expected.build().unwrap();
            assert_eq!((request.url(), request.headers()), (expected.url(), expected.headers()), "{fields}");
        }
    }
}
