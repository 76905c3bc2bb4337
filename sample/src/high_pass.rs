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

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;
    use crate::decibel::decibels;
    use crate::sums::ac_power;

    /// The change of a tone's level by the filter after a second, in dB.
    fn gain(rate: u32, hertz: f64) -> f64 {
        let mut filter = HighPass::new(rate);
        let tone = |n: u32| (TAU * hertz * f64::from(n) / f64::from(rate)).sin() as f32;
        let (came, went): (Vec<f32>, Vec<f32>) =
            (0..3 * rate).map(|n| (tone(n), filter.pass(tone(n)))).skip(rate as usize).unzip();
        decibels(ac_power(&went)) - decibels(ac_power(&came))
    }

    #[test]
    fn at_20_hz_half_the_power_passes_below_it_a_tenth_of_the_tone_and_all_of_a_voice() {
        for rate in [8_000, 16_000] {
            let [below, at, voice] = [2.0, 20.0, 200.0].map(|hertz| gain(rate, hertz));
            assert!((below + 20.0).abs() < 0.2, "{below} dB at 2 Hz");
            assert!((at + 3.0).abs() < 0.2, "{at} dB at 20 Hz");
            assert!(voice.abs() < 0.1, "{voice} dB at 200 Hz");
        }
    }

    #[test]
    fn an_offset_makes_no_click_where_it_begins() {
        let mut filter = HighPass::new(8_000);
        filter.pass(0.9);
        filter.start_at(0.5);
        assert_eq!([0.5, 0.5, 0.75].map(|sample| filter.pass(sample)), [0.0, 0.0, 0.25]);
    }
}
