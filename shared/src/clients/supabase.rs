//! Supabase: the database's functions over PostgREST, and Storage.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Body, Client, Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

use super::{Call, SHORT, VendorError, absent_if_empty, too_short};
use crate::error::Error;

/// The vendor, in errors.
pub const NAME: &str = "supabase";

/// Bound for a whole recording on its way up; shorter than `recording-ingest`'s timeout.
const LONGEST_UPLOAD: Duration = Duration::from_secs(270);
/// A connection to Storage slower than this (bytes a second) is given up.
const SLOWEST_UPLOAD: u64 = 256 * 1024;
/// Bound for a recording on its way down; shorter than `clone-worker`'s timeout.
const DOWNLOAD: Duration = Duration::from_secs(150);
/// Bound for a copy inside Storage, which takes as long as the recording is large.
const COPY: Duration = Duration::from_secs(60);

/// As much of a caller's user agent as the database keeps.
const USER_AGENT_BYTES: usize = 500;

/// Supabase's secret, as it stands in Secrets Manager.
#[derive(Deserialize)]
pub struct SupabaseSecret {
    /// `sb_secret_…`, or the legacy `service_role` JWT.
    pub secret_key: SecretString,
    /// Verifies HS256 tokens, in projects that still sign with the legacy secret.
    #[serde(default, deserialize_with = "absent_if_empty")]
    pub jwt_secret: Option<SecretString>,
}

/// Supabase's secret keys are `sb_secret_` and 31 characters; legacy ones are JWTs, and longer.
const LEAST_KEY: usize = 20;
/// As long as an HS256 key has to be by RFC 7518: a shorter one can be guessed from a single token.
const LEAST_JWT_SECRET: usize = 32;

impl SupabaseSecret {
    /// What keeps it from being used; `None` if nothing does.
    pub fn problem(&self) -> Option<String> {
        too_short("secret_key", Some(&self.secret_key), LEAST_KEY)
            .or_else(|| too_short("jwt_secret", self.jwt_secret.as_ref(), LEAST_JWT_SECRET))
    }
}

/// A client of one project.
pub struct Supabase {
    http: Client,
    base_url: Arc<str>,
    secret: Arc<SupabaseSecret>,
    /// Who is calling us, for the database.
    caller: HeaderMap,
}

/// An address at which somebody without a key may store one object.
#[derive(Debug)]
pub struct SignedUpload {
    /// To be put to.
    pub url: String,
    /// How long that is possible.
    pub expires_in: Duration,
}

/// What Storage answers when it has stored an object. Without it, whoever answered 200 was somebody in between.
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "Key")]
    _key: String,
}

/// What Storage says of a bucket.
#[derive(Deserialize)]
struct Bucket {
    public: bool,
    /// Bytes; none where the bucket has no limit of its own.
    #[serde(default)]
    file_size_limit: Option<u64>,
}

/// A stored object, on its way.
pub struct Object<S> {
    /// Bytes.
    pub length: u64,
    /// The bytes as they arrive.
    pub stream: S,
}

impl Supabase {
    /// `base_url` without a trailing slash.
    pub fn new(http: Client, base_url: Arc<str>, secret: Arc<SupabaseSecret>) -> Self {
        Self { http, base_url, secret, caller: HeaderMap::new() }
    }

    /// The same client on behalf of a caller: with each call of a function, the database hears from where the request
    /// came that is being served. What does not fit into a header is left out.
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

    /// What verifies HS256 tokens, where the project still signs with the legacy secret.
    pub fn jwt_secret(&self) -> Option<&SecretString> {
        self.secret.jwt_secret.as_ref()
    }

    /// Calls a SQL function: one round trip, one transaction.
    ///
    /// Source: <https://docs.postgrest.org/en/stable/references/api/functions.html>
    pub async fn rpc<T: DeserializeOwned>(&self, function: &'static str, arguments: Value) -> Result<T, VendorError> {
        let call = Call { vendor: NAME, action: function };
        let path = format!("/rest/v1/rpc/{function}");
        let request = self.request(Method::POST, &path).headers(self.caller.clone());
        call.json(request.timeout(SHORT).json(&arguments)).await
    }

    /// Makes sure that a bucket exists and is private; makes it if it is missing.
    ///
    /// A public one is an error and nothing is written to it: anybody with the address could listen.
    ///
    /// Source: <https://supabase.com/docs/guides/storage/buckets/fundamentals>
    pub async fn ensure_private_bucket(&self, bucket: &'static str) -> Result<(), Error> {
        let found = match self.bucket(bucket).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => {
                self.create_private_bucket(bucket).await?;
                self.bucket(bucket).await?
            }
            answer => answer?,
        };
        if found.public {
            tracing::error!(bucket, "the bucket is public: make it private, nothing is stored until then");
            return Err(Error::Unusable("the bucket is public and must be private"));
        }
        Ok(())
    }

    /// The most bytes that an object of this bucket may have: by the bucket's own limit, or by the project's if that is
    /// less. `None` where Storage tells neither.
    ///
    /// The project's stands nowhere but in what Storage says of resumable uploads; it holds for the others as well.
    ///
    /// Source: <https://supabase.com/docs/guides/storage/uploads/file-limits>,
    /// <https://tus.io/protocols/resumable-upload#tus-max-size>
    pub async fn size_limit(&self, bucket: &str) -> Result<Option<u64>, VendorError> {
        let of_bucket = match self.bucket(bucket).await {
            Err(error) if error.status == Some(StatusCode::NOT_FOUND) => None,
            found => found?.file_size_limit,
        };
        Ok([of_bucket, self.project_size_limit().await?].into_iter().flatten().min())
    }

    async fn project_size_limit(&self) -> Result<Option<u64>, VendorError> {
        let call = Call { vendor: NAME, action: "ask for the upload limit" };
        let request = self.request(Method::OPTIONS, "/storage/v1/upload/resumable").header("tus-resumable", "1.0.0");
        match call.send(request.timeout(SHORT)).await {
            Ok(answer) => {
                let stated = answer.headers().get("tus-max-size").and_then(|value| value.to_str().ok());
                Ok(stated.and_then(|text| text.parse().ok()))
            }
            // There are no resumable uploads here.
            Err(VendorError { status: Some(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED), .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn bucket(&self, bucket: &str) -> Result<Bucket, VendorError> {
        let call = Call { vendor: NAME, action: "look at a bucket" };
        call.json(self.request(Method::GET, &format!("/storage/v1/bucket/{bucket}")).timeout(SHORT)).await
    }

    async fn create_private_bucket(&self, bucket: &'static str) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "make a bucket" };
        let body = json!({"id": bucket, "name": bucket, "public": false});
        match call.send(self.request(Method::POST, "/storage/v1/bucket").timeout(SHORT).json(&body)).await {
            // Somebody else made it in this moment.
            Err(error) if error.status == Some(StatusCode::CONFLICT) => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Stores an object, replacing what was at the path. Readers see the old one or the new one, never a mix.
    ///
    /// `length` must be exact: Storage notices a body that ends early only by its `Content-Length`.
    ///
    /// Source: <https://supabase.com/docs/guides/storage/uploads/standard-uploads>
    pub async fn upload(
        &self,
        bucket: &str,
        path: &str,
        content_type: &'static str,
        length: u64,
        body: impl Into<Body>,
    ) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "store an object" };
        let request = self
            .request(Method::POST, &format!("/storage/v1/object/{bucket}/{path}"))
            .timeout((SHORT + Duration::from_secs(length / SLOWEST_UPLOAD)).min(LONGEST_UPLOAD))
            .header("x-upsert", "true")
            .header(http::header::CONTENT_TYPE, content_type)
            .header(http::header::CONTENT_LENGTH, length)
            .body(body);
        call.json::<Stored>(request).await.map(drop)
    }

    /// Copies an object inside a bucket, replacing what was at the destination. No byte passes through us.
    pub async fn copy(&self, bucket: &str, from: &str, to: &str) -> Result<(), VendorError> {
        self.copy_between((bucket, from), (bucket, to)).await
    }

    /// Copies an object from one place (bucket and key) to another, replacing what was there.
    ///
    /// Source: <https://github.com/supabase/storage>, `copyObject.ts`
    pub async fn copy_between(&self, from: (&str, &str), to: (&str, &str)) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "copy an object" };
        let body = json!({
            "bucketId": from.0, "sourceKey": from.1, "destinationBucket": to.0, "destinationKey": to.1,
        });
        let request = self.request(Method::POST, "/storage/v1/object/copy").timeout(COPY);
        call.json::<Stored>(request.header("x-upsert", "true").json(&body)).await.map(drop)
    }

    /// Signs the upload of one object, which must not be there yet. Whoever has the address may store it, once, for as
    /// long as the project says: two hours at Supabase.
    ///
    /// # Errors
    /// What Storage said; [`Error::Unusable`] for an address of anything else than was asked for.
    ///
    /// Source: <https://github.com/supabase/storage>, `getSignedUploadURL.ts`
    pub async fn sign_upload(&self, bucket: &str, path: &str) -> Result<SignedUpload, Error> {
        #[derive(Deserialize)]
        struct Signed {
            url: String,
        }
        let call = Call { vendor: NAME, action: "sign an upload" };
        let place = format!("/object/upload/sign/{bucket}/{path}");
        let request = self.request(Method::POST, &format!("/storage/v1{place}")).timeout(SHORT).json(&json!({}));
        let signed: Signed = call.json(request).await?;
        let token = signed.url.strip_prefix(&place).and_then(|rest| rest.strip_prefix("?token="));
        let expires_in =
            token.and_then(lifetime).ok_or(Error::Unusable("a signed upload is not what was asked for"))?;
        Ok(SignedUpload { url: format!("{}/storage/v1{}", self.base_url, signed.url), expires_in })
    }

    /// Opens an object of a private bucket.
    pub async fn download(
        &self,
        bucket: &str,
        path: &str,
    ) -> Result<Object<impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static>, Error> {
        let call = Call { vendor: NAME, action: "read an object" };
        let path = format!("/storage/v1/object/authenticated/{bucket}/{path}");
        let response = call.send(self.request(Method::GET, &path).timeout(DOWNLOAD)).await?;
        let length = response.content_length().ok_or(Error::Unusable("a stored object came without its length"))?;
        Ok(Object { length, stream: response.bytes_stream() })
    }

    /// Removes an object; one that is not there counts as removed. Storage answers with a list of what it removed:
    /// whoever answers anything else is somebody in between, and nothing is removed.
    ///
    /// Source: <https://github.com/supabase/storage>, `deleteObjects.ts`
    pub async fn remove(&self, bucket: &str, path: &str) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "remove an object" };
        let request = self.request(Method::DELETE, &format!("/storage/v1/object/{bucket}")).timeout(SHORT);
        call.json::<Vec<IgnoredAny>>(request.json(&json!({"prefixes": [path]}))).await.map(drop)
    }

    /// The bytes of an object, or `None` if it is not there. Only `NoSuchKey` says so: a missing bucket or a token that is
    /// not good says nothing of the object, and without `authenticated` in the path Storage does not tell the three apart.
    ///
    /// Source: <https://github.com/supabase/storage>, `getObjectInfo.ts`
    pub async fn object_size(&self, bucket: &str, path: &str) -> Result<Option<u64>, VendorError> {
        #[derive(Deserialize)]
        struct Info {
            size: u64,
        }
        let call = Call { vendor: NAME, action: "look for an object" };
        let path = format!("/storage/v1/object/info/authenticated/{bucket}/{path}");
        match call.json::<Info>(self.request(Method::GET, &path).timeout(SHORT)).await {
            Err(error) if error.code.as_deref() == Some("NoSuchKey") => Ok(None),
            answer => answer.map(|info| Some(info.size)),
        }
    }

    /// New secret keys are not JWTs: they may stand in `Authorization` only when it equals `apikey`, and self-hosted
    /// stacks and the legacy key want both (<https://supabase.com/docs/guides/getting-started/api-keys>).
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let key = self.secret.secret_key.expose_secret();
        self.http.request(method, format!("{}{path}", self.base_url)).header("apikey", key).bearer_auth(key)
    }
}

/// How long a token of Storage is good, from when it was made. Not verified: Storage itself will do that.
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
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    fn client(server: &MockServer) -> Supabase {
        let secret = serde_json::from_value(json!({"secret_key": "sb_secret_0123456789abcdef"})).unwrap();
        Supabase::new(crate::clients::http_client(), server.uri().into(), Arc::new(secret))
    }

    #[tokio::test]
    async fn the_database_hears_from_where_the_caller_calls() {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(1)).mount(&server).await;
        let long = "a".repeat(600);
        let told = [
            (None, None),
            (Some("192.0.2.1"), Some("Firefox")),
            (Some("192.0.2.1\r\nx-forged: 1"), Some("caf\u{e9}")),
            (Some(""), Some(long.as_str())),
        ];
        for (address, user_agent) in told {
            let supabase = client(&server).for_caller(address, user_agent);
            supabase.rpc::<u8>("f", json!({})).await.unwrap();
        }
        let requests = server.received_requests().await.unwrap();
        let heard = |name: &str| -> Vec<Option<usize>> {
            requests.iter().map(|request| request.headers.get(name).map(HeaderValue::len)).collect()
        };
        assert_eq!(heard("x-caller-address"), [None, Some(9), None, Some(0)]);
        assert_eq!(heard("x-caller-user-agent"), [None, Some(7), None, Some(500)]);
        assert_eq!(heard("x-forged"), [None; 4]);
    }

    #[tokio::test]
    async fn a_copy_between_buckets_names_both() {
        let server = MockServer::start().await;
        let body = json!({
            "bucketId": "a", "sourceKey": "b", "destinationBucket": "c", "destinationKey": "d",
        });
        let copied = ResponseTemplate::new(200).set_body_json(json!({"Key": "c/d"}));
        let asked = Mock::given(path("/storage/v1/object/copy")).and(header("x-upsert", "true")).and(body_json(body));
        asked.respond_with(copied).expect(1).mount(&server).await;
        client(&server).copy_between(("a", "b"), ("c", "d")).await.unwrap();
    }

    async fn signed(url: &str) -> Result<SignedUpload, Error> {
        let server = MockServer::start().await;
        let answer = ResponseTemplate::new(200).set_body_json(json!({"url": url, "token": "x"}));
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        client(&server).sign_upload("bucket", "o/e/1").await
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

    #[tokio::test]
    async fn a_page_of_somebody_in_between_removes_nothing() {
        for (page, is_removed) in [("<html>Please log in</html>", false), ("{}", false), ("[]", true)] {
            let server = MockServer::start().await;
            Mock::given(method("DELETE"))
                .respond_with(ResponseTemplate::new(200).set_body_string(page))
                .mount(&server)
                .await;
            assert_eq!(client(&server).remove("recordings", "a").await.is_ok(), is_removed, "{page}");
        }
    }

    #[tokio::test]
    async fn the_size_limit_is_the_least_that_storage_tells() {
        let project = |limit: u64| ResponseTemplate::new(204).insert_header("Tus-Max-Size", limit.to_string());
        let bucket =
            |limit: Value| ResponseTemplate::new(200).set_body_json(json!({"public": false, "file_size_limit": limit}));
        let no_bucket = ResponseTemplate::new(400).set_body_json(json!({"statusCode": "404", "code": "NoSuchBucket"}));
        for (of_bucket, of_project, least) in [
            (bucket(json!(10)), project(20), Some(10)),
            (bucket(json!(20)), project(10), Some(10)),
            (bucket(Value::Null), project(10), Some(10)),
            (bucket(json!(10)), ResponseTemplate::new(204), Some(10)),
            (bucket(json!(10)), ResponseTemplate::new(404), Some(10)),
            (no_bucket, project(10), Some(10)),
            (bucket(Value::Null), ResponseTemplate::new(405), None),
        ] {
            let server = MockServer::start().await;
            Mock::given(path("/storage/v1/bucket/recordings")).respond_with(of_bucket).mount(&server).await;
            let asked = Mock::given(method("OPTIONS")).and(path("/storage/v1/upload/resumable"));
            let asked = asked.and(header("tus-resumable", "1.0.0")).respond_with(of_project).expect(1);
            asked.mount(&server).await;
            assert_eq!(client(&server).size_limit("recordings").await.unwrap(), least);
        }
    }

    #[tokio::test]
    async fn a_size_limit_that_could_not_be_asked_for_is_not_taken_for_none() {
        for (of_bucket, of_project) in [(500, 204), (200, 500), (200, 401)] {
            let server = MockServer::start().await;
            let bucket = ResponseTemplate::new(of_bucket).set_body_json(json!({"public": false}));
            Mock::given(method("GET")).respond_with(bucket).mount(&server).await;
            Mock::given(method("OPTIONS")).respond_with(ResponseTemplate::new(of_project)).mount(&server).await;
            assert!(client(&server).size_limit("recordings").await.is_err());
        }
    }

    #[tokio::test]
    async fn an_object_is_gone_only_if_storage_says_that_its_key_is() {
        let refused =
            |status, code| ResponseTemplate::new(400).set_body_json(json!({"statusCode": status, "code": code}));
        let cases = [
            (ResponseTemplate::new(200).set_body_json(json!({"name": "a", "size": 7})), Some(Some(7))),
            (refused("404", "NoSuchKey"), Some(None)),
            (refused("404", "NoSuchBucket"), None),
            (refused("403", "AccessDenied"), None),
            (refused("400", "InvalidRequest"), None),
            (ResponseTemplate::new(200).set_body_string("<html>somebody in between</html>"), None),
        ];
        for (answer, size) in cases {
            let server = MockServer::start().await;
            let at = path("/storage/v1/object/info/authenticated/recordings/a");
            Mock::given(at).respond_with(answer.clone()).expect(1).mount(&server).await;
            assert_eq!(client(&server).object_size("recordings", "a").await.ok(), size, "{answer:?}");
        }
    }
}
