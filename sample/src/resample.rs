//! Changing the sampling rate: a polyphase low-pass filter (windowed sinc), linear in phase and without delay.

use std::f64::consts::PI;

use crate::sums::{LANES, dot};

/// Zero crossings of the sinc on either side. With the window below, the response is flat up to 0.8 of the lower
/// Nyquist frequency, and at least 70 dB down from 1.2 times it.
const CROSSINGS: usize = 12;
/// Shape of the Kaiser window.
const BETA: f64 = 7.0;

/// Turns one sampling rate into another, as the samples arrive.
pub struct Resampler {
    /// Output samples for each `down` input samples.
    up: usize,
    down: usize,
    /// The taps of the `up` phases, one phase after the other, each in the order of the input.
    phases: Vec<f32>,
    taps: usize,
    /// The input that later output still needs.
    input: Vec<f32>,
    /// The place of the next output: its phase, and the index in `input` at which its taps begin.
    phase: usize,
    at: usize,
}

impl Resampler {
    /// A resampler between two rates in Hz, neither of them 0.
    pub fn new(from: u32, to: u32) -> Self {
        let shared = gcd(from, to);
        let (up, down) = ((to / shared) as usize, (from / shared) as usize);
        // The ratio of the cut-off to the input's Nyquist frequency. Below 1, the filter reaches further than the
        // crossings.
        let narrowing = (up as f64 / down as f64).min(1.0);
        let reach = (CROSSINGS as f64 / narrowing).ceil() as usize;
        // The number of taps is a multiple of the lanes, for speed.
        let taps = (2 * reach).next_multiple_of(LANES);
        let phases = (0..up)
            .flat_map(|phase| {
                let centre = (taps / 2 - 1) as f64 + phase as f64 / up as f64;
                let values: Vec<f64> =
                    (0..taps).map(|tap| windowed_sinc(tap as f64 - centre, narrowing, reach as f64)).collect();
                // Each phase is scaled to the same gain for a constant; otherwise the phases would be heard as a tone.
                let sum: f64 = values.iter().sum();
                values.into_iter().map(move |value| (value / sum) as f32)
            })
            .collect();
        Self { up, down, phases, taps, input: vec![0.0; taps / 2 - 1], phase: 0, at: 0 }
    }

    /// Takes the next samples and appends the output that they allow.
    pub fn push(&mut self, samples: &[f32], output: &mut Vec<f32>) {
        self.input.extend_from_slice(samples);
        output.reserve(samples.len() * self.up / self.down + 1);
        // If the rate does not go down, an output at the place of an input sample is that sample.
        let falls_on_sample = |phase: usize| phase == 0 && self.up >= self.down;
        while let Some(input) = self.input.get(self.at..self.at + self.taps) {
            output.push(match self.phase {
                phase if falls_on_sample(phase) => input[self.taps / 2 - 1],
                phase => dot(&self.phases[phase * self.taps..][..self.taps], input),
            });
            self.phase += self.down;
            while self.phase >= self.up {
                self.phase -= self.up;
                self.at += 1;
            }
        }
        let used = self.at.min(self.input.len());
        self.input.drain(..used);
        self.at -= used;
    }

    /// Appends the last samples, as if silence followed.
    pub fn finish(&mut self, output: &mut Vec<f32>) {
        self.push(&vec![0.0; self.taps / 2], output);
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The windowed sinc at a distance from its centre, in input samples.
fn windowed_sinc(at: f64, narrowing: f64, reach: f64) -> f64 {
    let x = PI * at * narrowing;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let inside = 1.0 - (at / reach).powi(2);
    if inside <= 0.0 { 0.0 } else { sinc * bessel_i0(BETA * inside.sqrt()) / bessel_i0(BETA) }
}

/// The modified Bessel function of order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decibel::decibels;
    use crate::sums::ac_power;

    fn resampled(from: u32, to: u32, samples: &[f32], chunk: usize) -> Vec<f32> {
        let (mut resampler, mut output) = (Resampler::new(from, to), Vec::new());
        for samples in samples.chunks(chunk) {
            resampler.push(samples, &mut output);
        }
        resampler.finish(&mut output);
        output
    }

    fn sine(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
        let samples = (seconds * f64::from(rate)) as usize;
        (0..samples).map(|n| (2.0 * PI * hertz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    #[test]
    fn a_tone_stays_the_tone_it_was_and_where_it_was() {
        for (from, to) in [(8_000, 16_000), (11_025, 16_000), (44_100, 16_000), (48_000, 16_000), (8_000, 32_000)] {
            let (output, expected) = (resampled(from, to, &sine(from, 1_000.0, 0.5), 777), sine(to, 1_000.0, 0.5));
            assert!(output.len().abs_diff(expected.len()) <= 1, "{from}: {} samples", output.len());
            let inner = 500..expected.len() - 500;
            let worst = inner.map(|n| (output[n] - expected[n]).abs()).fold(0.0, f32::max);
            assert!(worst < 0.002, "{from} to {to}: {worst}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_gone() {
        let output = resampled(48_000, 16_000, &sine(48_000, 11_000.0, 0.5), 4_096);
        assert!(output[500..7_000].iter().all(|sample| sample.abs() < 0.001));
    }

    #[test]
    fn the_size_of_the_pieces_changes_nothing() {
        let samples = sine(8_000, 440.0, 0.1);
        assert_eq!(resampled(8_000, 16_000, &samples, 1), resampled(8_000, 16_000, &samples, 800));
    }

    #[test]
    fn what_is_at_most_0_8_of_the_lower_nyquist_frequency_stays_and_from_1_2_times_it_70_db_are_gone() {
        let gain = |from: u32, to: u32, hertz: f64| {
            let output = resampled(from, to, &sine(from, hertz, 0.5), 4_096);
            decibels(ac_power(&output[500..output.len() - 500])) + 3.01
        };
        for (from, to, nyquist) in [(48_000, 16_000, 8_000.0), (11_025, 8_000, 4_000.0)] {
            assert!(gain(from, to, 0.8 * nyquist).abs() < 0.05, "{}", gain(from, to, 0.8 * nyquist));
            assert!(gain(from, to, 1.2 * nyquist) < -70.0, "{}", gain(from, to, 1.2 * nyquist));
        }
    }

    #[test]
    fn a_sample_that_has_its_place_in_the_higher_rate_stays_as_it_is_to_the_last_bit() {
        let samples: Vec<f32> = sine(8_000, 1_234.5, 0.1).iter().map(|sample| 0.37 * sample).collect();
        let output = resampled(8_000, 16_000, &samples, 333);
        assert!(output.into_iter().step_by(2).eq(samples));
    }

    #[test]
    fn the_ratio_is_in_lowest_terms_so_that_the_filter_is_small() {
        let ratio = |from, to| {
            let Resampler { up, down, taps, phases, .. } = Resampler::new(from, to);
            (up, down, phases.len() / taps)
        };
        assert_eq!((ratio(48_000, 16_000), ratio(11_025, 16_000)), ((1, 3, 1), (640, 441, 640)));
    }

    #[test]
    fn the_bessel_function_is_that_of_the_tables() {
        for (x, value) in [(0.0, 1.0), (1.0, 1.266_065_878), (BETA, 168.593_908_5)] {
            assert!((bessel_i0(x) / value - 1.0).abs() < 1e-9, "{} at {x}", bessel_i0(x));
        }
    }

    #[test]
    fn a_constant_stays_constant() {
        let output = resampled(11_025, 16_000, &vec![0.5; 2_000], 100);
        assert!(output[100..2_700].iter().all(|sample| (sample - 0.5).abs() < 1e-6));
    }
}
