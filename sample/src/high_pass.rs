//! A high-pass filter, which removes a constant offset and everything below the lowest frequency of a voice.

/// Lowest frequency that passes, in Hz: no voice is lower.
const LOWEST: f64 = 20.0;

/// A filter of one pole.
pub struct HighPass {
    pole: f32,
    last_in: f32,
    last_out: f32,
}

impl HighPass {
    /// A filter for audio of `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let pole = (-2.0 * std::f64::consts::PI * LOWEST / f64::from(rate.max(1))).exp() as f32;
        Self { pole, last_in: 0.0, last_out: 0.0 }
    }

    /// Begins as if this sample had lasted for ever, so that an offset makes no click.
    pub fn start_at(&mut self, sample: f32) {
        (self.last_in, self.last_out) = (sample, 0.0);
    }

    /// The next sample, filtered.
    pub fn pass(&mut self, sample: f32) -> f32 {
        self.last_out = sample - self.last_in + self.pole * self.last_out;
        self.last_in = sample;
        self.last_out
    }
}
