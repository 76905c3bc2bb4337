//! Buckets: making sure that they are private, and reading their size limits.

use http::StatusCode;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::client::{NAME, Supabase};
use crate::clients::call::{Call, SHORT};
use crate::clients::vendor_error::VendorError;
use crate::error::Error;

/// A bucket as Storage describes it.
#[derive(Deserialize)]
struct Bucket {
    public: bool,
    /// The size limit of an object in bytes; `None` if the bucket has no limit of its own.
    #[serde(default)]
    file_size_limit: Option<u64>,
}

impl Supabase {
    /// Makes sure that a bucket exists and is private, and creates it if it is missing.
    ///
    /// A public bucket is an error, because anybody who knew an address could listen.
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

    /// The size limit of an object in this bucket, in bytes: the smaller one of the bucket's and the project's. `None`
    /// if Storage states neither.
    ///
    /// Storage states the project's limit only for resumable uploads, but it holds for all uploads.
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
            // This Storage has no resumable uploads.
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
            // Another worker created it at the same moment.
            Err(error) if error.status == Some(StatusCode::CONFLICT) => Ok(()),
            answer => answer.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use wiremock::matchers::{body_json, header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::super::testing::client;
    use super::*;

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
    async fn a_bucket_that_is_missing_is_made_private_and_a_public_one_is_an_error() {
        let missing = || ResponseTemplate::new(400).set_body_json(json!({"statusCode": "404", "code": "NoSuchBucket"}));
        let bucket = |public| ResponseTemplate::new(200).set_body_json(json!({"public": public}));
        let made = |status: u16| ResponseTemplate::new(status).set_body_json(json!({}));
        for (first, making, then, is_private, times) in [
            (bucket(false), made(500), bucket(false), true, 0),
            (bucket(true), made(500), bucket(true), false, 0),
            (missing(), made(200), bucket(false), true, 1),
            (missing(), made(409), bucket(false), true, 1),
            (missing(), made(409), bucket(true), false, 1),
            (missing(), made(500), bucket(false), false, 1),
            (made(500), made(200), bucket(false), false, 0),
        ] {
            let server = MockServer::start().await;
            let get = || Mock::given(method("GET")).and(path("/storage/v1/bucket/recordings"));
            get().respond_with(first).up_to_n_times(1).with_priority(1).mount(&server).await;
            get().respond_with(then).with_priority(2).mount(&server).await;
            let body = json!({"id": "recordings", "name": "recordings", "public": false});
            let asked = Mock::given(method("POST")).and(path("/storage/v1/bucket")).and(body_json(body));
            asked.respond_with(making).expect(times).mount(&server).await;
            assert_eq!(client(&server).ensure_private_bucket("recordings").await.is_ok(), is_private);
        }
    }
}
