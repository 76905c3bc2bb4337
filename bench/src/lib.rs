//! Measures the sample pipeline on telephone calls of which every 16 ms are known.
//!
//! ```text
//! corpus (voices, music) ─ plan (who says what, when, over what) ─ render ─→ frames with labels ─ wav ─→ bytes
//! conditions × bytes ─ sample ─→ its classes of frames ─ measure (score) ─→ the table
//! ```
//!
//! The same plan gives the same bytes everywhere and always. Nothing holds a call, so calls may last hours.

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

/// Frames in so many seconds.
#[must_use]
pub fn frames(seconds: f64) -> usize {
    (seconds * SAMPLE_RATE as f64 / FRAME as f64).round() as usize
}

/// Seconds of so many frames.
#[must_use]
pub fn seconds(frames: usize) -> f64 {
    (frames * FRAME) as f64 / SAMPLE_RATE as f64
}

/// An amplitude in decibels; full scale, 1.0, is 0 dBFS.
#[must_use]
pub fn decibels(amplitude: f32) -> f32 {
    20.0 * amplitude.log10()
}

/// The amplitude of so many decibels.
#[must_use]
pub fn amplitude(decibels: f32) -> f32 {
    10_f32.powf(decibels / 20.0)
}

/// Root of the mean square; 0 of nothing.
pub fn rms<'a>(samples: impl IntoIterator<Item = &'a f32>) -> f32 {
    let (energy, count) =
        samples.into_iter().fold((0.0, 0_usize), |(energy, count), &x| (energy + f64::from(x).powi(2), count + 1));
    (energy / count.max(1) as f64).sqrt() as f32
}
