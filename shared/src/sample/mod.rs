//! Call audio → the voice sample of one employee.
//!
//! ```text
//! bytes of a WAV ─ wav ─→ samples ─ whose ─→ the employee's channel ─ activity ─→ frames ─ utterances ─→ a Take
//! Takes of one or more calls ─ assembly ─ mix (loudness) ─→ a Sample: the audio and its report
//! ```
//!
//! Everything up to a [`Take`] is done as the bytes arrive, in memory that does not grow with the call. The rest works
//! on at most [`LONGEST`] seconds of speech. Nothing here knows of a vendor, a file or a clock.
//!
//! What the vendor asks of a sample: one speaker, one to two minutes, −23 to −18 dBFS RMS, true peak at most −3 dBFS.
//! Source: <https://elevenlabs.io/docs/product-guides/voices/voice-cloning/instant-voice-cloning>

mod activity;
mod assembly;
mod call;
mod floor;
mod g711;
mod loudness;
mod measure;
mod mix;
mod report;
mod resample;
mod speech;
mod sums;
#[cfg(test)]
mod tests;
mod utterances;
mod wav;
mod whose;

pub use activity::{Class, Frame};
pub use assembly::{Assembly, Sample};
pub use call::{Call, Counts, Take};
pub use mix::Piece;
pub use report::{CallReport, Levels, Measure, Problem, Report, Verdict, Warning};
pub use utterances::Utterance;
pub use wav::{Encoding, Format, WavReader};
pub use whose::{Channel, Origin};

/// Changes whenever the same recordings would give another sample: a voice made by an older one may be made anew.
pub const PIPELINE_VERSION: u32 = 1;

/// Length of the longest sample, in seconds.
pub const LONGEST: f64 = 120.0;
/// With less speech than this, in seconds, the next older recording is looked at as well.
pub const ENOUGH: f64 = 60.0;
/// The highest rate that is kept, in Hz: no telephone codec carries more.
const HIGHEST_RATE: u32 = 16_000;

/// The bytes are not those of a WAV that holds a call; the text says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAudio(pub &'static str);

/// 0 dBFS is the power of a square wave at full scale, so a sine at full scale has −3 dBFS RMS (as `astats` counts).
fn decibels(power: f64) -> f64 {
    10.0 * power.max(1e-12).log10()
}

fn power(decibels: f64) -> f64 {
    10_f64.powf(decibels / 10.0)
}
