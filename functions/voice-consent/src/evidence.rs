//! Evidence of a consent that an admin records: a signed paper, or the recording of a call.
//!
//! Before the database records a consent, it names the evidence to read; then it compares the hash of what was read.

use std::pin::pin;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use shared::clients::VendorError;
use shared::clients::supabase::{ObjectKey, Supabase};
use shared::error::Error;
use shared::recordings;
use shared::referee::EmployeeRequest;
use shared::referee::consents::{ConsentGrant, ConsentTerms, GrantedConsent, RecordedConsent, grant_voice_consent};
use shared::referee::evidence::offer_evidence;
use shared::voices::EVIDENCE_BUCKET;
use tokio::time::timeout;

use crate::token::hexadecimal;

/// The size limit of the evidence. A scanned paper has a few megabytes.
const LARGEST_BYTES: u64 = 25_000_000;
/// Bound for recording a consent, including the reading or copying of its evidence; shorter than the function's
/// timeout. The request may be repeated without harm.
const PATIENCE: Duration = Duration::from_secs(25);

/// Offers an address at which the frontend may store a signed paper, with the reference by which a consent names it.
///
/// # Errors
/// The caller is no admin of the employee's organisation, or Storage has failed.
pub async fn offer(supabase: &Supabase, request: EmployeeRequest) -> Result<Value, Error> {
    let reference = offer_evidence(supabase, request).await?;
    supabase.ensure_private_bucket(EVIDENCE_BUCKET).await?;
    let upload = supabase.sign_upload(EVIDENCE_BUCKET, &reference).await?;
    Ok(json!({
        "reference": reference, "upload_url": upload.url, "expires_in_seconds": upload.expires_in.as_secs(),
    }))
}

/// Records a consent after reading its evidence.
///
/// # Errors
/// Every refusal of the database; then nothing is recorded. After a refusal or a 503, evidence may be left that no
/// consent rests on; the database knows of it and has it removed.
pub async fn grant(
    supabase: &Supabase,
    request: EmployeeRequest,
    terms: &ConsentTerms,
) -> Result<RecordedConsent, Error> {
    let recorded = timeout(PATIENCE, record(supabase, request, terms)).await;
    recorded.unwrap_or_else(|_| Err(Error::unavailable("recording a consent")("its evidence takes too long")))
}

async fn record(supabase: &Supabase, request: EmployeeRequest, terms: &ConsentTerms) -> Result<RecordedConsent, Error> {
    let (object, copy_from) = match grant_voice_consent(supabase, &ConsentGrant { request, terms, read: None }).await? {
        GrantedConsent::Granted(consent) => return Ok(consent),
        GrantedConsent::EvidenceWanted { object, copy_from } => (object, copy_from),
    };
    supabase.ensure_private_bucket(EVIDENCE_BUCKET).await?;
    let read = match copy_from {
        Some(recording) => copied(supabase, &recording, &object).await?.to_owned(),
        None => read(supabase, &object).await?,
    };
    match grant_voice_consent(supabase, &ConsentGrant { request, terms, read: Some(&read) }).await? {
        GrantedConsent::Granted(consent) => Ok(consent),
        GrantedConsent::EvidenceWanted { .. } => {
            Err(Error::unavailable("recording a consent")("its evidence was read"))
        }
    }
}

/// Copies a recording to the bucket of evidence, where it outlives the erasure of recordings. The database knows its
/// hash.
async fn copied(supabase: &Supabase, recording: &ObjectKey, object: &ObjectKey) -> Result<&'static str, Error> {
    match supabase.copy_between((recordings::BUCKET, recording), (EVIDENCE_BUCKET, object)).await {
        Err(error) if says_missing(&error) => confirmed_missing(supabase, recordings::BUCKET, recording).await,
        answer => Ok(answer.map(|()| "copied")?),
    }
}

/// Asks Storage a second time: one answer is not enough to tell an admin that their evidence is missing.
async fn confirmed_missing(supabase: &Supabase, bucket: &str, object: &ObjectKey) -> Result<&'static str, Error> {
    match supabase.object_size(bucket, object).await? {
        None => Ok("missing"),
        Some(_) => Err(Error::unavailable("looking for evidence")("it is said to be missing, and to be there")),
    }
}

/// The hash of an object, in hexadecimal, or a code for the failure. The object is not kept in memory. It counts as
/// read only if its length is the one that Storage states, since a proxy may answer with other bytes.
async fn read(supabase: &Supabase, object: &ObjectKey) -> Result<String, Error> {
    let size = match supabase.object_size(EVIDENCE_BUCKET, object).await? {
        None => return Ok(confirmed_missing(supabase, EVIDENCE_BUCKET, object).await?.to_owned()),
        Some(0) => return Ok("unreadable".to_owned()),
        Some(size) if size > LARGEST_BYTES => return Ok("too_large".to_owned()),
        Some(size) => size,
    };
    let paper = supabase.download(EVIDENCE_BUCKET, object).await?;
    if paper.length != size {
        return Err(Error::unavailable("reading evidence")("it is not as long as Storage says"));
    }
    let (mut stream, mut hash) = (pin!(paper.stream), Context::new(&SHA256));
    let interrupted = |cause: reqwest::Error| Error::unavailable("reading evidence")(cause.without_url());
    while let Some(chunk) = stream.try_next().await.map_err(interrupted)? {
        hash.update(&chunk);
    }
    Ok(hexadecimal(hash.finish().as_ref()))
}

/// True if Storage says that the object does not exist. The status is not enough: Storage also answers 404 for an
/// invalid key.
fn says_missing(error: &VendorError) -> bool {
    error.code.as_deref() == Some("NoSuchKey")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use shared::answer;
    use shared::clients::http_client;
    use shared::clients::supabase::SupabaseSecret;
    use shared::refusal::Refusal;
    use uuid::Uuid;
    use wiremock::matchers::{body_partial_json, method, path, path_regex};
    use wiremock::{Match, Mock, MockServer, Request, ResponseTemplate};

    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    /// Asks for any consent to be recorded; the stand-in for the database decides.
    async fn grant(supabase: &Supabase) -> Result<RecordedConsent, Error> {
        let terms = json!({
            "statement_version": "1", "statement_sha256": ABC, "method": "written_release", "evidence_reference": "o/e/1",
            "evidence_sha256": ABC, "purposes": ["voice_clone"], "expires_at": "2027-01-01T00:00:00Z",
        });
        let request = EmployeeRequest { user_id: Uuid::nil(), employee_id: Uuid::nil() };
        super::grant(supabase, request, &serde_json::from_value(terms).unwrap()).await
    }

    fn granted(evidence_unverified: bool) -> Value {
        json!({"outcome": "granted", "consent_id": Uuid::nil(), "evidence_unverified": evidence_unverified})
    }

    struct FirstTime;

    impl Match for FirstTime {
        fn matches(&self, request: &Request) -> bool {
            !String::from_utf8_lossy(&request.body).contains("p_read")
        }
    }

    fn json_answer(body: Value) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(body)
    }

    /// A database that wants this evidence read first, and a private bucket.
    async fn wanting(wanted: Value) -> (MockServer, Supabase) {
        let server = MockServer::start().await;
        let rpc = Mock::given(path("/rest/v1/rpc/grant_voice_consent")).and(FirstTime);
        rpc.respond_with(json_answer(wanted)).mount(&server).await;
        let bucket = Mock::given(method("GET")).and(path("/storage/v1/bucket/voice-consent-evidence"));
        bucket.respond_with(json_answer(json!({"public": false}))).mount(&server).await;
        let secret = SupabaseSecret { secret_key: "sb_secret_x".to_owned().into(), jwt_secret: None };
        let supabase = Supabase::new(http_client(), server.uri().into(), Arc::new(secret));
        (server, supabase)
    }

    async fn database_answers(server: &MockServer, read: &str, answer: Value) {
        let rpc = Mock::given(path("/rest/v1/rpc/grant_voice_consent")).and(body_partial_json(json!({"p_read": read})));
        rpc.respond_with(json_answer(answer)).expect(1).mount(server).await;
    }

    /// A paper with these answers of Storage to every question about it, and to its download.
    async fn paper(info: ResponseTemplate, body: Option<ResponseTemplate>) -> (MockServer, Supabase) {
        let (server, supabase) = wanting(json!({"outcome": "evidence_wanted", "object": "o/e/1"})).await;
        let at = "authenticated/voice-consent-evidence/o/e/1";
        let looked = Mock::given(method("GET")).and(path(format!("/storage/v1/object/info/{at}")));
        looked.respond_with(info).expect(1..).mount(&server).await;
        let object = Mock::given(method("GET")).and(path(format!("/storage/v1/object/{at}")));
        let reads = u64::from(body.is_some());
        object.respond_with(body.unwrap_or(ResponseTemplate::new(500))).expect(reads).mount(&server).await;
        (server, supabase)
    }

    async fn asked_to_record(server: &MockServer) -> usize {
        let asked = server.received_requests().await.unwrap();
        asked.iter().filter(|request| request.url.path().contains("/rpc/")).count() - 1
    }

    #[tokio::test]
    async fn a_paper_is_read_and_the_database_hears_its_hash() {
        let body = ResponseTemplate::new(200).set_body_bytes("abc");
        let (server, supabase) = paper(json_answer(json!({"size": 3})), Some(body)).await;
        database_answers(&server, ABC, granted(false)).await;
        assert!(!grant(&supabase).await.unwrap().evidence_unverified);
    }

    #[tokio::test]
    async fn a_paper_that_cannot_be_evidence_is_told_by_what_is_in_the_way() {
        let missing =
            json!({"statusCode": "404", "code": "NoSuchKey", "error": "not_found", "message": "Object not found"});
        for (info, word) in [
            (ResponseTemplate::new(400).set_body_json(missing), "missing"),
            (json_answer(json!({"size": 0})), "unreadable"),
            (json_answer(json!({"size": LARGEST_BYTES + 1})), "too_large"),
        ] {
            let (server, supabase) = paper(info, None).await;
            database_answers(&server, word, json!({"outcome": "evidence_missing"})).await;
            let refused = grant(&supabase).await.unwrap_err();
            assert!(matches!(refused, Error::Refused { refusal: Refusal::EvidenceMissing, .. }), "{word}");
        }
    }

    #[tokio::test]
    async fn evidence_that_is_missing_by_one_answer_only_refuses_nothing() {
        let (server, supabase) = wanting(json!({"outcome": "evidence_wanted", "object": "o/e/1"})).await;
        let info = || Mock::given(method("GET")).and(path_regex("^/storage/v1/object/info/"));
        let missing = ResponseTemplate::new(400).set_body_json(json!({"statusCode": "404", "code": "NoSuchKey"}));
        info().respond_with(missing).up_to_n_times(1).with_priority(1).mount(&server).await;
        info().respond_with(json_answer(json!({"size": 3}))).mount(&server).await;
        let error = grant(&supabase).await.unwrap_err();
        assert_eq!(answer::problem(error).status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked_to_record(&server).await, 0);
    }

    #[tokio::test]
    async fn a_page_of_somebody_in_between_is_no_paper_and_refuses_nothing() {
        let page = "<html>down for maintenance</html>";
        let body = ResponseTemplate::new(200).set_body_string(page);
        for (info, body) in [
            (json_answer(json!({"size": 3})), Some(body.clone())),
            (json_answer(json!({"size": page.len() + 1})), Some(body)),
            (ResponseTemplate::new(200).set_body_string(page), None),
        ] {
            let (server, supabase) = paper(info, body).await;
            let error = grant(&supabase).await.unwrap_err();
            assert_eq!(answer::problem(error).status(), http::StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(asked_to_record(&server).await, 0);
        }
    }

    #[tokio::test]
    async fn a_storage_that_cannot_be_reached_refuses_nothing_and_records_nothing() {
        let (server, supabase) = wanting(json!({"outcome": "evidence_wanted", "object": "o/e/1"})).await;
        let broken = json!({"statusCode": "404", "code": "NoSuchBucket", "message": "Bucket not found"});
        let object = Mock::given(path_regex("^/storage/v1/object/"));
        object.respond_with(ResponseTemplate::new(400).set_body_json(broken)).mount(&server).await;
        let error = grant(&supabase).await.unwrap_err();
        assert_eq!(answer::problem(error).status(), http::StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked_to_record(&server).await, 0);
    }

    #[tokio::test]
    async fn a_recording_is_copied_before_the_consent_is_recorded() {
        let wanted = json!({"outcome": "evidence_wanted", "object": "o/e/RE1.wav", "copy_from": "e/RE1.wav"});
        let (server, supabase) = wanting(wanted).await;
        let copy = json!({
            "bucketId": "recordings", "sourceKey": "e/RE1.wav",
            "destinationBucket": "voice-consent-evidence", "destinationKey": "o/e/RE1.wav",
        });
        let storage = Mock::given(path("/storage/v1/object/copy")).and(body_partial_json(copy));
        storage.respond_with(json_answer(json!({"Key": "k"}))).expect(1).mount(&server).await;
        database_answers(&server, "copied", json!({"outcome": "evidence_missing"})).await;
        let refused = grant(&supabase).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { refusal: Refusal::EvidenceMissing, .. }));
    }

    #[tokio::test]
    async fn a_recording_is_missing_only_if_a_look_says_the_same_as_its_copy() {
        let missing = || ResponseTemplate::new(400).set_body_json(json!({"statusCode": "404", "code": "NoSuchKey"}));
        for (looked, is_missing) in [(missing(), true), (json_answer(json!({"size": 3})), false)] {
            let wanted = json!({"outcome": "evidence_wanted", "object": "o/e/RE1.wav", "copy_from": "e/RE1.wav"});
            let (server, supabase) = wanting(wanted).await;
            Mock::given(path("/storage/v1/object/copy")).respond_with(missing()).mount(&server).await;
            let at = path("/storage/v1/object/info/authenticated/recordings/e/RE1.wav");
            Mock::given(at).respond_with(looked).expect(1).mount(&server).await;
            let rpc = Mock::given(body_partial_json(json!({"p_read": "missing"})));
            rpc.respond_with(json_answer(json!({"outcome": "evidence_missing"}))).mount(&server).await;
            let error = grant(&supabase).await.unwrap_err();
            assert_eq!(
                matches!(error, Error::Refused { refusal: Refusal::EvidenceMissing, .. }),
                is_missing,
                "{error}"
            );
            assert_eq!(asked_to_record(&server).await, usize::from(is_missing));
        }
    }

    #[tokio::test]
    async fn what_is_kept_elsewhere_is_not_looked_for() {
        let (server, supabase) = wanting(granted(true)).await;
        assert!(grant(&supabase).await.unwrap().evidence_unverified);
        assert_eq!(server.received_requests().await.unwrap().len(), 1);
    }
}
