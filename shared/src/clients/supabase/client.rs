//! The client of one project, which calls the database's functions.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::secret::SupabaseSecret;
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;

/// The vendor's name in errors.
pub const NAME: &str = "supabase";

/// The database keeps this much of a caller's user agent.
const USER_AGENT_BYTES: usize = 500;

/// A client of one project.
pub struct Supabase {
    http: Client,
    pub(super) base_url: Arc<str>,
    secret: Arc<SupabaseSecret>,
    /// Headers that describe our own caller to the database.
    caller: HeaderMap,
}

impl Supabase {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<SupabaseSecret>) -> Self {
        Self { http, base_url, secret, caller: HeaderMap::new() }
    }

    /// The same client on behalf of a caller. Each call of a function then carries the caller's address and user agent
    /// to the database. A value that is no valid header is left out.
    ///
    /// PostgREST hands a request's headers to the function, in the setting `request.headers`
    /// (<https://docs.postgrest.org/en/stable/references/transactions.html#request-headers-cookies-and-jwt-claims>).
    #[must_use]
    pub fn for_caller(mut self, address: Option<&str>, user_agent: Option<&str>) -> Self {
        self.caller.clear();
        for (name, value) in [("x-caller-address", address), ("x-caller-user-agent", user_agent)] {
            let value = value.filter(|text| text.is_ascii()).map(|text| &text[..text.len().min(USER_AGENT_BYTES)]);
            if let Some(value) = value.and_then(|text| HeaderValue::from_str(text).ok()) {
                self.caller.insert(name, value);
            }
        }
        self
    }

    /// The secret that verifies HS256 tokens, if the project still signs with the legacy secret.
    pub fn jwt_secret(&self) -> Option<&SecretString> {
        self.secret.jwt_secret.as_ref()
    }

    /// Calls a SQL function: one round trip, one transaction. [`crate::referee`] has the arguments and the outcomes of
    /// each.
    ///
    /// Source: <https://docs.postgrest.org/en/stable/references/api/functions.html>
    pub(crate) async fn rpc(&self, function: &'static str, arguments: Value) -> Result<Value, VendorError> {
        let call = Call { vendor: NAME, action: function };
        let path = format!("/rest/v1/rpc/{function}");
        let request = self.request(Method::POST, &path).headers(self.caller.clone());
        call.json(request.timeout(SHORT).json(&arguments)).await
    }

    /// Sends the key in both headers, `apikey` and `Authorization`. A new secret key is no JWT and may stand in
    /// `Authorization` only if `apikey` is the same; self-hosted stacks and the legacy key need both
    /// (<https://supabase.com/docs/guides/getting-started/api-keys>).
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let key = self.secret.secret_key.expose_secret();
        self.http.request(method, format!("{}{path}", self.base_url)).header("apikey", key).bearer_auth(key)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::client;
    use super::*;

    #[test]
    fn a_legacy_secret_verifies_tokens_and_without_one_nothing_does() {
        let client =
            |secret| Supabase::new(Client::new(), "".into(), Arc::new(serde_json::from_value(secret).unwrap()));
        let legacy = client(json!({"secret_key": "sb_secret_1", "jwt_secret": "a-legacy-secret"}));
        assert_eq!(legacy.jwt_secret().map(SecretString::expose_secret), Some("a-legacy-secret"));
        assert!(client(json!({"secret_key": "sb_secret_1"})).jwt_secret().is_none());
    }

    #[tokio::test]
    async fn the_database_hears_from_where_the_caller_calls() {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(1)).mount(&server).await;
        let long = "a".repeat(600);
        let callers = [
            (None, None),
            (Some("192.0.2.1"), Some("Firefox")),
            (Some("192.0.2.1\r\nx-forged: 1"), Some("caf\u{e9}")),
            (Some(""), Some(long.as_str())),
        ];
        for (address, user_agent) in callers {
            let supabase = client(&server).for_caller(address, user_agent);
            supabase.rpc("f", json!({})).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let heard = |name: &str| -> Vec<Option<usize>> {
            requests.iter().map(|request| request.headers.get(name).map(HeaderValue::len)).collect()
        };
        assert_eq!(heard("x-caller-address"), [None, Some(9), None, Some(0)]);
        assert_eq!(heard("x-caller-user-agent"), [None, Some(7), None, Some(500)]);
        assert_eq!(heard("x-forged"), [None; 4]);
    }
}
