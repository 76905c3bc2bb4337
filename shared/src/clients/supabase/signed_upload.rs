//! Signed uploads: addresses at which somebody without a key may store one object.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{NAME, Supabase};
use super::key::ObjectKey;
use crate::clients::call::{Call, SHORT};
use crate::error::Error;

/// An address at which somebody without a key may store one object.
#[derive(Debug)]
pub struct SignedUpload {
    /// The address for a `PUT` request.
    pub url: String,
    /// The time for which it is valid.
    pub expires_in: Duration,
}

impl Supabase {
    /// Signs the upload of one object, which must not exist yet. Anybody who has the address may store the object,
    /// once, for as long as the project is configured: two hours at Supabase.
    ///
    /// # Errors
    /// Storage's error; [`Error::Unusable`] if the address is not that of the requested object.
    ///
    /// Source: <https://github.com/supabase/storage>, `getSignedUploadURL.ts`
    pub async fn sign_upload(&self, bucket: &str, key: &ObjectKey) -> Result<SignedUpload, Error> {
        #[derive(Deserialize)]
        struct Signed {
            url: String,
        }
        let call = Call { vendor: NAME, action: "sign an upload" };
        let place = format!("/object/upload/sign/{bucket}/{key}");
        let request = self.request(Method::POST, &format!("/storage/v1{place}")).timeout(SHORT).json(&json!({}));
        let signed: Signed = call.json(request).await?;
        let token = signed.url.strip_prefix(&place).and_then(|rest| rest.strip_prefix("?token="));
        let expires_in =
            token.and_then(lifetime).ok_or(Error::Unusable("a signed upload is not what was asked for"))?;
        Ok(SignedUpload { url: format!("{}/storage/v1{}", self.base_url, signed.url), expires_in })
    }
}

/// The lifetime of Storage's token, from its two times. The token is not verified here: Storage itself does that.
fn lifetime(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        iat: u64,
        exp: u64,
    }
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { iat, exp } = serde_json::from_slice(&claims).ok()?;
    exp.checked_sub(iat).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::method;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::{client, key};
    use super::*;

    async fn signed(url: &str) -> Result<SignedUpload, Error> {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"url": url, "token": "x"}));
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        client(&server).sign_upload("bucket", &key("o/e/1")).await
    }

    #[tokio::test]
    async fn a_signed_upload_says_how_long_it_is_good_and_is_for_what_was_asked() {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"iat":1000,"exp":1060,"url":"bucket/o/e/1"}"#);
        let token = format!("header.{claims}.signature");
        let good = signed(&format!("/object/upload/sign/bucket/o/e/1?token={token}")).await.unwrap();
        assert_eq!(good.expires_in, Duration::from_secs(60));
        assert!(good.url.ends_with(&format!("/storage/v1/object/upload/sign/bucket/o/e/1?token={token}")));
        for other in ["https://evil.example/", "@evil.example/", "/object/upload/sign/bucket/o/e/2?token=", ""] {
            assert!(matches!(signed(&format!("{other}{token}")).await, Err(Error::Unusable(_))), "{other}");
        }
        assert!(signed("/object/upload/sign/bucket/o/e/1?token=none").await.is_err());
    }
}
