//! The report: the recordings that a sample was made of, and its quality.

use serde::Serialize;
use wav::{Channel, Format};

use crate::problem::Problem;
use crate::rounding::{rounded, rounded_if_any};

/// The version of the pipeline. It changes whenever the same recordings would give another sample; then a voice of an
/// older version may be made again.
pub const PIPELINE_VERSION: u32 = 1;

/// The verdict on a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The sample is as the vendor recommends.
    Good,
    /// The sample is good enough, with warnings.
    Usable,
    /// There is no sample.
    Refused,
}

/// A shortcoming of a sample that is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Warning {
    /// There is less than a minute of speech; the vendor recommends one to two.
    Short,
    /// The noise is audible; the vendor is asked to remove it.
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

/// The report of how a sample was made, or why there is none. A figure that could not be measured is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the pipeline that made it.
    pub pipeline_version: u32,
    /// The verdict: if there is a sample, its quality.
    pub verdict: Verdict,
    /// The reason why there is no sample.
    pub problem: Option<Problem>,
    /// The sample's shortcomings.
    pub warnings: Vec<Warning>,
    /// Seconds of the employee's speech that were taken, without the pauses.
    #[serde(serialize_with = "rounded")]
    pub speech_seconds: f64,
    /// Seconds of the sample.
    #[serde(serialize_with = "rounded")]
    pub sample_seconds: f64,
    /// Samples a second, in Hz.
    pub sampling_rate_hz: Option<u32>,
    /// The channel that was taken of the newest recording, 1 or 2; null for a recording of one party.
    pub channel: Option<Channel>,
    /// Signal-to-noise ratio of the speech, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub snr_db: Option<f64>,
    /// Level of the noise in the pauses, before any gain, in dBFS.
    #[serde(serialize_with = "rounded_if_any")]
    pub noise_floor_dbfs: Option<f64>,
    /// Share of the speech's samples that are clipped, in percent.
    #[serde(serialize_with = "rounded_if_any")]
    pub clipped_percent: Option<f64>,
    /// True if the vendor is asked to remove the noise, which is so only if there is some.
    pub remove_background_noise: bool,
    /// Levels of the taken stretches in the recordings.
    pub before: Option<Levels>,
    /// Levels of the sample.
    pub after: Option<Levels>,
    /// The recordings that were looked at, newest first.
    pub recordings: Vec<CallReport>,
}

/// The findings in one recording.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallReport {
    /// The reason why it was passed over.
    pub problem: Option<Problem>,
    /// The format that the header states.
    pub format: Option<Format>,
    /// The channel that was taken, 1 or 2; null of a recording of one party.
    pub channel: Option<Channel>,
    /// Length of the recording, in seconds.
    #[serde(serialize_with = "rounded")]
    pub seconds: f64,
    /// Seconds in which the employee speaks alone.
    #[serde(serialize_with = "rounded")]
    pub speech_seconds: f64,
    /// Seconds that were left out because the other party was heard.
    #[serde(serialize_with = "rounded")]
    pub other_party_seconds: f64,
    /// Seconds that were left out because of a sound that is not speech.
    #[serde(serialize_with = "rounded")]
    pub sound_seconds: f64,
    /// Seconds that are in the sample, pauses included.
    #[serde(serialize_with = "rounded")]
    pub taken_seconds: f64,
    /// Share of the audible frames that are alike in both channels, in percent.
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
    /// Signal-to-noise ratio of the speech, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub snr_db: Option<f64>,
    /// Share of the speech's samples that are clipped, in percent.
    #[serde(serialize_with = "rounded_if_any")]
    pub clipped_percent: Option<f64>,
    /// The gain of the taken stretches before the limiter, in dB.
    #[serde(serialize_with = "rounded_if_any")]
    pub gain_db: Option<f64>,
}
