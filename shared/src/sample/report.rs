//! What a sample was made of, how good it is, and why there is none.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::NotAudio;
use super::wav::Format;
use super::whose::Channel;

/// Why a recording, or all of them together, gives no sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Problem {
    /// It is not where it was stored.
    RecordingMissing,
    /// The bytes are not a WAV that holds a call.
    NotAudio(NotAudio),
    /// Nobody has said which channel is the employee's, or the only one holds another party.
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

/// What was measured, and what would have been enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// What was measured.
    pub figure: f64,
    /// What it is held against.
    pub limit: f64,
    /// What both count.
    pub unit: &'static str,
}

impl Problem {
    pub(super) const MIXED_MONO: Self = Self::MixedSpeakers(Measure { figure: 1.0, limit: 2.0, unit: "channels" });

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

/// How good a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As the vendor asks for it.
    Good,
    /// Good enough, with warnings.
    Usable,
    /// There is none.
    Refused,
}

/// What is less than good in a sample that is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// Less than a minute of speech: the vendor recommends one to two.
    Short,
    /// The noise is heard; the vendor is asked to take it out.
    Noisy,
    /// Some peaks are cut off.
    Clipped,
}

/// Levels of the employee's channel in a stretch of audio.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Levels {
    /// RMS over the frames of speech, in dBFS.
    #[serde(serialize_with = "rounded")]
    pub speech_rms_dbfs: f64,
    /// RMS over all of it, pauses included, in dBFS.
    #[serde(serialize_with = "rounded")]
    pub rms_dbfs: f64,
    /// True peak (ITU-R BS.1770, oversampled four times), in dBTP.
    #[serde(serialize_with = "rounded")]
    pub true_peak_dbtp: f64,
}

/// How a sample came about; also when there is none. What could not be measured is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of the pipeline that made it.
    pub pipeline_version: u32,
    /// Whether there is a sample, and how good it is.
    pub verdict: Verdict,
    /// Why there is none.
    pub problem: Option<Problem>,
    /// What is less than good in it.
    pub warnings: Vec<Warning>,
    /// Seconds of the employee's speech that were taken, without the pauses.
    #[serde(serialize_with = "rounded")]
    pub speech_seconds: f64,
    /// Seconds of the sample.
    #[serde(serialize_with = "rounded")]
    pub sample_seconds: f64,
    /// Samples a second, in Hz.
    pub sampling_rate_hz: Option<u32>,
    /// The channel that was taken of the newest recording, 1 or 2; null of a recording of one party.
    pub channel: Option<Channel>,
    /// Power of the speech over that of the noise, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub snr_db: Option<f64>,
    /// Level of the noise in the pauses, before any gain, in dBFS.
    #[serde(serialize_with = "rounded_if_any")]
    pub noise_floor_dbfs: Option<f64>,
    /// Share of the speech that is cut off at its peaks, in percent.
    #[serde(serialize_with = "rounded_if_any")]
    pub clipped_percent: Option<f64>,
    /// Whether the vendor is asked to remove the noise: only where there is some.
    pub remove_background_noise: bool,
    /// What was taken, as it was in the recordings.
    pub before: Option<Levels>,
    /// The sample.
    pub after: Option<Levels>,
    /// The recordings that were looked at, newest first.
    pub recordings: Vec<CallReport>,
}

/// What was found in one recording.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallReport {
    /// Why it was passed over.
    pub problem: Option<Problem>,
    /// What its header says.
    pub format: Option<Format>,
    /// The channel that was taken, 1 or 2; null of a recording of one party.
    pub channel: Option<Channel>,
    /// Its length.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// Seconds in which the employee speaks alone.
    #[serde(serialize_with = "rounded")]
    pub speech_seconds: f64,
    /// Seconds left out since the other party was heard.
    #[serde(serialize_with = "rounded")]
    pub other_party_seconds: f64,
    /// Seconds left out since something was heard that is not speech.
    #[serde(serialize_with = "rounded")]
    pub sound_seconds: f64,
    /// Seconds that are in the sample, pauses included.
    #[serde(serialize_with = "rounded")]
    pub taken_seconds: f64,
    /// Share of what is heard that both channels have alike, in percent.
    #[serde(serialize_with = "rounded")]
    pub alike_percent: f64,
    /// RMS over the frames of speech, in dBFS.
    #[serde(serialize_with = "rounded_if_any")]
    pub speech_rms_dbfs: Option<f64>,
    /// True peak, in dBTP.
    #[serde(serialize_with = "rounded_if_any")]
    pub true_peak_dbtp: Option<f64>,
    /// Level of the noise in the pauses, in dBFS.
    #[serde(serialize_with = "rounded_if_any")]
    pub noise_floor_dbfs: Option<f64>,
    /// Power of the speech over that of the noise, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub snr_db: Option<f64>,
    /// Share of the speech that is cut off at its peaks, in percent.
    #[serde(serialize_with = "rounded_if_any")]
    pub clipped_percent: Option<f64>,
    /// The gain of all that was taken of it, before the limiter, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub gain_db: Option<f64>,
}

/// Two decimals are more than any of the figures is worth.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn rounded<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(round(*value))
}

fn rounded_if_any<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(round).serialize(serializer)
}
