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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    struct Figures {
        #[serde(serialize_with = "rounded")]
        always: f64,
        #[serde(serialize_with = "rounded_if_any")]
        maybe: Option<f64>,
    }

    #[test]
    fn a_figure_has_two_decimals_and_one_that_was_not_measured_is_null() {
        let figures = |always, maybe| serde_json::to_value(Figures { always, maybe }).expect("figures");
        assert_eq!(figures(-20.5049, Some(1.006)), json!({"always": -20.5, "maybe": 1.01}));
        assert_eq!(figures(0.0, None), json!({"always": 0.0, "maybe": null}));
    }
}
