//! Rounding of the figures in a report.

use serde::{Serialize, Serializer};

/// Rounds to two decimals, which is more than the accuracy of any figure.
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

pub fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(round(*value))
}

pub fn rounded_if_any<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(round).serialize(serializer)
}
