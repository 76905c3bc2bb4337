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
