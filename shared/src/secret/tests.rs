use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};
use wiremock::matchers::body_partial_json;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::twilio::TwilioSecret;

const HOUR: Duration = Duration::from_secs(60 * 60);
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const NEW: &str = "0123456789abcdef0123456789abcdef";
const OLD: &str = "fedcba9876543210fedcba9876543210";

fn secret(server: &MockServer) -> Secret<TwilioSecret> {
    secret_at(server.uri())
}

fn secret_at(url: String) -> Secret<TwilioSecret> {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(url);
    let client = Client::from_conf(config.build());
    Secret::new(client, "arn:understudy/twilio".to_owned(), TwilioSecret::problem_for_callbacks)
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
async fn a_secret_that_was_read_and_is_unusable_keeps_the_function_from_starting() {
    for (value, field) in [(token(""), "auth_token"), (token("short-token"), "auth_token"), (json!("x"), "JSON")] {
        let server = secrets_manager(&[(CURRENT, value.clone(), HOUR)]).await;
        let secret = secret(&server);
        let error = secret.warm_up().await.unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("arn:understudy/twilio"), "{error}");
        assert!(!error.contains("short-token"), "{error}");
        assert!(secret.get().await.is_err() && secret.valid().await.is_err(), "{value} is never handed out");
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_just_now_is_read_when_it_is_needed() {
    let server = secrets_manager(&[]).await;
    let secret = secret(&server);
    assert!(secret.warm_up().await.is_ok());
    assert!(secret.get().await.is_err());
    server.reset().await;
    let body = json!({"ARN": "arn", "Name": "twilio", "SecretString": token(NEW).to_string(), "CreatedDate": 1});
    Mock::given(wiremock::matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;
    assert!(secret.get().await.is_ok());
}

#[tokio::test]
async fn an_unusable_new_version_does_not_take_the_place_of_the_one_in_memory() {
    let server = secrets_manager(&[(CURRENT, token(NEW), HOUR)]).await;
    let secret = secret(&server);
    secret.warm_up().await.unwrap();
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

/// The number of requests that Secrets Manager got.
async fn reads(server: &MockServer) -> usize {
    server.received_requests().await.unwrap().len()
}

#[tokio::test]
async fn a_secret_that_is_turned_away_again_and_again_is_read_once_a_minute() {
    let server = secrets_manager(&[(CURRENT, token(NEW), HOUR)]).await;
    let secret = secret(&server);
    secret.warm_up().await.unwrap();
    assert!(secret.renew().await);
    assert!(!secret.renew().await && secret.reread_valid().await.unwrap().is_none());
    assert_eq!(reads(&server).await, 2);
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
    secret.warm_up().await.unwrap();
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
