//! Objects in a bucket: storing, copying, reading and removing them.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use reqwest::{Body, Method};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::client::{NAME, Supabase};
use super::key::ObjectKey;
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;
use crate::error::Error;

/// Bound for the upload of a whole recording; shorter than `recording-ingest`'s timeout.
const LONGEST_UPLOAD: Duration = Duration::from_secs(270);

/// An upload that is slower than this, in bytes a second, is given up.
const SLOWEST_UPLOAD: u64 = 256 * 1024;

/// Bound for the download of a recording; shorter than `clone-worker`'s timeout.
const DOWNLOAD: Duration = Duration::from_secs(150);

/// Bound for a copy inside Storage, which takes longer the larger the recording is.
const COPY: Duration = Duration::from_secs(60);

/// Storage's answer when it has stored an object. A 200 without it comes from a proxy in between.
#[derive(Deserialize)]
struct Stored {
    #[serde(rename = "Key")]
    _key: String,
}

/// A stored object that is being downloaded.
pub struct Object<S> {
    /// Length in bytes.
    pub length: u64,
    /// The bytes as they arrive.
    pub stream: S,
}

impl Supabase {
    /// Stores an object, replacing what was there. Readers see the old one or the new one, never a mix.
    ///
    /// `length` must be exact: Storage notices a body that ends early only by its `Content-Length`.
    ///
    /// Source: <https://supabase.com/docs/guides/storage/uploads/standard-uploads>
    pub async fn upload(
        &self,
        bucket: &str,
        key: &ObjectKey,
        content_type: &'static str,
        length: u64,
        body: impl Into<Body>,
    ) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "store an object" };
        let request = self
            .request(Method::POST, &format!("/storage/v1/object/{bucket}/{key}"))
            .timeout(time_to_upload(length))
            .header("x-upsert", "true")
            .header(http::header::CONTENT_TYPE, content_type)
            .header(http::header::CONTENT_LENGTH, length)
            .body(body);
        call.json::<Stored>(request).await.map(drop)
    }

    /// Copies an object inside a bucket, replacing what was at the destination. Storage copies it by itself: no byte
    /// passes through us.
    pub async fn copy(&self, bucket: &str, from: &ObjectKey, to: &ObjectKey) -> Result<(), VendorError> {
        self.copy_between((bucket, from), (bucket, to)).await
    }

    /// Copies an object from one place (bucket and key) to another, replacing what was there.
    ///
    /// Source: <https://github.com/supabase/storage>, `copyObject.ts`
    pub async fn copy_between(&self, from: (&str, &ObjectKey), to: (&str, &ObjectKey)) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "copy an object" };
        let body = json!({
            "bucketId": from.0, "sourceKey": from.1, "destinationBucket": to.0, "destinationKey": to.1,
        });
        let request = self.request(Method::POST, "/storage/v1/object/copy").timeout(COPY);
        call.json::<Stored>(request.header("x-upsert", "true").json(&body)).await.map(drop)
    }

    /// Opens an object of a private bucket.
    pub async fn download(
        &self,
        bucket: &str,
        key: &ObjectKey,
    ) -> Result<Object<impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static>, Error> {
        let call = Call { vendor: NAME, action: "read an object" };
        let path = format!("/storage/v1/object/authenticated/{bucket}/{key}");
        let response = call.send(self.request(Method::GET, &path).timeout(DOWNLOAD)).await?;
        let length = response.content_length().ok_or(Error::Unusable("a stored object came without its length"))?;
        Ok(Object { length, stream: response.bytes_stream() })
    }

    /// Removes an object; one that is not there counts as removed. Storage answers with a list of the removed objects.
    /// Any other answer comes from a proxy in between, and is an error.
    ///
    /// Source: <https://github.com/supabase/storage>, `deleteObjects.ts`
    pub async fn remove(&self, bucket: &str, key: &ObjectKey) -> Result<(), VendorError> {
        let call = Call { vendor: NAME, action: "remove an object" };
        let request = self.request(Method::DELETE, &format!("/storage/v1/object/{bucket}")).timeout(SHORT);
        call.json::<Vec<IgnoredAny>>(request.json(&json!({"prefixes": [key]}))).await.map(drop)
    }

    /// The size of an object in bytes, or `None` if it does not exist. Only the code `NoSuchKey` counts as that: a
    /// missing bucket or a bad token says nothing about the object. The path has `authenticated` in it because Storage
    /// would otherwise answer all three alike.
    ///
    /// Source: <https://github.com/supabase/storage>, `getObjectInfo.ts`
    pub async fn object_size(&self, bucket: &str, key: &ObjectKey) -> Result<Option<u64>, VendorError> {
        #[derive(Deserialize)]
        struct Info {
            size: u64,
        }
        let call = Call { vendor: NAME, action: "look for an object" };
        let path = format!("/storage/v1/object/info/authenticated/{bucket}/{key}");
        match call.json::<Info>(self.request(Method::GET, &path).timeout(SHORT)).await {
            Err(error) if error.code.as_deref() == Some("NoSuchKey") => Ok(None),
            answer => answer.map(|info| Some(info.size)),
        }
    }
}

/// The time after which an upload of this many bytes is given up.
fn time_to_upload(length: u64) -> Duration {
    (SHORT + Duration::from_secs(length / SLOWEST_UPLOAD)).min(LONGEST_UPLOAD)
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::{client, key};
    use super::*;

    #[tokio::test]
    async fn a_copy_between_buckets_names_both() {
        let server = MockServer::start().await;
        let body = json!({
            "bucketId": "a", "sourceKey": "e/b", "destinationBucket": "c", "destinationKey": "e/d",
        });
        let copied = ResponseTemplate::new(200).set_body_json(json!({"Key": "c/d"}));
        let asked = Mock::given(path("/storage/v1/object/copy")).and(header("x-upsert", "true")).and(body_json(body));
        asked.respond_with(copied).expect(1).mount(&server).await;
        client(&server).copy_between(("a", &key("e/b")), ("c", &key("e/d"))).await.unwrap();
    }

    #[tokio::test]
    async fn a_page_of_somebody_in_between_removes_nothing() {
        for (page, is_removed) in [("<html>Please log in</html>", false), ("{}", false), ("[]", true)] {
            let server = MockServer::start().await;
            Mock::given(method("DELETE"))
                .respond_with(ResponseTemplate::new(200).set_body_string(page))
                .mount(&server)
                .await;
            assert_eq!(client(&server).remove("recordings", &key("e/a")).await.is_ok(), is_removed, "{page}");
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
            let at = path("/storage/v1/object/info/authenticated/recordings/e/a");
            Mock::given(at).respond_with(answer.clone()).expect(1).mount(&server).await;
            assert_eq!(client(&server).object_size("recordings", &key("e/a")).await.ok(), size, "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_object_is_stored_with_its_length_and_only_storage_says_that_it_was() {
        for (page, is_stored) in [(r#"{"Key": "recordings/e/a"}"#, true), ("<html>Please log in</html>", false)] {
            let server = MockServer::start().await;
            let at = Mock::given(method("POST")).and(path("/storage/v1/object/recordings/e/a"));
            let asked = at.and(header("x-upsert", "true")).and(header("content-length", "3"));
            asked.respond_with(ResponseTemplate::new(200).set_body_string(page)).expect(1).mount(&server).await;
            let outcome = client(&server).upload("recordings", &key("e/a"), "audio/wav", 3, "abc").await;
            assert_eq!(outcome.is_ok(), is_stored, "{page}");
        }
    }

    #[test]
    fn a_larger_recording_may_take_longer_to_store_but_not_longer_than_the_function_runs() {
        let seconds = |mebibytes: u64| time_to_upload(mebibytes * 1024 * 1024).as_secs();
        assert_eq!([0, 1, 50, 65, 1_000].map(seconds), [10, 14, 210, 270, 270]);
    }

    #[tokio::test]
    async fn a_copy_is_made_only_if_storage_says_so() {
        let server = MockServer::start().await;
        let body = json!({
            "bucketId": "a", "sourceKey": "e/b", "destinationBucket": "a", "destinationKey": "e/d",
        });
        let asked = Mock::given(path("/storage/v1/object/copy")).and(body_json(body));
        asked.respond_with(ResponseTemplate::new(200).set_body_string("<html>")).expect(1).mount(&server).await;
        assert!(client(&server).copy("a", &key("e/b"), &key("e/d")).await.is_err());
    }

    #[tokio::test]
    async fn an_object_is_read_with_its_length() {
        let server = MockServer::start().await;
        let at = path("/storage/v1/object/authenticated/recordings/e/a");
        Mock::given(at).respond_with(ResponseTemplate::new(200).set_body_string("abc")).mount(&server).await;
        let object = client(&server).download("recordings", &key("e/a")).await.unwrap();
        let bytes: Vec<Bytes> = object.stream.try_collect().await.unwrap();
        assert_eq!((object.length, bytes.concat()), (3, b"abc".to_vec()));
        assert!(client(&server).download("recordings", &key("e/other")).await.is_err());
    }
}
