//! One invocation of a function.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use lambda_http::Context;

use crate::correlation::{CorrelationId, under};
use crate::metrics;

static IS_WARM: AtomicBool = AtomicBool::new(false);

/// Does the work of an invocation under `id`, or else under the id of Lambda's own request. Counts the first invocation
/// of an environment as a cold start.
pub async fn invocation<F: Future>(context: &Context, id: Option<CorrelationId>, work: F) -> F::Output {
    under(id.or_else(|| of_lambda(context)), async {
        if !IS_WARM.swap(true, Ordering::Relaxed) {
            metrics::count("ColdStarts", 1, &[], &[]);
        }
        work.await
    })
    .await
}

/// The id of Lambda's own request.
pub(crate) fn of_lambda(context: &Context) -> Option<CorrelationId> {
    CorrelationId::parse(&context.request_id)
}
