//! The correlation id: one id for all work that follows from one request. Every log line, every message and every
//! request to a vendor has it.
//!
//! It is the id that API Gateway gives a request, which stands in its access log, too. A client of an HTTP API cannot
//! choose it, unlike `X-Amzn-Trace-Id`; besides, X-Ray does not trace HTTP APIs. Work that no request has begun, such
//! as a sweep, has the id of Lambda's own request. The id says nothing about a person.
//!
//! Source: <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html>,
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-services-apigateway.html>

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tracing::Instrument;

tokio::task_local! {
    static CURRENT: CorrelationId;
}

/// The id of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationId(Arc<str>);

impl CorrelationId {
    /// Reads an id. It must be one short word, since it goes into logs and headers; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'/' | b'=');
        ((8..=64).contains(&text.len()) && text.bytes().all(is_id)).then(|| Self(text.into()))
    }

    /// The id of the current work; `None` if there is none, as at a cold start.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// The id as it stands in logs, messages and headers.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Does some work under an id, which all its log lines have in their span. If `id` is `None`, the caller's id stays.
pub async fn under<F: Future>(id: Option<CorrelationId>, work: F) -> F::Output {
    let Some(id) = id.filter(|id| CorrelationId::current().as_ref() != Some(id)) else { return work.await };
    let span = tracing::info_span!("work", correlation_id = %id);
    CURRENT.scope(id, work.instrument(span)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_api_gateway_and_lambda_are_ids_and_nothing_that_could_forge_a_line_is() {
        for id in ["JKJaXmPLvHcESHA=", "7e877e06-4b0c-4b0f-8f6e-0a1b2c3d4e5f", "aB3_-+/="] {
            assert_eq!(CorrelationId::parse(id).unwrap().as_str(), id);
        }
        let long = "a".repeat(65);
        for wrong in ["", "short", "two words", "line\nline2", "\"quoted\"", "caf\u{e9}-caf\u{e9}", long.as_str()] {
            assert_eq!(CorrelationId::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn work_has_the_id_that_it_is_done_under_and_without_one_that_of_whoever_asks() {
        let [outer, inner] = ["outer-id", "inner-id"].map(CorrelationId::parse);
        let current = async || CorrelationId::current();
        assert_eq!(current().await, None);
        under(outer.clone(), async {
            assert_eq!(under(inner.clone(), current()).await, inner);
            assert_eq!(under(None, current()).await, outer);
        })
        .await;
        assert_eq!(current().await, None);
    }
}
