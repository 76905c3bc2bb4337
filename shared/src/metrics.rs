//! Metrics. Each is one line of JSON on standard output, from which CloudWatch reads it (the embedded metric format).
//!
//! Lambda does not change a line that is JSON already. A line without a level counts as `INFO`, which every
//! [`LogLevel`] of the template lets through. Each line is written at once, so that a killed function loses no figure.
//! A message may be worked on twice, so a figure may be a little too high.
//!
//! Each value of a dimension costs money, so its values come from a small set: a function, a step, a code. Other
//! values, such as the correlation id, are members of the line without being dimensions, for queries.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html>
//!
//! [`LogLevel`]: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html

use std::future::Future;
use std::io::Write;
use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use serde_json::{Map, Value, json};

use crate::correlation::CorrelationId;

/// The dimension for the function, by the name that AWS's own metrics use.
const FUNCTION: &str = "FunctionName";

/// The name of a dimension, and its value.
pub type Dimension<'a> = (&'static str, &'a str);

/// The origin of the metrics.
struct Origin {
    namespace: String,
    function: String,
}

/// `None` if the environment names no namespace, as in tests; then no metrics are written.
static ORIGIN: LazyLock<Option<Origin>> = LazyLock::new(|| {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(Origin { namespace: variable("METRICS_NAMESPACE")?, function: variable("AWS_LAMBDA_FUNCTION_NAME")? })
});

/// Counts something that has happened, for the function as a whole and by the dimensions. `more` is only for queries.
pub fn count(name: &'static str, number: usize, by: &[Dimension], more: &[Dimension]) {
    write(name, "Count", json!(number), by, more, true);
}

/// Does a step of some work and records its duration, whether it succeeds or fails.
pub async fn timed<F: Future>(step: &'static str, work: F) -> F::Output {
    let began = Instant::now();
    let outcome = work.await;
    write("StepSeconds", "Seconds", json!(began.elapsed().as_secs_f64()), &[("Step", step)], &[], false);
    outcome
}

fn write(name: &str, unit: &str, value: Value, by: &[Dimension], more: &[Dimension], also_in_total: bool) {
    let Some(origin) = &*ORIGIN else { return };
    let line = line(origin, (name, unit, value), by, more, also_in_total);
    // If the line cannot be written, an error message could not be written either.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn line(
    origin: &Origin,
    (name, unit, value): (&str, &str, Value),
    by: &[Dimension],
    more: &[Dimension],
    also_in_total: bool,
) -> Value {
    let total = vec![FUNCTION];
    let apart = total.iter().copied().chain(by.iter().map(|(name, _)| *name)).collect();
    let sets = if also_in_total && !by.is_empty() { vec![total, apart] } else { vec![apart] };
    let milliseconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let metadata = json!({
        "Timestamp": u64::try_from(milliseconds).unwrap_or_default(),
        "CloudWatchMetrics": [{
            "Namespace": origin.namespace, "Dimensions": sets, "Metrics": [{"Name": name, "Unit": unit}],
        }],
    });
    let mut line = Map::from_iter([("_aws".to_owned(), metadata), ("level".to_owned(), json!("INFO"))]);
    line.insert(name.to_owned(), value);
    line.insert(FUNCTION.to_owned(), json!(origin.function));
    line.extend(by.iter().chain(more).map(|(name, value)| ((*name).to_owned(), json!(value))));
    if let Some(id) = CorrelationId::current() {
        // The id is at the place where all other log lines have it.
        line.insert("span".to_owned(), json!({"correlation_id": id.as_str()}));
    }
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlation::under;

    fn made(by: &[Dimension], more: &[Dimension], also_in_total: bool) -> Value {
        let origin = Origin { namespace: "understudy".into(), function: "understudy-clone-worker".into() };
        line(&origin, ("ClonesRefused", "Count", json!(1)), by, more, also_in_total)
    }

    #[test]
    fn a_line_has_what_cloudwatch_takes_a_metric_from() {
        let line = made(&[("Code", "sample_too_short")], &[], true);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "understudy");
        assert_eq!(directive["Dimensions"], json!([["FunctionName"], ["FunctionName", "Code"]]));
        assert_eq!(directive["Metrics"], json!([{"Name": "ClonesRefused", "Unit": "Count"}]));
        assert!(line["_aws"]["Timestamp"].as_u64().is_some_and(|milliseconds| milliseconds > 1_700_000_000_000));
        // Each reference has its member at the root.
        assert_eq!((&line["ClonesRefused"], &line["Code"]), (&json!(1), &json!("sample_too_short")));
        assert_eq!((&line["FunctionName"], &line["level"]), (&json!("understudy-clone-worker"), &json!("INFO")));
    }

    #[test]
    fn what_is_only_for_queries_is_no_dimension() {
        let line = made(&[], &[("Action", "add a voice")], true);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(line["Action"], "add a voice");
    }

    #[test]
    fn what_means_nothing_added_up_has_no_total() {
        let line = made(&[("Step", "make_sample")], &[], false);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["FunctionName", "Step"]]));
    }

    #[tokio::test]
    async fn a_line_has_the_correlation_id_where_all_log_lines_have_it() {
        let id = CorrelationId::parse("JKJaXmPLvHcESHA=");
        let line = under(id, async { made(&[], &[], true) }).await;
        assert_eq!(line["span"]["correlation_id"], "JKJaXmPLvHcESHA=");
        assert!(made(&[], &[], true).get("span").is_none());
    }
}
