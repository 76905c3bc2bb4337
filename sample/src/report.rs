//! The report: the recordings that a sample was made of, and its quality.

use serde::Serialize;
use wav::{Channel, Format};

use crate::problem::Problem;
use crate::rounding::{rounded, rounded_if_any};

/// Changes whenever the same recordings would give another sample: a voice made by an older one may be made anew.
pub const PIPELINE_VERSION: u32 = 1;

/// The verdict on a sample.
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

/// A shortcoming of a sample that is good enough.
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

/// The report of how a sample came about, or why there is none. A figure that could not be measured is null.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the pipeline that made it.
    pub pipeline_version: u32,
    /// Whether there is a sample, and how good it is.
    pub verdict: Verdict,
    /// Why there is none.
    pub problem: Option<Problem>,
    /// Its shortcomings.
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
    /// Levels of the stretches that were taken, as they were in the recordings.
    pub before: Option<Levels>,
    /// The sample.
    pub after: Option<Levels>,
    /// The recordings that were looked at, newest first.
    pub recordings: Vec<CallReport>,
}

/// The findings in one recording.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CallReport {
    /// Why it was passed over.
    pub problem: Option<Problem>,
    /// The format, as the header says it.
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
