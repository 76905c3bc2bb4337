use serde_json::{Value, json};
use wiremock::matchers::{body_json, body_partial_json, header};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::aws;
use crate::clients::elevenlabs::ElevenLabsSecret;
use crate::clients::twilio::TwilioSecret;

const HOUR: Duration = Duration::from_secs(60 * 60);
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const NEW: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "fedcba9876543210fedcba9876543210";

const TWILIO: &str = "arn:understudy/twilio";
const ELEVENLABS: &str = "arn:understudy/elevenlabs";

fn client(url: String) -> Client {
    Client::new(&aws::stand_in(url))
}

/// The secret as a function has it that could not read it at its start.
fn secret(server: &MockServer) -> Secret<TwilioSecret> {
    secret_at(server.uri())
}

fn secret_at(url: String) -> Secret<TwilioSecret> {
    Secret::new(client(url), TWILIO.to_owned(), TwilioSecret::problem_for_callbacks)
}

/// A stand-in for Secrets Manager that has one secret, and that secret, not read yet.
pub(crate) async fn served<T: DeserializeOwned>(value: Value) -> (MockServer, Secret<T>) {
    let server = secrets_manager(&[(CURRENT, value, HOUR)]).await;
    let secret = Secret::new(client(server.uri()), TWILIO.to_owned(), |_| None);
    (server, secret)
}

/// A start that asks for both secrets, and is answered so.
async fn started(server: &MockServer, values: Value, errors: Value) -> SecretsAtStart {
    let asked = Mock::given(header("X-Amz-Target", "secretsmanager.BatchGetSecretValue"))
        .and(body_json(json!({"SecretIdList": [ELEVENLABS, TWILIO]})));
    let body = json!({"SecretValues": values, "Errors": errors});
    asked.respond_with(ResponseTemplate::new(200).set_body_json(body)).with_priority(1).mount(server).await;
    SecretsAtStart::read(client(server.uri()), [TWILIO, ELEVENLABS].map(str::to_owned).into()).await
}

/// The entry of the batch's answer for a secret that was read.
fn read(arn: &str, value: &Value) -> Value {
    json!({"ARN": arn, "Name": arn, "SecretString": value.to_string(), "VersionStages": [CURRENT], "CreatedDate": 1})
}

fn twilio(started: &SecretsAtStart) -> Result<Secret<TwilioSecret>, UnusableSecret> {
    started.secret(TWILIO.to_owned(), TwilioSecret::problem_for_callbacks)
}

/// The number of requests that Secrets Manager got.
pub(crate) async fn requests(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

/// A stand-in for Secrets Manager, with versions by their stage, each with its age.
async fn secrets_manager(versions: &[(&str, Value, Duration)]) -> MockServer {
    let server = MockServer::start().await;
    for (stage, value, age) in versions {
        let made = (SystemTime::now() - *age).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": value.to_string(), "CreatedDate": made});
        let asked = Mock::given(body_partial_json(json!({"VersionStage": stage})));
        asked.respond_with(ResponseTemplate::new(200).set_body_json(body)).mount(&server).await;
    }
    let missing = json!({"__type": "ResourceNotFoundException", "message": "no such version"});
    let answer = ResponseTemplate::new(400).set_body_json(missing);
    Mock::given(wiremock::matchers::any()).respond_with(answer).with_priority(9).mount(&server).await;
    server
}

fn token(text: &str) -> Value {
    json!({"account_sid": ACCOUNT, "auth_token": text})
}

#[tokio::test]
async fn a_function_reads_all_its_secrets_with_one_call() {
    let server = secrets_manager(&[]).await;
    let elevenlabs = json!({"api_key": NEW});
    let started = started(&server, json!([read(TWILIO, &token(NEW)), read(ELEVENLABS, &elevenlabs)]), json!([])).await;
    let elevenlabs = started.secret(ELEVENLABS.to_owned(), ElevenLabsSecret::problem).unwrap();
    assert!(twilio(&started).unwrap().get().await.is_ok() && elevenlabs.get().await.is_ok());
    assert_eq!(requests(&server).await, 1);
}

#[tokio::test]
async fn a_secret_that_was_read_and_is_unusable_keeps_the_function_from_starting() {
    for (value, field) in [(token(""), "auth_token"), (token("short-token"), "auth_token"), (json!("x"), "JSON")] {
        let server = secrets_manager(&[(CURRENT, value.clone(), HOUR)]).await;
        let started = started(&server, json!([read(TWILIO, &value)]), json!([])).await;
        let error = twilio(&started).err().expect("it is unusable").to_string();
        assert!(error.contains(field) && error.contains(TWILIO), "{error}");
        assert!(!error.contains("short-token"), "{error}");
        let secret = secret(&server);
        assert!(secret.get().await.is_err() && secret.valid().await.is_err(), "{value} is never handed out");
    }
}

#[tokio::test]
async fn a_secret_that_could_not_be_read_at_start_is_read_when_it_is_needed() {
    let server = secrets_manager(&[]).await;
    let denied = json!([{"SecretId": TWILIO, "ErrorCode": "AccessDeniedException", "Message": ""}]);
    let of_another = json!([read(ELEVENLABS, &json!({"api_key": NEW}))]);
    let refused = SecretsAtStart::read(client(server.uri()), [TWILIO.to_owned()].into()).await;
    for started in [refused, started(&server, of_another, denied).await] {
        let secret = twilio(&started).expect("it is no reason not to start");
        let server = secrets_manager(&[(CURRENT, token(NEW), HOUR)]).await;
        assert!(secret.get().await.is_err());
        let secret = Secret { client: client(server.uri()), ..secret };
        assert!(secret.get().await.is_ok());
    }
}

#[tokio::test]
async fn an_unusable_new_version_does_not_take_the_place_of_the_one_in_memory() {
    let server = MockServer::start().await;
    let secret = twilio(&started(&server, json!([read(TWILIO, &token(NEW))]), json!([])).await).unwrap();
    server.reset().await;
    let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": token("").to_string(), "CreatedDate": 1});
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    assert!(!secret.renew().await);
    assert!(secret.get().await.is_ok());
}

#[tokio::test]
async fn the_previous_token_is_forgotten_a_day_after_the_rotation_also_in_a_warm_environment() {
    let server = secrets_manager(&[(CURRENT, token(NEW), 20 * HOUR), (PREVIOUS, token(OLD), 500 * HOUR)]).await;
    let secret = secret(&server);
    assert_eq!(secret.reread_valid().await.unwrap().unwrap().len(), 2);
    let count = async |later: Duration| {
        let mut kept = secret.kept.lock().await;
        kept.forget(Instant::now() + later);
        (kept.current.is_some(), kept.in_rotation.len())
    };
    assert_eq!(count(3 * HOUR).await, (true, 1));
    assert_eq!(count(4 * HOUR).await, (true, 0), "it was replaced 24 hours ago");
    assert_eq!(count(24 * HOUR).await, (false, 0), "the current one may have been replaced just after it was read");
    assert_eq!(secret.valid().await.unwrap().len(), 1, "and is read again");
}

#[tokio::test]
async fn a_token_that_was_replaced_more_than_a_day_ago_is_not_even_read() {
    let server = secrets_manager(&[(CURRENT, token(NEW), 25 * HOUR), (PREVIOUS, token(OLD), 500 * HOUR)]).await;
    assert_eq!(secret(&server).reread_valid().await.unwrap().unwrap().len(), 1);
}

#[tokio::test]
async fn a_secret_that_is_turned_away_again_and_again_is_read_once_a_minute() {
    let server = secrets_manager(&[(CURRENT, token(NEW), HOUR)]).await;
    let secret = secret(&server);
    secret.get().await.unwrap();
    assert!(secret.renew().await);
    assert!(!secret.renew().await && secret.reread_valid().await.unwrap().is_none());
    assert_eq!(requests(&server).await, 2);
    let mut kept = secret.kept.lock().await;
    let ago = |time: Duration| Instant::now().checked_sub(time);
    kept.reread_at = ago(REREAD_EVERY - Duration::from_secs(9));
    assert!(!kept.may_reread());
    kept.reread_at = ago(REREAD_EVERY);
    assert!(kept.may_reread() && !kept.may_reread());
}

#[tokio::test]
async fn while_a_rotation_is_under_way_both_of_its_tokens_are_valid_for_a_day() {
    let server = secrets_manager(&[(CURRENT, token(NEW), HOUR), (PENDING, token(OLD), HOUR)]).await;
    let secret = secret(&server);
    secret.get().await.unwrap();
    assert_eq!(secret.valid().await.unwrap().len(), 1);
    assert_eq!(secret.reread_valid().await.unwrap().unwrap().len(), 2);
    assert_eq!(secret.valid().await.unwrap().len(), 2);
    let until = secret.kept.lock().await.in_rotation[0].until;
    let left = until.duration_since(Instant::now());
    assert!(left <= 24 * HOUR && left > 23 * HOUR, "{left:?}");
}

#[test]
fn a_version_is_forgotten_at_the_very_end_of_its_time() {
    let now = Instant::now();
    let held = || Held { value: Arc::new(()), until: now };
    let mut kept = Kept { current: Some(held()), in_rotation: vec![held()], reread_at: None };
    kept.forget(now);
    assert!(kept.current.is_none() && kept.in_rotation.is_empty());
}

#[tokio::test]
async fn a_secret_that_nobody_hands_out_is_an_error_that_says_why() {
    // Nobody listens on the port of a listener that is gone.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = secret_at(url).get().await.map(drop).unwrap_err().to_string();
    assert_eq!(error, "reading a secret: not reachable");
    let server = secrets_manager(&[]).await;
    let error = secret(&server).get().await.map(drop).unwrap_err().to_string();
    assert_eq!(error, "reading a secret: refused: ResourceNotFoundException: no such version");
}
