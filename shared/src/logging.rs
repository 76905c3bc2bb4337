//! The log of a function.

use lambda_http::tracing::level_filters::LevelFilter;
use lambda_http::tracing::subscriber;

/// Lets a function log to standard output: JSON if Lambda asks for it, from the level that Lambda names, or from INFO.
///
/// The function of `lambda_runtime` for this also reads filters from `RUST_LOG`, whose regular expressions would be a
/// twentieth of each zip.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-advanced.html>
pub fn init() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    let level = variable("AWS_LAMBDA_LOG_LEVEL").parse().unwrap_or(LevelFilter::INFO);
    let log = subscriber::fmt().with_target(false).without_time().with_max_level(level);
    if variable("AWS_LAMBDA_LOG_FORMAT").eq_ignore_ascii_case("json") {
        log.json().init();
    } else {
        log.init();
    }
}
