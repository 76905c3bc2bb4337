//! The telephone channel's band.

use std::f64::consts::PI;

use crate::SAMPLE_RATE;

/// The band from 300 to 3400 Hz: a Butterworth high-pass and low-pass, each of fourth order.
#[derive(Debug, Clone)]
pub struct TelephoneBand([Biquad; 4]);

impl TelephoneBand {
    /// A band whose input was silence so far.
    #[must_use]
    pub fn new() -> Self {
        // The quality factors of the two pole pairs of a fourth-order Butterworth filter.
        let [wide, narrow] = [PI / 8.0, 3.0 * PI / 8.0].map(|angle| 1.0 / (2.0 * angle.cos()));
        Self([
            Biquad::high_pass(300.0, wide),
            Biquad::high_pass(300.0, narrow),
            Biquad::low_pass(3400.0, wide),
            Biquad::low_pass(3400.0, narrow),
        ])
    }

    /// The next sample.
    pub fn process(&mut self, sample: f32) -> f32 {
        self.0.iter_mut().fold(sample, |sample, section| section.process(sample))
    }
}

impl Default for TelephoneBand {
    fn default() -> Self {
        Self::new()
    }
}

/// A second-order filter section, by <https://www.w3.org/TR/audio-eq-cookbook/>.
#[derive(Debug, Clone)]
pub struct Biquad {
    feed_forward: [f32; 3],
    feedback: [f32; 2],
    state: [f32; 2],
}

impl Biquad {
    /// A low-pass with its corner at `hertz`.
    #[must_use]
    pub fn low_pass(hertz: f64, quality: f64) -> Self {
        Self::new(hertz, quality, |cos| [(1.0 - cos) / 2.0, 1.0 - cos, (1.0 - cos) / 2.0])
    }

    /// A high-pass with its corner at `hertz`.
    #[must_use]
    pub fn high_pass(hertz: f64, quality: f64) -> Self {
        Self::new(hertz, quality, |cos| [f64::midpoint(1.0, cos), -(1.0 + cos), f64::midpoint(1.0, cos)])
    }

    fn new(hertz: f64, quality: f64, feed_forward: impl Fn(f64) -> [f64; 3]) -> Self {
        let (sin, cos) = (2.0 * PI * hertz / SAMPLE_RATE as f64).sin_cos();
        let alpha = sin / (2.0 * quality);
        Self {
            feed_forward: feed_forward(cos).map(|b| (b / (1.0 + alpha)) as f32),
            feedback: [-2.0 * cos, 1.0 - alpha].map(|a| (a / (1.0 + alpha)) as f32),
            state: [0.0; 2],
        }
    }

    /// The next sample.
    pub fn process(&mut self, sample: f32) -> f32 {
        let [b0, b1, b2] = self.feed_forward;
        let [a1, a2] = self.feedback;
        let out = b0 * sample + self.state[0];
        self.state = [b1 * sample - a1 * out + self.state[1], b2 * sample - a2 * out].map(at_rest);
        out
    }
}

/// Sets a state to zero that is far below any sample, because in silence it would reach subnormal numbers, which are
/// slow.
fn at_rest(state: f32) -> f32 {
    if state.abs() < 1e-15 { 0.0 } else { state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decibels, rms};

    fn gain_at(hertz: f64) -> f32 {
        let mut band = TelephoneBand::new();
        let tone: Vec<f32> =
            (0..SAMPLE_RATE).map(|i| (2.0 * PI * hertz * i as f64 / SAMPLE_RATE as f64).sin() as f32).collect();
        let out: Vec<f32> = tone.iter().map(|&sample| band.process(sample)).collect();
        decibels(rms(&out[SAMPLE_RATE / 2..]) / rms(&tone[SAMPLE_RATE / 2..]))
    }

    #[test]
    fn what_is_between_300_and_3400_hz_passes_and_nothing_else() {
        for hertz in [500.0, 1000.0, 2000.0, 3000.0] {
            assert!(gain_at(hertz).abs() < 0.5, "{hertz} Hz: {} dB", gain_at(hertz));
        }
        for corner in [300.0, 3400.0] {
            assert!((gain_at(corner) + 3.0).abs() < 0.1, "{corner} Hz: {} dB", gain_at(corner));
        }
        for hertz in [50.0, 120.0, 3900.0] {
            assert!(gain_at(hertz) < -25.0, "{hertz} Hz: {} dB", gain_at(hertz));
        }
    }
}
