//! Measures the sample pipeline on made-up telephone calls, in which each frame of 16 ms has a label.
//!
//! ```text
//! corpus (voices, music) ─ plan (who says what, when, over what) ─ render ─→ frames with labels ─ wav ─→ bytes
//! conditions × bytes ─ sample ─→ its classes of frames ─ measure (score) ─→ the table
//! ```
//!
//! The same plan always gives the same bytes, on every machine. No call is kept in memory, so calls may last hours.

pub mod conditions;
pub mod corpus;
pub mod detectors;
pub mod filter;
pub mod g711;
pub mod hour;
pub mod measure;
pub mod noise;
pub mod plan;
pub mod render;
pub mod score;
pub mod tone;
pub mod wav;

/// Samples a second of every call.
pub const SAMPLE_RATE: usize = 8_000;

/// Samples of a frame of 16 ms, the unit of every label and of the pipeline.
pub const FRAME: usize = 128;

/// The number of frames in a number of seconds.
#[must_use]
pub fn frames(seconds: f64) -> usize {
    (seconds * SAMPLE_RATE as f64 / FRAME as f64).round() as usize
}

/// The length of a number of frames, in seconds.
#[must_use]
pub fn seconds(frames: usize) -> f64 {
    (frames * FRAME) as f64 / SAMPLE_RATE as f64
}

/// An amplitude in decibels; full scale, 1.0, is 0 dBFS.
#[must_use]
pub fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

/// The amplitude that a number of decibels stands for.
#[must_use]
pub fn amplitude(decibels: f32) -> f32 {
    10_f32.powf(decibels / 20.0)
}

/// Root of the mean square; 0 if there are no samples.
pub fn rms<'a>(samples: impl IntoIterator<Item = &'a f32>) -> f32 {
    let (energy, count) =
        samples.into_iter().fold((0.0, 0_usize), |(energy, count), &x| (energy + f64::from(x).powi(2), count + 1));
    (energy / count.max(1) as f64).sqrt() as f32
}
