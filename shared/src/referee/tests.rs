//! The listing of the decisions, and the errors for unexpected answers.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect_file;
use serde_json::json;
use wav::Channel;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::clones::{FailedClone, Release, SampleSource, TakenSample, VendorVoice};
use super::consents::ConsentGrant;
use super::erasures::{FoundCopies, GoneCopy};
use super::invitations::{Answer, Invitation};
use super::recordings::{OversizedRecording, Publication, StoredRecording};
use super::sweep::TwilioRecording;
use super::voices::{CloneRequest, DeletedVoice, RequestedClone, VoiceUse};
use super::*;
use crate::clients::elevenlabs::MarkedVoice;
use crate::clients::http_client;
use crate::clients::supabase::ObjectKey;
use crate::clients::twilio::{CallSid, RecordingSid};
use crate::messages::RecordingFinished;

const ID: Uuid = Uuid::nil();
const ASKED: EmployeeRequest = EmployeeRequest { user_id: ID, employee_id: ID };

fn recording_sid() -> RecordingSid {
    RecordingSid::try_from("RE0123456789abcdef0123456789abcdef".to_owned()).unwrap()
}

fn call_sid() -> CallSid {
    CallSid::try_from("CA0123456789abcdef0123456789abcdef".to_owned()).unwrap()
}

/// A database that gives the same answer to every call.
async fn answering(answer: Value) -> (MockServer, Supabase) {
    let server = MockServer::start().await;
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(&server)
        .await;
    let secret = serde_json::from_value(json!({"secret_key": "sb_secret_0123456789abcdef"})).unwrap();
    let supabase = Supabase::new(http_client(), server.uri().into(), Arc::new(secret));
    (server, supabase)
}

fn error<T>(answer: Result<T, Error>) -> Error {
    answer.err().expect("an answer that no decision knows")
}

/// Asks for every decision, with every argument, and gives the errors.
async fn ask_everything(db: &Supabase) -> Vec<Error> {
    let mut errors = ask_about_recordings(db).await;
    errors.extend(ask_about_clones(db).await);
    errors.extend(ask_about_voices(db).await);
    errors.extend(ask_about_consents(db).await);
    errors.extend(ask_about_invitations(db).await);
    errors.extend(ask_about_erasures(db).await);
    errors.extend(ask_about_the_sweep(db).await);
    errors
}

async fn ask_about_recordings(db: &Supabase) -> Vec<Error> {
    let finished = &RecordingFinished { call_sid: call_sid(), recording_sid: recording_sid() };
    let stored = StoredRecording {
        write_id: ID,
        finished,
        storage_path: &ObjectKey::try_from("e/RE0.wav".to_owned()).unwrap(),
        bytes: 1,
        sha256: String::new(),
        duration_seconds: Some(1),
        channels: Some(1),
        track: Some(""),
        source: Some(""),
        account_sid: "",
        started_at: Some(""),
    };
    let oversized = OversizedRecording { write_id: ID, finished, bytes: 1, size_limit: Some(1) };
    let publication = Publication { write_id: ID, recording_sid: &recording_sid(), is_copied: true };
    vec![
        error(recordings::recording_target(db, finished).await),
        error(recordings::finish_ingest(db, &stored).await),
        error(recordings::recording_too_large(db, &oversized).await),
        error(recordings::newest_published(db, &publication).await),
        error(writes::write_cleared(db, ID).await),
        error(writes::metadata_written(db, ID, ID).await),
        error(writes::abandoned_writes(db, 1).await),
    ]
}

async fn ask_about_clones(db: &Supabase) -> Vec<Error> {
    let source = SampleSource { recording_sid: recording_sid(), channel: Some(Channel::First), synthetic: false };
    let report = &json!({"speech_seconds": 75.5});
    let sample = TakenSample { attempt_id: ID, lease_id: ID, sources: &[source], pipeline_version: 1, report };
    let voice = VendorVoice { attempt_id: ID, vendor_voice_id: "", account: "" };
    let failed = FailedClone {
        attempt_id: ID,
        lease_id: ID,
        code: Refusal::CloneFailed,
        vendor_voice_id: Some(""),
        report: Some(&Value::Null),
    };
    vec![
        error(clones::begin_clone(db, ID, Duration::from_secs(1)).await),
        error(clones::take_sample(db, &sample).await),
        error(clones::release_clone(db, ID, ID, Release::NotMade).await),
        error(clones::save_vendor_voice(db, &voice).await),
        error(clones::finish_clone(db, ID).await),
        error(clones::fail_clone(db, &failed).await),
    ]
}

async fn ask_about_voices(db: &Supabase) -> Vec<Error> {
    let clone = CloneRequest {
        request: ASKED,
        usual_channel: Some(Channel::First),
        pipeline_version: 1,
        replace: false,
        campaign: false,
    };
    let wanted = VoiceUse { request: ASKED, purpose: "", call_sid: Some(&call_sid()) };
    let deleted = DeletedVoice { attempt_id: ID, account: "", was_there: true };
    let listed = MarkedVoice { vendor_voice_id: String::new(), attempt_id: ID, deployment_id: Some(ID) };
    vec![
        error(voices::request_clone(db, &clone).await),
        error(voices::read_voice(db, ASKED).await),
        error(voices::authorize_voice(db, &wanted).await),
        error(voices::voice_deleted(db, &deleted).await),
        error(voices::voice_gone(db, ID, "").await),
        error(voices::judge_vendor_voices(db, &[listed]).await),
    ]
}

async fn ask_about_consents(db: &Supabase) -> Vec<Error> {
    let terms = &serde_json::from_value(json!({
        "statement_version": "", "statement_sha256": "", "method": "written_release", "evidence_reference": "",
        "evidence_sha256": "a".repeat(64), "purposes": [], "expires_at": "",
    }))
    .unwrap();
    let grant = ConsentGrant { request: ASKED, terms, read: Some("") };
    let page = audit::AuditPage { user_id: ID, employee_id: Some(ID), before: Some(1), limit: 1 };
    vec![
        error(consents::current_consent_statement(db, "").await),
        error(consents::grant_voice_consent(db, &grant).await),
        error(consents::withdraw_voice_consent(db, ASKED).await),
        error(consents::read_voice_consent(db, ASKED).await),
        error(evidence::offer_evidence(db, ASKED).await),
        error(evidence::abandoned_evidence(db, 1).await),
        error(evidence::evidence_cleared(db, &ObjectKey::try_from("o/e/1".to_owned()).unwrap()).await),
        error(audit::read_audit(db, &page).await),
    ]
}

async fn ask_about_invitations(db: &Supabase) -> Vec<Error> {
    let invitation =
        Invitation { request: ASKED, token_sha256: "", locale: "", purposes: &[], expires_at: "", valid_seconds: 1 };
    let answer = Answer {
        token_sha256: "",
        granted: true,
        withdrawal_token_sha256: "",
        channel: "",
        address: Some(""),
        user_agent: Some(""),
    };
    vec![
        error(invitations::invite_to_consent(db, &invitation).await),
        error(invitations::read_invitation(db, "").await),
        error(invitations::answer_invitation(db, &answer).await),
        error(invitations::withdraw_with_token(db, "", Some(""), Some("")).await),
        error(invitations::read_withdrawal(db, "").await),
    ]
}

async fn ask_about_erasures(db: &Supabase) -> Vec<Error> {
    let gone = GoneCopy { copy_id: ID, account: Some(""), was_there: true };
    vec![
        error(erasures::start_erasure(db, ASKED).await),
        error(erasures::read_erasure(db, ASKED, Some(1)).await),
        error(erasures::begin_erasure(db, ID).await),
        error(erasures::add_erasure_copies(db, ID, FoundCopies::TwilioRecording(&[])).await),
        error(erasures::copy_erased(db, &gone).await),
        error(erasures::copy_failed(db, ID, "").await),
        error(erasures::copy_kept_elsewhere(db, ID, "").await),
    ]
}

async fn ask_about_the_sweep(db: &Supabase) -> Vec<Error> {
    let listed = TwilioRecording { recording_sid: &recording_sid(), call_sid: &call_sid(), created_at: Some("") };
    vec![
        error(sweep::sweep_erasures(db).await),
        error(sweep::sweep_unfinished(db, 1).await),
        error(sweep::attempts_queued(db, &[]).await),
        error(sweep::recording_sweep_state(db).await),
        error(sweep::missing_recordings(db, &[listed]).await),
        error(sweep::matched_recordings(db, 1).await),
        error(sweep::storable_recordings(db, Some(1), 1).await),
        error(sweep::recordings_queued(db, &[]).await),
        error(sweep::recording_page_seen(db, &[], Some("")).await),
        error(sweep::purge(db, 1).await),
    ]
}

#[derive(Deserialize)]
struct Refused {
    #[serde(rename = "outcome")]
    _refusal: Refusal,
}

/// The outcomes that a decision knows, as the error about an unknown one names them.
fn known_outcomes(error: &Error) -> String {
    let text = error.to_string();
    let (_, expected) = text.split_once("expected").expect("an error that names the outcomes");
    expected.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn decisions_txt_lists_every_decision_as_it_is_here() {
    let (server, db) = answering(json!({"outcome": "unheard_of"})).await;
    let unknown = ask_everything(&db).await;
    let (_refusing_server, refusing) = answering(json!({"outcome": "role_forbidden"})).await;
    let refused = ask_everything(&refusing).await;
    let requests = server.received_requests().await.unwrap();
    let mut lines: Vec<_> = requests
        .iter()
        .zip(unknown.iter().zip(&refused))
        .map(|(request, (unknown, refused))| {
            let function = request.url.path().rsplit('/').next().unwrap();
            let arguments: Map<String, Value> = serde_json::from_slice(&request.body).unwrap();
            let arguments = arguments.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let or_refusal = if matches!(refused, Error::Refused { .. }) { ", or a refusal" } else { "" };
            format!("{function}({arguments}): {}{or_refusal}\n", known_outcomes(unknown))
        })
        .collect();
    lines.sort();
    let refusals = known_outcomes(&known::<Refused>("", json!({"outcome": "unheard_of"})).err().unwrap());
    lines.push(format!("a refusal: {refusals}\n"));
    // `UPDATE_EXPECT=1 cargo test -p shared` writes the file.
    expect_file!["decisions.txt"].assert_eq(&lines.concat());
}

#[tokio::test]
async fn an_outcome_that_no_decision_knows_is_tried_again_and_told_with_its_function() {
    let (server, db) = answering(json!({"outcome": "unheard_of"})).await;
    let errors = ask_everything(&db).await;
    let requests = server.received_requests().await.unwrap();
    for (request, error) in requests.iter().zip(&errors) {
        let function = request.url.path().rsplit('/').next().unwrap();
        assert!(error.is_transient(), "{function}");
        assert!(error.to_string().starts_with(&format!("{function}: the outcome `unheard_of`")), "{error}");
    }
    assert_eq!((requests.len(), errors.len()), (errors.len(), 49));
}

#[tokio::test]
async fn what_is_no_decision_at_all_is_an_error_of_every_decision_and_never_quoted() {
    for answer in [json!({}), json!([]), json!(null), json!("Ann Example"), json!({"outcome": "Ann Example"})] {
        let (_server, db) = answering(answer).await;
        for error in ask_everything(&db).await {
            assert!(error.is_transient() && error.to_string().ends_with("the answer has no outcome"), "{error}");
        }
    }
    let unreadable = json!({"outcome": "ready", "voice_id": {"name": "Ann Example"}});
    let error = known::<RequestedClone>("request_clone", unreadable).unwrap_err();
    assert_eq!(error.to_string(), "request_clone: the outcome `ready` has members of another kind");
}

fn requested(answer: Value) -> Result<RequestedClone, Error> {
    accepted("request_clone", answer)
}

#[test]
fn a_refusal_of_the_database_is_a_refusal_of_the_api() {
    let error = requested(json!({"outcome": "employee_not_found"})).unwrap_err();
    assert!(matches!(error, Error::Refused { refusal: Refusal::EmployeeNotFound, members } if members.is_empty()));
}

#[test]
fn a_refusal_with_a_figure_keeps_it() {
    let error = requested(json!({"outcome": "voice_quota_reached", "figure": 5, "limit": 5, "unit": "voices"}));
    let Err(Error::Refused { refusal, members }) = error else { panic!("a refusal with its figure") };
    assert_eq!((refusal, &members["limit"]), (Refusal::VoiceQuotaReached, &5.into()));
}

#[test]
fn the_outcomes_of_a_request_are_told_apart() {
    assert!(matches!(requested(json!({"outcome": "ready", "voice_id": "v"})), Ok(RequestedClone::Ready { .. })));
    let attempt = |outcome: &str| requested(json!({"outcome": outcome, "attempt_id": ID}));
    assert!(matches!(attempt("pending"), Ok(RequestedClone::Pending(_))));
    assert!(matches!(attempt("requested"), Ok(RequestedClone::Requested(_))));
}

#[test]
fn a_key_without_its_id_never_gets_past_the_decision_that_handed_it_out() {
    fn refused<T: DeserializeOwned>(answer: Value) {
        assert!(known::<T>("f", answer.clone()).is_ok(), "{answer}");
        let incomplete = serde_json::from_str(&answer.to_string().replace("\"E/", "\"/")).unwrap();
        assert!(known::<T>("f", incomplete).err().expect("an error").is_transient(), "{answer}");
    }
    let newest =
        json!({"write_id": ID, "recording_sid": recording_sid(), "storage_path": "E/RE1.wav", "copy_to": "E/E.wav"});
    let metadata = json!({"write_id": ID, "path": "E/E.json", "body": {}});
    let copy = json!({"copy_id": ID, "kind": "metadata", "reference": {"path": "E/E.json", "body": {}}});
    refused::<recordings::RecordingTarget>(json!({"outcome": "store", "storage_path": "E/RE1.wav", "write_id": ID}));
    refused::<recordings::RecordingTarget>(json!({"outcome": "erased", "storage_path": "E/RE1.wav"}));
    refused::<recordings::FinishedIngest>(json!({"outcome": "stored", "newest": newest}));
    refused::<recordings::Published>(json!({"outcome": "erased", "storage_path": "E/E.wav"}));
    refused::<clones::FinishedClone>(json!({"outcome": "finished", "metadata": metadata, "delete_voices": []}));
    refused::<writes::WrittenMetadata>(json!({"outcome": "behind", "attempt_id": ID, "metadata": metadata}));
    refused::<erasures::BegunErasure>(json!({
        "outcome": "erase", "is_listed": true, "copies": [copy], "blocked": [], "wait_seconds": null,
    }));
    refused::<consents::GrantedConsent>(json!({"outcome": "evidence_wanted", "object": "E/e/1", "copy_from": null}));
}
