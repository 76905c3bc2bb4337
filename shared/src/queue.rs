//! Messages between the functions: sending one, and working through a batch that has arrived.

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_sqs::types::MessageAttributeValue;
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use lambda_http::LambdaEvent;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::aws::aws_cause;
use crate::correlation::{CorrelationId, under};
use crate::error::Error;
use crate::invocation::{invocation, of_lambda};

/// The messages of a batch that have failed and stay in the queue.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
pub use aws_lambda_events::sqs::SqsBatchResponse as BatchResponse;

/// The attribute of a message that holds its sender's correlation id.
const CORRELATION_ID: &str = "correlation_id";
/// The first delay of a failed message; doubles with each receipt.
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// The longest delay before chance spreads it. With chance it is 18 minutes, and `supabase/schemas/sweep.sql` waits for a minute more.
const LONGEST_DELAY: Duration = Duration::from_secs(900);
/// The share by which chance makes a delay shorter or longer. Messages that failed together would otherwise come back together and
/// fail again: `docs/scale.md` has a campaign of either kind.
const SPREAD: f64 = 0.2;
/// A message that can never succeed is not delayed, so that it reaches the dead letters soon.
const NO_DELAY: Duration = Duration::ZERO;

/// An SQS queue.
pub struct Queue {
    client: aws_sdk_sqs::Client,
    url: String,
}

/// The batch of messages that the event source hands to a function: each has an id, a receipt handle and a body.
///
/// Each body is parsed by itself, so that one bad message fails alone.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
#[derive(Deserialize)]
#[serde(try_from = "SqsEvent")]
pub struct Batch(SqsEvent);

impl TryFrom<SqsEvent> for Batch {
    type Error = &'static str;

    /// # Errors
    /// A message lacks its body, its id or its receipt handle, so all messages stay in the queue.
    fn try_from(event: SqsEvent) -> Result<Self, &'static str> {
        let is_whole = |message: &SqsMessage| {
            message.message_id.is_some() && message.receipt_handle.is_some() && message.body.is_some()
        };
        if !event.records.iter().all(is_whole) {
            return Err("a message lacks its id, its receipt handle or its body");
        }
        Ok(Self(event))
    }
}

impl Queue {
    /// A queue by its URL.
    pub fn new(client: aws_sdk_sqs::Client, url: String) -> Self {
        Self { client, url }
    }

    /// True if a batch has come from this queue, for a function that reads from several.
    pub fn is_source_of(&self, batch: &Batch) -> bool {
        let name = |address: &str, separator| address.rsplit(separator).next().unwrap_or_default().to_owned();
        let source = batch.0.records.first().and_then(|first| first.event_source_arn.as_deref());
        source.is_some_and(|source| name(source, ':') == name(&self.url, '/'))
    }

    /// Puts a message into the queue, with the correlation id of the current work.
    pub async fn send(&self, message: &impl Serialize) -> Result<(), Error> {
        let body = serde_json::to_string(message).map_err(Error::unavailable("writing a message"))?;
        let mut request = self.client.send_message().queue_url(&self.url).message_body(body);
        if let Some(id) = CorrelationId::current() {
            let value = MessageAttributeValue::builder().data_type("String").string_value(id.as_str()).build();
            request =
                request.message_attributes(CORRELATION_ID, value.map_err(Error::unavailable("writing a message"))?);
        }
        let answer = request.send().await;
        answer.map(drop).map_err(|error| Error::unavailable("queueing a message")(aws_cause(&error)))
    }

    /// Puts many messages into the queue, some at the same time.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if any of them could not be sent; others may have been.
    pub async fn send_all(&self, messages: &[impl Serialize]) -> Result<(), Error> {
        const AT_ONCE: usize = 16;
        let sent = stream::iter(0..messages.len()).map(|n| self.send(&messages[n])).buffer_unordered(AT_ONCE);
        sent.try_collect().await
    }

    /// Works through a batch, one message at a time, each under its sender's correlation id. A message that fails stays
    /// in the queue and becomes visible again after a delay that grows with its receipts and is spread by chance, or after
    /// the time that the error asks for.
    pub async fn work<M, F>(&self, event: LambdaEvent<Batch>, mut work: impl FnMut(M) -> F) -> BatchResponse
    where
        M: DeserializeOwned,
        F: Future<Output = Result<(), Error>>,
    {
        let LambdaEvent { payload: Batch(SqsEvent { records, .. }), context } = event;
        let first = records.first().and_then(correlation_id);
        let worked_through = async {
            let mut response = BatchResponse::default();
            for message in records {
                let id = correlation_id(&message).or_else(|| of_lambda(&context));
                if !under(id, self.is_done(&message, &mut work)).await {
                    response.add_failure(message.message_id.unwrap_or_default());
                }
            }
            response
        };
        invocation(&context, first, worked_through).await
    }

    /// Works on one message, and delays it if it fails.
    async fn is_done<M, F>(&self, message: &SqsMessage, work: &mut impl FnMut(M) -> F) -> bool
    where
        M: DeserializeOwned,
        F: Future<Output = Result<(), Error>>,
    {
        let outcome = match serde_json::from_str(message.body.as_deref().unwrap_or_default()) {
            // The future is boxed, because otherwise the nested futures exceed the compiler's recursion limit.
            Ok(body) => work(body).boxed_local().await,
            Err(_) => Err(Error::Unusable("the message is not one of ours")),
        };
        let Err(error) = outcome else { return true };
        let delay = delay(&error, message);
        tracing::warn!(%error, message_id = message.message_id, delay_seconds = delay.as_secs(), "the message stays in the queue");
        self.delay(message.receipt_handle.clone().unwrap_or_default(), delay).await;
        false
    }

    /// Makes a failed message visible again after `delay`. If that fails, the queue's own visibility timeout holds.
    async fn delay(&self, receipt_handle: String, delay: Duration) {
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.change_message_visibility().queue_url(&self.url);
        if let Err(error) = request.receipt_handle(receipt_handle).visibility_timeout(seconds).send().await {
            tracing::warn!(error = aws_cause(&error), "the delay of a message could not be set");
        }
    }
}

/// The correlation id of the message's sender; `None` if the message has no valid one.
fn correlation_id(message: &SqsMessage) -> Option<CorrelationId> {
    CorrelationId::parse(message.message_attributes.get(CORRELATION_ID)?.string_value.as_deref()?)
}

fn delay(error: &Error, message: &SqsMessage) -> Duration {
    if !error.is_transient() {
        return NO_DELAY;
    }
    if let Error::NotYet { retry_after: Some(exactly), .. } = error {
        // The database knows exactly when to look again.
        return (*exactly).min(LONGEST_DELAY);
    }
    let receipts: u32 =
        message.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
    let growing = (FIRST_DELAY * 2_u32.saturating_pow(receipts.saturating_sub(1).min(10))).min(LONGEST_DELAY);
    let wish = error.retry_after().unwrap_or_default().min(LONGEST_DELAY);
    let chance = by_chance(message);
    // A vendor's wish can only lengthen the delay: "at once", again and again, would use up the receipts.
    growing.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance).max(wish.mul_f64(1.0 + SPREAD * chance))
}

/// A number from 0 to 1 that differs with each receipt, as SQS makes each receipt handle anew.
fn by_chance(message: &SqsMessage) -> f64 {
    let mut hasher = DefaultHasher::new();
    message.receipt_handle.hash(&mut hasher);
    f64::from(hasher.finish() as u16) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use lambda_http::Context;
    use serde_json::{Value, json};
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::aws::stand_in;
    use crate::clients::VendorError;

    fn batch(messages: &Value) -> Result<Batch, serde_json::Error> {
        serde_json::from_str(&json!({"Records": messages}).to_string())
    }

    fn message(times: &str) -> Value {
        json!({
            "messageId": "m", "receiptHandle": "r", "body": "", "attributes": {"ApproximateReceiveCount": times},
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:clones",
        })
    }

    fn received(times: &str) -> SqsMessage {
        serde_json::from_value(message(times)).unwrap()
    }

    fn not_yet(retry_after: Option<Duration>) -> Error {
        Error::NotYet { reason: "the call", retry_after }
    }

    #[test]
    fn a_batch_tells_which_queue_it_is_from() {
        let client = aws_sdk_sqs::Client::new(&stand_in(String::new()));
        let queue = |url: &str| Queue::new(client.clone(), url.into());
        let clones = batch(&json!([message("1")])).unwrap();
        assert!(queue("https://sqs.eu-west-1.amazonaws.com/123456789012/clones").is_source_of(&clones));
        assert!(!queue("https://sqs.eu-west-1.amazonaws.com/123456789012/campaigns").is_source_of(&clones));
        assert!(!queue("https://sqs/clones").is_source_of(&batch(&json!([])).unwrap()));
    }

    #[test]
    fn a_batch_that_could_not_be_worked_through_or_answered_is_none() {
        assert!(batch(&json!([message("1")])).is_ok());
        assert!(batch(&json!([{"messageId": "m", "receiptHandle": "r", "body": "not ours"}])).is_ok());
        for name in ["messageId", "receiptHandle", "body"] {
            for wrong in [json!(null), json!(7)] {
                let mut lacking = message("1");
                lacking[name] = wrong;
                assert!(batch(&json!([message("1"), lacking])).is_err(), "{name}");
            }
            let mut lacking = message("1");
            lacking.as_object_mut().unwrap().remove(name);
            assert!(batch(&json!([message("1"), lacking])).is_err(), "{name}");
        }
        assert!(batch(&json!(null)).is_err());
        assert!(serde_json::from_str::<Batch>("{}").is_err());
    }

    #[test]
    fn a_message_tells_the_correlation_id_of_its_sender_and_nothing_that_is_none() {
        let read = |attributes: Value| {
            let mut message = message("1");
            message["messageAttributes"] = attributes;
            correlation_id(&serde_json::from_value(message).unwrap()).map(|id| id.to_string())
        };
        let sent = |value: Value| json!({"correlation_id": {"stringValue": value, "dataType": "String"}});
        assert_eq!(read(sent(json!("JKJaXmPLvHcESHA="))).as_deref(), Some("JKJaXmPLvHcESHA="));
        for wrong in [json!({}), json!(null), sent(json!(null)), sent(json!("two\nlines!"))] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
        assert_eq!(correlation_id(&received("1")), None);
    }

    /// Asserts that of a thousand messages that were received as often and failed together, the shortest delay, the mean and
    /// the longest are these, in seconds, but for one in a hundred: chance has no more to say.
    fn assert_delays(error: &Error, receipts: &str, expected: [f64; 3]) {
        let mut message = received(receipts);
        let mut seconds: Vec<f64> = (0..1_000)
            .map(|handle| {
                message.receipt_handle = Some(format!("handle {handle}"));
                delay(error, &message).as_secs_f64()
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let found = [seconds[0], seconds.iter().sum::<f64>() / 1_000.0, seconds[999]];
        let is_near = |n: usize| (found[n] / expected[n] - 1.0).abs() < 0.01;
        assert!((0..3).all(is_near), "after {receipts} receipts: {found:?}, not {expected:?}");
    }

    #[test]
    fn the_delay_grows_with_each_receipt_up_to_a_bound_and_messages_that_failed_together_come_back_apart() {
        for (receipts, mean) in
            [("1", 10.0), ("2", 20.0), ("3", 40.0), ("7", 640.0), ("8", 900.0), ("4000000000", 900.0)]
        {
            assert_delays(&not_yet(None), receipts, [0.8 * mean, mean, 1.2 * mean]);
        }
    }

    #[test]
    fn a_lease_that_runs_out_at_a_known_time_is_waited_for_exactly() {
        let delay = |seconds| delay(&not_yet(Some(Duration::from_secs(seconds))), &received("5")).as_secs();
        assert_eq!((delay(77), delay(10_000)), (77, 900));
    }

    #[test]
    fn a_vendors_retry_after_only_makes_the_delay_longer() {
        let asks_for = |seconds| {
            let retry_after = Some(Duration::from_secs(seconds));
            let (vendor, action) = ("elevenlabs", "add a voice");
            Error::from(VendorError { vendor, action, status: None, code: None, retry_after, cause: None })
        };
        assert_delays(&asks_for(0), "3", [32.0, 40.0, 48.0]);
        assert_delays(&asks_for(100), "3", [100.0, 110.0, 120.0]);
        assert_delays(&asks_for(10_000), "3", [900.0, 990.0, 1_080.0]);
    }

    #[test]
    fn a_message_that_will_never_be_right_is_not_waited_for() {
        assert_eq!(delay(&Error::Unusable("garbage"), &received("3")), NO_DELAY);
    }

    #[test]
    fn the_answer_names_the_failed_messages_as_lambda_expects() {
        let mut response = BatchResponse::default();
        response.add_failure("m");
        let json = serde_json::to_string(&response).unwrap();
        assert_eq!(json, r#"{"batchItemFailures":[{"itemIdentifier":"m"}]}"#);
    }

    /// A queue at a stand-in for SQS, which takes everything.
    async fn queue_at(server: &MockServer) -> Queue {
        let taken = ResponseTemplate::new(200).set_body_json(json!({"MessageId": "m"}));
        Mock::given(any()).respond_with(taken).mount(server).await;
        Queue::new(aws_sdk_sqs::Client::new(&stand_in(server.uri())), "https://sqs/clones".into())
    }

    /// The requests to SQS: the action, and the parameters.
    async fn requests(server: &MockServer) -> Vec<(String, Value)> {
        let requests = server.received_requests().await.unwrap();
        let action = |target: &http::HeaderValue| target.to_str().unwrap().replace("AmazonSQS.", "");
        requests
            .iter()
            .map(|request| (action(&request.headers["x-amz-target"]), request.body_json().unwrap()))
            .collect()
    }

    #[tokio::test]
    async fn a_message_that_fails_stays_in_the_queue_and_is_delayed_and_the_others_are_worked_on() {
        let server = MockServer::start().await;
        let messages = ["1", "2", "not ours", "1"].iter().enumerate().map(|(n, body)| {
            let told = json!({"messageId": format!("m{n}"), "receiptHandle": format!("r{n}"), "body": body});
            let mut message = message("1");
            message.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
            message
        });
        let event = LambdaEvent::new(batch(&messages.collect()).unwrap(), Context::default());
        let mut worked_on = Vec::new();
        let work = |number: u8| {
            worked_on.push(number);
            std::future::ready(if number == 1 { Ok(()) } else { Err(not_yet(Some(Duration::from_secs(77)))) })
        };
        let response = queue_at(&server).await.work(event, work).await;
        let failed = json!({"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]});
        assert_eq!((worked_on, serde_json::to_value(&response).unwrap()), (vec![1, 2, 1], failed));
        let delayed = |handle: &str, seconds: u64| {
            let delay =
                json!({"QueueUrl": "https://sqs/clones", "ReceiptHandle": handle, "VisibilityTimeout": seconds});
            ("ChangeMessageVisibility".to_owned(), delay)
        };
        assert_eq!(requests(&server).await, [delayed("r1", 77), delayed("r2", 0)]);
    }

    #[tokio::test]
    async fn a_message_is_sent_with_the_correlation_id_of_the_work() {
        let server = MockServer::start().await;
        let queue = queue_at(&server).await;
        crate::correlation::under(CorrelationId::parse("JKJaXmPLvHcESHA="), queue.send(&json!({"a": 1})))
            .await
            .unwrap();
        queue.send_all(&[2, 2]).await.unwrap();
        let sent =
            |body: &str| ("SendMessage".to_owned(), json!({"QueueUrl": "https://sqs/clones", "MessageBody": body}));
        let mut first = sent(r#"{"a":1}"#);
        first.1["MessageAttributes"] =
            json!({"correlation_id": {"DataType": "String", "StringValue": "JKJaXmPLvHcESHA="}});
        assert_eq!(requests(&server).await, [first, sent("2"), sent("2")]);
    }
}
