//! The reasons why there is no sample.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use wav::NotAudio;

use crate::rounding::round;

/// The reason why a recording, or all of them together, give no sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Problem {
    /// The recording is no longer where it was stored.
    RecordingMissing,
    /// The bytes are not a WAV that holds a call.
    NotAudio(NotAudio),
    /// Nobody has said which channel is the employee's, or the only channel holds another party.
    EmployeeChannelUnknown,
    /// A cloned voice spoke in the call.
    Synthetic,
    /// Both parties are in one channel.
    MixedSpeakers(Measure),
    /// Less speech of the employee than a clone needs.
    TooShort(Measure),
    /// The employee is hardly louder than the line's own noise.
    TooQuiet(Measure),
    /// The peaks of the voice are cut off.
    Clipped(Measure),
    /// The noise would be heard in the clone.
    TooNoisy(Measure),
}

/// A figure that was measured, and its limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// The figure that was measured.
    pub figure: f64,
    /// The limit that it is held against.
    pub limit: f64,
    /// The unit of both.
    pub unit: &'static str,
}

impl Problem {
    pub(crate) const MIXED_MONO: Self = Self::MixedSpeakers(Measure { figure: 1.0, limit: 2.0, unit: "channels" });

    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::RecordingMissing => "recording_missing",
            Self::NotAudio(_) => "recording_not_audio",
            Self::EmployeeChannelUnknown => "employee_channel_unknown",
            Self::Synthetic => "sample_synthetic",
            Self::MixedSpeakers(_) => "sample_mixed_speakers",
            Self::TooShort(_) => "sample_too_short",
            Self::TooQuiet(_) => "sample_too_quiet",
            Self::Clipped(_) => "sample_clipped",
            Self::TooNoisy(_) => "sample_too_noisy",
        }
    }

    /// The figure and its limit, where there is one.
    pub fn measure(self) -> Option<Measure> {
        match self {
            Self::RecordingMissing | Self::NotAudio(_) | Self::EmployeeChannelUnknown | Self::Synthetic => None,
            Self::MixedSpeakers(measure)
            | Self::TooShort(measure)
            | Self::TooQuiet(measure)
            | Self::Clipped(measure)
            | Self::TooNoisy(measure) => Some(measure),
        }
    }
}

impl From<NotAudio> for Problem {
    fn from(reason: NotAudio) -> Self {
        Self::NotAudio(reason)
    }
}

/// `{"code": …}`, with the figure, the limit and the unit, or the reason, beside it.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", self.code())?;
        if let Self::NotAudio(NotAudio(reason)) = self {
            map.serialize_entry("reason", reason)?;
        }
        if let Some(Measure { figure, limit, unit }) = self.measure() {
            map.serialize_entry("figure", &round(figure))?;
            map.serialize_entry("limit", &limit)?;
            map.serialize_entry("unit", unit)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_written_with_its_figure_and_limit_or_with_its_reason() {
        let measure = Measure { figure: 12.346, limit: 30.0, unit: "seconds" };
        let measured = |code| json!({"code": code, "figure": 12.35, "limit": 30.0, "unit": "seconds"});
        for (problem, written) in [
            (Problem::RecordingMissing, json!({"code": "recording_missing"})),
            (
                Problem::NotAudio(NotAudio("it is empty")),
                json!({"code": "recording_not_audio", "reason": "it is empty"}),
            ),
            (Problem::EmployeeChannelUnknown, json!({"code": "employee_channel_unknown"})),
            (Problem::Synthetic, json!({"code": "sample_synthetic"})),
            (Problem::MixedSpeakers(measure), measured("sample_mixed_speakers")),
            (Problem::TooShort(measure), measured("sample_too_short")),
            (Problem::TooQuiet(measure), measured("sample_too_quiet")),
            (Problem::Clipped(measure), measured("sample_clipped")),
            (Problem::TooNoisy(measure), measured("sample_too_noisy")),
        ] {
            assert_eq!(serde_json::to_value(problem).expect("a problem is serialisable"), written);
        }
    }
}
